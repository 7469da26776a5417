//! How healthy an application is: the words that Argo CD uses, and what they mean.

mod status;

pub use status::{HealthStatus, OperationPhase, SyncStatus};
