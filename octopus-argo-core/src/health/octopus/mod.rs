//! What Octopus shows: the status of objects, projects and instances, and the rules behind the labels.
//!
//! Where Octopus documents a rule, it is followed; where it is silent, the rule is ours, stands in one function with its
//! reason, and can be changed through [`RollupPolicy`] where it is a matter of precedence. One thing holds throughout:
//! a word that this library does not know never comes out as healthy or in sync.

mod words;
pub use words::{DeploymentState, ObjectStatus, ProjectHealth, ProjectSync, StatusSource};

mod object;
pub use object::object_status;

mod policy;
pub use policy::{HealthCode, PrecedenceError, RollupPolicy};

mod project;
pub use project::{ApplicationFacts, Gate, Reach, project_health, project_sync};

mod dashboard;
pub use dashboard::{CombinedStatus, Dashboard, combined_status};

mod monitor;
pub use monitor::{MonitorHealth, MonitorSync, Presence, monitored, monitored_status};

mod instance;
pub use instance::{ArgoProbe, Connectivity, InstanceHealth, OctopusLink};
