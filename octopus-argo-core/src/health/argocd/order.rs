//! Which health is worse, and the worst of many.

use crate::health::HealthStatus;

impl HealthStatus {
    /// Whether this is worse than `current`: Healthy, Suspended, Progressing, Missing, Degraded, Unknown.
    ///
    /// A text outside the list ranks like Healthy: it never makes anything worse. That is Argo CD's arithmetic and
    /// right only for its folds; what Octopus shows never calls an unknown text healthy, see [`octopus`].
    ///
    /// Rule: Argo CD `gitops-engine/pkg/health/health.go`.
    ///
    /// ```
    /// use octopus_argo_core::health::HealthStatus;
    ///
    /// assert!(HealthStatus::Unknown.is_worse_than(&HealthStatus::Degraded));
    /// assert!(!HealthStatus::Degraded.is_worse_than(&HealthStatus::Degraded));
    /// assert!(!HealthStatus::from("Sleepy").is_worse_than(&HealthStatus::Healthy));
    /// ```
    ///
    /// [`octopus`]: crate::health::octopus
    #[must_use]
    pub fn is_worse_than(&self, current: &Self) -> bool {
        position(self) > position(current)
    }
}

/// The worst of `statuses`, beginning with Healthy. Their order does not matter.
///
/// Rule: Argo CD `gitops-engine/pkg/health/health.go`.
///
/// ```
/// use octopus_argo_core::health::{HealthStatus, argocd::worst_of};
///
/// assert_eq!(worst_of(&[HealthStatus::Missing, HealthStatus::Progressing]), HealthStatus::Missing);
/// assert_eq!(worst_of([]), HealthStatus::Healthy);
/// ```
#[must_use]
pub fn worst_of<'a>(statuses: impl IntoIterator<Item = &'a HealthStatus>) -> HealthStatus {
    let mut worst = &HealthStatus::Healthy;
    for status in statuses {
        if status.is_worse_than(worst) {
            worst = status;
        }
    }
    worst.clone()
}

fn position(status: &HealthStatus) -> u8 {
    match status {
        HealthStatus::Healthy | HealthStatus::Other(_) => 0,
        HealthStatus::Suspended => 1,
        HealthStatus::Progressing => 2,
        HealthStatus::Missing => 3,
        HealthStatus::Degraded => 4,
        HealthStatus::Unknown => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_status() -> impl Strategy<Value = HealthStatus> {
        prop_oneof![
            5 => proptest::sample::select(HealthStatus::KNOWN),
            1 => "[a-zA-Z]{0,9}".prop_map(|text| HealthStatus::from(&*text)),
        ]
    }

    proptest! {
        #[test]
        fn the_worst_ignores_order_and_duplicates_and_only_gets_worse(
            mut statuses in proptest::collection::vec(any_status(), 0..12),
            more in any_status(),
        ) {
            let worst = worst_of(&statuses);
            prop_assert_eq!(&worst_of([&worst]), &worst);
            let doubled: Vec<_> = statuses.iter().chain(&statuses).cloned().collect();
            prop_assert_eq!(&worst_of(&doubled), &worst);
            statuses.reverse();
            prop_assert_eq!(&worst_of(&statuses), &worst);
            statuses.push(more);
            prop_assert!(!worst.is_worse_than(&worst_of(&statuses)));
        }
    }
}
