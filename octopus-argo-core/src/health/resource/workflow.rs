//! Argo Workflows' `Workflow`.

use super::error::CheckError;
use super::live::Live;
use super::{ResourceHealth, Rules};
use crate::health::HealthStatus;

/// Rule: Argo CD `gitops-engine/pkg/health/health_argo.go`.
pub(super) fn workflow<'a>(live: Live<'a>, _: &Rules) -> Result<ResourceHealth<'a>, CheckError> {
    let status = match live.text(&["status", "phase"])? {
        "" | "Pending" | "Running" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" | "Error" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Ok(ResourceHealth::new(status, live.text(&["status", "message"])?))
}
