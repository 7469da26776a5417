//! The health of an application from the health of its resources.

use std::fmt;

use super::hook::Marks;
use super::version::{ArgoCdVersion, IgnoreAnnotation, MissingRule, Rules};
use crate::health::{HealthStatus, SyncStatus};

/// Which resource: group, kind, namespace and name. `Display` writes `group/Kind:namespace/name`.
///
/// ```
/// use octopus_argo_core::health::argocd::ResourceKey;
///
/// assert_eq!(ResourceKey::new("apps", "Deployment", "shop", "web").to_string(), "apps/Deployment:shop/web");
/// assert_eq!(ResourceKey::new("", "Namespace", "", "shop").to_string(), "Namespace:shop");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ResourceKey {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// The namespace; empty for resources of the whole cluster.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
}

impl ResourceKey {
    /// Puts the four parts together.
    #[must_use]
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    fn is_application(&self) -> bool {
        &*self.group == "argoproj.io" && &*self.kind == "Application"
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}:", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Where the check of a kind comes from. Up to Argo CD 3.3 this decides whether a missing resource counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckOrigin {
    /// The kind has no check.
    #[default]
    None,
    /// Argo CD's program, see [`resource::has_built_in_check`](crate::health::resource::has_built_in_check).
    BuiltIn,
    /// A script in the settings, under exactly this group and kind.
    Override,
    /// A script that comes with Argo CD, for example that of `Rollout`.
    Embedded,
}

/// A resource that an application manages. Pods of a deployment and other children are not, and never count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagedResource {
    /// Which one.
    pub key: ResourceKey,
    /// The manifest in Git; `None` where it waits to be pruned.
    pub target: Option<Marks>,
    /// The object in the cluster; `None` where it is missing.
    pub live: Option<Marks>,
    /// What the check says of the object in the cluster; `None` without a check. A check that failed is Unknown.
    pub health: Option<HealthStatus>,
    /// Where the check comes from. Default: there is none.
    pub check: CheckOrigin,
    /// Whether it is the application itself: same uid, namespace, name and kind. Default: no.
    pub is_itself: bool,
}

impl ManagedResource {
    /// A resource that is both in Git and in the cluster, with nothing special about it.
    #[must_use]
    pub fn new(key: ResourceKey, health: Option<HealthStatus>) -> Self {
        Self {
            key,
            target: Some(Marks::default()),
            live: Some(Marks::default()),
            health,
            check: CheckOrigin::None,
            is_itself: false,
        }
    }

    /// A resource that is in Git and not in the cluster.
    #[must_use]
    pub fn missing(key: ResourceKey, check: CheckOrigin) -> Self {
        Self {
            live: None,
            check,
            ..Self::new(key, None)
        }
    }

    /// Whether it is neither skipped nor a hook.
    fn takes_part(&self) -> bool {
        !self.target.is_some_and(Marks::is_skipped) && !self.live.is_some_and(Marks::is_hook)
    }

    /// The health that counts in that of the application, under `rules`.
    fn counted(&self, rules: &Rules) -> Option<&HealthStatus> {
        let ignored = match rules.ignore_annotation {
            IgnoreAnnotation::None => false,
            IgnoreAnnotation::OnTarget => self.target.is_some_and(Marks::ignores_health),
            IgnoreAnnotation::OnLive => self.live.is_some_and(Marks::ignores_health),
        };
        if ignored {
            return None;
        }
        let health = match (self.live, rules.missing) {
            (Some(_), _) if self.is_itself => return None,
            (Some(_), _) => self.health.as_ref()?,
            (None, MissingRule::OnlyAllTogether) => return None,
            (None, MissingRule::EachCheckedKind) => &HealthStatus::Missing,
        };
        let missing = *health == HealthStatus::Missing;
        // Up to 3.3 this holds too where a script answers Missing for an object that is there.
        if missing
            && rules.missing == MissingRule::EachCheckedKind
            && !matches!(self.check, CheckOrigin::BuiltIn | CheckOrigin::Override)
        {
            return None;
        }
        // A child application that nobody has looked at yet must not drag its parent down.
        let unsettled = missing || *health == HealthStatus::Unknown;
        (!(self.key.is_application() && unsettled)).then_some(health)
    }
}

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
    /// Argo CD writes such a line to `status.health.message` since 3.6 ([`Rules::causes_in_message`]).
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
                    let ignore = ignore.then_some((super::super::hook::IGNORE_HEALTHCHECK, "true"));
                    let hook = hook.map(|hook| (super::super::hook::HOOK, hook));
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
