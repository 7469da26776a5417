//! What Argo CD reports of one application beyond what [`Application`](crate::Application) keeps for a whole fleet.
//!
//! Times are seconds since 1970, in UTC, as exact as Argo CD writes them.

use super::managed::ResourceKey;
use super::resources::{ResourceStatus, TreeNode, resource_health};
use super::words::{ConditionType, HealthSource, SyncResult};
use crate::health::{HealthStatus, OperationPhase};

/// The details of one application: its resources, its operations, its history.
///
/// ```
/// use octopus_argo_core::health::OperationPhase;
/// use octopus_argo_core::health::argocd::{Detail, OperationState};
///
/// let mut detail = Detail::default();
/// assert!(!detail.is_operating() && !detail.is_unsettled());
///
/// let mut state = OperationState::default();
/// state.phase = Some(OperationPhase::Succeeded);
/// state.finished_at = Some(1_900_000_005);
/// detail.operation = Some(state);
/// detail.reconciled_at = Some(1_900_000_004);
/// assert!(detail.is_unsettled(), "the status was written before the operation ended");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detail {
    /// `status.resources`. Their health may be absent: see [`Detail::resource_health`].
    pub resources: Vec<ResourceStatus>,
    /// `status.resourceHealthSource`; `None` where health is kept in the resources.
    pub health_source: Option<HealthSource>,
    /// `operation`: accepted, and not yet removed by the controller. Set until the operation has ended.
    pub requested: Option<RequestedOperation>,
    /// `status.operationState`: the running or the last operation. Absent right after one was accepted.
    pub operation: Option<OperationState>,
    /// `status.history`, as it comes: the oldest first.
    pub history: Vec<Deployment>,
    /// `status.conditions`.
    pub conditions: Vec<ConditionReport>,
    /// `status.reconciledAt`.
    pub reconciled_at: Option<i64>,
    /// `status.health.lastTransitionTime`, since 2.14.
    pub health_since: Option<i64>,
    /// `spec.syncPolicy.automated`; `None` where Argo CD does not sync by itself.
    pub automated: Option<Automated>,
    /// `status.summary.images`.
    pub images: Vec<Box<str>>,
    /// `status.summary.externalURLs`.
    pub external_urls: Vec<Box<str>>,
}

impl Detail {
    /// Whether an operation has been accepted and has not ended.
    #[must_use]
    pub fn is_operating(&self) -> bool {
        let state = self.operation.as_ref();
        self.requested.is_some() || state.is_some_and(|state| !state.is_over())
    }

    /// Whether the status may still tell of the time before the last operation ended, or an operation is under way.
    ///
    /// Rule: the `argocd app wait` command. As [`operation_unsettled`](crate::health::verify::operation_unsettled).
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        let finished = self.operation.as_ref().and_then(|state| state.finished_at);
        self.is_operating()
            || finished
                .is_some_and(|finished| self.reconciled_at.is_none_or(|reconciled| reconciled < finished))
    }

    /// The health of each of [`Detail::resources`], in their order; `None` without a check. As [`resource_health`].
    ///
    /// Ask for the tree only if [`Detail::needs_tree`].
    #[must_use]
    pub fn resource_health(&self, tree: &[TreeNode]) -> Vec<Option<HealthStatus>> {
        resource_health(self.health_source.as_ref(), &self.resources, tree)
    }

    /// Whether the health of the resources is kept in the resource tree.
    #[must_use]
    pub fn needs_tree(&self) -> bool {
        self.health_source == Some(HealthSource::AppTree)
    }
}

/// An operation that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestedOperation {
    /// The user of the token that asked for it; `None` where Argo CD itself did.
    pub initiated_by: Option<Box<str>>,
    /// Whether Argo CD began it by itself.
    pub automated: bool,
    /// Names and values that were sent along.
    pub infos: Vec<(Box<str>, Box<str>)>,
    /// The revisions to sync to: one per source, or one.
    pub revisions: Vec<Box<str>>,
    /// Whether resources that Git no longer has are removed.
    pub prune: bool,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
}

/// How far an operation has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationState {
    /// What was asked for.
    pub request: RequestedOperation,
    /// How far it has come.
    pub phase: Option<OperationPhase>,
    /// In words.
    pub message: Option<Box<str>>,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// How often it was tried again.
    pub retries: u64,
    /// The revisions that were synced: one per source, or one.
    pub revisions: Vec<Box<str>>,
    /// What became of each resource.
    pub resources: Vec<ResourceOutcome>,
}

impl OperationState {
    /// Whether it has ended, well or not.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase.as_ref().is_some_and(OperationPhase::is_completed)
    }
}

/// What an operation did to one resource, or how a hook went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceOutcome {
    /// Which one.
    pub key: ResourceKey,
    /// What was done; `None` for hooks and where it is not known yet.
    pub result: Option<SyncResult>,
    /// In words.
    pub message: Box<str>,
    /// For hooks: how far it has come.
    pub hook_phase: Option<OperationPhase>,
    /// For hooks: when it runs, `PreSync` for example.
    pub hook: Option<super::HookType>,
}

impl ResourceOutcome {
    /// Nothing known but which resource.
    #[must_use]
    pub fn new(key: ResourceKey) -> Self {
        Self {
            key,
            result: None,
            message: Box::default(),
            hook_phase: None,
            hook: None,
        }
    }
}

/// One entry of the history: a sync that ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// Its number within the application.
    pub id: i64,
    /// The revisions: one per source, or one.
    pub revisions: Vec<Box<str>>,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub deployed_at: Option<i64>,
    /// Who asked for it.
    pub initiated_by: Option<Box<str>>,
    /// Whether Argo CD began it by itself.
    pub automated: bool,
}

/// What is wrong or noteworthy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConditionReport {
    /// What kind.
    pub kind: ConditionType,
    /// In words.
    pub message: Box<str>,
    /// Since when.
    pub since: Option<i64>,
}

impl ConditionReport {
    /// A condition without a time.
    #[must_use]
    pub fn new(kind: ConditionType, message: &str) -> Self {
        Self {
            kind,
            message: message.into(),
            since: None,
        }
    }
}

/// Argo CD syncs by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Automated {
    /// It removes what Git no longer has.
    pub prune: bool,
    /// It also syncs when the cluster changes.
    pub self_heal: bool,
}

/// An application's live resources: a flat list, in which nodes name their parents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceTree {
    /// What belongs to the application.
    pub nodes: Vec<TreeNode>,
    /// What is in its namespace and belongs to nobody; only where the Argo CD project looks for such.
    pub orphans: Vec<TreeNode>,
    /// The names of the cluster's nodes that run its pods.
    pub hosts: Vec<Box<str>>,
}

impl ResourceTree {
    /// The nodes that `parent` has made. Argo CD itself compares by group, kind, namespace and name.
    pub fn children<'a>(&'a self, parent: &'a ResourceKey) -> impl Iterator<Item = &'a TreeNode> {
        self.nodes
            .iter()
            .filter(move |node| node.parent_refs.iter().any(|reference| reference.is(parent)))
    }
}
