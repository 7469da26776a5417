//! What is decided for an application as a whole, whatever its resources say.

use crate::health::{HealthStatus, SyncStatus};

/// What keeps Argo CD from judging a whole application, whatever its resources say.
///
/// Rule: Argo CD `controller/appcontroller.go` and `controller/state.go`.
///
/// ```
/// use octopus_argo_core::health::{HealthStatus, SyncStatus, argocd::Obstacle};
///
/// // A new application with a broken repository: nothing is known of Git, and nothing live is unhealthy.
/// assert_eq!(Obstacle::ManifestsNotGenerated.sync(), SyncStatus::Unknown);
/// assert_eq!(Obstacle::ManifestsNotGenerated.health(HealthStatus::Healthy), HealthStatus::Healthy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// The specification or the Argo CD project is in error. The resource tree is emptied too.
    SpecOrProject,
    /// The settings of comparison could not be read.
    ComparisonSettings,
    /// The manifests could not be made from Git. Health still follows from what is live.
    ManifestsNotGenerated,
}

impl Obstacle {
    /// The application's sync status under this obstacle: always Unknown.
    #[must_use]
    pub fn sync(self) -> SyncStatus {
        SyncStatus::Unknown
    }

    /// The application's health under this obstacle, given what its resources come to.
    #[must_use]
    pub fn health(self, of_resources: HealthStatus) -> HealthStatus {
        match self {
            Self::SpecOrProject | Self::ComparisonSettings => HealthStatus::Unknown,
            Self::ManifestsNotGenerated => of_resources,
        }
    }
}

/// When the health of an application last changed, as Argo CD keeps it in `status.health.lastTransitionTime`.
///
/// Only another word moves it; a new message, or a new cause of the same health, does not. The field exists since 2.14.
///
/// Rule: Argo CD `controller/health.go`.
///
/// ```
/// use octopus_argo_core::health::{HealthStatus, argocd::last_transition};
///
/// let before = Some((&HealthStatus::Degraded, 100));
/// assert_eq!(last_transition(before, &HealthStatus::Degraded, 160), 100);
/// assert_eq!(last_transition(before, &HealthStatus::Healthy, 160), 160);
/// assert_eq!(last_transition(None, &HealthStatus::Healthy, 160), 160);
/// ```
#[must_use]
pub fn last_transition<T>(before: Option<(&HealthStatus, T)>, current: &HealthStatus, now: T) -> T {
    match before {
        Some((health, at)) if health == current => at,
        _ => now,
    }
}
