//! Which status outranks which, and when knowledge is too old.

use std::time::Duration;

use super::words::ProjectSync;
use crate::health::HealthStatus;

/// What is collected from an application or an object before the worst is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthCode {
    /// Working.
    Healthy,
    /// Paused on purpose; printed as Healthy, because projects have no such label.
    Suspended,
    /// On its way.
    Progressing,
    /// Wanted, and absent.
    Missing,
    /// Failed.
    Degraded,
    /// Known, but too long ago.
    Stale,
    /// Not known: said so, said nothing, said something new, or out of reach.
    Unknown,
}

impl From<&HealthStatus> for HealthCode {
    /// An unknown text is [`HealthCode::Unknown`].
    fn from(health: &HealthStatus) -> Self {
        match health {
            HealthStatus::Healthy => Self::Healthy,
            HealthStatus::Suspended => Self::Suspended,
            HealthStatus::Progressing => Self::Progressing,
            HealthStatus::Missing => Self::Missing,
            HealthStatus::Degraded => Self::Degraded,
            HealthStatus::Unknown | HealthStatus::Other(_) => Self::Unknown,
        }
    }
}

/// Why a list is not a precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a precedence names every status exactly once")]
#[non_exhaustive]
pub struct PrecedenceError;

/// Which status outranks which when a project is rolled up. The default is this library's answer.
///
/// Octopus documents what each label means, but not which one wins. The defaults follow Argo CD's own order, so that a
/// project with one application agrees with Argo CD.
///
/// ```
/// use octopus_argo_core::health::octopus::{HealthCode, RollupPolicy};
/// use std::time::Duration;
///
/// // A dashboard that shows faults even while some other instance is out of reach.
/// let policy = RollupPolicy::default()
///     .health_worst_first([
///         HealthCode::Degraded,
///         HealthCode::Missing,
///         HealthCode::Unknown,
///         HealthCode::Stale,
///         HealthCode::Progressing,
///         HealthCode::Suspended,
///         HealthCode::Healthy,
///     ])?
///     .stale_after(Duration::from_secs(600));
/// # Ok::<(), octopus_argo_core::health::octopus::PrecedenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupPolicy {
    health: [HealthCode; 7],
    sync: [ProjectSync; 4],
    stale_after: Option<Duration>,
}

impl RollupPolicy {
    /// Default of [`RollupPolicy::health_worst_first`]: Argo CD's order, with what is too old beside what is unknown.
    pub const HEALTH_WORST_FIRST: [HealthCode; 7] = [
        HealthCode::Unknown,
        HealthCode::Stale,
        HealthCode::Degraded,
        HealthCode::Missing,
        HealthCode::Progressing,
        HealthCode::Suspended,
        HealthCode::Healthy,
    ];

    /// Default of [`RollupPolicy::sync_worst_first`]: first what cannot be judged, then what needs a person.
    pub const SYNC_WORST_FIRST: [ProjectSync; 4] = [
        ProjectSync::Unknown,
        ProjectSync::GitDrift,
        ProjectSync::OutOfSync,
        ProjectSync::InSync,
    ];

    /// The order of health, worst first.
    ///
    /// # Errors
    /// [`PrecedenceError`] unless every code is there once.
    pub fn health_worst_first(mut self, order: [HealthCode; 7]) -> Result<Self, PrecedenceError> {
        if !Self::HEALTH_WORST_FIRST.iter().all(|code| order.contains(code)) {
            return Err(PrecedenceError);
        }
        self.health = order;
        Ok(self)
    }

    /// The order of sync statuses, worst first.
    ///
    /// # Errors
    /// [`PrecedenceError`] unless Unknown, `GitDrift`, `OutOfSync` and `InSync` are there once.
    pub fn sync_worst_first(mut self, order: [ProjectSync; 4]) -> Result<Self, PrecedenceError> {
        if !Self::SYNC_WORST_FIRST.iter().all(|code| order.contains(code)) {
            return Err(PrecedenceError);
        }
        self.sync = order;
        Ok(self)
    }

    /// An application that was heard of longer ago than this is [`HealthCode::Stale`].
    ///
    /// Off by default: Octopus documents ten minutes for Kubernetes projects only.
    #[must_use]
    pub fn stale_after(mut self, age: Duration) -> Self {
        self.stale_after = Some(age);
        self
    }

    /// Whether something heard of `age` ago is too old. Exactly at the limit it is not.
    pub(super) fn is_stale(&self, age: Option<Duration>) -> bool {
        matches!((self.stale_after, age), (Some(limit), Some(age)) if age > limit)
    }

    /// The rank of `code`: 0 is the worst.
    pub(super) fn health_rank(&self, code: HealthCode) -> usize {
        self.health.iter().position(|other| *other == code).unwrap_or(0)
    }

    pub(super) fn health_at(&self, rank: usize) -> HealthCode {
        self.health.get(rank).copied().unwrap_or(HealthCode::Unknown)
    }

    /// The rank of `code`, 0 being the worst. What is none of the four ranks as Unknown.
    pub(super) fn sync_rank(&self, code: &ProjectSync) -> usize {
        let rank = |wanted: &ProjectSync| self.sync.iter().position(|other| other == wanted);
        rank(code).or_else(|| rank(&ProjectSync::Unknown)).unwrap_or(0)
    }

    pub(super) fn sync_at(&self, rank: usize) -> ProjectSync {
        self.sync.get(rank).cloned().unwrap_or(ProjectSync::Unknown)
    }
}

impl Default for RollupPolicy {
    fn default() -> Self {
        Self {
            health: Self::HEALTH_WORST_FIRST,
            sync: Self::SYNC_WORST_FIRST,
            stale_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precedence_with_a_gap_is_refused() {
        let gap = [HealthCode::Unknown; 7];
        assert_eq!(
            RollupPolicy::default().health_worst_first(gap),
            Err(PrecedenceError)
        );
        let gap = [
            ProjectSync::InSync,
            ProjectSync::InSync,
            ProjectSync::GitDrift,
            ProjectSync::Unknown,
        ];
        assert_eq!(
            RollupPolicy::default().sync_worst_first(gap),
            Err(PrecedenceError)
        );
    }

    #[test]
    fn stale_begins_after_the_limit() {
        let policy = RollupPolicy::default().stale_after(Duration::from_secs(600));
        assert!(!policy.is_stale(Some(Duration::from_secs(600))));
        assert!(policy.is_stale(Some(Duration::from_millis(600_001))));
        assert!(!policy.is_stale(None) && !RollupPolicy::default().is_stale(Some(Duration::MAX)));
    }
}
