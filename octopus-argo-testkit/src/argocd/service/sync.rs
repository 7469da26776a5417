//! Starting a sync.

use octopus_argo_proto::argocd::application::{
    ApplicationSyncRequest, OperationTerminateRequest, OperationTerminateResponse, SyncOptions,
};
use octopus_argo_proto::argocd::v1alpha1::{Application, Backoff, RetryStrategy, SyncPolicy, SyncStrategy};
use serde_json::{Map, Value, json};
use tonic::Status;

use super::Api;
use super::exchange::{Messages, one};
use super::gate::Target;
use super::manifests::check_positions;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::{Record, Refused, SyncWindow};

/// Accepts an operation, after the checks of Argo CD in their order. The answer shows it accepted and not yet running.
///
/// Rule: Argo CD `server/application/application.go` (`Sync`).
pub(super) fn sync(
    api: &Api,
    caller: &Caller,
    mut request: ApplicationSyncRequest,
) -> Result<Messages, Status> {
    if api.version() < ArgoCdVersion::V2_14 {
        // Fields since 2.11, which an older server does not know.
        request.source_positions.clear();
        request.revisions.clear();
    }
    let target = Target {
        name: &request.name,
        namespace: request.app_namespace.as_deref(),
        project: request.project.as_deref(),
    };
    let record = api.get_application(caller, target, "get")?;
    if api.fleet.sync_window() == SyncWindow::Blocked {
        return Err(Status::permission_denied("cannot sync: blocked by sync window"));
    }
    let object = api.object_of(&record);
    api.accounts.enforce(caller, "applications", "sync", &object)?;
    if !request.manifests.is_empty() {
        api.accounts
            .enforce(caller, "applications", "override", &object)?;
    }
    check(api, caller, &record, &request)?;
    let operation = operation(&record, caller, request);
    let accepted = api
        .fleet
        .set_operation(record.name(), operation)
        .map_err(|refused| match refused {
            Refused::Gone => Status::not_found(format!(
                "applications.argoproj.io \"{}\" not found",
                record.name().name()
            )),
            Refused::InProgress => Status::failed_precondition("another operation is already in progress"),
        })?;
    let accepted = accepted.stored();
    api.fits(accepted.len())?;
    Ok(one(accepted.to_bytes()))
}

/// Asks the controller to end the operation that is running.
///
/// Rule: Argo CD `server/application/application.go` (`TerminateOperation`).
pub(super) fn terminate(
    api: &Api,
    caller: &Caller,
    request: &OperationTerminateRequest,
) -> Result<Messages, Status> {
    let target = Target {
        name: &request.name,
        namespace: request.app_namespace.as_deref(),
        project: request.project.as_deref(),
    };
    let record = api.get_application(caller, target, "sync")?;
    match api.fleet.terminate_operation(record.name()) {
        Ok(()) => api.reply(&OperationTerminateResponse {}),
        Err(_) => Err(Status::invalid_argument(
            "Unable to terminate operation. No operation is in progress",
        )),
    }
}

/// What Argo CD refuses to those who may sync.
fn check(
    api: &Api,
    caller: &Caller,
    record: &Record,
    request: &ApplicationSyncRequest,
) -> Result<(), Status> {
    let application = &record.application();
    let automated = is_automated(application) && !request.dry_run();
    if automated && !request.manifests.is_empty() {
        return Err(Status::failed_precondition(
            "cannot use local sync when Automatic Sync Policy is enabled unless for dry run",
        ));
    }
    let deleting = application
        .metadata
        .as_ref()
        .is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    if deleting {
        return Err(Status::failed_precondition("application is deleting"));
    }
    let may_choose = || {
        if api.version() < ArgoCdVersion::V3_5 || !api.options.override_for_revisions {
            return Ok(());
        }
        api.accounts
            .enforce(caller, "applications", "override", &api.object_of(record))
    };
    check_revisions(api, application, request, automated, may_choose)?;
    let replaces = |options: &SyncOptions| options.items.iter().any(|option| option == "Replace=true");
    if !api.faults.allows_replace() && request.sync_options.as_ref().is_some_and(replaces) {
        return Err(Status::failed_precondition(
            "sync with replace was disabled on the API Server level via the server configuration",
        ));
    }
    Ok(())
}

/// Whether the revisions may be synced to, and exist.
fn check_revisions(
    api: &Api,
    application: &Application,
    request: &ApplicationSyncRequest,
    automated: bool,
    may_choose: impl Fn() -> Result<(), Status>,
) -> Result<(), Status> {
    let Some(spec) = &application.spec else {
        return Ok(());
    };
    let wanted = |revision: &str, target: Option<&str>| {
        let target = target.filter(|target| !target.is_empty()).unwrap_or("HEAD");
        if !revision.is_empty() && revision != target {
            if automated {
                return Err(Status::failed_precondition(format!(
                    "cannot sync to {revision}: auto-sync currently set to {target}"
                )));
            }
            may_choose()?;
        }
        let revision = if revision.is_empty() { target } else { revision };
        if !api.faults.knows_revision(revision) {
            return Err(Status::failed_precondition(format!(
                "Unable to resolve '{revision}' to a commit SHA"
            )));
        }
        Ok(())
    };
    if spec.sources.is_empty() {
        let source = spec.source.as_ref();
        return wanted(
            request.revision(),
            source.and_then(|source| source.target_revision.as_deref()),
        );
    }
    check_positions(application, &request.source_positions, &request.revisions)?;
    for (position, revision) in request.source_positions.iter().zip(&request.revisions) {
        let source = usize::try_from(position - 1)
            .ok()
            .and_then(|index| spec.sources.get(index));
        wanted(
            revision,
            source.and_then(|source| source.target_revision.as_deref()),
        )?;
    }
    Ok(())
}

/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go` (`IsAutomatedSyncEnabled`): on unless it says otherwise.
fn is_automated(application: &Application) -> bool {
    let policy = application
        .spec
        .as_ref()
        .and_then(|spec| spec.sync_policy.as_ref());
    let automated = policy.and_then(|policy| policy.automated.as_ref());
    automated.is_some_and(|automated| automated.enabled != Some(false))
}

/// The operation as the object keeps it.
fn operation(record: &Record, caller: &Caller, request: ApplicationSyncRequest) -> Value {
    let json = &record.json();
    let spec = &json["spec"];
    let application = record.application();
    let policy = application
        .spec
        .as_ref()
        .and_then(|spec| spec.sync_policy.as_ref());

    let mut sync = Map::new();
    let multi = spec["sources"]
        .as_array()
        .is_some_and(|sources| !sources.is_empty());
    if multi {
        sync.insert("revisions".into(), json!(revisions(json, &request)));
        sync.insert("sources".into(), spec["sources"].clone());
    } else {
        let target = spec["source"]["targetRevision"].as_str().unwrap_or("HEAD");
        let resolved = json["status"]["sync"]["revision"]
            .as_str()
            .filter(|text| !text.is_empty());
        let wanted = Some(request.revision()).filter(|text| !text.is_empty() && *text != target);
        sync.insert("revision".into(), json!(wanted.or(resolved).unwrap_or(target)));
        sync.insert("source".into(), spec["source"].clone());
    }
    for (key, set) in [("prune", request.prune()), ("dryRun", request.dry_run())] {
        if set {
            sync.insert(key.into(), json!(true));
        }
    }
    if !request.resources.is_empty() {
        let resources = request.resources.iter().map(|resource| {
            json!({
                "group": resource.group(),
                "kind": resource.kind(),
                "name": resource.name(),
                "namespace": resource.namespace(),
            })
        });
        sync.insert("resources".into(), resources.collect());
    }
    let options = match request.sync_options {
        Some(options) => options.items,
        None => policy
            .map(|policy| policy.sync_options.clone())
            .unwrap_or_default(),
    };
    for (key, texts) in [("manifests", request.manifests), ("syncOptions", options)] {
        if !texts.is_empty() {
            sync.insert(key.into(), json!(texts));
        }
    }
    if let Some(strategy) = request.strategy {
        sync.insert("syncStrategy".into(), strategy_json(strategy));
    }

    let mut operation = json!({"sync": sync, "initiatedBy": {"username": caller.subject()}});
    if !request.infos.is_empty() {
        let infos = request.infos.iter();
        operation["info"] = infos
            .map(|info| json!({"name": info.name(), "value": info.value()}))
            .collect();
    }
    let retry = request.retry_strategy.or_else(|| policy_retry(policy));
    if let Some(retry) = retry {
        operation["retry"] = retry_json(&retry);
    }
    operation
}

/// One revision a source: what was asked for at its position, or what it was compared to last, or its target.
fn revisions(json: &Value, request: &ApplicationSyncRequest) -> Vec<String> {
    let sources = json["spec"]["sources"].as_array().into_iter().flatten();
    let known = &json["status"]["sync"]["revisions"];
    sources
        .enumerate()
        .map(|(index, source)| {
            let asked = request
                .source_positions
                .iter()
                .position(|position| usize::try_from(*position) == Ok(index + 1))
                .and_then(|at| request.revisions.get(at))
                .map(String::as_str);
            asked
                .or_else(|| known[index].as_str())
                .or_else(|| source["targetRevision"].as_str())
                .unwrap_or("HEAD")
                .to_owned()
        })
        .collect()
}

fn policy_retry(policy: Option<&SyncPolicy>) -> Option<RetryStrategy> {
    policy.and_then(|policy| policy.retry.clone())
}

fn strategy_json(strategy: SyncStrategy) -> Value {
    let mut json = json!({});
    if let Some(apply) = strategy.apply {
        json["apply"] = json!({"force": apply.force()});
    }
    if let Some(hook) = strategy.hook {
        let force = hook.sync_strategy_apply.is_some_and(|apply| apply.force());
        json["hook"] = json!({"force": force});
    }
    json
}

fn retry_json(retry: &RetryStrategy) -> Value {
    let mut json = json!({"limit": retry.limit(), "refresh": retry.refresh()});
    if let Some(backoff) = &retry.backoff {
        json["backoff"] = backoff_json(backoff);
    }
    json
}

fn backoff_json(backoff: &Backoff) -> Value {
    let mut json = json!({"duration": backoff.duration(), "maxDuration": backoff.max_duration()});
    if let Some(factor) = backoff.factor {
        json["factor"] = json!(factor);
    }
    json
}
