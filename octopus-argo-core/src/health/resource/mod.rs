//! The health of a live object from its manifest: the checks that are built into Argo CD, by version.
//!
//! [`assess`] judges one object; [`HealthChecks`] does so with checks of your own, or as the Octopus Kubernetes monitor
//! does. Kinds without a check say so ([`Assessment::NoCheck`]). Scripts, which Argo CD runs for many custom kinds, are
//! not run here.

mod error;
pub use error::CheckError;

mod checks;
pub use checks::{Flavor, HealthCheck, HealthChecks, has_built_in_check};

mod autoscaler;
mod deletion;
mod job;
mod live;
mod monitor;
mod network;
mod pod;
mod storage;
mod workflow;
mod workload;

use std::borrow::Cow;

use serde_json::Value;

use super::HealthStatus;
use super::argocd::{ArgoCdVersion, Rules};

/// The health of a live object, as this version of Argo CD judges it.
///
/// See [`HealthChecks::assess`], which this is with nothing added.
///
/// ```
/// use octopus_argo_core::health::HealthStatus;
/// use octopus_argo_core::health::argocd::ArgoCdVersion;
/// use octopus_argo_core::health::resource::assess;
/// use serde_json::json;
///
/// let deployment = json!({
///     "apiVersion": "apps/v1",
///     "kind": "Deployment",
///     "spec": {"replicas": 3},
///     "status": {"replicas": 3, "updatedReplicas": 1},
/// });
/// let assessment = assess(&deployment, ArgoCdVersion::NEWEST);
/// assert_eq!(assessment.status(), Some(HealthStatus::Progressing));
/// assert_eq!(assessment.message(), "1 of 3 replicas are updated");
/// ```
#[must_use]
pub fn assess(object: &Value, version: ArgoCdVersion) -> Assessment<'_> {
    HealthChecks::new(version).assess(object)
}

/// What came of assessing an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assessment<'a> {
    /// Nothing judges its kind, so it has no health, and is neutral in every fold.
    NoCheck(NoCheck),
    /// A check has judged it.
    Health(ResourceHealth<'a>),
    /// A check could not judge it: its health is Unknown, and that counts.
    Failed(CheckError),
}

impl Assessment<'_> {
    /// The health; `None` without a check.
    #[must_use]
    pub fn status(&self) -> Option<HealthStatus> {
        match self {
            Self::NoCheck(_) => None,
            Self::Health(health) => Some(health.status.clone()),
            Self::Failed(_) => Some(HealthStatus::Unknown),
        }
    }

    /// The message of the check, or why it failed; empty where there is none.
    #[must_use]
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::NoCheck(_) => Cow::Borrowed(""),
            Self::Health(health) => Cow::Borrowed(&health.message),
            Self::Failed(error) => Cow::Owned(error.to_string()),
        }
    }

    /// Whether the check itself failed. Argo CD then also puts a `ComparisonError` on the application.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// The health of an object and a message, which is empty where there is nothing to say.
///
/// Where Argo CD passes a text of the object on, so does this; the other messages are our own words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceHealth<'a> {
    /// The health.
    pub status: HealthStatus,
    /// The message, or nothing.
    pub message: Cow<'a, str>,
}

impl<'a> ResourceHealth<'a> {
    /// Puts both together.
    #[must_use]
    pub fn new(status: HealthStatus, message: impl Into<Cow<'a, str>>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The same with a message of its own.
    #[must_use]
    pub fn into_owned(self) -> ResourceHealth<'static> {
        ResourceHealth {
            status: self.status,
            message: Cow::Owned(self.message.into_owned()),
        }
    }

    fn healthy(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(HealthStatus::Healthy, message)
    }

    fn suspended(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(HealthStatus::Suspended, message)
    }

    fn progressing(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(HealthStatus::Progressing, message)
    }

    fn degraded(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(HealthStatus::Degraded, message)
    }
}

/// Why an object has no health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoCheck {
    /// Argo CD has no check for this kind either, unless its settings add one.
    Kind,
    /// Argo CD judges this kind with a script that comes with it, and this library runs no scripts.
    Script,
}

impl NoCheck {
    /// Only scripts are named here whose kinds people look for among the built-in checks. There are many more.
    fn of(group: &str, kind: &str, rules: &Rules) -> Self {
        match (group, kind) {
            ("batch", "CronJob") if rules.cron_job_check => Self::Script,
            ("argoproj.io", "Rollout") => Self::Script,
            _ => Self::Kind,
        }
    }
}

#[cfg(test)]
mod tests;
