//! What the Octopus Kubernetes monitor adds.

use super::error::CheckError;
use super::live::Live;
use super::{ResourceHealth, Rules};

/// A deployment that is not paused: replicas are wanted, and none is ready.
///
/// Rule: Octopus Kubernetes monitor, `internal/health`.
pub(super) fn deployment<'a>(
    live: Live<'a>,
    rules: &Rules,
) -> Result<Option<ResourceHealth<'a>>, CheckError> {
    if live.flag(&["spec", "paused"])? {
        return Ok(None);
    }
    replica_set(live, rules)
}

/// As for [`deployment`], without the pause.
///
/// Rule: Octopus Kubernetes monitor, `internal/health`.
pub(super) fn replica_set<'a>(live: Live<'a>, _: &Rules) -> Result<Option<ResourceHealth<'a>>, CheckError> {
    let wanted = live.number(&["spec", "replicas"])?;
    let ready = live.number(&["status", "readyReplicas"])?;
    let none_ready = !live.is_generation_ahead()? && wanted != 0 && ready == 0;
    Ok(none_ready.then(|| ResourceHealth::degraded("none of the wanted replicas is ready")))
}
