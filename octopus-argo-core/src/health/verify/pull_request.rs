//! Whether the pull requests of a step are merged.

use super::words::PullRequestState;

/// What a step's pull requests come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PullRequests {
    /// At least one is neither merged nor closed, or cannot be read.
    Pending,
    /// All are merged, or there are none because the step committed directly.
    Succeeded,
    /// At least one was closed without a merge. The others do not matter then.
    Failed,
}

/// What these pull requests come to. Their order does not matter.
///
/// Rule: Octopus blog, "Verified Argo CD deployments". A state that is new to this library is waited for.
/// Cases: `vectors/verification.json`.
///
/// ```
/// use octopus_argo_core::health::verify::{PullRequestState, PullRequests, pull_requests};
///
/// assert_eq!(pull_requests(&[PullRequestState::Merged, PullRequestState::Open]), PullRequests::Pending);
/// assert_eq!(pull_requests([]), PullRequests::Succeeded);
/// ```
#[must_use]
pub fn pull_requests<'a>(states: impl IntoIterator<Item = &'a PullRequestState>) -> PullRequests {
    let mut result = PullRequests::Succeeded;
    for state in states {
        match state {
            PullRequestState::Closed => return PullRequests::Failed,
            PullRequestState::Merged => {}
            _ => result = PullRequests::Pending,
        }
    }
    result
}
