//! Finding out what a code means, where the code alone does not tell.

use octopus_argo_core::Application;
use tonic::Code;

use super::applications::Fetched;
use super::{Api, ApiError, Call, Channel, Denied, Reason, Refusal, Right, SyncRequest, Target};

impl<S: Channel> Api<S> {
    /// The answer, or an error whose reason is as exact as Argo CD lets one find out. It asks a few times more at most.
    pub(super) async fn explained<A>(
        &self,
        answer: Result<A, ApiError>,
        target: &Target,
    ) -> Result<A, ApiError> {
        let Err(error) = answer else { return answer };
        // Boxed, because it is large and rare, and every call would have room for it.
        Err(Box::pin(self.explain(error, target)).await)
    }

    pub(super) async fn explain(&self, error: ApiError, target: &Target) -> ApiError {
        let reason = match error.code() {
            Code::PermissionDenied if *error.reason() != Reason::Denied(Denied::Gateway) => {
                Reason::Denied(self.denied(error.call(), target).await)
            }
            Code::Unauthenticated if of_cluster(error.call()) && self.token_is_good().await => {
                Reason::Denied(Denied::Cluster)
            }
            _ => return error,
        };
        error.with_reason(reason)
    }

    /// Rule: Argo CD `server/application/application.go` (`getAppEnforceRBAC`, `Sync`, `PodLogs`).
    async fn denied(&self, call: Call, target: &Target) -> Denied {
        let Some(object) = target.object(&self.control_plane) else {
            return Denied::AbsentOrForbidden;
        };
        let get = Right::new("applications", "get", &object);
        let second = match call {
            Call::Sync | Call::TerminateOperation => Right::new("applications", "sync", &object),
            Call::PodLogs => Right::new("logs", "get", &object),
            _ if of_cluster(call) => get.clone(),
            _ => return Denied::Forbidden,
        };
        if call == Call::Sync
            && self
                .sync_windows(target)
                .await
                .is_ok_and(|windows| !windows.can_sync)
        {
            return Denied::SyncWindow;
        }
        match self.can_i(&second).await {
            Ok(true) if of_cluster(call) => Denied::Cluster,
            Ok(false) => Denied::MissingRight(second),
            // Whoever may not even ask is told what the code alone tells.
            Ok(true) | Err(_) => Denied::Forbidden,
        }
    }

    /// Whether Argo CD takes the caller for somebody. In doubt it does not.
    async fn token_is_good(&self) -> bool {
        self.user().await.is_ok_and(|user| user.logged_in)
    }

    /// Why a sync was refused with code 9, from the facts in the order in which Argo CD looks at them.
    ///
    /// Rule: Argo CD `server/application/application.go` (`Sync`).
    pub(super) async fn refused(&self, error: ApiError, request: &SyncRequest) -> ApiError {
        if error.code() != Code::FailedPrecondition {
            let error = self.explain(error, request.target()).await;
            return match self.missing_override(&error, request).await {
                Some(right) => error.with_reason(Reason::Denied(Denied::MissingRight(right))),
                None => error,
            };
        }
        let refusal = match self.get(request.target()).await {
            Ok(fetched) => refusal(&fetched, request),
            Err(_) => Refusal::Other,
        };
        error.with_reason(Reason::Refused(refusal))
    }

    /// The right that some requests need besides `sync`, where it is what is missing: for manifests always, for another
    /// revision by a setting of the server.
    ///
    /// Rule: Argo CD `server/application/application.go` (`Sync`, `resolveSourceRevisions`).
    async fn missing_override(&self, error: &ApiError, request: &SyncRequest) -> Option<Right> {
        let unexplained = *error.reason() == Reason::Denied(Denied::Forbidden);
        let overrides = request.brings_manifests() || request.wanted_revisions().next().is_some();
        if !unexplained || !overrides {
            return None;
        }
        let object = request.target().object(&self.control_plane)?;
        let right = Right::new("applications", "override", &object);
        let missing = self.can_i(&right).await.is_ok_and(|granted| !granted);
        missing.then_some(right)
    }
}

fn refusal(fetched: &Fetched, request: &SyncRequest) -> Refusal {
    let automated = fetched.detail.automated.is_some() && !request.is_dry_run();
    if fetched.application.deleting {
        Refusal::Deleting
    } else if automated && request.brings_manifests() {
        Refusal::AutomatedManifests
    } else if automated && request.wants_other_revision(&fetched.application) {
        Refusal::AutomatedRevision
    } else if fetched.detail.is_operating() {
        Refusal::InProgress
    } else if request.wants_replace() {
        Refusal::Replace
    } else if request.wants_other_revision(&fetched.application) {
        Refusal::Revision
    } else {
        Refusal::Other
    }
}

impl SyncRequest {
    fn wants_other_revision(&self, application: &Application) -> bool {
        self.wanted_revisions().any(|(index, wanted)| {
            let source = application.sources.get(index);
            let target = source
                .and_then(|source| source.target_revision.as_deref())
                .unwrap_or("HEAD");
            wanted != target
        })
    }
}

/// Calls that reach on to the destination cluster, whose own refusals come with the same codes.
///
/// Rule: Argo CD `util/grpc/errors.go` (`kubeErrToGRPC`).
const fn of_cluster(call: Call) -> bool {
    matches!(call, Call::GetResource | Call::ListResourceEvents | Call::PodLogs)
}
