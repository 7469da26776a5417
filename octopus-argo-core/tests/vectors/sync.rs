//! `sync-and-drift.json`

use std::cell::RefCell;

use octopus_argo_core::health::argocd::{Comparison, ResourceFacts, application_sync};
use octopus_argo_core::health::drift::{Answer, Drift, SourceFileChanges};
use octopus_argo_core::health::octopus::{DeploymentState, ProjectSync, RollupPolicy, project_sync};
use octopus_argo_core::health::{OperationPhase, SyncStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::loader::{self, Input, Unreadable};

#[test]
fn sync_and_drift() {
    let ops = [
        "resource_sync",
        "app_sync",
        "operation_phase",
        "application_sync",
        "project_sync",
    ];
    loader::run("sync-and-drift.json", &ops, |op, input| match op {
        "resource_sync" => resource(input),
        "app_sync" => app(input),
        "operation_phase" => phase(input),
        "application_sync" => application(input),
        _ => project(input),
    });
}

#[derive(Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "the shape of the cases")]
struct Resource {
    target: bool,
    live: bool,
    modified: bool,
    hook: bool,
    ignored: bool,
    skip: bool,
    ignore_extraneous: bool,
    managed_namespace: bool,
    self_referenced: bool,
    permitted: bool,
}

impl Default for Resource {
    fn default() -> Self {
        let facts = ResourceFacts::new(false, false);
        Self {
            target: facts.target,
            live: facts.live,
            modified: facts.modified,
            hook: facts.hook,
            ignored: facts.ignored,
            skip: facts.skip,
            ignore_extraneous: facts.ignore_extraneous,
            managed_namespace: facts.managed_namespace,
            self_referenced: facts.self_referenced,
            permitted: facts.permitted,
        }
    }
}

impl From<Resource> for ResourceFacts {
    fn from(resource: Resource) -> Self {
        Self {
            target: resource.target,
            live: resource.live,
            modified: resource.modified,
            hook: resource.hook,
            ignored: resource.ignored,
            skip: resource.skip,
            ignore_extraneous: resource.ignore_extraneous,
            managed_namespace: resource.managed_namespace,
            self_referenced: resource.self_referenced,
            permitted: resource.permitted,
        }
    }
}

fn resource(input: Input) -> Result<Value, Unreadable> {
    let sync = ResourceFacts::from(input.read::<Resource>()?).sync();
    Ok(json!({
        "status": sync.status,
        "affects_app": sync.affects_application,
        "requires_pruning": sync.requires_pruning,
    }))
}

fn app(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct App {
        resources: Vec<Resource>,
        #[serde(default)]
        failed_to_load: bool,
        #[serde(default)]
        managed_namespace_metadata_changed: bool,
    }
    let app: App = input.read()?;
    let comparison = match (app.failed_to_load, app.managed_namespace_metadata_changed) {
        (true, _) => Comparison::NotLoaded,
        (false, true) => Comparison::NamespaceMetadataChanged,
        (false, false) => Comparison::Made,
    };
    let (status, rows) = application_sync(comparison, app.resources.into_iter().map(Into::into));
    let rows: Vec<_> = rows.into_iter().map(|row| row.status).collect();
    Ok(json!({"status": status, "resources": rows}))
}

fn phase(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Operation {
        phase: Option<OperationPhase>,
    }
    // Without an operation none of the four holds.
    let phase = input
        .read::<Operation>()?
        .phase
        .unwrap_or_else(|| OperationPhase::from(""));
    Ok(json!({
        "completed": phase.is_completed(),
        "running": phase.is_running(),
        "successful": phase.is_successful(),
        "failed": phase.is_failed(),
    }))
}

#[derive(Deserialize)]
struct Application {
    argo: Argo,
    #[serde(default)]
    tracked: Vec<Tracked>,
}

#[derive(Deserialize)]
struct Argo {
    sync: Option<SyncStatus>,
    #[serde(default)]
    revisions: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Tracked {
    source_index: usize,
    commit: Option<String>,
    content: Option<Content>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Intact,
    Overwritten,
    Unavailable,
}

/// Each record gets one file, named after its place in the list, so that what is read shows which records were compared.
fn application(input: Input) -> Result<Value, Unreadable> {
    const HASH: &str = "22c0df2cceca5273e4dc569dda52805d27df3360";
    let application: Application = input.read()?;
    let recorded: Vec<_> = application
        .tracked
        .iter()
        .enumerate()
        .map(|(number, tracked)| {
            SourceFileChanges::new(tracked.source_index, tracked.commit.as_deref())
                .replaced(&number.to_string(), HASH)
        })
        .collect();
    let drift = Drift::new(
        application.argo.sync.as_ref(),
        &application.argo.revisions,
        &recorded,
    );
    let compared: Vec<_> = drift.needs().map(|need| need.source_index).collect();
    let unanswered = RefCell::new(None);
    let status = drift.decide(|need| {
        let tracked = need
            .path
            .parse()
            .ok()
            .and_then(|number: usize| application.tracked.get(number));
        match tracked.and_then(|tracked| tracked.content) {
            Some(Content::Intact) => Answer::Sha1(HASH.into()),
            Some(Content::Overwritten) => Answer::Sha1("00".into()),
            Some(Content::Unavailable) => Answer::Unavailable,
            None => {
                *unanswered.borrow_mut() = Some(need.source_index);
                Answer::Unavailable
            }
        }
    });
    if let Some(source) = unanswered.into_inner() {
        return Err(Unreadable(format!(
            "source {source} has to be read, and the case does not say what is there"
        )));
    }
    Ok(json!({"status": status, "compared": compared}))
}

fn project(input: Input) -> Result<Value, Unreadable> {
    #[derive(Deserialize)]
    struct Project {
        deployment: Option<DeploymentState>,
        applications: Vec<ProjectSync>,
    }
    let project: Project = input.read()?;
    let status = project_sync(
        &RollupPolicy::default(),
        project.deployment.as_ref(),
        &project.applications,
    );
    Ok(json!({"status": status}))
}
