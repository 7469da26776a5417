//! Live objects, and the events about them.

use octopus_argo_proto::argocd::application::{
    ApplicationResourceEventsQuery, ApplicationResourceRequest, ApplicationResourceResponse,
};
use octopus_argo_proto::argocd::events;
use octopus_argo_proto::argocd::v1alpha1::{ApplicationTree, ResourceRef};
use prost::Message as _;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::gate::Target;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::Id;

/// A live object of the tree. One that was never created is code 3, one that has gone meanwhile code 5.
///
/// Rule: Argo CD `server/application/application.go` (`GetResource`, `getAppLiveResource`).
pub(super) fn get(
    api: &Api,
    caller: &Caller,
    request: &ApplicationResourceRequest,
) -> Result<Messages, Status> {
    let target = Target {
        name: &request.name,
        namespace: request.app_namespace.as_deref(),
        project: request.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    let tree = api.fleet.live_tree(&record);
    let id = Id {
        group: request.group().to_owned(),
        kind: request.kind.clone(),
        namespace: request.namespace().to_owned(),
        name: request.resource_name.clone(),
    };
    let node = nodes(&tree).find(|node| {
        node.group() == id.group
            && node.kind() == id.kind
            && node.namespace() == id.namespace
            && node.name() == id.name
    });
    if node.is_none_or(|node| node.uid().is_empty()) {
        return Err(Status::invalid_argument(format!(
            "{} {} {} not found as part of application {}",
            id.kind, id.group, id.name, request.name
        )));
    }
    let Some(mut live) = api.fleet.live_object(record.name(), &id) else {
        return Err(Status::not_found(format!("\"{}\" not found", id.name)));
    };
    if !request.version.is_empty() {
        let group = if id.group.is_empty() {
            String::new()
        } else {
            format!("{}/", id.group)
        };
        live["apiVersion"] = format!("{group}{}", request.version).into();
    }
    api.reply(&ApplicationResourceResponse {
        manifest: live.to_string(),
    })
}

/// Events about the application, or about one of its resources.
///
/// Up to 3.4 the answer is Kubernetes' own type, with empty values present; since 3.5 it is a copy in proto3, without.
///
/// Rule: Argo CD `server/application/application.go` (`ListResourceEvents`).
pub(super) fn events(
    api: &Api,
    caller: &Caller,
    query: &ApplicationResourceEventsQuery,
) -> Result<Messages, Status> {
    let target = Target {
        name: &query.name,
        namespace: query.app_namespace.as_deref(),
        project: query.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    let mut events = api.fleet.events(record.name());
    if query.resource_name().is_empty() && query.resource_uid().is_empty() {
        let (name, namespace) = (record.name().name(), record.name().namespace());
        events.items.retain(|event| {
            let about = event.involved_object.clone().unwrap_or_default();
            about.kind() == "Application"
                && about.name() == name
                && (about.namespace().is_empty() || Some(about.namespace()) == namespace)
        });
    } else {
        let tree = api.fleet.live_tree(&record);
        let known = nodes(&tree).any(|node| {
            node.uid() == query.resource_uid()
                && node.name() == query.resource_name()
                && node.namespace() == query.resource_namespace()
        });
        if !known {
            return Err(Status::invalid_argument(format!(
                "{} not found as part of application {}",
                query.resource_name(),
                query.name
            )));
        }
        events.items.retain(|event| {
            let about = event.involved_object.clone().unwrap_or_default();
            about.uid() == query.resource_uid() && about.name() == query.resource_name()
        });
    }
    if api.version() < ArgoCdVersion::V3_5 {
        return api.reply(&events);
    }
    // Numbers and types are the same; read back, what is empty is no longer present.
    let copy = events::EventList::decode(events.encode_to_vec().as_slice());
    api.reply(&copy.map_err(|error| Status::internal(error.to_string()))?)
}

fn nodes(tree: &ApplicationTree) -> impl Iterator<Item = &ResourceRef> {
    let nodes = tree.nodes.iter().chain(&tree.orphaned_nodes);
    nodes.filter_map(|node| node.resource_ref.as_ref())
}
