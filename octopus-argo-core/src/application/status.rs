//! What Argo CD reports of an application.

use crate::application::SourceType;
use crate::health::{HealthStatus, OperationPhase, SyncStatus};

/// The part of `status` that scoping and health read. Blank texts count as not set, as Argo CD means them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// `health.status`.
    pub health: Option<HealthStatus>,
    /// `health.message`.
    pub health_message: Option<Box<str>>,
    /// `sync.status`.
    pub sync: Option<SyncStatus>,
    /// `sync.revisions`, or else `sync.revision`: one per source.
    pub revisions: Box<[Box<str>]>,
    /// `sourceTypes` unless empty, else `sourceType`.
    pub source_types: Box<[SourceType]>,
    /// `operationState`: the running or the last operation.
    pub operation: Option<Operation>,
    /// `conditions`: what is wrong or noteworthy.
    pub conditions: Box<[Condition]>,
}

/// The running or the last operation on an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// `phase`.
    pub phase: Option<OperationPhase>,
    /// `message`.
    pub message: Option<Box<str>>,
}

/// A condition on an application, for example `ComparisonError`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// `type`.
    pub kind: Box<str>,
    /// `message`.
    pub message: Box<str>,
}
