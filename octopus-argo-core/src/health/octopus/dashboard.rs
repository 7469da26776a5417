//! The one label that a dashboard shows.

use std::fmt;

use serde::Serialize;

use super::words::{ProjectHealth, ProjectSync};

/// Which of the two statuses a dashboard shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dashboard {
    /// Health alone: "prioritize health status on dashboards", which is on unless a project turns it off.
    #[default]
    PrioritizeHealth,
    /// Both in one label: the project flag `CombineHealthAndSyncStatusInDashboardLiveStatus`.
    CombineBoth,
}

/// The one label of a project on a dashboard: a health, or else a sync status.
///
/// Prioritised, it is the health alone. How both combine is ours: Waiting, Unavailable and `NotSupported` of either come
/// first, because no live status stands behind them; then health that is Unknown, Stale, Degraded or Missing; then Git
/// drift and out of sync; then Healthy with a sync status that is not known is Unknown; else the health. It is total: a
/// text that is new to this library counts as Unknown, and never comes out as Healthy.
///
/// Rule: Octopus docs, "Live object status", for the prioritised label. Cases: `vectors/health-rollup.json`.
///
/// ```
/// use octopus_argo_core::health::octopus::{Dashboard, ProjectHealth, ProjectSync, combined_status};
///
/// let status = |dashboard| combined_status(&ProjectHealth::Healthy, &ProjectSync::GitDrift, dashboard);
/// assert_eq!(status(Dashboard::PrioritizeHealth).label(), "Healthy");
/// assert_eq!(status(Dashboard::CombineBoth).label(), "Git Drift");
/// ```
#[must_use]
pub fn combined_status(health: &ProjectHealth, sync: &ProjectSync, dashboard: Dashboard) -> CombinedStatus {
    let health = match health {
        ProjectHealth::Other(_) => &ProjectHealth::Unknown,
        known => known,
    };
    let of_health = || CombinedStatus::Health(health.clone());
    if dashboard == Dashboard::PrioritizeHealth {
        return of_health();
    }
    let gates = [
        (ProjectHealth::Waiting, ProjectSync::Waiting),
        (ProjectHealth::Unavailable, ProjectSync::Unavailable),
        (ProjectHealth::NotSupported, ProjectSync::NotSupported),
    ];
    for (gate, sync_gate) in gates {
        if *health == gate || *sync == sync_gate {
            return CombinedStatus::Health(gate);
        }
    }
    match (health, sync) {
        (health, ProjectSync::GitDrift | ProjectSync::OutOfSync) if !outranks_drift(health) => {
            CombinedStatus::Sync(sync.clone())
        }
        // Nothing is healthy whose sync status is not known.
        (ProjectHealth::Healthy, other) if *other != ProjectSync::InSync => {
            CombinedStatus::Health(ProjectHealth::Unknown)
        }
        _ => of_health(),
    }
}

fn outranks_drift(health: &ProjectHealth) -> bool {
    use ProjectHealth as Health;

    matches!(
        health,
        Health::Unknown | Health::Stale | Health::Degraded | Health::Missing
    )
}

/// A label on a dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CombinedStatus {
    /// The health of the project.
    Health(ProjectHealth),
    /// Its sync status.
    Sync(ProjectSync),
}

impl CombinedStatus {
    /// The code that programs exchange.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Health(health) => health.as_str(),
            Self::Sync(sync) => sync.as_str(),
        }
    }

    /// The words that a person reads.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Health(health) => health.label(),
            Self::Sync(sync) => sync.label(),
        }
    }
}

impl fmt::Display for CombinedStatus {
    /// The code, as [`CombinedStatus::as_str`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for CombinedStatus {
    /// The code, as [`CombinedStatus::as_str`].
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn combined(health: &str, sync: &str) -> String {
        combined_status(&health.into(), &sync.into(), Dashboard::CombineBoth)
            .as_str()
            .to_owned()
    }

    #[test]
    fn faults_outrank_drift_and_drift_outranks_movement() {
        assert_eq!(combined("Degraded", "GitDrift"), "Degraded");
        assert_eq!(combined("Progressing", "OutOfSync"), "OutOfSync");
        assert_eq!(combined("Healthy", "Unknown"), "Unknown");
        assert_eq!(combined("Progressing", "Unknown"), "Progressing");
        assert_eq!(combined("Degraded", "Waiting"), "Waiting");
    }

    proptest! {
        #[test]
        fn only_healthy_and_in_sync_is_healthy(health in ".{0,9}", sync in ".{0,9}", pick: bool) {
            let health = if pick { "Healthy" } else { &*health };
            prop_assert!(sync == "InSync" || combined(health, &sync) != "Healthy");
            let alone = combined_status(&health.into(), &sync.as_str().into(), Dashboard::PrioritizeHealth);
            prop_assert!(health == "Healthy" || alone.as_str() != "Healthy");
        }
    }
}
