//! Kubernetes object metadata.

use octopus_argo_proto::argocd::k8s::meta::{FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference};

use super::node::Node;

pub(super) fn object_meta(node: &Node<'_>) -> ObjectMeta {
    ObjectMeta {
        name: node.text("name"),
        generate_name: node.text("generateName"),
        namespace: node.text("namespace"),
        self_link: node.text("selfLink"),
        uid: node.text("uid"),
        resource_version: node.text("resourceVersion"),
        generation: node.number("generation"),
        creation_timestamp: node.time("creationTimestamp"),
        deletion_timestamp: node.optional_time("deletionTimestamp"),
        deletion_grace_period_seconds: node.optional_number("deletionGracePeriodSeconds"),
        labels: node.text_map("labels"),
        annotations: node.text_map("annotations"),
        owner_references: node.list("ownerReferences", owner_reference),
        finalizers: node.texts("finalizers"),
        managed_fields: node.list("managedFields", managed_fields_entry),
    }
}

fn owner_reference(node: &Node<'_>) -> OwnerReference {
    OwnerReference {
        kind: node.text("kind"),
        name: node.text("name"),
        uid: node.text("uid"),
        api_version: node.text("apiVersion"),
        controller: node.optional_flag("controller"),
        block_owner_deletion: node.optional_flag("blockOwnerDeletion"),
    }
}

fn managed_fields_entry(node: &Node<'_>) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: node.text("manager"),
        operation: node.text("operation"),
        api_version: node.text("apiVersion"),
        time: node.optional_time("time"),
        fields_type: node.text("fieldsType"),
        fields_v1: node.json("fieldsV1").map(|raw| FieldsV1 { raw: Some(raw) }),
        subresource: node.text("subresource"),
    }
}
