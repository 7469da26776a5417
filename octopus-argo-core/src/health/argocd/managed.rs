//! A resource that an application manages, and whether it counts.

use std::fmt;

use super::hook::Marks;
use super::version::{IgnoreAnnotation, MissingRule, Rules};
use crate::health::HealthStatus;

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
    pub(super) fn takes_part(&self) -> bool {
        !self.target.is_some_and(Marks::is_skipped) && !self.live.is_some_and(Marks::is_hook)
    }

    /// The health that counts in that of the application, under `rules`.
    pub(super) fn counted(&self, rules: &Rules) -> Option<&HealthStatus> {
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
