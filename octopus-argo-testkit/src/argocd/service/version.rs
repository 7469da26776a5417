//! The version of the server, and whether it serves.

use octopus_argo_proto::argocd::version::VersionMessage;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use crate::argocd::accounts::Caller;

/// Answers anyone; who has no valid token learns the version alone.
///
/// Rule: Argo CD `server/version/version.go`.
pub(super) fn version(api: &Api, caller: &Caller) -> Result<Messages, Status> {
    let version = api.version().as_str().to_owned();
    api.reply(&match caller {
        Caller::Anonymous => VersionMessage {
            version,
            ..VersionMessage::default()
        },
        Caller::Account { .. } | Caller::Everyone => VersionMessage {
            build_date: "2026-01-01T00:00:00Z".to_owned(),
            git_commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            git_tag: version.clone(),
            git_tree_state: "clean".to_owned(),
            compiler: "gc".to_owned(),
            platform: "linux/amd64".to_owned(),
            version,
            ..VersionMessage::default()
        },
    })
}

/// Rule: `grpc.health.v1`, `HealthCheckResponse`: 1 is `SERVING`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Rule: Argo CD `server/server.go` (`newGRPCServer`) registers the service of grpc-go as it is.
pub(super) fn health(api: &Api) -> Result<Messages, Status> {
    api.reply(&Health { status: 1 })
}
