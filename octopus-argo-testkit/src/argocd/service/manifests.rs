//! Rendered manifests.

use octopus_argo_proto::argocd::application::ApplicationManifestQuery;
use octopus_argo_proto::argocd::repository::ManifestResponse;
use octopus_argo_proto::argocd::v1alpha1::Application;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::gate::Target;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;

/// The targets of the application's resources. Nothing is rendered: what was set is what comes.
///
/// Rule: Argo CD `server/application/application.go` (`GetManifests`).
pub(super) fn get_manifests(
    api: &Api,
    caller: &Caller,
    query: &ApplicationManifestQuery,
) -> Result<Messages, Status> {
    let target = Target {
        name: &query.name,
        namespace: query.app_namespace.as_deref(),
        project: query.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    let application = record.application();
    if api.version() >= ArgoCdVersion::V2_14 {
        check_positions(&application, &query.source_positions, &query.revisions)?;
    }
    let revision = query.revision.as_deref().filter(|revision| !revision.is_empty());
    if let Some(unknown) = revision.filter(|revision| !api.faults.knows_revision(revision)) {
        return Err(Status::unknown(format!(
            "unable to resolve '{unknown}' to a commit SHA"
        )));
    }
    let manifests = api.fleet.targets(record.name());
    let response = if api.version() < ArgoCdVersion::V2_14 {
        let spec = application.spec.unwrap_or_default();
        let destination = spec.destination.unwrap_or_default();
        let status = application.status.unwrap_or_default();
        ManifestResponse {
            manifests,
            namespace: destination.namespace().to_owned(),
            server: destination.server().to_owned(),
            revision: revision
                .map(str::to_owned)
                .or_else(|| status.sync.as_ref().and_then(|sync| sync.revision.clone()))
                .unwrap_or_default(),
            source_type: status.source_type().to_owned(),
            ..ManifestResponse::default()
        }
    } else {
        ManifestResponse {
            manifests,
            ..ManifestResponse::default()
        }
    };
    api.reply(&response)
}

/// Positions count from 1 and have a revision each. Too few revisions are a panic in Argo CD.
pub(super) fn check_positions(
    application: &Application,
    positions: &[i64],
    revisions: &[String],
) -> Result<(), Status> {
    let sources = application.spec.as_ref().map_or(0, |spec| spec.sources.len());
    for (index, position) in positions.iter().enumerate() {
        let source = usize::try_from(*position).ok();
        if !source.is_some_and(|source| (1..=sources).contains(&source)) {
            return Err(Status::unknown("source position is out of range"));
        }
        if revisions.get(index).is_none() {
            return Err(Status::internal(format!(
                "runtime error: index out of range [{index}] with length {}",
                revisions.len()
            )));
        }
    }
    Ok(())
}
