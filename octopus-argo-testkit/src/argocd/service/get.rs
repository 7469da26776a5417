//! One application.

use octopus_argo_proto::argocd::application::ApplicationQuery;
use tonic::Status;

use super::Api;
use super::exchange::{Messages, one};
use super::gate::{Target, projects};
use crate::argocd::accounts::Caller;

/// One application. A `refresh` that is present, whatever its value, asks the controller for one and waits until it is
/// done.
///
/// Rule: Argo CD `server/application/application.go` (`Get`).
pub(super) async fn get(api: &Api, caller: &Caller, query: ApplicationQuery) -> Result<Messages, Status> {
    let projects = projects(&query);
    if projects.len() > 1 {
        return Err(Status::invalid_argument(
            "multiple projects specified - the get endpoint accepts either zero or one project",
        ));
    }
    let target = Target {
        name: query.name(),
        namespace: query.app_namespace.as_deref(),
        project: projects.first().copied(),
    };
    let mut record = api.get_application(caller, target, "get")?;
    if let Some(kind) = &query.refresh {
        api.fleet.ask_for_refresh(record.name(), kind);
        api.fleet.refreshed(record.name()).await;
        // An application that is deleted meanwhile is answered as it was.
        record = api.fleet.record(record.name()).unwrap_or(record);
    }
    let filled = api.fleet.filled(&record);
    api.fits(filled.len())?;
    Ok(one(filled.to_bytes()))
}
