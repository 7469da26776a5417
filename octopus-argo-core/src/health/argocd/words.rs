//! The words of Argo CD beyond health, sync and phase.

use crate::open_enum::open_enum;

open_enum! {
    /// What a sync did to one resource: `status.operationState.syncResult.resources[].status`.
    ///
    /// Rule: Argo CD `gitops-engine/pkg/sync/common`.
    SyncResult {
        /// Applied.
        Synced = "Synced",
        /// Could not be applied.
        SyncFailed = "SyncFailed",
        /// Removed, because Git no longer has it.
        Pruned = "Pruned",
        /// Would have been removed, but pruning was off.
        PruneSkipped = "PruneSkipped",
    }
}

open_enum! {
    /// When a hook runs: the words of the annotation `argocd.argoproj.io/hook`.
    ///
    /// Rule: Argo CD `gitops-engine/pkg/sync/common`; the two deletion hooks are known to its controller only.
    HookType {
        /// Before the sync.
        PreSync = "PreSync",
        /// During the sync.
        Sync = "Sync",
        /// After the sync, once everything is healthy.
        PostSync = "PostSync",
        /// When the sync failed.
        SyncFail = "SyncFail",
        /// Never: the manifest is left out.
        Skip = "Skip",
        /// Before the application is deleted.
        PreDelete = "PreDelete",
        /// After the application is deleted.
        PostDelete = "PostDelete",
    }
}

open_enum! {
    /// Where the health of single resources is kept: `status.resourceHealthSource`. Blank means in the application.
    HealthSource {
        /// In the resource tree, which is a call of its own.
        AppTree = "appTree",
    }
}

open_enum! {
    /// What is wrong or noteworthy about an application: `status.conditions[].type`.
    ConditionType {
        /// Deleting it failed.
        DeletionError = "DeletionError",
        /// The specification is not valid.
        InvalidSpecError = "InvalidSpecError",
        /// Git and the cluster could not be compared.
        ComparisonError = "ComparisonError",
        /// An automatic sync failed.
        SyncError = "SyncError",
        /// Anything else that failed.
        UnknownError = "UnknownError",
        /// A resource belongs to another application as well.
        SharedResourceWarning = "SharedResourceWarning",
        /// A resource stands in Git more than once.
        RepeatedResourceWarning = "RepeatedResourceWarning",
        /// A resource is excluded by settings of Argo CD.
        ExcludedResourceWarning = "ExcludedResourceWarning",
        /// The namespace holds resources that no application manages.
        OrphanedResourceWarning = "OrphanedResourceWarning",
    }
}

impl ConditionType {
    /// Whether it says that something failed. New conditions count by their ending, as in Argo CD.
    ///
    /// ```
    /// use octopus_argo_core::health::argocd::ConditionType;
    ///
    /// assert!(ConditionType::ComparisonError.is_error());
    /// assert!(!ConditionType::from("OrphanedResourceWarning").is_error());
    /// ```
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.as_str().ends_with("Error")
    }

    /// Whether it only warns.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.as_str().ends_with("Warning")
    }
}

open_enum! {
    /// Whether Argo CD reaches a cluster or a repository.
    ConnectionState {
        /// It does.
        Successful = "Successful",
        /// It does not.
        Failed = "Failed",
        /// It has not tried, or forgot.
        Unknown = "Unknown",
    }
}
