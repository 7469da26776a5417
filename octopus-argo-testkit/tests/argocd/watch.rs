//! Watch: what is there, what changes, and what is kept silent.

use octopus_argo_core::health::HealthStatus;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_testkit::argocd::Access;
use tonic::Code;

use super::*;

async fn watch(client: &mut Client, query: ApplicationQuery) -> Streaming<ApplicationWatchEvent> {
    soon(client.watch(query)).await.unwrap().into_inner()
}

#[tokio::test]
async fn begins_with_what_is_there_in_order_and_goes_on_with_changes() {
    let (sim, mut client) = reader().await;
    let mut events = watch(&mut client, ApplicationQuery::default()).await;
    for name in ["argocd/api", "argocd/web", "team-a/web"] {
        assert_eq!(next(&mut events).await, format!("ADDED {name}"));
    }
    let fleet = sim.fleet();
    fleet.upsert("metadata: {name: new}".parse().unwrap());
    assert_eq!(next(&mut events).await, "ADDED argocd/new");
    fleet.set_health(&app("new"), &HealthStatus::Degraded).unwrap();
    let event = soon(events.message()).await.unwrap().unwrap();
    assert_eq!(event.r#type(), "MODIFIED");
    let status = event.application.unwrap().status.unwrap();
    assert_eq!(status.health.unwrap().status(), "Degraded");
    fleet.begin_delete(&app("new")).unwrap();
    let event = soon(events.message()).await.unwrap().unwrap();
    let metadata = event.application.unwrap().metadata.unwrap();
    assert!(metadata.deletion_timestamp.unwrap().unix_seconds().is_some());
    fleet.delete(&app("new")).unwrap();
    let event = soon(events.message()).await.unwrap().unwrap();
    assert_eq!(event.r#type(), "DELETED");
    let last = event.application.unwrap();
    assert_eq!(
        last.status.unwrap().health.unwrap().status(),
        "Degraded",
        "the last state"
    );
    assert_eq!(
        last.metadata.unwrap().resource_version(),
        "7",
        "every change counts"
    );
}

#[tokio::test]
async fn a_resource_version_is_a_floor_and_no_place_to_resume_from() {
    let (sim, mut client) = reader().await;
    sim.fleet().annotate(&app("api"), "round", Some("1")).unwrap();
    let versioned = |version: &str| ApplicationQuery {
        resource_version: text(version),
        ..ApplicationQuery::default()
    };
    // No burst, and nothing of the past: the next thing seen is the next thing that happens.
    let mut events = watch(&mut client, versioned("2")).await;
    // Versions below the floor are dropped, live ones too.
    let mut future = watch(&mut client, versioned("6")).await;
    // What is no number counts as 0.
    let mut odd = watch(&mut client, versioned("latest")).await;
    for round in ["2", "3"] {
        sim.fleet().annotate(&app("web"), "round", Some(round)).unwrap();
        assert_eq!(next(&mut events).await, "MODIFIED argocd/web");
        assert_eq!(next(&mut odd).await, "MODIFIED argocd/web");
    }
    let event = soon(future.message()).await.unwrap().unwrap();
    assert_eq!(
        event.application.unwrap().metadata.unwrap().resource_version(),
        "6"
    );

    // With a name, the burst comes all the same, above the floor.
    let query = |version: &str| ApplicationQuery {
        name: text("api"),
        ..versioned(version)
    };
    assert_eq!(
        next(&mut watch(&mut client, query("4")).await).await,
        "ADDED argocd/api"
    );
    let mut events = watch(&mut client, query("5")).await;
    sim.fleet().delete(&app("api")).unwrap();
    assert_eq!(next(&mut events).await, "DELETED argocd/api");
}

#[tokio::test]
async fn filters_by_name_project_and_label() {
    let (sim, mut client) = reader().await;
    let all = ApplicationQuery::default();
    for (query, expected) in [
        (named("web"), vec!["argocd/web", "team-a/web"]),
        (
            ApplicationQuery {
                app_namespace: text("team-a"),
                ..named("web")
            },
            vec!["team-a/web"],
        ),
        // Without a name the namespace counts for nothing, nor does a repository.
        (
            ApplicationQuery {
                app_namespace: text("team-a"),
                repo: text("other"),
                ..all.clone()
            },
            vec!["argocd/api", "argocd/web", "team-a/web"],
        ),
        (
            ApplicationQuery {
                projects: vec!["shop".into()],
                ..all.clone()
            },
            vec!["argocd/web"],
        ),
        (
            ApplicationQuery {
                project: vec!["team".into()],
                ..all.clone()
            },
            vec!["team-a/web"],
        ),
        (
            ApplicationQuery {
                selector: text("team=shop"),
                ..all.clone()
            },
            vec!["argocd/web"],
        ),
    ] {
        let mut events = watch(&mut client, query.clone()).await;
        for name in &expected {
            assert_eq!(next(&mut events).await, format!("ADDED {name}"), "{query:?}");
        }
    }
    let query = ApplicationQuery {
        selector: text("a in b"),
        ..all
    };
    assert_eq!(soon(client.watch(query)).await.unwrap_err().code(), Code::Unknown);
    drop(sim);
}

#[tokio::test]
async fn leaving_the_filter_is_silent() {
    let (sim, mut client) = reader().await;
    let query = ApplicationQuery {
        selector: text("team=shop"),
        ..ApplicationQuery::default()
    };
    let mut events = watch(&mut client, query).await;
    assert_eq!(next(&mut events).await, "ADDED argocd/web");
    sim.fleet().label(&app("web"), "team", None).unwrap();
    sim.fleet().label(&app("api"), "team", Some("shop")).unwrap();
    assert_eq!(
        next(&mut events).await,
        "MODIFIED argocd/api",
        "nothing of web between"
    );
}

#[tokio::test]
async fn an_unknown_name_is_silence_until_it_exists() {
    let (sim, mut client) = reader().await;
    let mut events = watch(&mut client, named("later")).await;
    sim.fleet().annotate(&app("api"), "round", Some("1")).unwrap();
    sim.fleet().upsert("metadata: {name: later}".parse().unwrap());
    assert_eq!(next(&mut events).await, "ADDED argocd/later");
}

#[tokio::test]
async fn a_missing_right_is_silence() {
    let sim = sim(Access::new("gateway").allow("applications", "get", "shop/*")).await;
    let mut client = client(&sim).await;
    let mut events = watch(&mut client, ApplicationQuery::default()).await;
    assert_eq!(next(&mut events).await, "ADDED argocd/web");
    sim.fleet().annotate(&app("api"), "round", Some("1")).unwrap();
    sim.fleet().annotate(&app("web"), "round", Some("1")).unwrap();
    assert_eq!(next(&mut events).await, "MODIFIED argocd/web");
}

#[tokio::test]
async fn a_slow_reader_loses_events_and_is_not_told() {
    let filler = "x".repeat(16 << 10);
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .watch_buffer(4)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let mut events = watch(&mut client, named("api")).await;
    assert_eq!(next(&mut events).await, "ADDED argocd/api");
    // Far more than the windows of HTTP/2 and the buffer hold, at a rate that no reader could keep.
    for round in 0..2000 {
        sim.fleet()
            .annotate(&app("api"), "round", Some(&format!("{round} {filler}")))
            .unwrap();
    }
    let lost = sim.fleet().lost_events();
    assert!(lost > 0);
    for _ in lost..2000 {
        assert_eq!(next(&mut events).await, "MODIFIED argocd/api");
    }
    sim.fleet().delete(&app("api")).unwrap();
    assert_eq!(
        next(&mut events).await,
        "DELETED argocd/api",
        "the stream goes on as if nothing had been"
    );
}
