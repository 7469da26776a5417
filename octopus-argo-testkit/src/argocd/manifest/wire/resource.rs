//! Trees of live resources, and events about them.

use octopus_argo_proto::argocd::k8s::core::{
    Event, EventList, EventSeries, EventSource, LoadBalancerIngress, NodeSwapStatus, NodeSystemInfo,
    ObjectReference, PortStatus,
};
use octopus_argo_proto::argocd::k8s::meta::{ListMeta, MicroTime, Time};
use octopus_argo_proto::argocd::v1alpha1::{
    ApplicationTree, HostInfo, HostResourceInfo, InfoItem, ResourceNetworkingInfo, ResourceNode, ResourceRef,
};

use super::node::Node;
use super::{metadata, status};
use crate::argocd::ArgoCdVersion;

pub(super) fn tree(node: &Node<'_>) -> ApplicationTree {
    ApplicationTree {
        nodes: node.list("nodes", resource_node),
        orphaned_nodes: node.list("orphanedNodes", resource_node),
        hosts: node.list("hosts", |node| HostInfo {
            name: node.text("name"),
            resources_info: node.list("resourcesInfo", |node| HostResourceInfo {
                resource_name: node.text("resourceName"),
                requested_by_app: node.number("requestedByApp"),
                requested_by_neighbors: node.number("requestedByNeighbors"),
                capacity: node.number("capacity"),
            }),
            system_info: node.value("systemInfo", system_info),
            labels: node.text_map("labels"),
        }),
        shards_count: node.since(ArgoCdVersion::V2_14, |node| node.number("shardsCount")),
    }
}

/// The resource is embedded in Go: nested on the wire, flat in JSON.
fn resource_node(node: &Node<'_>) -> ResourceNode {
    ResourceNode {
        resource_ref: node.plain(resource_ref(node)),
        parent_refs: node.list("parentRefs", resource_ref),
        info: node.list("info", |node| InfoItem {
            name: node.text("name"),
            value: node.text("value"),
        }),
        networking_info: node.pointer("networkingInfo", networking_info),
        resource_version: node.text("resourceVersion"),
        images: node.texts("images"),
        health: node.pointer("health", status::health),
        created_at: node.optional_time("createdAt"),
    }
}

fn resource_ref(node: &Node<'_>) -> ResourceRef {
    ResourceRef {
        group: node.text("group"),
        version: node.text("version"),
        kind: node.text("kind"),
        namespace: node.text("namespace"),
        name: node.text("name"),
        uid: node.text("uid"),
    }
}

fn networking_info(node: &Node<'_>) -> ResourceNetworkingInfo {
    ResourceNetworkingInfo {
        target_labels: node.text_map("targetLabels"),
        target_refs: node.list("targetRefs", resource_ref),
        labels: node.text_map("labels"),
        ingress: node.list("ingress", |node| LoadBalancerIngress {
            ip: node.text("ip"),
            hostname: node.text("hostname"),
            ip_mode: node.optional_text("ipMode"),
            ports: node.list("ports", |node| PortStatus {
                port: small(node, "port"),
                protocol: node.text("protocol"),
                error: node.optional_text("error"),
            }),
        }),
        external_ur_ls: node.texts("externalURLs"),
    }
}

fn system_info(node: &Node<'_>) -> NodeSystemInfo {
    NodeSystemInfo {
        machine_id: node.text("machineID"),
        system_uuid: node.text("systemUUID"),
        boot_id: node.text("bootID"),
        kernel_version: node.text("kernelVersion"),
        os_image: node.text("osImage"),
        container_runtime_version: node.text("containerRuntimeVersion"),
        kubelet_version: node.text("kubeletVersion"),
        kube_proxy_version: node.text("kubeProxyVersion"),
        operating_system: node.text("operatingSystem"),
        architecture: node.text("architecture"),
        swap: node.pointer("swap", |node| NodeSwapStatus {
            capacity: node.optional_number("capacity"),
        }),
    }
}

pub(super) fn event_list(node: &Node<'_>) -> EventList {
    EventList {
        metadata: node.value("metadata", |node| ListMeta {
            self_link: node.text("selfLink"),
            resource_version: node.text("resourceVersion"),
            r#continue: node.text("continue"),
            ..ListMeta::default()
        }),
        items: node.list("items", event),
    }
}

fn event(node: &Node<'_>) -> Event {
    Event {
        metadata: node.value("metadata", metadata::object_meta),
        involved_object: node.value("involvedObject", reference),
        reason: node.text("reason"),
        message: node.text("message"),
        source: node.value("source", |node| EventSource {
            component: node.text("component"),
            host: node.text("host"),
        }),
        first_timestamp: node.time("firstTimestamp"),
        last_timestamp: node.time("lastTimestamp"),
        count: small(node, "count"),
        r#type: node.text("type"),
        event_time: node.plain(node.optional_time("eventTime").map(micro).unwrap_or_default()),
        series: node.pointer("series", |node| EventSeries {
            count: small(node, "count"),
            last_observed_time: node.plain(
                node.optional_time("lastObservedTime")
                    .map(micro)
                    .unwrap_or_default(),
            ),
        }),
        action: node.text("action"),
        related: node.pointer("related", reference),
        reporting_component: node.text("reportingComponent"),
        reporting_instance: node.text("reportingInstance"),
    }
}

fn reference(node: &Node<'_>) -> ObjectReference {
    ObjectReference {
        kind: node.text("kind"),
        namespace: node.text("namespace"),
        name: node.text("name"),
        uid: node.text("uid"),
        api_version: node.text("apiVersion"),
        resource_version: node.text("resourceVersion"),
        field_path: node.text("fieldPath"),
    }
}

fn micro(time: Time) -> MicroTime {
    MicroTime {
        seconds: time.seconds,
        nanos: time.nanos,
    }
}

/// A plain number of 32 bits; what does not fit is none.
fn small(node: &Node<'_>, key: &str) -> Option<i32> {
    let number = node.optional_number(key).unwrap_or_default();
    node.plain(i32::try_from(number).unwrap_or_default())
}
