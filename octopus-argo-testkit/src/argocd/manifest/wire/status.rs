//! The observed state of an application.

use octopus_argo_proto::argocd::k8s::meta::Time;
use octopus_argo_proto::argocd::v1alpha1::{
    AppHealthStatus, ApplicationCondition, ApplicationStatus, ApplicationSummary, ComparedTo, HealthStatus,
    HydrateOperation, ResourceStatus, RevisionHistory, SourceHydratorStatus, SuccessfulHydrateOperation,
    SyncStatus,
};

use super::node::Node;
use super::{operation, source, spec};
use crate::argocd::ArgoCdVersion;

pub(super) fn status(node: &Node<'_>) -> ApplicationStatus {
    ApplicationStatus {
        resources: node.list("resources", resource),
        sync: node.value("sync", sync),
        health: node.value("health", |node| AppHealthStatus {
            status: node.text("status"),
            message: node.text("message"),
            last_transition_time: node.since(ArgoCdVersion::V2_14, transition),
        }),
        history: node.list("history", history),
        conditions: node.list("conditions", |node| ApplicationCondition {
            r#type: node.text("type"),
            message: node.text("message"),
            last_transition_time: node.optional_time("lastTransitionTime"),
        }),
        reconciled_at: node.optional_time("reconciledAt"),
        operation_state: node.boxed("operationState", operation::operation_state),
        observed_at: node.optional_time("observedAt"),
        source_type: node.text("sourceType"),
        summary: node.value("summary", |node| ApplicationSummary {
            external_ur_ls: node.texts("externalURLs"),
            images: node.texts("images"),
            is_app_of_apps: node.since(ArgoCdVersion::V3_5, |node| node.flag("isAppOfApps")),
        }),
        resource_health_source: node.health_source(),
        source_types: node.texts("sourceTypes"),
        controller_namespace: node.text("controllerNamespace"),
        source_hydrator: node.since(ArgoCdVersion::V2_14, |node| {
            node.value("sourceHydrator", |node| Box::new(hydrator(node)))
        }),
    }
}

pub(super) fn health(node: &Node<'_>) -> HealthStatus {
    HealthStatus {
        status: node.text("status"),
        message: node.text("message"),
        last_transition_time: node.since(ArgoCdVersion::V2_14, transition),
    }
}

fn transition(node: &Node<'_>) -> Option<Time> {
    node.optional_time("lastTransitionTime")
}

fn resource(node: &Node<'_>) -> ResourceStatus {
    ResourceStatus {
        group: node.text("group"),
        version: node.text("version"),
        kind: node.text("kind"),
        namespace: node.text("namespace"),
        name: node.text("name"),
        status: node.text("status"),
        health: node.pointer("health", health),
        hook: node.flag("hook"),
        requires_pruning: node.flag("requiresPruning"),
        sync_wave: node.number("syncWave"),
        requires_deletion_confirmation: node.flag("requiresDeletionConfirmation"),
    }
}

fn sync(node: &Node<'_>) -> SyncStatus {
    SyncStatus {
        status: node.text("status"),
        compared_to: node.value("comparedTo", |node| ComparedTo {
            source: node.value("source", source::source),
            destination: node.value("destination", source::destination),
            sources: node.list("sources", source::source),
            ignore_differences: node.list("ignoreDifferences", spec::ignore_differences),
        }),
        revision: node.text("revision"),
        revisions: node.texts("revisions"),
    }
}

fn history(node: &Node<'_>) -> RevisionHistory {
    RevisionHistory {
        revision: node.text("revision"),
        deployed_at: node.time("deployedAt"),
        id: node.number("id"),
        source: node.value("source", source::source),
        deploy_started_at: node.optional_time("deployStartedAt"),
        sources: node.list("sources", source::source),
        revisions: node.texts("revisions"),
        initiated_by: node.value("initiatedBy", operation::initiator),
    }
}

fn hydrator(node: &Node<'_>) -> SourceHydratorStatus {
    SourceHydratorStatus {
        last_successful_operation: node.pointer("lastSuccessfulOperation", |node| {
            SuccessfulHydrateOperation {
                dry_sha: node.text("drySHA"),
                hydrated_sha: node.text("hydratedSHA"),
                source_hydrator: node.value("sourceHydrator", source::hydrator),
            }
        }),
        current_operation: node.pointer("currentOperation", |node| HydrateOperation {
            started_at: node.time("startedAt"),
            finished_at: node.optional_time("finishedAt"),
            phase: node.text("phase"),
            message: node.text("message"),
            dry_sha: node.text("drySHA"),
            hydrated_sha: node.text("hydratedSHA"),
            source_hydrator: node.value("sourceHydrator", source::hydrator),
        }),
        last_compared_dry_revision: node.text("lastComparedDryRevision"),
    }
}
