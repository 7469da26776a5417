//! The version of the server.

use octopus_argo_proto::argocd::version::VersionMessage;
use octopus_argo_proto::argocd::version::version_service_server::VersionService;
use tonic::{Request, Response, Status, async_trait};

use super::{Api, caller};
use crate::argocd::accounts::Caller;

#[async_trait]
impl VersionService for Api {
    /// Answers anyone; who has no valid token learns the version alone.
    ///
    /// Rule: Argo CD `server/version/version.go`.
    async fn version(&self, request: Request<()>) -> Result<Response<VersionMessage>, Status> {
        let version = self.version.as_str();
        let message = match caller(&request) {
            Caller::Anonymous => VersionMessage {
                version: version.to_owned(),
                ..VersionMessage::default()
            },
            Caller::Account { .. } | Caller::Everyone => VersionMessage {
                version: version.to_owned(),
                build_date: "2026-01-01T00:00:00Z".to_owned(),
                git_commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
                git_tag: version.to_owned(),
                git_tree_state: "clean".to_owned(),
                compiler: "gc".to_owned(),
                platform: "linux/amd64".to_owned(),
                ..VersionMessage::default()
            },
        };
        Ok(Response::new(message))
    }
}
