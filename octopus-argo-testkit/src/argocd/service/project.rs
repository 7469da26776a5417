//! The calls about projects.

use octopus_argo_proto::argocd::project::ProjectQuery;
use octopus_argo_proto::argocd::v1alpha1::AppProjectList;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::list::list_meta;
use crate::argocd::accounts::Caller;

/// Permitted projects; takes no filter.
///
/// Rule: Argo CD `server/project/project.go` (`List`).
pub(super) fn list(api: &Api, caller: &Caller) -> Result<Messages, Status> {
    let projects = api.fleet.projects().into_iter();
    let items = projects
        .filter(|(name, _)| api.accounts.allows(caller, "projects", "get", name))
        .map(|(_, project)| project)
        .collect();
    let (_, version) = api.fleet.snapshot();
    api.reply(&AppProjectList {
        metadata: Some(list_meta(api, version)),
        items,
    })
}

/// Code 7 if not allowed, 5 if allowed and absent.
///
/// Rule: Argo CD `server/project/project.go` (`Get`).
pub(super) fn get(api: &Api, caller: &Caller, query: &ProjectQuery) -> Result<Messages, Status> {
    api.accounts.enforce(caller, "projects", "get", &query.name)?;
    match api.fleet.project(&query.name) {
        Some(project) => api.reply(&project),
        None => Err(Status::not_found(format!(
            "appprojects.argoproj.io \"{}\" not found",
            query.name
        ))),
    }
}
