//! Job.

use super::error::CheckError;
use super::live::Live;
use super::{ResourceHealth, Rules};

/// The types of its conditions decide. Their status is read for Suspended only, and `spec.suspend` is not read: a job
/// that was resumed still has that condition, and counts as healthy while it runs.
///
/// Rule: Argo CD `gitops-engine/pkg/health/health_job.go`.
pub(super) fn job<'a>(live: Live<'a>, rules: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let mut failed = None;
    let mut ended = None;
    let mut suspended = false;
    for condition in live.conditions()? {
        match condition.kind {
            "Failed" => failed = Some(condition.message),
            "Complete" => ended = Some(condition.message),
            "Suspended" => {
                ended = Some(condition.message);
                suspended |= condition.is_true();
            }
            _ => {}
        }
    }
    Ok(match (failed, ended) {
        (Some(message), _) => ResourceHealth::degraded(message),
        (None, None) => ResourceHealth::progressing(""),
        (None, Some(_)) if suspended && !rules.job_suspended_message => ResourceHealth::suspended(""),
        (None, Some(message)) if suspended => ResourceHealth::suspended(message),
        (None, Some(message)) => ResourceHealth::healthy(message),
    })
}
