//! Live changes of applications.

use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::Bytes;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use prost::encoding;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Api;
use super::exchange::{Messages, many};
use super::gate::Filter;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::{Event, EventKind};

/// Starts a Watch: what there is as `ADDED`, without a mark at the end, then changes. Without a name, a resource version
/// suppresses the former; it is a floor and never a place to resume from.
///
/// Rule: Argo CD `server/application/application.go` (`Watch`).
pub(super) fn watch(api: &Api, caller: &Caller, query: ApplicationQuery) -> Result<Messages, Status> {
    let version = query.resource_version.clone().unwrap_or_default();
    let floor: u64 = version.parse().unwrap_or(0);
    let mut filter = Filter::new(query).map_err(|error| Status::unknown(error.to_string()))?;
    // These two are List's alone; a namespace counts only beside a name.
    filter.repository = None;
    if filter.name.is_none() {
        filter.namespace = None;
    }
    let with_burst = version.is_empty() || filter.name.is_some();
    let (api, caller) = (api.clone(), caller.clone());
    let events = events(&api, with_burst);
    Ok(many(Box::pin(events.filter_map(move |event| {
        let seen = event.record.version() >= floor
            && filter.matches(&event.record)
            && api.may_see(&caller, &event.record);
        std::future::ready(seen.then(|| message(&api, &event)))
    }))))
}

/// What there is, and then what changes. With the window open, what changes before it closes is lost: Argo CD subscribes
/// after it has sent what there is.
fn events(api: &Api, with_burst: bool) -> impl Stream<Item = Event> + Send + use<> {
    let mut window = api.faults.watch_window();
    let (snapshot, subscribed) = if *window.borrow() {
        (api.fleet.by_name(), None)
    } else {
        let subscription = api.fleet.subscribe();
        (subscription.snapshot, Some(subscription.events))
    };
    let added = snapshot
        .into_iter()
        .filter(move |_| with_burst)
        .map(|record| Event {
            kind: EventKind::Added,
            record,
        });
    let fleet = api.fleet.clone();
    let later = async move {
        let events = if let Some(events) = subscribed {
            events
        } else {
            // The sender lives as long as the server.
            let _ = window.wait_for(|open| !open).await;
            fleet.subscribe().events
        };
        ReceiverStream::new(events)
    };
    stream::iter(added).chain(stream::once(later).flatten())
}

/// A `WatchEvent`, put together from an application that is already in bytes.
fn message(api: &Api, event: &Event) -> Result<Bytes, Status> {
    let application = api.fleet.filled(&event.record);
    let mut bytes = Vec::with_capacity(application.len() + 32);
    encoding::string::encode(TYPE, &event.kind.as_str().to_owned(), &mut bytes);
    application.append_field(APPLICATION, &mut bytes);
    api.fits(bytes.len())?;
    Ok(bytes.into())
}

/// Numbers of the fields of `ApplicationWatchEvent`.
const TYPE: u32 = 1;
const APPLICATION: u32 = 2;

#[cfg(test)]
mod tests {
    use octopus_argo_proto::argocd::v1alpha1::{Application, ApplicationWatchEvent};
    use prost::Message as _;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_message() {
        let event = ApplicationWatchEvent {
            r#type: Some("ADDED".to_owned()),
            application: Some(Application::default()),
        };
        let mut bytes = Vec::new();
        encoding::string::encode(TYPE, &"ADDED".to_owned(), &mut bytes);
        encoding::bytes::encode(APPLICATION, &Application::default().encode_to_vec(), &mut bytes);
        assert_eq!(ApplicationWatchEvent::decode(bytes.as_slice()).unwrap(), event);
    }
}
