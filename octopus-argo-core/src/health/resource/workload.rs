//! Deployment, `ReplicaSet`, `StatefulSet` and `DaemonSet`.

use super::error::CheckError;
use super::live::{Condition, Live};
use super::{ResourceHealth, Rules};

/// Rule: Argo CD `gitops-engine/pkg/health/health_deployment.go`.
pub(super) fn deployment<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let replicas = live.number_if_set(&["spec", "replicas"])?;
    let current = live.number(&["status", "replicas"])?;
    let updated = live.number(&["status", "updatedReplicas"])?;
    let available = live.number(&["status", "availableReplicas"])?;
    let generation_ahead = live.is_generation_ahead()?;
    // Whatever the condition's status says: only its reason is looked at.
    let progress = live
        .conditions()?
        .find(|condition| condition.kind == "Progressing");
    if live.flag(&["spec", "paused"])? {
        return Ok(ResourceHealth::suspended("the deployment is paused"));
    }
    if generation_ahead {
        return Ok(ResourceHealth::progressing(GENERATION_AHEAD));
    }
    if progress.is_some_and(|condition| condition.reason == "ProgressDeadlineExceeded") {
        return Ok(ResourceHealth::degraded(
            "the deployment exceeded its progress deadline",
        ));
    }
    if let Some(wanted) = replicas.filter(|wanted| updated < *wanted) {
        let message = format!("{updated} of {wanted} replicas are updated");
        return Ok(ResourceHealth::progressing(message));
    }
    if current > updated {
        let message = format!("{} old replicas are going away", current.saturating_sub(updated));
        return Ok(ResourceHealth::progressing(message));
    }
    if available < updated {
        let message = format!("{available} of {updated} updated replicas are available");
        return Ok(ResourceHealth::progressing(message));
    }
    Ok(ResourceHealth::healthy(""))
}

/// Rule: Argo CD `gitops-engine/pkg/health/health_replicaset.go`.
pub(super) fn replica_set<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let replicas = live.number_if_set(&["spec", "replicas"])?;
    let available = live.number(&["status", "availableReplicas"])?;
    let generation_ahead = live.is_generation_ahead()?;
    let failure = live
        .conditions()?
        .find(|condition| condition.kind == "ReplicaFailure");
    if generation_ahead {
        return Ok(ResourceHealth::progressing(GENERATION_AHEAD));
    }
    if let Some(failure) = failure.filter(Condition::is_true) {
        return Ok(ResourceHealth::degraded(failure.message));
    }
    if let Some(wanted) = replicas.filter(|wanted| available < *wanted) {
        let message = format!("{available} of {wanted} replicas are available");
        return Ok(ResourceHealth::progressing(message));
    }
    Ok(ResourceHealth::healthy(""))
}

/// Rule: Argo CD `gitops-engine/pkg/health/health_statefulset.go`.
pub(super) fn stateful_set<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let observed = live.number(&["status", "observedGeneration"])?;
    let replicas = live.number_if_set(&["spec", "replicas"])?;
    let ready = live.number(&["status", "readyReplicas"])?;
    let updated = live.number(&["status", "updatedReplicas"])?;
    let strategy = live.text(&["spec", "updateStrategy", "type"])?;
    let rolling = live.object(&["spec", "updateStrategy", "rollingUpdate"])?;
    let partition = live.number_if_set(&["spec", "updateStrategy", "rollingUpdate", "partition"])?;
    let update_revision = live.text(&["status", "updateRevision"])?;
    let current_revision = live.text(&["status", "currentRevision"])?;
    if observed == 0 || live.is_generation_ahead()? {
        return Ok(ResourceHealth::progressing(GENERATION_AHEAD));
    }
    if let Some(wanted) = replicas.filter(|wanted| ready < *wanted) {
        return Ok(ResourceHealth::progressing(format!(
            "{ready} of {wanted} pods are ready"
        )));
    }
    if strategy == "RollingUpdate" && rolling.is_some() {
        if let (Some(wanted), Some(partition)) = (replicas, partition) {
            let to_update = wanted.saturating_sub(partition);
            if updated < to_update {
                let message = format!("{updated} of {to_update} pods above the partition are updated");
                return Ok(ResourceHealth::progressing(message));
            }
        }
        // Revisions are not compared on this way.
        return Ok(ResourceHealth::healthy("the partitioned rollout is complete"));
    }
    if strategy == "OnDelete" {
        return Ok(ResourceHealth::healthy("pods are updated when they are deleted"));
    }
    if update_revision != current_revision {
        return Ok(ResourceHealth::progressing(
            "pods of the old revision are being replaced",
        ));
    }
    Ok(ResourceHealth::healthy("the rollout is complete"))
}

/// Rule: Argo CD `gitops-engine/pkg/health/health_daemonset.go`.
pub(super) fn daemon_set<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let desired = live.number(&["status", "desiredNumberScheduled"])?;
    let updated = live.number(&["status", "updatedNumberScheduled"])?;
    let available = live.number(&["status", "numberAvailable"])?;
    let strategy = live.text(&["spec", "updateStrategy", "type"])?;
    if live.is_generation_ahead()? {
        return Ok(ResourceHealth::progressing(GENERATION_AHEAD));
    }
    if strategy == "OnDelete" {
        return Ok(ResourceHealth::healthy("pods are updated when they are deleted"));
    }
    if updated < desired {
        return Ok(ResourceHealth::progressing(format!(
            "{updated} of {desired} nodes are updated"
        )));
    }
    if available < desired {
        let message = format!("the pods of {available} of {desired} nodes are available");
        return Ok(ResourceHealth::progressing(message));
    }
    Ok(ResourceHealth::healthy(""))
}

const GENERATION_AHEAD: &str = "the newest specification has not been observed yet";
