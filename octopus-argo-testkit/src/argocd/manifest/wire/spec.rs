//! The specification of an application.

use octopus_argo_proto::argocd::v1alpha1::{
    ApplicationSpec, ResourceIgnoreDifferences, SyncPolicy, SyncPolicyAutomated,
};

use super::node::Node;
use super::{operation, source};
use crate::argocd::ArgoCdVersion;

pub(super) fn spec(node: &Node<'_>) -> ApplicationSpec {
    ApplicationSpec {
        source: node.pointer("source", source::source),
        destination: node.value("destination", source::destination),
        project: node.text("project"),
        sync_policy: node.pointer("syncPolicy", sync_policy),
        ignore_differences: node.list("ignoreDifferences", ignore_differences),
        info: node.list("info", operation::info),
        revision_history_limit: node.optional_number("revisionHistoryLimit"),
        sources: node.list("sources", source::source),
        source_hydrator: node.since(ArgoCdVersion::V2_14, |node| {
            node.boxed("sourceHydrator", source::hydrator)
        }),
    }
}

pub(super) fn ignore_differences(node: &Node<'_>) -> ResourceIgnoreDifferences {
    ResourceIgnoreDifferences {
        group: node.text("group"),
        kind: node.text("kind"),
        name: node.text("name"),
        namespace: node.text("namespace"),
        json_pointers: node.texts("jsonPointers"),
        jq_path_expressions: node.texts("jqPathExpressions"),
        managed_fields_managers: node.texts("managedFieldsManagers"),
    }
}

fn sync_policy(node: &Node<'_>) -> SyncPolicy {
    SyncPolicy {
        automated: node.pointer("automated", |node| SyncPolicyAutomated {
            prune: node.optional_flag("prune"),
            self_heal: node.optional_flag("selfHeal"),
            allow_empty: node.optional_flag("allowEmpty"),
            enabled: node.since(ArgoCdVersion::V3_5, |node| node.optional_flag("enabled")),
        }),
        sync_options: node.texts("syncOptions"),
        retry: node.pointer("retry", operation::retry),
        managed_namespace_metadata: node
            .pointer("managedNamespaceMetadata", operation::managed_namespace_metadata),
    }
}
