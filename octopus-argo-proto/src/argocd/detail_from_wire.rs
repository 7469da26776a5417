//! What core keeps of one application's details, from what Argo CD sends.

use octopus_argo_core::health::OperationPhase;
use octopus_argo_core::health::argocd::{
    Automated, ConditionReport, ConditionType, Deployment, Detail, HealthSource, HookType, OperationState,
    ParentRef, ReportedHealth, RequestedOperation, ResourceKey, ResourceOutcome, ResourceStatus,
    ResourceTree, SyncResult, TreeNode,
};

use super::k8s::meta::Time;
use super::v1alpha1 as wire;

/// Reads everything of an application that concerns its status. Empty texts and times count as absent.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go` and `generated.pb.go` (the marshalers).
impl From<&wire::Application> for Detail {
    fn from(wire: &wire::Application) -> Self {
        let mut detail = Self::default();
        detail.requested = wire
            .operation
            .as_deref()
            .filter(|operation| !is_blank(operation))
            .map(requested);
        let policy = wire.spec.as_ref().and_then(|spec| spec.sync_policy.as_ref());
        let automated = policy.and_then(|policy| policy.automated.as_ref());
        // On unless it says otherwise: the field is newer than the switch.
        detail.automated = automated
            .filter(|automated| automated.enabled != Some(false))
            .map(|wire| {
                let mut automated = Automated::default();
                automated.prune = wire.prune();
                automated.self_heal = wire.self_heal();
                automated
            });
        let Some(status) = &wire.status else { return detail };
        detail.resources = status.resources.iter().map(ResourceStatus::from).collect();
        detail.health_source = word(status.resource_health_source.as_deref()).map(HealthSource::from);
        detail.operation = status.operation_state.as_deref().map(operation_state);
        detail.history = status.history.iter().map(deployment).collect();
        detail.conditions = status.conditions.iter().map(condition).collect();
        detail.reconciled_at = time(status.reconciled_at.as_ref());
        detail.health_since = status
            .health
            .as_ref()
            .and_then(|health| time(health.last_transition_time.as_ref()));
        if let Some(summary) = &status.summary {
            detail.images = texts(&summary.images);
            detail.external_urls = texts(&summary.external_ur_ls);
        }
        detail
    }
}

/// Blank texts stay blank, as in Argo CD's JSON.
impl From<&wire::ResourceStatus> for ResourceStatus {
    fn from(wire: &wire::ResourceStatus) -> Self {
        let mut resource = Self::default();
        resource.group = boxed(wire.group());
        resource.kind = boxed(wire.kind());
        resource.namespace = boxed(wire.namespace());
        resource.name = boxed(wire.name());
        resource.status = boxed(wire.status());
        resource.health = wire.health.as_ref().map(reported);
        resource.hook = wire.hook();
        resource.requires_pruning = wire.requires_pruning();
        resource
    }
}

/// Which resource, its life and its health.
impl From<&wire::ResourceNode> for TreeNode {
    fn from(wire: &wire::ResourceNode) -> Self {
        let mut node = Self::default();
        if let Some(reference) = &wire.resource_ref {
            node.group = boxed(reference.group());
            node.kind = boxed(reference.kind());
            node.namespace = boxed(reference.namespace());
            node.name = boxed(reference.name());
            node.uid = boxed(reference.uid());
        }
        node.resource_version = boxed(wire.resource_version());
        node.created_at = time(wire.created_at.as_ref()).map(|seconds| rfc_3339(seconds).into());
        node.health = wire.health.as_ref().map(reported);
        node.parent_refs = wire.parent_refs.iter().map(parent).collect();
        node.images = wire.images.iter().map(|image| boxed(image)).collect();
        node
    }
}

/// Nodes, orphans, and the names of the hosts.
impl From<&wire::ApplicationTree> for ResourceTree {
    fn from(wire: &wire::ApplicationTree) -> Self {
        let mut tree = Self::default();
        tree.nodes = wire.nodes.iter().map(TreeNode::from).collect();
        tree.orphans = wire.orphaned_nodes.iter().map(TreeNode::from).collect();
        tree.hosts = wire.hosts.iter().map(|host| boxed(host.name())).collect();
        tree
    }
}

fn parent(wire: &wire::ResourceRef) -> ParentRef {
    let mut parent = ParentRef::default();
    parent.group = boxed(wire.group());
    parent.kind = boxed(wire.kind());
    parent.namespace = boxed(wire.namespace());
    parent.name = boxed(wire.name());
    parent.uid = boxed(wire.uid());
    parent
}

fn reported(wire: &wire::HealthStatus) -> ReportedHealth {
    let mut health = ReportedHealth::default();
    health.status = boxed(wire.status());
    health.message = boxed(wire.message());
    health
}

/// A struct that is a Go value is written even where nothing is in it.
fn is_blank(wire: &wire::Operation) -> bool {
    wire.sync.is_none()
        && wire.info.is_empty()
        && wire
            .initiated_by
            .as_ref()
            .is_none_or(|by| by.username().is_empty())
}

fn requested(wire: &wire::Operation) -> RequestedOperation {
    let mut operation = RequestedOperation::default();
    if let Some(by) = &wire.initiated_by {
        operation.initiated_by = word(by.username.as_deref()).map(boxed);
        operation.automated = by.automated();
    }
    let infos = wire.info.iter();
    operation.infos = infos
        .map(|info| (boxed(info.name()), boxed(info.value())))
        .collect();
    if let Some(sync) = wire.sync.as_deref() {
        operation.revisions = revisions(&sync.revisions, sync.revision());
        operation.prune = sync.prune();
        operation.dry_run = sync.dry_run();
    }
    operation
}

fn operation_state(wire: &wire::OperationState) -> OperationState {
    let mut state = OperationState::default();
    state.request = wire.operation.as_ref().map(requested).unwrap_or_default();
    state.phase = word(wire.phase.as_deref()).map(OperationPhase::from);
    state.message = word(wire.message.as_deref()).map(boxed);
    state.started_at = time(wire.started_at.as_ref());
    state.finished_at = time(wire.finished_at.as_ref());
    state.retries = u64::try_from(wire.retry_count()).unwrap_or(0);
    if let Some(result) = wire.sync_result.as_deref() {
        state.revisions = revisions(&result.revisions, result.revision());
        state.resources = result.resources.iter().map(outcome).collect();
    }
    state
}

fn outcome(wire: &wire::ResourceResult) -> ResourceOutcome {
    let key = ResourceKey::new(wire.group(), wire.kind(), wire.namespace(), wire.name());
    let mut outcome = ResourceOutcome::new(key);
    outcome.result = word(wire.status.as_deref()).map(SyncResult::from);
    outcome.message = boxed(wire.message());
    outcome.hook_phase = word(wire.hook_phase.as_deref()).map(OperationPhase::from);
    outcome.hook = word(wire.hook_type.as_deref()).map(HookType::from);
    outcome
}

fn deployment(wire: &wire::RevisionHistory) -> Deployment {
    let mut deployment = Deployment::default();
    deployment.id = wire.id();
    deployment.revisions = revisions(&wire.revisions, wire.revision());
    deployment.started_at = time(wire.deploy_started_at.as_ref());
    deployment.deployed_at = time(wire.deployed_at.as_ref());
    if let Some(by) = &wire.initiated_by {
        deployment.initiated_by = word(by.username.as_deref()).map(boxed);
        deployment.automated = by.automated();
    }
    deployment
}

fn condition(wire: &wire::ApplicationCondition) -> ConditionReport {
    let mut condition = ConditionReport::new(ConditionType::from(wire.r#type()), wire.message());
    condition.since = time(wire.last_transition_time.as_ref());
    condition
}

/// The field for several sources unless it is empty, else its twin for one: the twin is blank beside it.
fn revisions(all: &[String], one: &str) -> Vec<Box<str>> {
    if all.is_empty() {
        word(Some(one)).map(boxed).into_iter().collect()
    } else {
        texts(all)
    }
}

fn time(time: Option<&Time>) -> Option<i64> {
    time.and_then(Time::unix_seconds)
}

fn word(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

fn boxed(text: &str) -> Box<str> {
    text.into()
}

fn texts(texts: &[String]) -> Vec<Box<str>> {
    texts.iter().map(|text| boxed(text)).collect()
}

/// The time as Kubernetes writes it in JSON. Years beyond four digits are cut off at their ends.
///
/// Rule: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub(super) fn rfc_3339(seconds: i64) -> String {
    let seconds = seconds.clamp(FIRST, LAST);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The years 1 to 9999.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "fields are optional")]
    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn times_are_written_as_in_json() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_779_181_200, "2026-05-19T09:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc_3339(seconds), text);
        }
    }

    #[test]
    fn an_operation_is_read_with_its_request_and_its_outcomes() {
        let operation = wire::Operation {
            sync: Some(Box::new(wire::SyncOperation {
                revision: some("abc"),
                prune: Some(true),
                ..wire::SyncOperation::default()
            })),
            initiated_by: Some(wire::OperationInitiator {
                username: some("gateway"),
                automated: Some(false),
            }),
            info: vec![wire::Info {
                name: some("id"),
                value: some("7"),
            }],
            retry: None,
        };
        let mut wire = wire::Application {
            operation: Some(Box::new(operation.clone())),
            ..wire::Application::default()
        };
        let detail = Detail::from(&wire);
        assert!(detail.is_operating() && detail.operation.is_none());
        let requested = detail.requested.unwrap();
        assert_eq!(
            (&*requested.revisions, requested.prune),
            (&["abc".into()][..], true)
        );
        assert_eq!(requested.infos, [("id".into(), "7".into())]);

        wire.operation = None;
        wire.status = Some(wire::ApplicationStatus {
            reconciled_at: Some(Time::default()),
            operation_state: Some(Box::new(wire::OperationState {
                operation: Some(operation),
                phase: some("Failed"),
                message: some(""),
                started_at: Some(Time::from_unix_seconds(10)),
                finished_at: Some(Time::from_unix_seconds(20)),
                retry_count: Some(-1),
                sync_result: Some(Box::new(wire::SyncOperationResult {
                    revision: some(""),
                    revisions: vec!["1".into(), "2".into()],
                    resources: vec![wire::ResourceResult {
                        kind: some("Job"),
                        name: some("migrate"),
                        status: some(""),
                        hook_phase: some("Error"),
                        hook_type: some("PreSync"),
                        ..wire::ResourceResult::default()
                    }],
                    ..wire::SyncOperationResult::default()
                })),
            })),
            ..wire::ApplicationStatus::default()
        });
        let detail = Detail::from(&wire);
        assert!(!detail.is_operating() && detail.is_unsettled() && detail.reconciled_at.is_none());
        let state = detail.operation.unwrap();
        assert_eq!(&*state.revisions, ["1".into(), "2".into()]);
        assert_eq!((state.message, state.retries), (None, 0));
        let outcome = &state.resources[0];
        assert_eq!(
            (&outcome.result, &outcome.hook_phase),
            (&None, &Some(OperationPhase::Error))
        );
        assert_eq!(outcome.hook, Some(HookType::PreSync));
    }

    #[test]
    fn automated_is_on_unless_it_says_otherwise() {
        for (enabled, on) in [(None, true), (Some(true), true), (Some(false), false)] {
            let wire = wire::Application {
                spec: Some(wire::ApplicationSpec {
                    sync_policy: Some(wire::SyncPolicy {
                        automated: Some(wire::SyncPolicyAutomated {
                            enabled,
                            ..wire::SyncPolicyAutomated::default()
                        }),
                        ..wire::SyncPolicy::default()
                    }),
                    ..wire::ApplicationSpec::default()
                }),
                ..wire::Application::default()
            };
            assert_eq!(Detail::from(&wire).automated.is_some(), on, "{enabled:?}");
        }
    }

    #[test]
    fn a_node_that_was_never_seen_has_no_time() {
        let wire = wire::ResourceNode {
            resource_ref: Some(wire::ResourceRef {
                kind: some("Pod"),
                name: some("web-1"),
                ..Default::default()
            }),
            parent_refs: vec![wire::ResourceRef {
                kind: some("ReplicaSet"),
                name: some("web"),
                ..Default::default()
            }],
            created_at: Some(Time::default()),
            health: Some(wire::HealthStatus {
                status: some("Missing"),
                ..Default::default()
            }),
            ..Default::default()
        };
        let tree = ResourceTree::from(&wire::ApplicationTree {
            nodes: vec![wire],
            ..Default::default()
        });
        assert_eq!(tree.nodes[0].created_at, None);
        let parent = ResourceKey::new("", "ReplicaSet", "", "web");
        assert_eq!(tree.children(&parent).count(), 1);
    }
}
