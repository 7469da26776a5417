//! The words of verification.

use crate::open_enum::open_enum;

open_enum! {
    /// How a step that updates applications verifies its work: `Octopus.Action.ArgoCD.StepVerification.Method`.
    StepVerification {
        /// The commit was pushed. Nothing is left to wait for.
        CommitCreated = "CommitCreated",
        /// Its pull requests were merged, see [`pull_requests`](super::pull_requests).
        PullRequestMerged = "PullRequestMerged",
        /// Its applications are in sync and healthy, see [`Conditions::step`](super::Conditions::step).
        ArgoCdApplicationHealthy = "ArgoCDApplicationHealthy",
    }
}

open_enum! {
    /// How a verification ended: the output variable `ArgoCD.VerifyArgoApplicationSyncResult`.
    ///
    /// Rule: Octopus docs, "Wait for Argo CD applications".
    Outcome {
        /// All conditions were met; the deployment goes on.
        Synced = "Synced",
        /// Time ran out; the deployment fails.
        Timeout = "Timeout",
        /// It cannot be verified, however long one waits; the deployment fails.
        Failed = "Failed",
    }
}

open_enum! {
    /// The state of a pull request.
    ///
    /// Rule: Octopus API reference, interruptions of type `ArgoCDApplicationSync`.
    PullRequestState {
        /// Not looked at yet, or out of reach.
        Unknown = "Unknown",
        /// Neither merged nor closed.
        Open = "Open",
        /// Merged.
        Merged = "Merged",
        /// Closed without a merge.
        Closed = "Closed",
        /// The repository is with a vendor whose pull requests Octopus cannot read.
        UnknownGitVendor = "UnknownGitVendor",
    }
}
