//! The logs of an application's pods.

use futures_util::{StreamExt as _, stream};
use octopus_argo_proto::argocd::application::{ApplicationPodLogsQuery, LogEntry};
use octopus_argo_proto::argocd::k8s::meta::Time;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::Api;
use super::gate::Target;
use crate::argocd::accounts::Caller;
use crate::argocd::clock::{Clock, Timestamp};
use crate::argocd::fleet::{Entry, Filter, LogQuery, PodLogs, Record};

/// How many pods one call may read.
///
/// Rule: Argo CD `util/settings/settings.go` (`defaultMaxPodLogsToRender`).
const PODS: usize = 10;

/// Lines of the pods that match, by time, then a final entry. No pod that matches is an empty stream, and no error.
///
/// Rule: Argo CD `server/application/application.go` (`PodLogs`, `getSelectedPods`).
pub(super) fn pod_logs(
    api: &Api,
    caller: &Caller,
    query: &ApplicationPodLogsQuery,
) -> Result<BoxStream<LogEntry>, Status> {
    let until = match query.until_time.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            text.parse::<Timestamp>()
                .map_err(|error| Status::unknown(error.to_string()))?,
        ),
    };
    let target = Target {
        name: &query.name,
        namespace: query.app_namespace.as_deref(),
        project: query.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    if api.version.is_3_or_later() {
        api.accounts
            .enforce(caller, "logs", "get", &api.object_of(&record))?;
    }

    let mut pods = api.fleet.pods(record.name());
    pods.retain(|pod| selects(query, &record, pod));
    if pods.is_empty() {
        return Ok(Box::pin(stream::empty()));
    }
    if pods.len() > PODS {
        return Err(Status::invalid_argument(
            "max pods to view logs are reached. Please provide more granular query",
        ));
    }
    let clock = api.fleet.clock().clone();
    let PodLogs { entries, follower } = api
        .fleet
        .read_logs(record.name(), &pods, lines(api, query, &clock));
    let first = stream::iter(entries);
    if !query.follow() {
        return Ok(finish(first, until, clock));
    }
    let later = stream::unfold(follower, |mut follower| async move {
        let entries = follower.next().await?;
        Some((stream::iter(entries), follower))
    });
    Ok(finish(first.chain(later.flatten()), until, clock))
}

/// Whether the query means this pod. A pod's name, present even when empty, asks for pods alone.
fn selects(query: &ApplicationPodLogsQuery, record: &Record, pod: &str) -> bool {
    let any_or =
        |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted.is_empty() || wanted == found);
    let (kind, name) = match query.pod_name.as_deref() {
        Some(pod) => (Some("Pod"), Some(pod)),
        None => (query.kind.as_deref(), query.resource_name.as_deref()),
    };
    let destination = record
        .wire
        .spec
        .as_ref()
        .and_then(|spec| spec.destination.as_ref());
    let namespace = destination.and_then(|destination| destination.namespace.as_deref());
    any_or(kind, "Pod")
        && any_or(name, pod)
        && any_or(query.group.as_deref(), "")
        && any_or(query.namespace.as_deref(), namespace.unwrap_or_default())
}

fn lines(api: &Api, query: &ApplicationPodLogsQuery, clock: &Clock) -> LogQuery {
    let positive = |number: Option<i64>| number.filter(|number| *number > 0);
    let since_time = query.since_time.as_ref().and_then(Time::unix_seconds);
    let since_seconds = positive(query.since_seconds).map(|seconds| clock.now().minus_seconds(seconds));
    let filter = query.filter.as_deref().filter(|filter| !filter.is_empty());
    let ignore_case = api.version.is_3_or_later() && !query.match_case();
    LogQuery {
        tail: positive(query.tail_lines).and_then(|lines| usize::try_from(lines).ok()),
        since: since_seconds.or_else(|| since_time.map(Timestamp::from_unix_seconds)),
        filter: filter.map(|filter| Filter::new(filter, ignore_case)),
    }
}

/// Adds the final entry. The first line after `until` is the final entry itself, with its content.
fn finish(
    entries: impl stream::Stream<Item = Entry> + Send + 'static,
    until: Option<Timestamp>,
    clock: Clock,
) -> BoxStream<LogEntry> {
    let entries = entries.map(Some).chain(stream::iter([None]));
    let messages = entries.scan(false, move |finished, entry| {
        if *finished {
            return std::future::ready(None);
        }
        let message = match entry {
            Some(entry) => {
                *finished = until.is_some_and(|until| entry.time > until);
                message(entry, *finished)
            }
            None => message(
                Entry {
                    content: String::new(),
                    time: clock.now(),
                    pod: String::new(),
                },
                true,
            ),
        };
        std::future::ready(Some(Ok(message)))
    });
    Box::pin(messages)
}

fn message(entry: Entry, last: bool) -> LogEntry {
    LogEntry {
        content: entry.content,
        time_stamp: Time::from_unix_seconds(entry.time.unix_seconds()),
        last,
        time_stamp_str: entry.time.to_string(),
        pod_name: entry.pod,
    }
}
