//! Trees of resources.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use octopus_argo_proto::argocd::application::ResourcesQuery;
use octopus_argo_proto::argocd::v1alpha1::ApplicationTree;
use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Api;
use super::exchange::{Messages, many};
use super::gate::Target;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::{Record, TreeError, TreeEvent};

/// The tree in the cache. Where there is none, a refresh is asked for and waited for.
///
/// Rule: Argo CD `server/application/application.go` (`ResourceTree`).
pub(super) async fn resource_tree(
    api: &Api,
    caller: &Caller,
    query: ResourcesQuery,
) -> Result<Messages, Status> {
    let record = api.get_application(caller, target(&query), "get")?;
    let tree = cached(api, &record).await?;
    api.reply(tree.as_ref())
}

/// Later trees; nothing at the start.
///
/// Rule: Argo CD `server/application/application.go` (`WatchResourceTree`), `util/cache/appstate/cache.go`.
pub(super) fn watch(api: &Api, caller: &Caller, query: &ResourcesQuery) -> Result<Messages, Status> {
    let record = api.get_application(caller, target(query), "get")?;
    let events = ReceiverStream::new(api.fleet.listen_to_tree(record.name()));
    // A fleet that has ended ends the stream the same way.
    let events = events.chain(stream::once(std::future::ready(TreeEvent::Gone)));
    let api = api.clone();
    Ok(many(Box::pin(events.map(move |event| match event {
        TreeEvent::Tree(tree) => {
            api.fits(tree.encoded_len())?;
            Ok(tree.encode_to_vec().into())
        }
        TreeEvent::Gone => Err(Status::unknown(
            "error getting cached app resource tree: cache: key is missing",
        )),
    }))))
}

/// Rule: Argo CD `server/application/application.go` (`getCachedAppState`).
pub(super) async fn cached(api: &Api, record: &Record) -> Result<Arc<ApplicationTree>, Status> {
    let fleet = &api.fleet;
    let look = || fleet.tree(record.name());
    let found = match look() {
        Err(TreeError::Missing) => {
            fleet.ask_for_refresh(record.name(), "normal");
            fleet.refreshed(record.name()).await;
            look()
        }
        found => found,
    };
    found.map_err(|error| match error {
        TreeError::Conditions(text) => Status::unknown(text),
        TreeError::Missing | TreeError::Gone => {
            Status::unknown("error getting cached app resource tree: cache: key is missing")
        }
    })
}

pub(super) fn target(query: &ResourcesQuery) -> Target<'_> {
    Target {
        name: &query.application_name,
        namespace: query.app_namespace.as_deref(),
        project: query.project.as_deref(),
    }
}
