//! Live changes of applications.

use futures_util::{Stream, StreamExt as _, stream};
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::v1alpha1::ApplicationWatchEvent;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Api;
use super::gate::Filter;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::{Event, EventKind};

/// Starts a Watch: what there is as `ADDED`, without a mark at the end, then changes. Without a name, a resource version
/// suppresses the former; it is a floor and never a place to resume from.
///
/// Rule: Argo CD `server/application/application.go` (`Watch`).
pub(super) fn watch(
    api: Api,
    caller: Caller,
    query: ApplicationQuery,
) -> Result<impl Stream<Item = Result<ApplicationWatchEvent, Status>> + Send + use<>, Status> {
    let version = query.resource_version.clone().unwrap_or_default();
    let floor: u64 = version.parse().unwrap_or(0);
    let mut filter = Filter::new(query).map_err(|error| Status::unknown(error.to_string()))?;
    // These two are List's alone; a namespace counts only beside a name.
    filter.repository = None;
    if filter.name.is_none() {
        filter.namespace = None;
    }
    let subscription = api.fleet.subscribe();
    let initial = if version.is_empty() || filter.name.is_some() {
        subscription.snapshot
    } else {
        Vec::new()
    };
    let initial = initial.into_iter().map(|record| Event {
        kind: EventKind::Added,
        record,
    });
    let events = stream::iter(initial).chain(ReceiverStream::new(subscription.events));
    Ok(events.filter_map(move |event| {
        let seen = event.record.version >= floor
            && filter.matches(&event.record)
            && api.may(&caller, "get", &event.record);
        let message = seen.then(|| {
            api.fitting(ApplicationWatchEvent {
                r#type: Some(event.kind.as_str().to_owned()),
                application: Some(event.record.wire.as_ref().clone()),
            })
        });
        std::future::ready(message)
    }))
}
