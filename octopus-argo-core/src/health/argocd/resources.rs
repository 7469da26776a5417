//! The health of single resources, wherever Argo CD keeps it.

use std::collections::HashMap;

use serde::Deserialize;

use super::managed::ResourceKey;
use super::words::HealthSource;
use crate::health::{HealthStatus, SyncStatus};

/// One entry of an application's `status.resources`. Unknown fields are ignored.
///
/// ```
/// use octopus_argo_core::health::{SyncStatus, argocd::ResourceStatus};
///
/// let resource: ResourceStatus =
///     serde_json::from_str(r#"{"kind": "ConfigMap", "name": "settings", "status": "Synced"}"#)?;
/// assert_eq!(resource.sync(), Some(SyncStatus::Synced));
/// assert_eq!(resource.inline_health(), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceStatus {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// The namespace; empty for resources of the whole cluster.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The sync status, as written; blank where it does not apply.
    pub status: Box<str>,
    /// The health, where it is kept inline.
    pub health: Option<ReportedHealth>,
    /// Whether it is a hook.
    pub hook: bool,
    /// Whether Git no longer has it.
    pub requires_pruning: bool,
}

impl ResourceStatus {
    /// Which resource it is.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(&self.group, &self.kind, &self.namespace, &self.name)
    }

    /// The sync status; `None` where it does not apply.
    #[must_use]
    pub fn sync(&self) -> Option<SyncStatus> {
        (!self.status.is_empty()).then(|| SyncStatus::from(&*self.status))
    }

    /// The health kept inline; `None` without a check.
    #[must_use]
    pub fn inline_health(&self) -> Option<HealthStatus> {
        self.health.as_ref()?.status()
    }
}

/// A health as Argo CD writes it: a word and a message, either of which may be blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReportedHealth {
    /// The word, as written; blank means never assessed.
    pub status: Box<str>,
    /// The message.
    pub message: Box<str>,
}

impl ReportedHealth {
    /// The health; `None` where it was never assessed.
    #[must_use]
    pub fn status(&self) -> Option<HealthStatus> {
        (!self.status.is_empty()).then(|| HealthStatus::from(&*self.status))
    }
}

/// One node of an application's resource tree. Unknown fields are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TreeNode {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// The namespace; empty for resources of the whole cluster.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The id that the cluster gave the object.
    pub uid: Box<str>,
    /// The version that the cluster gave the object.
    pub resource_version: Box<str>,
    /// When the object was created.
    pub created_at: Option<Box<str>>,
    /// The health, if its kind has a check.
    pub health: Option<ReportedHealth>,
    /// What it was made by.
    pub parent_refs: Box<[ParentRef]>,
    /// The images that it runs.
    pub images: Box<[Box<str>]>,
}

/// What a node was made by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ParentRef {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// The namespace; empty for resources of the whole cluster.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The id that the cluster gave the object.
    pub uid: Box<str>,
}

impl ParentRef {
    /// Whether this is the resource meant. Ids are not compared, as Argo CD does not.
    #[must_use]
    pub fn is(&self, key: &ResourceKey) -> bool {
        self.group == key.group
            && self.kind == key.kind
            && self.namespace == key.namespace
            && self.name == key.name
    }
}

impl TreeNode {
    /// Which resource it is.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(&self.group, &self.kind, &self.namespace, &self.name)
    }

    /// What the node says of its resource's health; `None` where it says nothing.
    fn says(&self) -> Option<HealthStatus> {
        if let Some(health) = &self.health {
            return health.status();
        }
        let never_seen = self.uid.is_empty() && self.resource_version.is_empty() && self.created_at.is_none();
        never_seen.then_some(HealthStatus::Missing)
    }
}

/// The health of each of `resources`, in their order; `None` without a check.
///
/// With [`HealthSource::AppTree`] the tree decides and whatever stands in the resources does not count. Otherwise the
/// tree is not looked at, and may be empty.
///
/// Rule: Argo CD `server/application/application.go`. Cases: `vectors/health-rollup.json`.
///
/// ```
/// use octopus_argo_core::health::HealthStatus;
/// use octopus_argo_core::health::argocd::{HealthSource, ResourceStatus, TreeNode, resource_health};
///
/// let resources: Vec<ResourceStatus> = serde_json::from_str(r#"[{"kind": "Service", "name": "web"}]"#)?;
/// // The cluster has never given this node an id.
/// let tree: Vec<TreeNode> = serde_json::from_str(r#"[{"kind": "Service", "name": "web"}]"#)?;
/// let health = resource_health(Some(&HealthSource::AppTree), &resources, &tree);
/// assert_eq!(health, [Some(HealthStatus::Missing)]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn resource_health(
    source: Option<&HealthSource>,
    resources: &[ResourceStatus],
    tree: &[TreeNode],
) -> Vec<Option<HealthStatus>> {
    if source != Some(&HealthSource::AppTree) {
        return resources.iter().map(ResourceStatus::inline_health).collect();
    }
    let nodes: HashMap<_, _> = tree
        .iter()
        .filter_map(|node| {
            Some((
                (&*node.group, &*node.kind, &*node.namespace, &*node.name),
                node.says()?,
            ))
        })
        .collect();
    resources
        .iter()
        .map(|r| {
            nodes
                .get(&(&*r.group, &*r.kind, &*r.namespace, &*r.name))
                .cloned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_replaces_inline_values_and_any_sign_of_life_counts() {
        let resources: Vec<ResourceStatus> =
            serde_json::from_str(r#"[{"kind": "Secret", "name": "a", "health": {"status": "Healthy"}}]"#)
                .unwrap();
        let health = |tree: &str| {
            let tree: Vec<TreeNode> = serde_json::from_str(tree).unwrap();
            resource_health(Some(&HealthSource::AppTree), &resources, &tree)
        };
        assert_eq!(health("[]"), [None]);
        assert_eq!(
            health(r#"[{"kind": "Secret", "name": "a"}]"#),
            [Some(HealthStatus::Missing)]
        );
        assert_eq!(
            health(r#"[{"kind": "Secret", "name": "a", "resourceVersion": "1"}]"#),
            [None]
        );
        assert_eq!(
            health(r#"[{"kind": "Secret", "name": "a", "createdAt": "2031-01-01T00:00:00Z"}]"#),
            [None]
        );
        assert_eq!(
            health(r#"[{"kind": "Secret", "name": "a", "health": {}}]"#),
            [None]
        );
        assert_eq!(
            health(r#"[{"kind": "Secret", "namespace": "x", "name": "a"}]"#),
            [None]
        );
    }
}
