//! The status of one object from its health and its sync status.

use super::words::ObjectStatus;
use crate::health::{HealthStatus, SyncStatus};

/// The one label of an object that Argo CD reports with this health and this sync status.
///
/// Documented are these: Healthy requires being in sync, In Sync is for objects without a health of their own, and Out
/// of Sync means that the cluster differs from Git. The rest is ours: a real fault outranks drift; drift outranks
/// movement, since an object that differs from Git does not move towards the desired state; and nothing unknown may be
/// called healthy. `None` on both sides (a child without a check) has no label.
///
/// Rule: Octopus docs, "Live object status". Cases: `vectors/health-rollup.json`.
///
/// ```
/// use octopus_argo_core::health::{HealthStatus, SyncStatus};
/// use octopus_argo_core::health::octopus::{ObjectStatus, object_status};
///
/// let label = |health, sync| object_status(Some(&health), Some(&sync));
/// assert_eq!(label(HealthStatus::Healthy, SyncStatus::OutOfSync), Some(ObjectStatus::OutOfSync));
/// assert_eq!(label(HealthStatus::Degraded, SyncStatus::OutOfSync), Some(ObjectStatus::Degraded));
/// ```
#[must_use]
pub fn object_status(health: Option<&HealthStatus>, sync: Option<&SyncStatus>) -> Option<ObjectStatus> {
    let health = health.filter(|health| !health.as_str().is_empty());
    let sync = sync.filter(|sync| !sync.as_str().is_empty());
    Some(match (health, sync) {
        (None, None) => return None,
        (None, Some(SyncStatus::Synced)) => ObjectStatus::InSync,
        (Some(HealthStatus::Healthy), None | Some(SyncStatus::Synced)) => ObjectStatus::Healthy,
        (
            None | Some(HealthStatus::Healthy | HealthStatus::Suspended | HealthStatus::Progressing),
            Some(SyncStatus::OutOfSync),
        ) => ObjectStatus::OutOfSync,
        (None | Some(HealthStatus::Healthy | HealthStatus::Unknown | HealthStatus::Other(_)), _) => {
            ObjectStatus::Unknown
        }
        (Some(HealthStatus::Suspended), _) => ObjectStatus::Suspended,
        (Some(HealthStatus::Progressing), _) => ObjectStatus::Progressing,
        (Some(HealthStatus::Missing), _) => ObjectStatus::Missing,
        (Some(HealthStatus::Degraded), _) => ObjectStatus::Degraded,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows: health; columns: Synced, `OutOfSync`, Unknown, none.
    const TABLE: &[(&str, [&str; 4])] = &[
        ("", ["InSync", "OutOfSync", "Unknown", ""]),
        ("Healthy", ["Healthy", "OutOfSync", "Unknown", "Healthy"]),
        ("Suspended", ["Suspended", "OutOfSync", "Suspended", "Suspended"]),
        (
            "Progressing",
            ["Progressing", "OutOfSync", "Progressing", "Progressing"],
        ),
        ("Missing", ["Missing"; 4]),
        ("Degraded", ["Degraded"; 4]),
        ("Unknown", ["Unknown"; 4]),
        ("healthy", ["Unknown"; 4]),
    ];

    #[test]
    fn the_whole_table() {
        for (health, row) in TABLE {
            for (sync, expected) in ["Synced", "OutOfSync", "Unknown", ""].into_iter().zip(row) {
                let (health, sync) = (HealthStatus::from(*health), SyncStatus::from(sync));
                let status = object_status(Some(&health), Some(&sync));
                assert_eq!(
                    status.as_ref().map_or("", ObjectStatus::as_str),
                    *expected,
                    "{health} {sync}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_sync_word_is_an_unknown_sync() {
        let odd = SyncStatus::from("synced");
        assert_eq!(
            object_status(Some(&HealthStatus::Healthy), Some(&odd)),
            Some(ObjectStatus::Unknown)
        );
        assert_eq!(object_status(None, Some(&odd)), Some(ObjectStatus::Unknown));
    }

    proptest! {
        #[test]
        fn only_known_words_are_good_news(health in ".{0,9}", sync in ".{0,9}", pick in 0_u8..3) {
            let health = if pick == 1 { "Healthy".to_owned() } else { health };
            let sync = if pick == 2 { "Synced".to_owned() } else { sync };
            let status = object_status(Some(&health.as_str().into()), Some(&sync.as_str().into()));
            match status {
                Some(ObjectStatus::Healthy) => prop_assert!(health == "Healthy" && matches!(&*sync, "" | "Synced")),
                Some(ObjectStatus::InSync) => prop_assert!(health.is_empty() && sync == "Synced"),
                _ => {}
            }
        }
    }
}
