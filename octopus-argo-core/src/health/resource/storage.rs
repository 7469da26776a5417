//! `PersistentVolumeClaim`.

use super::error::CheckError;
use super::live::Live;
use super::{ResourceHealth, Rules};
use crate::health::HealthStatus;

/// Rule: Argo CD `gitops-engine/pkg/health/health_pvc.go`.
pub(super) fn volume_claim<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let status = match live.text(&["status", "phase"])? {
        "Bound" => HealthStatus::Healthy,
        "Pending" => HealthStatus::Progressing,
        "Lost" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Ok(ResourceHealth::new(status, ""))
}
