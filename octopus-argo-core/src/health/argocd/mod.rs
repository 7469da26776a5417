//! What Argo CD makes of the facts: its order of health, its folds, by version.
//!
//! [`application_health`] gives an application's health from its resources, [`application_sync`] its sync status, and
//! [`resource_health`] finds the health of single resources wherever a version keeps it. Which version does what is one
//! table: [`ArgoCdVersion::rules`].

mod words;
pub use words::{ConditionType, ConnectionState, HealthSource, HookType, SyncResult};

mod version;
pub use version::{ApiCall, ArgoCdVersion, ArgoCdVersionError, IgnoreAnnotation, MissingRule, Rules};

mod order;
pub use order::worst_of;

mod phase;

mod hook;
pub use hook::{HELM_HOOK, HOOK, IGNORE_HEALTHCHECK, Marks};

mod managed;
pub use managed::{CheckOrigin, ManagedResource, ResourceKey};

mod application;
pub use application::{ApplicationHealth, application_health};

mod whole;
pub use whole::{Obstacle, last_transition};

mod resources;
pub use resources::{ParentRef, ReportedHealth, ResourceStatus, TreeNode, resource_health};

mod detail;
pub use detail::{
    Automated, ConditionReport, Deployment, Detail, OperationState, RequestedOperation, ResourceOutcome,
    ResourceTree,
};

mod sync;
pub use sync::{Comparison, ResourceFacts, ResourceSync, application_sync};
