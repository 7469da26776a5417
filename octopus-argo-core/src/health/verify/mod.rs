//! Whether a deployment is done: "Wait for Argo CD Applications", and the verification within update steps.
//!
//! [`verify`] judges one look; [`Verification`] runs over time and answers once. What is asked for is [`Conditions`];
//! what is in the way is a set of [`Blocker`]s. Which applications are in scope was decided before.

mod words;
pub use words::{Outcome, PullRequestState, StepVerification};

mod commits;
pub use commits::{CommitIds, CommitIdsError};

mod label;
pub use label::{LabelFilter, LabelFilterError};

mod conditions;
pub use conditions::{Accept, Conditions, ConditionsError, ExpectedCount, ExpectedCountError};

mod look;
pub use look::{Blocker, Look, Observed, operation_unsettled, verify};

mod run;
pub use run::{Failure, Seen, Step, Verdict, Verification};

mod pull_request;
pub use pull_request::{PullRequests, pull_requests};
