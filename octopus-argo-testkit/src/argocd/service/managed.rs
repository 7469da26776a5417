//! Target and live states.

use octopus_argo_proto::argocd::application::{ManagedResourcesResponse, ResourcesQuery};
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::tree::{cached, target};
use crate::argocd::accounts::Caller;

/// The states of resources that match, hooks left out. Cached as the tree is.
///
/// Rule: Argo CD `server/application/application.go` (`ManagedResources`).
pub(super) async fn managed_resources(
    api: &Api,
    caller: &Caller,
    query: ResourcesQuery,
) -> Result<Messages, Status> {
    let record = api.get_application(caller, target(&query), "get")?;
    cached(api, &record).await?;
    let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let items = api.fleet.managed_resources(record.name()).into_iter();
    let items = items
        .filter(|(id, _)| {
            fits(query.group(), &id.group)
                && fits(query.kind(), &id.kind)
                && fits(query.namespace(), &id.namespace)
                && fits(query.name(), &id.name)
        })
        .map(|(_, diff)| diff)
        .collect();
    api.reply(&ManagedResourcesResponse { items })
}
