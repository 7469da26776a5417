//! The sync status of a resource, and of an application from its resources.

use crate::health::SyncStatus;

/// The facts that decide the sync status of one resource.
///
/// ```
/// use octopus_argo_core::health::{SyncStatus, argocd::ResourceFacts};
///
/// // Git no longer has it, and its own annotation says that this does not matter.
/// let facts = ResourceFacts { ignore_extraneous: true, ..ResourceFacts::new(false, true) };
/// let sync = facts.sync();
/// assert_eq!(sync.status, Some(SyncStatus::OutOfSync));
/// assert!(sync.requires_pruning && !sync.affects_application);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::exhaustive_structs,
    reason = "each is a fact of its own, and callers fill them with `..ResourceFacts::new(…)`"
)]
pub struct ResourceFacts {
    /// Git has it.
    pub target: bool,
    /// The cluster has it.
    pub live: bool,
    /// The two differ.
    pub modified: bool,
    /// It is a hook.
    pub hook: bool,
    /// Argo CD is told to ignore it.
    pub ignored: bool,
    /// The manifest in Git is marked with hook type `Skip`.
    pub skip: bool,
    /// `argocd.argoproj.io/compare-options: IgnoreExtraneous`.
    pub ignore_extraneous: bool,
    /// It is the namespace whose metadata Argo CD manages.
    pub managed_namespace: bool,
    /// Its tracking id names itself. Where it does not, another controller has copied it.
    pub self_referenced: bool,
    /// The Argo CD project permits its kind.
    pub permitted: bool,
}

impl ResourceFacts {
    /// A resource with nothing special about it: unmodified, its own, and permitted.
    #[must_use]
    pub const fn new(target: bool, live: bool) -> Self {
        Self {
            target,
            live,
            modified: false,
            hook: false,
            ignored: false,
            skip: false,
            ignore_extraneous: false,
            managed_namespace: false,
            self_referenced: true,
            permitted: true,
        }
    }

    /// The sync status of the resource.
    ///
    /// Rule: Argo CD `controller/state.go`.
    #[must_use]
    pub fn sync(self) -> ResourceSync {
        let extraneous = self.live && !self.target;
        let (status, affects_application) = if self.hook || self.ignored || self.skip || !self.self_referenced
        {
            (None, false)
        } else if self.managed_namespace && !self.live {
            (Some(SyncStatus::Synced), false)
        } else if self.modified || !self.target || !self.live {
            (
                Some(SyncStatus::OutOfSync),
                !(extraneous && self.ignore_extraneous),
            )
        } else {
            (Some(SyncStatus::Synced), false)
        };
        ResourceSync {
            // A kind that is not permitted hides what the comparison said, even that it does not apply.
            status: if self.permitted {
                status
            } else {
                Some(SyncStatus::Unknown)
            },
            affects_application,
            requires_pruning: extraneous && self.self_referenced,
        }
    }
}

/// The sync status of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceSync {
    /// The status; `None` where it does not apply, as for hooks.
    pub status: Option<SyncStatus>,
    /// Whether it makes the application out of sync.
    pub affects_application: bool,
    /// Whether a sync with pruning would remove it.
    pub requires_pruning: bool,
}

/// What else decides the sync status of an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Comparison {
    /// Both sides could be loaded.
    #[default]
    Made,
    /// As [`Comparison::Made`], and the metadata of the managed namespace differs.
    NamespaceMetadataChanged,
    /// Git or the cluster could not be loaded. Every resource is then Unknown.
    NotLoaded,
}

/// The sync status of an application and of each of its resources, in their order.
///
/// The status of the application does not depend on the order. With no resources it is Synced.
///
/// Rule: Argo CD `controller/state.go`. Cases: `vectors/sync-and-drift.json`.
///
/// ```
/// use octopus_argo_core::health::SyncStatus;
/// use octopus_argo_core::health::argocd::{Comparison, ResourceFacts, application_sync};
///
/// // One resource as it should be, and one that the cluster does not have.
/// let resources = [ResourceFacts::new(true, true), ResourceFacts::new(true, false)];
/// let (sync, rows) = application_sync(Comparison::Made, resources);
/// assert_eq!(sync, SyncStatus::OutOfSync);
/// assert_eq!(rows[0].status, Some(SyncStatus::Synced));
/// ```
#[must_use]
pub fn application_sync(
    comparison: Comparison,
    resources: impl IntoIterator<Item = ResourceFacts>,
) -> (SyncStatus, Vec<ResourceSync>) {
    let mut rows: Vec<_> = resources.into_iter().map(ResourceFacts::sync).collect();
    let status = match comparison {
        Comparison::NotLoaded => {
            for row in &mut rows {
                row.status = Some(SyncStatus::Unknown);
            }
            SyncStatus::Unknown
        }
        Comparison::NamespaceMetadataChanged => SyncStatus::OutOfSync,
        Comparison::Made if rows.iter().any(|row| row.affects_application) => SyncStatus::OutOfSync,
        Comparison::Made => SyncStatus::Synced,
    };
    (status, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_of_a_kind_that_is_not_permitted_is_unknown() {
        let facts = ResourceFacts {
            hook: true,
            permitted: false,
            ..ResourceFacts::new(true, true)
        };
        assert_eq!(facts.sync().status, Some(SyncStatus::Unknown));
        assert!(!facts.sync().affects_application);
    }

    #[test]
    fn ignoring_what_is_extraneous_does_not_excuse_a_difference() {
        let facts = ResourceFacts {
            modified: true,
            ignore_extraneous: true,
            ..ResourceFacts::new(true, true)
        };
        assert!(facts.sync().affects_application);
    }

    #[test]
    fn without_resources_an_application_is_synced() {
        assert_eq!(application_sync(Comparison::Made, []).0, SyncStatus::Synced);
    }
}
