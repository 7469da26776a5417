//! Operations: what was asked for, and what came of it.

use octopus_argo_proto::argocd::v1alpha1::{
    Backoff, Info, ManagedNamespaceMetadata, Operation, OperationInitiator, OperationState, ResourceResult,
    RetryStrategy, SyncOperation, SyncOperationResource, SyncOperationResult, SyncStrategy,
    SyncStrategyApply, SyncStrategyHook,
};

use super::node::Node;
use super::source;

pub(super) fn operation(node: &Node<'_>) -> Operation {
    Operation {
        sync: node.boxed("sync", sync_operation),
        initiated_by: node.value("initiatedBy", initiator),
        info: node.list("info", info),
        retry: node.value("retry", retry),
    }
}

pub(super) fn operation_state(node: &Node<'_>) -> OperationState {
    OperationState {
        operation: node.value("operation", operation),
        phase: node.text("phase"),
        message: node.text("message"),
        sync_result: node.boxed("syncResult", sync_result),
        started_at: node.time("startedAt"),
        finished_at: node.optional_time("finishedAt"),
        retry_count: node.number("retryCount"),
    }
}

pub(super) fn initiator(node: &Node<'_>) -> OperationInitiator {
    OperationInitiator {
        username: node.text("username"),
        automated: node.flag("automated"),
    }
}

pub(super) fn info(node: &Node<'_>) -> Info {
    Info {
        name: node.text("name"),
        value: node.text("value"),
    }
}

pub(super) fn retry(node: &Node<'_>) -> RetryStrategy {
    RetryStrategy {
        limit: node.number("limit"),
        backoff: node.pointer("backoff", |node| Backoff {
            duration: node.text("duration"),
            factor: node.optional_number("factor"),
            max_duration: node.text("maxDuration"),
        }),
        refresh: node.flag("refresh"),
    }
}

pub(super) fn managed_namespace_metadata(node: &Node<'_>) -> ManagedNamespaceMetadata {
    ManagedNamespaceMetadata {
        labels: node.text_map("labels"),
        annotations: node.text_map("annotations"),
    }
}

fn sync_operation(node: &Node<'_>) -> SyncOperation {
    SyncOperation {
        revision: node.text("revision"),
        prune: node.flag("prune"),
        dry_run: node.flag("dryRun"),
        sync_strategy: node.pointer("syncStrategy", sync_strategy),
        resources: node.list("resources", |node| SyncOperationResource {
            group: node.text("group"),
            kind: node.text("kind"),
            name: node.text("name"),
            namespace: node.text("namespace"),
        }),
        source: node.pointer("source", source::source),
        manifests: node.texts("manifests"),
        sync_options: node.texts("syncOptions"),
        sources: node.list("sources", source::source),
        revisions: node.texts("revisions"),
        auto_heal_attempts_count: node.number("autoHealAttemptsCount"),
    }
}

fn sync_strategy(node: &Node<'_>) -> SyncStrategy {
    SyncStrategy {
        apply: node.pointer("apply", apply),
        // The inner message is nested on the wire and flat in JSON.
        hook: node.pointer("hook", |node| SyncStrategyHook {
            sync_strategy_apply: Some(apply(node)),
        }),
    }
}

fn apply(node: &Node<'_>) -> SyncStrategyApply {
    SyncStrategyApply {
        force: node.flag("force"),
    }
}

fn sync_result(node: &Node<'_>) -> SyncOperationResult {
    SyncOperationResult {
        resources: node.list("resources", resource_result),
        revision: node.text("revision"),
        source: node.value("source", source::source),
        sources: node.list("sources", source::source),
        revisions: node.texts("revisions"),
        managed_namespace_metadata: node.pointer("managedNamespaceMetadata", managed_namespace_metadata),
    }
}

fn resource_result(node: &Node<'_>) -> ResourceResult {
    ResourceResult {
        group: node.text("group"),
        version: node.text("version"),
        kind: node.text("kind"),
        namespace: node.text("namespace"),
        name: node.text("name"),
        status: node.text("status"),
        message: node.text("message"),
        hook_type: node.text("hookType"),
        hook_phase: node.text("hookPhase"),
        sync_phase: node.text("syncPhase"),
        images: node.texts("images"),
    }
}
