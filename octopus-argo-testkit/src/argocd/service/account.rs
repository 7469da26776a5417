//! What the caller may do.

use octopus_argo_proto::argocd::account::{CanIRequest, CanIResponse};
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;

/// Whether a policy allows it.
///
/// Rule: Argo CD `server/account/account.go` (`CanI`), `util/rbac/rbac.go` (`Actions`, `Resources`).
pub(super) fn can_i(api: &Api, caller: &Caller, request: &CanIRequest) -> Result<Messages, Status> {
    let known = |known: &[&str], what: &str, given: &str| {
        if known.contains(&given) {
            return Ok(());
        }
        Err(Status::invalid_argument(format!(
            "{what} does not exist: {given}"
        )))
    };
    known(RESOURCES, "resource", &request.resource)?;
    known(ACTIONS, "action", &request.action)?;
    let object = object(api, &request.resource, &request.subresource);
    let allowed = api
        .accounts
        .allows(caller, &request.resource, &request.action, &object);
    api.reply(&CanIResponse {
        value: if allowed { "yes" } else { "no" }.to_owned(),
    })
}

/// Since 3.5, an application that is named with the control plane's namespace is the one without.
fn object(api: &Api, resource: &str, object: &str) -> String {
    let parts: Vec<&str> = object.split('/').collect();
    match parts.as_slice() {
        [project, namespace, name]
            if api.version() >= ArgoCdVersion::V3_5
                && matches!(resource, "applications" | "logs")
                && *namespace == api.fleet.namespace() =>
        {
            format!("{project}/{name}")
        }
        _ => object.to_owned(),
    }
}

const ACTIONS: &[&str] = &[
    "get", "create", "update", "delete", "sync", "rollback", "override", "action", "invoke",
];

const RESOURCES: &[&str] = &[
    "clusters",
    "projects",
    "applications",
    "applicationsets",
    "repositories",
    "write-repositories",
    "certificates",
    "accounts",
    "gpgkeys",
    "logs",
    "exec",
    "extensions",
];
