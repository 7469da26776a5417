//! The health of an application from the health of its resources.

use super::managed::{ManagedResource, ResourceKey};
use super::version::{ArgoCdVersion, MissingRule};
use crate::health::HealthStatus;

/// The health of an application, and which resources made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplicationHealth<'a> {
    /// The health.
    pub status: HealthStatus,
    /// The resources with exactly this health, in the order given. Empty for Healthy, and where all are missing.
    pub causes: Vec<&'a ResourceKey>,
}

impl ApplicationHealth<'_> {
    /// How many causes a message names.
    pub const SHOWN_CAUSES: usize = 3;

    /// The causes in one line, or `None` without any: `Caused by a, b, c and 2 more`.
    ///
    /// Argo CD writes such a line to `status.health.message` since 3.6, see
    /// [`Rules::causes_in_message`](super::Rules::causes_in_message).
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let shown: Vec<_> = self
            .causes
            .iter()
            .take(Self::SHOWN_CAUSES)
            .map(ToString::to_string)
            .collect();
        if shown.is_empty() {
            return None;
        }
        let message = format!("Caused by {}", shown.join(", "));
        Some(match self.causes.len() - shown.len() {
            0 => message,
            more => format!("{message} and {more} more"),
        })
    }
}

/// The health of an application, as `version` works it out.
///
/// The status does not depend on the order of `resources`. With no resources at all, or only hooks, it is Healthy.
/// Objects without a check, ignored ones and the application's own object are neutral. Which missing resources count
/// depends on the version, see [`MissingRule`].
///
/// Rule: Argo CD `controller/health.go` and its upgrade notes. Cases: `vectors/health-rollup.json`.
///
/// ```
/// use octopus_argo_core::health::HealthStatus;
/// use octopus_argo_core::health::argocd::{
///     ArgoCdVersion, CheckOrigin, ManagedResource, ResourceKey, application_health,
/// };
///
/// let resources = [
///     ManagedResource::new(ResourceKey::new("apps", "Deployment", "shop", "web"), Some(HealthStatus::Healthy)),
///     ManagedResource::missing(ResourceKey::new("apps", "Deployment", "shop", "api"), CheckOrigin::BuiltIn),
/// ];
/// let old = application_health(ArgoCdVersion::new(3, 3, 0), &resources);
/// assert_eq!(old.status, HealthStatus::Missing);
/// assert_eq!(old.message().as_deref(), Some("Caused by apps/Deployment:shop/api"));
/// // Since 3.4 a single gap shows in the sync status only.
/// let new = application_health(ArgoCdVersion::new(3, 4, 0), &resources);
/// assert_eq!(new.status, HealthStatus::Healthy);
/// ```
#[must_use]
pub fn application_health<'a>(
    version: ArgoCdVersion,
    resources: impl IntoIterator<Item = &'a ManagedResource>,
) -> ApplicationHealth<'a> {
    let rules = version.rules();
    let mut worst = &HealthStatus::Healthy;
    let mut causes = Vec::new();
    let mut has_resources = false;
    let mut has_live = false;
    for resource in resources.into_iter().filter(|resource| resource.takes_part()) {
        has_resources = true;
        has_live |= resource.live.is_some();
        let Some(health) = resource.counted(&rules) else {
            continue;
        };
        if health.is_worse_than(worst) {
            worst = health;
            causes.clear();
            causes.push(&resource.key);
        } else if health == worst && *worst != HealthStatus::Healthy {
            causes.push(&resource.key);
        }
    }
    let all_missing = has_resources && !has_live && rules.missing == MissingRule::OnlyAllTogether;
    if all_missing && HealthStatus::Missing.is_worse_than(worst) {
        worst = &HealthStatus::Missing;
        causes.clear();
    }
    ApplicationHealth {
        status: worst.clone(),
        causes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::health::argocd::{CheckOrigin, HOOK, IGNORE_HEALTHCHECK, Marks};

    fn resource(health: &str) -> ManagedResource {
        let key = ResourceKey::new("apps", "Deployment", "shop", "web");
        ManagedResource::new(key, Some(health.into()))
    }

    #[test]
    fn a_neutral_code_is_no_cause() {
        let odd = [resource("Wobbly"), resource("")];
        let health = application_health(ArgoCdVersion::NEWEST, &odd);
        assert_eq!((health.status, health.causes.len()), (HealthStatus::Healthy, 0));
    }

    #[test]
    fn a_message_names_three_and_counts_the_rest() {
        let many = vec![resource("Degraded"); 5];
        let health = application_health(ArgoCdVersion::NEWEST, &many);
        let one = "apps/Deployment:shop/web";
        assert_eq!(
            health.message().unwrap(),
            format!("Caused by {one}, {one}, {one} and 2 more")
        );
        assert_eq!(application_health(ArgoCdVersion::NEWEST, []).message(), None);
    }

    #[test]
    fn up_to_3_3_an_embedded_script_that_answers_missing_does_not_count() {
        let embedded = ManagedResource {
            check: CheckOrigin::Embedded,
            ..resource("Missing")
        };
        let health = |minor| application_health(ArgoCdVersion::new(3, minor, 0), [&embedded]).status;
        assert_eq!(health(3), HealthStatus::Healthy);
        assert_eq!(health(4), HealthStatus::Missing);
    }

    fn any_resource() -> impl Strategy<Value = ManagedResource> {
        let marks = || {
            proptest::option::weighted(
                0.7,
                (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(hook, skip, ignore)| {
                    let hook = match (hook, skip) {
                        (true, _) => Some("Sync"),
                        (false, true) => Some("Skip"),
                        _ => None,
                    };
                    let ignore = ignore.then_some((IGNORE_HEALTHCHECK, "true"));
                    let hook = hook.map(|hook| (HOOK, hook));
                    Marks::from_annotations(hook.into_iter().chain(ignore))
                }),
            )
        };
        let check = proptest::sample::select(vec![
            CheckOrigin::None,
            CheckOrigin::BuiltIn,
            CheckOrigin::Embedded,
        ]);
        let kind = proptest::sample::select(vec![("apps", "Deployment"), ("argoproj.io", "Application")]);
        let health = proptest::option::of(proptest::sample::select(HealthStatus::KNOWN));
        (marks(), marks(), health, check, kind).prop_map(|(target, live, health, check, (group, kind))| {
            ManagedResource {
                target,
                live,
                check,
                ..ManagedResource::new(ResourceKey::new(group, kind, "a", "b"), health)
            }
        })
    }

    proptest! {
        #[test]
        fn the_status_ignores_order_and_duplicates(
            mut resources in proptest::collection::vec(any_resource(), 0..8),
            minor in 0_u32..8,
        ) {
            let version = ArgoCdVersion::new(3, minor, 0);
            let status = application_health(version, &resources).status;
            let twice = resources.iter().chain(&resources);
            prop_assert_eq!(&application_health(version, twice).status, &status);
            resources.reverse();
            prop_assert_eq!(&application_health(version, &resources).status, &status);
        }

        #[test]
        fn another_live_resource_never_improves_what_is_not_all_missing(
            resources in proptest::collection::vec(any_resource(), 0..8),
            more in any_resource(),
        ) {
            let before = application_health(ArgoCdVersion::NEWEST, &resources).status;
            let after = application_health(ArgoCdVersion::NEWEST, resources.iter().chain([&more])).status;
            prop_assert!(before == HealthStatus::Missing || !before.is_worse_than(&after));
        }
    }
}
