//! Who the server takes the caller for.

use octopus_argo_proto::argocd::session::session_service_server::SessionService;
use octopus_argo_proto::argocd::session::{GetUserInfoRequest, GetUserInfoResponse};
use tonic::{Request, Response, Status, async_trait};

use super::{Api, caller};
use crate::argocd::accounts::Caller;

#[async_trait]
impl SessionService for Api {
    /// Never fails: a bad token is a caller who is not logged in.
    ///
    /// Rule: Argo CD `server/session/session.go`.
    async fn get_user_info(
        &self,
        request: Request<GetUserInfoRequest>,
    ) -> Result<Response<GetUserInfoResponse>, Status> {
        let info = match caller(&request) {
            Caller::Account { subject, .. } => GetUserInfoResponse {
                logged_in: true,
                username: subject,
                iss: "argocd".to_owned(),
                groups: Vec::new(),
            },
            Caller::Everyone | Caller::Anonymous => GetUserInfoResponse::default(),
        };
        Ok(Response::new(info))
    }
}
