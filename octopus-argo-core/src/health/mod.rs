#![doc = include_str!("../../docs/health.md")]

mod status;
pub use status::{HealthStatus, OperationPhase, SyncStatus};

pub mod argocd;
pub mod drift;
pub mod octopus;
pub mod resource;
pub mod verify;
