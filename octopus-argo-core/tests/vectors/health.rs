//! `health-rollup.json`

use std::time::Duration;

use octopus_argo_core::connection::{KeepAlive, KeepAliveConfig, LinkEvent, Next, ProbeOutcome};
use octopus_argo_core::health::argocd::{
    CheckOrigin, HealthSource, ManagedResource, Marks, ResourceKey, ResourceStatus, TreeNode,
    application_health, resource_health, worst_of,
};
use octopus_argo_core::health::octopus::{
    ApplicationFacts, ArgoProbe, Connectivity, Dashboard, DeploymentState, OctopusLink, ProjectHealth,
    ProjectSync, Reach, RollupPolicy, combined_status, object_status, project_health,
};
use octopus_argo_core::health::{HealthStatus, SyncStatus};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::loader::{self, Input, Unreadable};

#[test]
fn health_rollup() {
    let ops = [
        "is_worse",
        "worst_of",
        "app_health",
        "resolve_resource_health",
        "object_status",
        "project_health",
        "combined_status",
        "connectivity",
        "keep_alive",
    ];
    loader::run("health-rollup.json", &ops, |op, input| match op {
        "is_worse" => is_worse(input),
        "worst_of" => worst(input),
        "app_health" => app_health(input),
        "resolve_resource_health" => resolve(input),
        "object_status" => object(input),
        "project_health" => project(input),
        "combined_status" => combined(input),
        "connectivity" => connectivity(input),
        _ => keep_alive(input),
    });
}

fn is_worse(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Pair {
        current: HealthStatus,
        candidate: HealthStatus,
    }
    let Pair { current, candidate } = input.read()?;
    Ok(json!({"worse": candidate.is_worse_than(&current)}))
}

fn worst(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct List {
        statuses: Vec<HealthStatus>,
    }
    Ok(json!({"status": worst_of(&input.read::<List>()?.statuses)}))
}

#[derive(Deserialize)]
struct AppHealth {
    argocd_version: String,
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    group: String,
    kind: String,
    #[serde(default)]
    namespace: String,
    name: String,
    target: Option<Object>,
    live: Option<Object>,
    health: Option<HealthStatus>,
    #[serde(default)]
    check: Check,
    #[serde(default, rename = "self")]
    is_itself: bool,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    annotations: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    #[default]
    None,
    Builtin,
    Override,
    Embedded,
}

fn app_health(input: Input) -> Result<Value, Unreadable> {
    let AppHealth {
        argocd_version,
        resources,
    } = input.read()?;
    let version = argocd_version
        .parse()
        .map_err(|error| Unreadable(format!("{error}")))?;
    let resources: Vec<_> = resources.into_iter().map(managed).collect();
    let health = application_health(version, &resources);
    let causes: Vec<_> = health.causes.iter().map(ToString::to_string).collect();
    Ok(json!({"status": health.status, "causes": causes}))
}

fn managed(resource: Resource) -> ManagedResource {
    let marks = |object: &Object| {
        let texts = object
            .annotations
            .iter()
            .map(|(key, value)| (&**key, value.as_str().unwrap_or_default()));
        Marks::from_annotations(texts)
    };
    let key = ResourceKey::new(
        &resource.group,
        &resource.kind,
        &resource.namespace,
        &resource.name,
    );
    let mut managed = ManagedResource::new(key, resource.health);
    managed.target = resource.target.as_ref().map(marks);
    managed.live = resource.live.as_ref().map(marks);
    managed.check = match resource.check {
        Check::None => CheckOrigin::None,
        Check::Builtin => CheckOrigin::BuiltIn,
        Check::Override => CheckOrigin::Override,
        Check::Embedded => CheckOrigin::Embedded,
    };
    managed.is_itself = resource.is_itself;
    managed
}

fn resolve(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Resolve {
        #[serde(default)]
        resource_health_source: Option<HealthSource>,
        resources: Vec<ResourceStatus>,
        #[serde(default)]
        tree_nodes: Vec<TreeNode>,
    }
    let input: Resolve = input.read()?;
    let health = resource_health(
        input.resource_health_source.as_ref(),
        &input.resources,
        &input.tree_nodes,
    );
    Ok(json!({"health": health}))
}

fn object(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Object {
        health: Option<HealthStatus>,
        sync: Option<SyncStatus>,
    }
    let object: Object = input.read()?;
    Ok(json!({"status": object_status(object.health.as_ref(), object.sync.as_ref())}))
}

#[derive(Deserialize)]
struct Project {
    deployment: Option<DeploymentState>,
    stale_after_seconds: Option<f64>,
    applications: Vec<Application>,
}

#[derive(Deserialize)]
struct Application {
    health: Option<HealthStatus>,
    #[serde(default)]
    instance: Instance,
    age_seconds: Option<f64>,
    #[serde(default)]
    objects: Vec<ProjectObject>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Instance {
    #[default]
    Connected,
    Unreachable,
}

#[derive(Deserialize)]
struct ProjectObject {
    health: Option<HealthStatus>,
    #[serde(default)]
    hook: bool,
}

fn project(input: Input) -> Result<Value, Unreadable> {
    let project: Project = input.read()?;
    let mut policy = RollupPolicy::default();
    if let Some(limit) = project.stale_after_seconds {
        policy = policy.stale_after(Duration::from_secs_f64(limit));
    }
    let facts = project.applications.iter().map(|application| {
        let objects = application.objects.iter().filter(|object| !object.hook);
        let reach = match application.instance {
            Instance::Connected => Reach::Connected,
            Instance::Unreachable => Reach::Unreachable,
        };
        ApplicationFacts::new(application.health.as_ref())
            .with_objects(objects.filter_map(|object| object.health.as_ref()))
            .seen(application.age_seconds.map(Duration::from_secs_f64), reach)
    });
    Ok(json!({"status": project_health(&policy, project.deployment.as_ref(), facts)}))
}

fn combined(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Both {
        health: ProjectHealth,
        sync: ProjectSync,
        prioritize_health: bool,
    }
    let both: Both = input.read()?;
    let dashboard = if both.prioritize_health {
        Dashboard::PrioritizeHealth
    } else {
        Dashboard::CombineBoth
    };
    let status = combined_status(&both.health, &both.sync, dashboard);
    Ok(json!({"status": status.as_str()}))
}

#[derive(Deserialize)]
struct Hops {
    registered: bool,
    checked: bool,
    octopus_link: Option<String>,
    argo_probe: Option<String>,
}

fn connectivity(input: Input) -> Result<Value, Unreadable> {
    let hops: Hops = input.read()?;
    let connectivity = if !hops.registered {
        Connectivity::NotRegistered
    } else if !hops.checked {
        Connectivity::NeverChecked
    } else {
        let link = match hops.octopus_link.as_deref() {
            Some("up") => OctopusLink::Up,
            Some("down") => OctopusLink::Down,
            other => return Err(Unreadable(format!("link {other:?}"))),
        };
        let probe = match hops.argo_probe.as_deref() {
            Some("ok") => ArgoProbe::Ok,
            Some("unreachable") => ArgoProbe::Unreachable,
            Some("tls_error") => ArgoProbe::TlsError,
            Some("unauthenticated") => ArgoProbe::Unauthenticated,
            Some("permission_denied") => ArgoProbe::PermissionDenied,
            Some("not_tested") | None => ArgoProbe::NotTested,
            other => return Err(Unreadable(format!("probe {other:?}"))),
        };
        Connectivity::Checked(link, probe)
    };
    Ok(json!({
        "status": connectivity.health(),
        "octopus_reachable": connectivity.octopus_reachable(),
        "argo_reachable": connectivity.argo_reachable(),
    }))
}

#[derive(Deserialize)]
struct Probes {
    interval_s: i64,
    max_interval_s: i64,
    give_up_after_s: i64,
    #[serde(rename = "probes")]
    outcomes: Vec<Probe>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Probe {
    Ok,
    Fail,
}

fn keep_alive(input: Input) -> Result<Value, Unreadable> {
    let input: Probes = input.read()?;
    // Nothing and less than nothing both stand for the default.
    let seconds = |setting: i64| Duration::from_secs(u64::try_from(setting).unwrap_or(0));
    let config = KeepAliveConfig::from_settings(
        seconds(input.interval_s),
        seconds(input.max_interval_s),
        seconds(input.give_up_after_s),
    );
    let mut now = Duration::ZERO;
    let mut link = KeepAlive::new(config, now);
    let mut events = Vec::new();
    let mut fatal = false;
    for probe in input.outcomes {
        let Some(due) = link.next_probe_at() else { break };
        now = due;
        let outcome = match probe {
            Probe::Ok => ProbeOutcome::Serving,
            Probe::Fail => ProbeOutcome::Failed,
        };
        let after = link.probed(outcome, now);
        events.extend(after.event.map(|event| match event {
            LinkEvent::Down => "Down",
            _ => "Up",
        }));
        fatal |= after.next == Next::GiveUp;
    }
    let next = link
        .next_probe_at()
        .map(|next| next.saturating_sub(now).as_secs());
    Ok(json!({"events": events, "fatal": fatal, "next_probe_in_s": next}))
}
