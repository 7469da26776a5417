//! Answers, and the documented error in place of one.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use octopus_argo_proto::registration::ErrorBody;
use serde::Serialize;

use super::Denied;
use crate::StoreError;

/// Why a call is refused: the status, and what to say.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: Box<ErrorBody>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            body: Box::new(ErrorBody::new(message, [])),
        }
    }

    /// Everything that is wrong with a request, at once.
    pub(super) fn invalid(errors: Vec<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            body: Box::new(ErrorBody::new("There was a problem with your request.", errors)),
        }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "You must provide an API key in the header X-Octopus-ApiKey, or an access token as Authorization: Bearer.",
        )
    }

    /// The server's own trouble: logged, and not told.
    pub(super) fn internal(status: StatusCode, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a registration call failed");
        Self::new(status, "The server cannot do this now. Try again later.")
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown => Self::new(
                StatusCode::UNAUTHORIZED,
                "The API key or access token you provided was not valid.",
            ),
            Denied::Expired => Self::new(
                StatusCode::UNAUTHORIZED,
                "The API key or access token you provided has expired. Make a new one and try again.",
            ),
            Denied::Forbidden => Self::new(
                StatusCode::FORBIDDEN,
                "You do not have permission to do this in this space.",
            ),
            Denied::Unavailable(ref source) => {
                Self::internal(StatusCode::SERVICE_UNAVAILABLE, source.as_ref())
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownSpace { space } => Self::new(
                StatusCode::NOT_FOUND,
                &format!("The space '{space}' was not found."),
            ),
            StoreError::UnknownInstance { instance, .. } => Self::new(
                StatusCode::NOT_FOUND,
                &format!("The resource '{instance}' was not found."),
            ),
            StoreError::DuplicateName { .. } => Self::invalid(vec![ErrorBody::NAME_TAKEN.to_owned()]),
            StoreError::DuplicateGateway { .. } => Self::invalid(vec![
                "The gateway with this ClientId is registered in this space already. Delete that registration first."
                    .to_owned(),
            ]),
            error => Self::internal(StatusCode::SERVICE_UNAVAILABLE, &error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        tracing::debug!(http.status = self.status.as_u16(), reason = %self.body, "registration call refused");
        let mut response = json(self.status, &self.body);
        if self.status == StatusCode::UNAUTHORIZED {
            let headers = response.headers_mut();
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A body as JSON. It may hold a token, so nobody on the way is to keep it.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a method that a path does not have.
pub(super) fn wrong_method(allowed: &'static str) -> Response {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not support the method of the request.",
    );
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
