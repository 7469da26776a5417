//! Logging in and out, and who the server takes the caller for.

use octopus_argo_proto::argocd::session::GetUserInfoResponse;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use crate::argocd::accounts::Caller;

/// Never fails: a bad token is a caller who is not logged in.
///
/// Rule: Argo CD `server/session/session.go`.
pub(super) fn user_info(api: &Api, caller: &Caller) -> Result<Messages, Status> {
    api.reply(&match caller {
        Caller::Account { subject, .. } => GetUserInfoResponse {
            logged_in: true,
            username: subject.clone(),
            iss: "argocd".to_owned(),
            groups: Vec::new(),
        },
        Caller::Everyone | Caller::Anonymous => GetUserInfoResponse::default(),
    })
}

/// What `argocd login` sends. A gateway has no use for it, so it is no part of the SDK's own messages.
///
/// Rule: Argo CD `server/session/session.proto` (`SessionCreateRequest`).
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CreateRequest {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(string, tag = "2")]
    password: String,
    #[prost(string, tag = "3")]
    token: String,
}

/// Rule: Argo CD `server/session/session.proto` (`SessionResponse`).
#[derive(Clone, PartialEq, prost::Message)]
struct SessionResponse {
    #[prost(string, tag = "1")]
    token: String,
}

/// Logs in with a password.
///
/// Rule: Argo CD `server/session/session.go` (`Create`).
pub(super) fn create(api: &Api, request: &CreateRequest) -> Result<Messages, Status> {
    if !request.token.is_empty() {
        return Err(Status::unauthenticated(
            "token-based session creation no longer supported. please upgrade argocd cli to v0.7+",
        ));
    }
    if request.username.is_empty() || request.password.is_empty() {
        return Err(Status::unauthenticated("no credentials supplied"));
    }
    let token = api.accounts.log_in(&request.username, &request.password)?;
    api.reply(&SessionResponse { token })
}

/// Logging out is the client's business: it forgets the token.
pub(super) fn delete(api: &Api) -> Result<Messages, Status> {
    api.reply(&SessionResponse::default())
}

/// The request of a login that came as JSON.
pub(super) fn create_request(values: &Value) -> Vec<u8> {
    let text = |key: &str| values[key].as_str().unwrap_or_default().to_owned();
    CreateRequest {
        username: text("username"),
        password: text("password"),
        token: text("token"),
    }
    .encode_to_vec()
}

/// The answer to a login or its end as JSON.
pub(super) fn answer(message: &[u8]) -> Value {
    // The simulator wrote it itself.
    let SessionResponse { token } = SessionResponse::decode(message).unwrap_or_default();
    if token.is_empty() {
        json!({})
    } else {
        json!({"token": token})
    }
}
