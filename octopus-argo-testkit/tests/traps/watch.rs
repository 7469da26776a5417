//! Trap 7: Watch is no truth.

use octopus_argo_client::Gateway;
use octopus_argo_core::health::verify::{Conditions, Outcome};
use octopus_argo_proto::argocd::{Filter, SyncRequest};
use octopus_argo_testkit::argocd::Controller;

use super::*;
use crate::support::{Octopus, complete};

/// A gateway's picture mends what its watch does not tell: a deletion that is lost, a change that is lost, and an
/// application that may no longer be seen.
#[tokio::test]
async fn what_a_watch_loses_is_found_by_listing() {
    let octopus = Octopus::start().await;
    let sim = sim().await;
    sim.fleet().upsert(
        "metadata: {name: secret}\nspec: {project: other}"
            .parse()
            .unwrap(),
    );
    let beside = argo_cd(&sim)
        .relist_every(Duration::from_secs(1))
        .build()
        .unwrap();
    let mut events = octopus.events();
    let gateway = Gateway::builder(octopus.register())
        .argo_cd(beside)
        .start()
        .unwrap();
    assert_eq!(soon(events.until(complete)).await, 3);

    sim.faults().lose_deletes(true);
    sim.fleet().delete(&app("web")).unwrap();
    octopus
        .until(&mut events, |fleet| names(fleet) == ["api", "secret"])
        .await;

    sim.faults().drop_events(1);
    sim.fleet().label(&app("api"), "found", Some("yes")).unwrap();
    octopus
        .until(&mut events, |fleet| {
            fleet.instances().iter().any(|view| {
                view.applications.iter().any(|application| {
                    application
                        .labels
                        .iter()
                        .any(|(key, value)| (&**key, &**value) == ("found", "yes"))
                })
            })
        })
        .await;

    // A right that is gone is told by nothing.
    sim.accounts()
        .set_access(Access::new("gateway").allow("applications", "get", "shop/*"));
    octopus.until(&mut events, |fleet| names(fleet) == ["api"]).await;
    drop(gateway);
}

fn names(fleet: &octopus_argo_server::Fleet) -> Vec<String> {
    let mut names: Vec<String> = fleet
        .instances()
        .iter()
        .flat_map(|view| {
            view.applications
                .iter()
                .map(|application| application.name.name().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    names.sort();
    names
}

/// For an unknown name Watch is silent for ever, so nothing that waits may wait for it alone.
#[tokio::test]
async fn an_unknown_name_is_said_at_once() {
    let sim = sim().await;
    let api = api(&sim);
    let mut watch = api.watch(&Filter::default().name(&app("nobody")));
    let silent = tokio::time::timeout(Duration::from_millis(300), watch.next()).await;
    assert!(silent.is_err(), "it is silent: {silent:?}");
    let request = SyncRequest::new(target("nobody"));
    let failure = soon(api.sync_and_wait(&request, healthy())).await.unwrap_err();
    let source = std::error::Error::source(&failure).unwrap();
    let error: &ApiError = source.downcast_ref().unwrap();
    assert_eq!(*error.reason(), Reason::NotFound);
}

fn healthy() -> Conditions {
    Conditions::healthy("1".parse().unwrap(), "".parse().unwrap()).timeout(Some(Duration::from_secs(50)))
}

/// A sync is waited for although every event about it is lost.
#[tokio::test]
async fn a_sync_is_waited_for_without_events() {
    let controller = Controller::default()
        .sync_after(Duration::from_millis(20), Duration::from_millis(20))
        .reconciliations(10.0);
    let sim = builder()
        .token(TOKEN, access())
        .controller(controller)
        .start()
        .await
        .unwrap();
    sim.faults().drop_events(1_000_000);
    let synced = soon(api(&sim).sync_and_wait(&SyncRequest::new(target("web")), healthy()))
        .await
        .unwrap();
    assert_eq!(synced.verdict.outcome, Outcome::Synced);
}

/// The state from before the sync, Healthy and Synced too, is not taken for its result.
#[tokio::test]
async fn the_state_from_before_is_not_the_result() {
    let sim = sim().await;
    let api = api(&sim);
    let conditions =
        Conditions::healthy("1".parse().unwrap(), "".parse().unwrap()).timeout(Some(Duration::from_secs(2)));
    let synced = soon(api.sync_and_wait(&SyncRequest::new(target("web")), conditions))
        .await
        .unwrap();
    assert_eq!(
        synced.verdict.outcome,
        Outcome::Timeout,
        "nothing moved the operation"
    );
}

/// An operation that fails fails the wait at once.
#[tokio::test]
async fn a_sync_that_fails_is_not_waited_out() {
    let controller = Controller::default()
        .sync_after(Duration::from_millis(20), Duration::from_millis(20))
        .outcome(|_| octopus_argo_core::health::OperationPhase::Failed);
    let sim = builder()
        .token(TOKEN, access())
        .controller(controller)
        .start()
        .await
        .unwrap();
    let synced = soon(api(&sim).sync_and_wait(&SyncRequest::new(target("web")), healthy()))
        .await
        .unwrap();
    assert_eq!(synced.verdict.outcome, Outcome::Failed);
}
