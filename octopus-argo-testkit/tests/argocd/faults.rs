//! What can be made to go wrong.

use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_testkit::argocd::{Controller, Faults, Method};

use super::*;

fn everything() -> ApplicationQuery {
    ApplicationQuery::default()
}

async fn watch(client: &mut Client) -> Streaming<ApplicationWatchEvent> {
    let mut events = soon(client.watch(everything())).await.unwrap().into_inner();
    for name in ["argocd/api", "argocd/web", "team-a/web"] {
        assert_eq!(next(&mut events).await, format!("ADDED {name}"));
    }
    events
}

fn touch(sim: &ArgoCdSim, name: &str) {
    sim.fleet().annotate(&app(name), "touched", Some("yes")).unwrap();
}

#[tokio::test]
async fn failures_come_as_often_as_asked() {
    let (sim, mut client) = reader().await;
    sim.faults()
        .fail(Method::List, Code::Unavailable, "redis is away", 2);
    for _ in 0..2 {
        assert_status(
            soon(client.list(everything())).await,
            Code::Unavailable,
            "redis is away",
        );
    }
    assert!(soon(client.list(everything())).await.is_ok());
    sim.faults().fail(Method::Watch, Code::Internal, "panic", 1);
    assert_status(soon(client.watch(everything())).await, Code::Internal, "panic");
}

#[tokio::test]
async fn a_held_call_waits_for_its_release_or_its_deadline() {
    let (sim, mut client) = reader().await;
    let held = sim.faults().hold(Method::Get);
    let mut limited = Request::new(named("api"));
    limited
        .metadata_mut()
        .insert("grpc-timeout", MetadataValue::from_static("50m"));
    assert!(is_late(&soon(client.get(limited)).await.unwrap_err()));
    assert!(soon(client.list(everything())).await.is_ok(), "another method");
    let waiting = client.get(named("api"));
    drop(held);
    assert!(soon(waiting).await.is_ok());
}

#[tokio::test]
async fn a_stream_can_be_torn_off() {
    let (sim, mut client) = reader().await;
    sim.faults().break_after(Method::Watch, 2);
    let mut events = soon(client.watch(everything())).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/api");
    assert_eq!(next(&mut events).await, "ADDED argocd/web");
    assert!(soon(events.message()).await.is_err());
    watch(&mut client).await;
}

#[tokio::test]
async fn events_and_deletions_are_lost_in_silence() {
    let (sim, mut client) = reader().await;
    let mut events = watch(&mut client).await;
    sim.faults().drop_events(2);
    touch(&sim, "web");
    touch(&sim, "web");
    touch(&sim, "api");
    assert_eq!(next(&mut events).await, "MODIFIED argocd/api");

    sim.faults().lose_deletes(true);
    sim.fleet().delete(&app("api")).unwrap();
    touch(&sim, "web");
    assert_eq!(next(&mut events).await, "MODIFIED argocd/web", "nothing of api");
    let left = soon(client.list(everything())).await.unwrap().into_inner();
    assert_eq!(left.items.len(), 2, "List knows");
    sim.faults().lose_deletes(false);
    sim.fleet().delete(&app("web")).unwrap();
    assert_eq!(next(&mut events).await, "DELETED argocd/web");
}

#[tokio::test]
async fn what_changes_in_the_window_is_lost() {
    let (sim, mut client) = reader().await;
    sim.faults().open_watch_window();
    let mut events = watch(&mut client).await;
    touch(&sim, "web");
    sim.fleet().upsert("metadata: {name: lost}".parse().unwrap());
    sim.faults().close_watch_window();
    // It subscribes in its own time: what is seen first is a change after that, and never one before.
    let seen = soon(async {
        loop {
            touch(&sim, "api");
            tokio::select! {
                event = events.message() => return event.unwrap().unwrap(),
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    assert_eq!(seen.application.unwrap().metadata.unwrap().name(), "api");
}

#[tokio::test]
async fn a_namespace_that_is_not_served_is_forbidden_or_silent() {
    let faults = Faults::default();
    faults.refuse_namespace("team-a");
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .faults(&faults)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let mut query = named("web");
    query.app_namespace = text("team-a");
    query.project.push("team".to_owned());
    assert_status(
        soon(client.get(query)).await,
        Code::PermissionDenied,
        "permission denied",
    );
    let list = soon(client.list(everything())).await.unwrap().into_inner();
    assert_eq!(list.items.len(), 2);
}

#[tokio::test]
async fn headers_come_with_the_first_message() {
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .headers_at_once(false)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let mut other = client.clone();
    let opening = other.watch(named("later"));
    tokio::pin!(opening);
    // Answers to other calls overtake it, on the same connection.
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = &mut opening => panic!("there is nothing to say"),
            answer = client.get(named("api")) => drop(answer.unwrap()),
        }
    }
    sim.fleet().upsert("metadata: {name: later}".parse().unwrap());
    let mut events = soon(opening).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/later");
}

#[tokio::test]
async fn a_restart_sends_clients_away_and_keeps_the_faults() {
    let (sim, mut client) = reader().await;
    let mut events = watch(&mut client).await;
    sim.faults().fail(Method::Get, Code::Internal, "still there", 1);
    let sim = soon(sim.restart(Duration::ZERO)).await.unwrap();
    assert!(soon(events.message()).await.is_err(), "cut");
    // The channel connects anew.
    let answer = loop {
        match soon(client.get(named("api"))).await {
            Err(status) if status.code() == Code::Unavailable => {}
            other => break other,
        }
    };
    assert_status(answer, Code::Internal, "still there");
    drop(sim);
}

#[tokio::test]
async fn applications_are_reconciled_in_the_background() {
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .controller(Controller::default().reconciliations(500.0))
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let mut events = soon(client.watch(everything())).await.unwrap().into_inner();
    let mut names = std::collections::BTreeSet::new();
    while names.len() < 3 {
        let event = soon(events.message()).await.unwrap().unwrap();
        if event.r#type() == "MODIFIED" {
            let application = event.application.unwrap();
            assert!(application.status.unwrap().reconciled_at.is_some());
            names.insert((
                application.metadata.clone().unwrap().namespace,
                application.metadata.unwrap().name,
            ));
        }
    }
}

#[tokio::test]
async fn health_changes_in_the_background() {
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .controller(Controller::default().health_changes(500.0))
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let mut events = soon(client.watch(named("api"))).await.unwrap().into_inner();
    for wanted in ["Progressing", "Healthy"] {
        loop {
            let event = soon(events.message()).await.unwrap().unwrap();
            let health = event.application.unwrap().status.unwrap().health.unwrap();
            if event.r#type.as_deref() == Some("MODIFIED") && health.status() == wanted {
                break;
            }
        }
    }
}
