//! Which check judges which kind.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::error::CheckError;
use super::live::Live;
use super::{Assessment, NoCheck, ResourceHealth, Rules};
use super::{autoscaler, deletion, job, monitor, network, pod, storage, workflow, workload};
use crate::health::argocd::ArgoCdVersion;

/// A check for a kind, written by the embedder. It comes before the built-in ones, as scripts do in Argo CD.
///
/// Closures that take a [`Value`] and answer with owned texts are checks already.
pub trait HealthCheck: Send + Sync {
    /// The health of `object` under the rules of `version`; `None` leaves it to the built-in checks.
    ///
    /// # Errors
    /// Where the object cannot be judged: its health is Unknown then, with the error as its message.
    fn check<'a>(
        &self,
        object: &'a Value,
        version: ArgoCdVersion,
    ) -> Result<Option<ResourceHealth<'a>>, CheckError>;
}

impl<F> HealthCheck for F
where
    F: Fn(&Value) -> Result<Option<ResourceHealth<'static>>, CheckError> + Send + Sync,
{
    fn check<'a>(
        &self,
        object: &'a Value,
        _: ArgoCdVersion,
    ) -> Result<Option<ResourceHealth<'a>>, CheckError> {
        self(object)
    }
}

/// Whose checks to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flavor {
    /// Argo CD's, which is also what Octopus shows of an Argo CD instance.
    #[default]
    ArgoCd,
    /// Those of the Octopus Kubernetes monitor: as Argo CD's, but a Deployment or `ReplicaSet` without any ready
    /// replica is Degraded at once.
    OctopusMonitor,
}

/// The checks of a version, and those that the embedder adds.
///
/// ```
/// use octopus_argo_core::health::HealthStatus;
/// use octopus_argo_core::health::argocd::ArgoCdVersion;
/// use octopus_argo_core::health::resource::{HealthChecks, ResourceHealth};
/// use serde_json::{Value, json};
///
/// let checks = HealthChecks::new(ArgoCdVersion::NEWEST).with("example.test", "Widget", |widget: &Value| {
///     let ready = widget["status"]["ready"] == true;
///     let status = if ready { HealthStatus::Healthy } else { HealthStatus::Progressing };
///     Ok(Some(ResourceHealth::new(status, "")))
/// });
/// let widget = json!({"apiVersion": "example.test/v1", "kind": "Widget", "status": {"ready": true}});
/// assert_eq!(checks.assess(&widget).status(), Some(HealthStatus::Healthy));
/// ```
#[derive(Clone, Default)]
pub struct HealthChecks {
    version: ArgoCdVersion,
    flavor: Flavor,
    custom: Vec<Custom>,
}

#[derive(Clone)]
struct Custom {
    group: Box<str>,
    kind: Box<str>,
    check: Arc<dyn HealthCheck>,
}

impl HealthChecks {
    /// The built-in checks of this version, in Argo CD's flavor.
    #[must_use]
    pub const fn new(version: ArgoCdVersion) -> Self {
        Self {
            version,
            flavor: Flavor::ArgoCd,
            custom: Vec::new(),
        }
    }

    /// Follows the checks of another program. Default: [`Flavor::ArgoCd`].
    #[must_use]
    pub fn flavor(mut self, flavor: Flavor) -> Self {
        self.flavor = flavor;
        self
    }

    /// Adds a check for a kind, whatever its version. Of several for one kind the first that answers counts.
    #[must_use]
    pub fn with(mut self, group: &str, kind: &str, check: impl HealthCheck + 'static) -> Self {
        self.custom.push(Custom {
            group: group.into(),
            kind: kind.into(),
            check: Arc::new(check),
        });
        self
    }

    /// The health of a live object.
    ///
    /// An object that is being deleted is Progressing, whatever its kind. Then come the checks of the embedder, then
    /// those of the flavor, then Argo CD's. What they do not read may be anything; what they read and has the wrong
    /// type makes the check fail, and nothing panics.
    ///
    /// A check that ends in a fixed text, in a text of the object or without any allocates nothing. A message with
    /// numbers in it costs one or two allocations, and so does the list of an autoscaler of version 1, an error, or a
    /// pod with several failing containers.
    ///
    /// Rule: Argo CD `gitops-engine/pkg/health`. Cases: `vectors/resource-health.json`.
    #[must_use]
    pub fn assess<'a>(&self, object: &'a Value) -> Assessment<'a> {
        let rules = self.version.rules();
        let live = Live::new(object);
        if let Some(health) = deletion::pending_deletion(live, &rules) {
            return Assessment::Health(health);
        }
        let kind = live.at(&["kind"]).and_then(Value::as_str).unwrap_or_default();
        let api_version = live
            .at(&["apiVersion"])
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        match self.run(live, object, &rules, (group, version, kind)) {
            Ok(Some(health)) => Assessment::Health(health),
            Ok(None) => Assessment::NoCheck(NoCheck::of(group, kind, &rules)),
            Err(error) => Assessment::Failed(error),
        }
    }

    fn run<'a>(
        &self,
        live: Live<'a>,
        object: &'a Value,
        rules: &Rules,
        (group, version, kind): (&str, &str, &str),
    ) -> Result<Option<ResourceHealth<'a>>, CheckError> {
        for custom in &self.custom {
            if &*custom.group == group
                && &*custom.kind == kind
                && let Some(health) = custom.check.check(object, self.version)?
            {
                return Ok(Some(health));
            }
        }
        if self.flavor == Flavor::OctopusMonitor && (group, version) == ("apps", "v1") {
            let health = match kind {
                "Deployment" => monitor::deployment(live, rules)?,
                "ReplicaSet" => monitor::replica_set(live, rules)?,
                _ => None,
            };
            if health.is_some() {
                return Ok(health);
            }
        }
        let Some(built_in) = built_in(group, kind) else {
            return Ok(None);
        };
        if !built_in.versions.is_empty() {
            if !built_in.versions.contains(&version) {
                return Err(CheckError::Version {
                    found: version.into(),
                    known: built_in.versions,
                });
            }
            live.check_frame()?;
        }
        (built_in.check)(live, rules).map(Some)
    }
}

impl fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let custom: Vec<_> = self
            .custom
            .iter()
            .map(|custom| (&custom.group, &custom.kind))
            .collect();
        f.debug_struct("HealthChecks")
            .field("version", &self.version)
            .field("flavor", &self.flavor)
            .field("custom", &custom)
            .finish()
    }
}

/// Whether Argo CD's program has a check for this kind, as it has for some kinds that Kubernetes and Argo bring.
///
/// ```
/// use octopus_argo_core::health::resource::has_built_in_check;
///
/// assert!(has_built_in_check("apps", "Deployment"));
/// assert!(!has_built_in_check("", "ConfigMap") && !has_built_in_check("argoproj.io", "Rollout"));
/// ```
#[must_use]
pub fn has_built_in_check(group: &str, kind: &str) -> bool {
    built_in(group, kind).is_some()
}

struct BuiltIn {
    /// The versions that the check knows; empty for any.
    versions: &'static [&'static str],
    check: Check,
}

type Check = for<'a> fn(Live<'a>, &Rules) -> Result<ResourceHealth<'a>, CheckError>;

fn built_in(group: &str, kind: &str) -> Option<BuiltIn> {
    let (versions, check): (&'static [&'static str], Check) = match (group, kind) {
        ("apps", "Deployment") => (&["v1"], workload::deployment),
        ("apps", "ReplicaSet") => (&["v1"], workload::replica_set),
        ("apps", "StatefulSet") => (&["v1"], workload::stateful_set),
        ("apps", "DaemonSet") => (&["v1"], workload::daemon_set),
        ("", "Pod") => (&["v1"], pod::pod),
        ("", "Service") => (&["v1"], network::service),
        ("", "PersistentVolumeClaim") => (&["v1"], storage::volume_claim),
        ("networking.k8s.io" | "extensions", "Ingress") => (&[], network::ingress),
        ("batch", "Job") => (&["v1"], job::job),
        ("autoscaling", "HorizontalPodAutoscaler") => (&["v1", "v2"], autoscaler::autoscaler),
        ("apiregistration.k8s.io", "APIService") => (&["v1", "v1beta1"], network::api_service),
        ("argoproj.io", "Workflow") => (&[], workflow::workflow),
        _ => return None,
    };
    Some(BuiltIn { versions, check })
}
