//! The codes of the Octopus Kubernetes monitor, for programs that show its objects beside those of Argo CD.

use super::words::ObjectStatus;
use crate::health::HealthStatus;

/// The health of an object in the monitor's messages, by number.
///
/// Rule: Octopus Kubernetes monitor, `live_status_service.proto`.
///
/// ```
/// use octopus_argo_core::health::octopus::MonitorHealth;
///
/// assert_eq!(MonitorHealth::from_number(6), MonitorHealth::Healthy);
/// // What a newer monitor invents is not healthy.
/// assert_eq!(MonitorHealth::from_number(99), MonitorHealth::Unspecified);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MonitorHealth {
    /// Not said, or a number of no meaning here.
    #[default]
    Unspecified = 0,
    /// Cannot be told.
    Unknown = 1,
    /// Failed.
    Degraded = 2,
    /// Wanted, and absent.
    Missing = 3,
    /// Paused on purpose.
    Suspended = 4,
    /// On its way.
    Progressing = 5,
    /// Working.
    Healthy = 6,
    /// The kind has no check.
    NotApplicable = 7,
}

impl MonitorHealth {
    /// The code with this number; [`MonitorHealth::Unspecified`] where there is none.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Unknown,
            2 => Self::Degraded,
            3 => Self::Missing,
            4 => Self::Suspended,
            5 => Self::Progressing,
            6 => Self::Healthy,
            7 => Self::NotApplicable,
            _ => Self::Unspecified,
        }
    }

    /// The number in the monitor's messages.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The same in Argo CD's words; `None` where the kind has no check. Not said counts as Unknown.
    #[must_use]
    pub const fn to_health(self) -> Option<HealthStatus> {
        Some(match self {
            Self::NotApplicable => return None,
            Self::Unspecified | Self::Unknown => HealthStatus::Unknown,
            Self::Degraded => HealthStatus::Degraded,
            Self::Missing => HealthStatus::Missing,
            Self::Suspended => HealthStatus::Suspended,
            Self::Progressing => HealthStatus::Progressing,
            Self::Healthy => HealthStatus::Healthy,
        })
    }
}

impl From<Option<&HealthStatus>> for MonitorHealth {
    /// `None` is a kind without a check; an unknown text is Unknown.
    fn from(health: Option<&HealthStatus>) -> Self {
        match health {
            None => Self::NotApplicable,
            Some(HealthStatus::Healthy) => Self::Healthy,
            Some(HealthStatus::Suspended) => Self::Suspended,
            Some(HealthStatus::Progressing) => Self::Progressing,
            Some(HealthStatus::Missing) => Self::Missing,
            Some(HealthStatus::Degraded) => Self::Degraded,
            Some(HealthStatus::Unknown | HealthStatus::Other(_)) => Self::Unknown,
        }
    }
}

/// The sync status of an object in the monitor's messages, by number.
///
/// Rule: Octopus Kubernetes monitor, `sync_status.proto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MonitorSync {
    /// Not said, or a number of no meaning here.
    #[default]
    Unspecified = 0,
    /// Cannot be told.
    Unknown = 1,
    /// A child, which has no wanted state.
    NotApplicable = 2,
    /// As wanted.
    InSync = 3,
    /// Not as wanted.
    OutOfSync = 4,
    /// No longer part of the process. Stays out of every roll-up.
    Orphaned = 5,
}

impl MonitorSync {
    /// The code with this number; [`MonitorSync::Unspecified`] where there is none.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Unknown,
            2 => Self::NotApplicable,
            3 => Self::InSync,
            4 => Self::OutOfSync,
            5 => Self::Orphaned,
            _ => Self::Unspecified,
        }
    }

    /// The number in the monitor's messages.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// What a reader of the first version of the messages is told: it does not know Orphaned.
    #[must_use]
    pub const fn for_first_version(self) -> Self {
        match self {
            Self::Orphaned => Self::NotApplicable,
            other => other,
        }
    }
}

/// What the monitor found of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Presence {
    /// It is there and equals what is wanted.
    Matching,
    /// It is there and differs.
    Differing,
    /// It is not there; or its kind is not, after a complete discovery.
    Absent,
    /// It could not be told: before the first scan, or its kind is not there after an incomplete discovery.
    Undetermined,
    /// It is a child of an object.
    Child,
    /// It is no longer part of the process, whatever a comparison says.
    Orphaned,
}

/// The two codes of an object that the monitor watches. `health` is what its check says; `None` without a check.
///
/// Rule: Octopus Kubernetes monitor, `internal/cluster`.
///
/// ```
/// use octopus_argo_core::health::octopus::{MonitorHealth, MonitorSync, Presence, monitored};
///
/// assert_eq!(monitored(Presence::Absent, None), (MonitorHealth::Missing, MonitorSync::OutOfSync));
/// ```
#[must_use]
pub fn monitored(presence: Presence, health: Option<&HealthStatus>) -> (MonitorHealth, MonitorSync) {
    let health = MonitorHealth::from(health);
    match presence {
        Presence::Matching => (health, MonitorSync::InSync),
        Presence::Differing => (health, MonitorSync::OutOfSync),
        Presence::Absent => (MonitorHealth::Missing, MonitorSync::OutOfSync),
        Presence::Undetermined => (MonitorHealth::Unknown, MonitorSync::Unknown),
        Presence::Child => (health, MonitorSync::NotApplicable),
        Presence::Orphaned => (health, MonitorSync::Orphaned),
    }
}

/// The one label of an object that the monitor watches; `None` for a child without a check.
///
/// As [`object_status`](super::object_status), whose reasons apply. An orphaned object shows its health alone.
#[must_use]
pub fn monitored_status(health: MonitorHealth, sync: MonitorSync) -> Option<ObjectStatus> {
    use crate::health::SyncStatus;

    let sync = match sync {
        MonitorSync::InSync => Some(SyncStatus::Synced),
        MonitorSync::OutOfSync => Some(SyncStatus::OutOfSync),
        MonitorSync::Unspecified | MonitorSync::Unknown => Some(SyncStatus::Unknown),
        MonitorSync::NotApplicable | MonitorSync::Orphaned => None,
    };
    super::object_status(health.to_health().as_ref(), sync.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_new_ones_are_not_healthy() {
        for number in -1..10 {
            let health = MonitorHealth::from_number(number);
            assert_eq!(health.number(), if (0..8).contains(&number) { number } else { 0 });
            assert_eq!(health.to_health() == Some(HealthStatus::Healthy), number == 6);
            let sync = MonitorSync::from_number(number);
            assert_eq!(sync.number(), if (0..6).contains(&number) { number } else { 0 });
        }
        assert_eq!(
            MonitorSync::Orphaned.for_first_version(),
            MonitorSync::NotApplicable
        );
    }

    #[test]
    fn an_unscanned_object_is_unknown() {
        let (health, sync) = monitored(Presence::Undetermined, Some(&HealthStatus::Healthy));
        assert_eq!(monitored_status(health, sync), Some(ObjectStatus::Unknown));
    }
}
