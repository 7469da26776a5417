//! Sync: what is accepted, how it goes on, and what is refused.

use octopus_argo_core::health::OperationPhase;
use octopus_argo_proto::argocd::application::{
    ApplicationSyncRequest, OperationTerminateRequest, SyncOptions,
};
use octopus_argo_proto::argocd::v1alpha1::{SyncStrategy, SyncStrategyHook};
use octopus_argo_testkit::argocd::{Access, ChangeError, Controller, SyncWindow};
use tonic::Code;

use super::*;

fn request(name: &str) -> ApplicationSyncRequest {
    ApplicationSyncRequest {
        name: name.to_owned(),
        ..ApplicationSyncRequest::default()
    }
}

async fn syncer() -> (ArgoCdSim, Client) {
    let sim = sim(Access::read_and_sync("gateway")).await;
    let client = client(&sim).await;
    (sim, client)
}

#[tokio::test]
async fn is_accepted_runs_and_ends() {
    let (sim, mut client) = syncer().await;
    let fleet = sim.fleet();
    let web = app("web");
    let mut events = soon(client.watch(named("web"))).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/web");
    assert_eq!(next(&mut events).await, "ADDED team-a/web");

    let hook = SyncStrategyHook::default();
    let asked = ApplicationSyncRequest {
        prune: Some(true),
        strategy: Some(SyncStrategy {
            apply: None,
            hook: Some(hook),
        }),
        sync_options: Some(SyncOptions {
            items: vec!["ServerSideApply=true".into()],
        }),
        ..request("web")
    };
    let accepted = soon(client.sync(asked)).await.unwrap().into_inner();
    let operation = accepted.operation.unwrap();
    assert_eq!(operation.initiated_by.unwrap().username(), "gateway");
    let sync = operation.sync.unwrap();
    assert_eq!(
        (sync.revision(), sync.prune(), sync.dry_run()),
        ("abc", true, false)
    );
    assert_eq!(sync.sync_options, ["ServerSideApply=true"]);
    assert!(sync.sync_strategy.unwrap().hook.is_some());
    let status = accepted.status.unwrap();
    assert_eq!(status.operation_state, None, "accepted, not running");
    assert!(status.resources[0].health.is_none(), "as in List");
    assert_eq!(next(&mut events).await, "MODIFIED argocd/web");

    fleet.begin_sync(&web).unwrap();
    let running = soon(events.message())
        .await
        .unwrap()
        .unwrap()
        .application
        .unwrap();
    let state = running.status.unwrap().operation_state.unwrap();
    assert_eq!((state.phase(), state.finished_at), ("Running", None));

    fleet.complete_sync(&web, &OperationPhase::Succeeded).unwrap();
    let ended = soon(events.message())
        .await
        .unwrap()
        .unwrap()
        .application
        .unwrap();
    assert_eq!(ended.operation, None);
    let status = ended.status.unwrap();
    let state = status.operation_state.unwrap();
    assert_eq!(state.phase(), "Succeeded");
    assert!(state.finished_at.unwrap().unix_seconds().is_some());
    assert_eq!(state.sync_result.unwrap().revision(), "abc");
    let history = &status.history[0];
    assert_eq!((history.id(), history.revision()), (0, "abc"));
    assert_eq!(history.initiated_by.as_ref().unwrap().username(), "gateway");
}

#[tokio::test]
async fn failures_and_dry_runs_leave_no_history() {
    let (sim, mut client) = syncer().await;
    let web = app("web");
    soon(client.sync(request("web"))).await.unwrap();
    sim.fleet().complete_sync(&web, &OperationPhase::Failed).unwrap();
    let dry = ApplicationSyncRequest {
        dry_run: Some(true),
        ..request("web")
    };
    soon(client.sync(dry)).await.unwrap();
    sim.fleet()
        .complete_sync(&web, &OperationPhase::Succeeded)
        .unwrap();
    let json = sim.fleet().manifest(&web).unwrap();
    assert!(json["status"]["history"].is_null());
    assert_eq!(json["status"]["operationState"]["phase"], "Succeeded");
    let none = sim.fleet().complete_sync(&web, &OperationPhase::Succeeded);
    assert!(matches!(none, Err(ChangeError::NoOperation { .. })));
}

#[tokio::test]
async fn several_sources_have_a_revision_each() {
    let (sim, mut client) = syncer().await;
    let asked = |positions: &[i64], revisions: &[&str]| ApplicationSyncRequest {
        source_positions: positions.to_vec(),
        revisions: revisions.iter().map(|revision| (*revision).to_owned()).collect(),
        ..request("api")
    };
    assert_eq!(
        soon(client.sync(asked(&[3], &["v2"]))).await.unwrap_err().code(),
        Code::Unknown
    );
    assert_eq!(
        soon(client.sync(asked(&[0], &["v2"]))).await.unwrap_err().code(),
        Code::Unknown
    );
    assert_eq!(
        soon(client.sync(asked(&[1, 2], &["v2"])))
            .await
            .unwrap_err()
            .code(),
        Code::Internal
    );
    let accepted = soon(client.sync(asked(&[2], &["v2"])))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        accepted.operation.unwrap().sync.unwrap().revisions,
        ["main", "v2"]
    );
    sim.fleet()
        .complete_sync(&app("api"), &OperationPhase::Succeeded)
        .unwrap();
    let json = sim.fleet().manifest(&app("api")).unwrap();
    assert_eq!(
        json["status"]["sync"]["revisions"],
        serde_json::json!(["main", "v2"])
    );
    assert_eq!(json["status"]["sync"]["status"], "Synced");
}

#[tokio::test]
async fn refusals_come_in_order() {
    let (sim, mut client) = syncer().await;
    let fleet = sim.fleet();
    let web = app("web");

    let other = ApplicationSyncRequest {
        revision: Some("other".to_owned()),
        ..request("web")
    };
    soon(client.sync(other.clone())).await.unwrap();
    let busy = "another operation is already in progress";
    assert_status(
        soon(client.sync(request("web"))).await,
        Code::FailedPrecondition,
        busy,
    );

    fleet
        .edit(&web, |json| {
            json["spec"]["syncPolicy"] = serde_json::json!({"automated": {}})
        })
        .unwrap();
    let automated = "cannot sync to other: auto-sync currently set to main";
    assert_status(
        soon(client.sync(other.clone())).await,
        Code::FailedPrecondition,
        automated,
    );
    let dry = ApplicationSyncRequest {
        dry_run: Some(true),
        ..other
    };
    assert_status(soon(client.sync(dry)).await, Code::FailedPrecondition, busy);

    fleet.begin_delete(&web).unwrap();
    let deleting = "application is deleting";
    assert_status(
        soon(client.sync(request("web"))).await,
        Code::FailedPrecondition,
        deleting,
    );

    sim.accounts().set_access(Access::read_only("gateway"));
    let missing = "permission denied: applications, sync, shop/web, sub: gateway, iat: 2026-05-19T09:00:00Z";
    assert_status(
        soon(client.sync(request("web"))).await,
        Code::PermissionDenied,
        missing,
    );

    fleet.set_sync_window(SyncWindow::Blocked);
    let window = "cannot sync: blocked by sync window";
    assert_status(
        soon(client.sync(request("web"))).await,
        Code::PermissionDenied,
        window,
    );

    assert_status(
        soon(client.sync(request("absent"))).await,
        Code::PermissionDenied,
        "permission denied",
    );
}

#[tokio::test]
async fn local_manifests_need_a_right_of_their_own() {
    let (sim, mut client) = syncer().await;
    let local = ApplicationSyncRequest {
        manifests: vec!["{}".to_owned()],
        ..request("web")
    };
    assert_eq!(
        soon(client.sync(local.clone())).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    sim.accounts()
        .set_access(Access::read_and_sync("gateway").allow("applications", "override", "*/*"));
    let accepted = soon(client.sync(local)).await.unwrap().into_inner();
    assert_eq!(accepted.operation.unwrap().sync.unwrap().manifests, ["{}"]);
}

fn stop(name: &str) -> OperationTerminateRequest {
    OperationTerminateRequest {
        name: name.to_owned(),
        ..OperationTerminateRequest::default()
    }
}

#[tokio::test]
async fn an_operation_is_ended_on_demand() {
    let (sim, mut client) = syncer().await;
    let web = app("web");
    let none = "Unable to terminate operation. No operation is in progress";
    assert_status(
        soon(client.terminate_operation(stop("web"))).await,
        Code::InvalidArgument,
        none,
    );
    soon(client.sync(request("web"))).await.unwrap();
    assert_status(
        soon(client.terminate_operation(stop("web"))).await,
        Code::InvalidArgument,
        none,
    );
    sim.fleet().begin_sync(&web).unwrap();
    soon(client.terminate_operation(stop("web"))).await.unwrap();
    let json = sim.fleet().manifest(&web).unwrap();
    assert_eq!(json["status"]["operationState"]["phase"], "Terminating");
    assert!(json["operation"].is_object());
    sim.fleet()
        .complete_sync(&web, &OperationPhase::Succeeded)
        .unwrap();
    let json = sim.fleet().manifest(&web).unwrap();
    assert_eq!(json["status"]["operationState"]["phase"], "Failed");
    assert!(json["operation"].is_null() && json["status"]["history"].is_null());

    sim.accounts().set_access(Access::read_only("gateway"));
    let refused = soon(client.terminate_operation(stop("web"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn revisions_that_do_not_exist_and_replacing_can_be_refused() {
    let (sim, mut client) = syncer().await;
    sim.faults().refuse_revision("gone");
    let gone = ApplicationSyncRequest {
        revision: Some("gone".to_owned()),
        ..request("web")
    };
    let unresolved = "Unable to resolve 'gone' to a commit SHA";
    assert_status(
        soon(client.sync(gone)).await,
        Code::FailedPrecondition,
        unresolved,
    );
    let replace = ApplicationSyncRequest {
        sync_options: Some(SyncOptions {
            items: vec!["Replace=true".to_owned()],
        }),
        ..request("web")
    };
    sim.faults().forbid_replace(true);
    assert_eq!(
        soon(client.sync(replace.clone())).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    sim.faults().forbid_replace(false);
    assert!(soon(client.sync(replace)).await.is_ok());
}

#[tokio::test]
async fn a_controller_of_its_own_carries_a_sync_out() {
    let access = Access::read_and_sync("gateway");
    let controller = Controller::default()
        .sync_after(Duration::from_millis(1), Duration::from_millis(1))
        .outcome(|name| {
            if name.name() == "web" {
                OperationPhase::Succeeded
            } else {
                OperationPhase::Error
            }
        });
    let sim = builder()
        .token(TOKEN, access)
        .controller(controller)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    for (name, outcome, history) in [("web", "Succeeded", 1), ("api", "Error", 0)] {
        let mut events = soon(client.watch(named(name))).await.unwrap().into_inner();
        let accepted = soon(client.sync(request(name))).await.unwrap().into_inner();
        assert!(accepted.operation.is_some());
        let mut phases = Vec::new();
        let last = loop {
            let application = soon(events.message())
                .await
                .unwrap()
                .unwrap()
                .application
                .unwrap();
            if application.metadata.as_ref().unwrap().namespace() != "argocd" {
                continue;
            }
            let status = application.status.unwrap();
            if let Some(state) = &status.operation_state {
                phases.push(state.phase().to_owned());
                if state.finished_at.is_some() {
                    assert!(application.operation.is_none());
                    break status;
                }
            }
        };
        assert_eq!(phases, ["Running", outcome]);
        assert_eq!(last.history.len(), history);
    }
}
