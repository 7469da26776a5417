//! The logs of an application's pods.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use octopus_argo_proto::argocd::application::{ApplicationPodLogsQuery, LogEntry};
use octopus_argo_proto::argocd::k8s::meta::Time;
use octopus_argo_proto::argocd::v1alpha1::{ApplicationTree, ResourceNode, ResourceRef};
use prost::Message as _;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::Api;
use super::exchange::{Messages, many};
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
) -> Result<Messages, Status> {
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
    if api.version().is_3_or_later() || api.options.log_rights {
        api.accounts
            .enforce(caller, "logs", "get", &api.object_of(&record))?;
    }

    let pods = selected(api, query, &record);
    if pods.is_empty() {
        return Ok(Box::pin(stream::empty()));
    }
    if pods.len() > PODS {
        return Err(Status::invalid_argument(
            "max pods to view logs are reached. Please provide more granular query",
        ));
    }
    let clock = api.fleet.clock().clone();
    let limits = api.clone();
    let sent = move |entries: BoxStream<LogEntry>| {
        many(Box::pin(entries.map(move |entry| {
            let entry = entry?;
            limits.fits(entry.encoded_len())?;
            Ok(entry.encode_to_vec().into())
        })))
    };
    let PodLogs { entries, follower } = api
        .fleet
        .read_logs(record.name(), &pods, lines(api, query, &clock));
    let first = stream::iter(entries);
    if !query.follow() {
        return Ok(sent(finish(first, until, clock)));
    }
    let later = stream::unfold(follower, |mut follower| async move {
        let entries = follower.next().await?;
        Some((stream::iter(entries), follower))
    });
    Ok(sent(finish(first.chain(later.flatten()), until, clock)))
}

/// The pods that the query means: those of the tree that fit, or that have an ancestor that does, and pods that have a
/// log and no place in the tree. A pod's name, present even when empty, asks for pods alone.
fn selected(api: &Api, query: &ApplicationPodLogsQuery, record: &Record) -> Vec<String> {
    let (kind, name) = match query.pod_name.as_deref() {
        Some(pod) => ("Pod", pod),
        None => (query.kind(), query.resource_name()),
    };
    let fits = |node: &ResourceRef| {
        let any_or = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        any_or(kind, node.kind())
            && any_or(name, node.name())
            && any_or(query.group(), node.group())
            && any_or(query.namespace(), node.namespace())
    };
    let tree = api.fleet.live_tree(record);
    let is_pod = |id: &ResourceRef| id.kind() == "Pod" && id.group().is_empty();
    let mut pods: BTreeMap<String, bool> = BTreeMap::new();
    for node in &tree.nodes {
        if let Some(id) = node.resource_ref.as_ref().filter(|id| is_pod(id)) {
            let chosen = pods.entry(id.name().to_owned()).or_default();
            *chosen |= lineage(&tree, node).into_iter().any(fits);
        }
    }
    let spec = record.application().spec.unwrap_or_default();
    let namespace = spec.destination.and_then(|destination| destination.namespace);
    for pod in api.fleet.pods(record.name()) {
        pods.entry(pod.clone()).or_insert_with(|| {
            fits(&ResourceRef {
                kind: Some("Pod".to_owned()),
                name: Some(pod),
                namespace: namespace.clone(),
                ..ResourceRef::default()
            })
        });
    }
    pods.into_iter()
        .filter(|(_, chosen)| *chosen)
        .map(|(pod, _)| pod)
        .collect()
}

/// A node and its ancestors, which are matched by group, kind, namespace and name.
fn lineage<'a>(tree: &'a ApplicationTree, node: &'a ResourceNode) -> Vec<&'a ResourceRef> {
    let same = |one: &ResourceRef, other: &ResourceRef| {
        (one.group(), one.kind(), one.namespace(), one.name())
            == (other.group(), other.kind(), other.namespace(), other.name())
    };
    let mut found: Vec<&ResourceRef> = Vec::new();
    let mut pending = vec![node];
    while let Some(node) = pending.pop() {
        let Some(id) = &node.resource_ref else {
            continue;
        };
        if found.iter().any(|known| same(known, id)) {
            continue; // A circle, which a test may draw.
        }
        found.push(id);
        let parents = tree.nodes.iter().filter(|other| {
            let other = other.resource_ref.as_ref();
            other.is_some_and(|other| node.parent_refs.iter().any(|parent| same(parent, other)))
        });
        pending.extend(parents);
    }
    found
}

fn lines(api: &Api, query: &ApplicationPodLogsQuery, clock: &Clock) -> LogQuery {
    let positive = |number: Option<i64>| number.filter(|number| *number > 0);
    let since_time = query.since_time.as_ref().and_then(Time::unix_seconds);
    let since_seconds = positive(query.since_seconds).map(|seconds| clock.now().minus_seconds(seconds));
    let filter = query.filter.as_deref().filter(|filter| !filter.is_empty());
    let ignore_case = api.version().is_3_or_later() && !query.match_case();
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
        time_stamp: entry.time.to_wire(),
        last,
        time_stamp_str: entry.time.to_string(),
        pod_name: entry.pod,
    }
}
