//! Trap 5: what is present and empty, on both sides.

use octopus_argo_core::health::argocd::ResourceKey;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_proto::argocd::k8s::meta::Time;
use octopus_argo_proto::argocd::{Fetched, Filter, LogQuery, Refresh, v1alpha1};
use octopus_argo_testkit::argocd::Presence;

use super::*;

/// A `refresh` that is present makes Argo CD compare the application, whatever its value.
#[tokio::test]
async fn reading_does_not_refresh() {
    let sim = sim().await;
    let api = api(&sim);
    let before = soon(api.get(&target("web"))).await.unwrap();
    let again = soon(api.get(&target("web"))).await.unwrap();
    assert_eq!(
        (before.version, before.detail.reconciled_at),
        (again.version, again.detail.reconciled_at)
    );
    let refreshed = soon(api.refresh(&target("web"), Refresh::Normal)).await.unwrap();
    assert_ne!(
        refreshed.version, before.version,
        "a refresh that is asked for is made"
    );
}

/// A `podName` that is present and empty selects every pod.
#[tokio::test]
async fn the_pods_of_a_resource_are_not_all_pods() {
    let sim = sim().await;
    let web = app("web");
    sim.fleet()
        .set_tree(
            &web,
            &serde_json::json!({"nodes": [
                {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "1"},
                {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "2",
                    "parentRefs": [{"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "1"}]},
                {"kind": "Pod", "namespace": "shop", "name": "other-1", "uid": "3"},
            ]}),
        )
        .unwrap();
    for pod in ["web-1", "other-1"] {
        sim.fleet()
            .set_logs(&web, pod, ["2026-05-19T09:27:22Z line"])
            .unwrap();
    }
    let deployment = ResourceKey::new("apps", "Deployment", "shop", "web");
    let mut logs = api(&sim).pod_logs(&LogQuery::new(target("web")).resource(deployment).pod("", ""));
    let mut pods = Vec::new();
    while let Some(line) = soon(logs.next()).await.unwrap() {
        pods.push(line.pod);
    }
    assert_eq!(pods, ["web-1".into()]);
}

/// A required field has to be present even if it is empty.
#[tokio::test]
async fn a_required_field_that_is_empty_is_sent() {
    let sim = sim().await;
    let service = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}});
    sim.fleet()
        .set_resource(&app("web"), service.clone(), service)
        .unwrap();
    let key = ResourceKey::new("", "Service", "shop", "web");
    let manifest = soon(api(&sim).resource(&target("web"), &key)).await.unwrap();
    assert!(manifest.contains("Service"), "{manifest}");
}

/// What is written though it is empty is read as unset.
#[tokio::test]
async fn what_is_empty_is_read_as_unset() {
    for presence in [Presence::Always, Presence::OmitEmpty] {
        let sim = builder()
            .presence(presence)
            .token(TOKEN, access())
            .start()
            .await
            .unwrap();
        sim.fleet().upsert(
            "metadata: {name: fresh}\nspec: {sources: [{repoURL: https://git.example.test/x.git}]}"
                .parse()
                .unwrap(),
        );
        let fetched = soon(api(&sim).get(&Target::new(&app("fresh")))).await.unwrap();
        let application = &fetched.application;
        assert_eq!(application.sources.len(), 1);
        assert_eq!(application.destination.name, None);
        assert_eq!(fetched.detail.reconciled_at, None);
        assert!(!fetched.detail.is_operating());
        let status = application.status.as_ref();
        assert_eq!(
            status.and_then(|status| status.health.clone()),
            None,
            "{status:?}"
        );
    }
}

/// An application of several sources has a blank `source` wherever it has `sources`, and a blank `revision` beside
/// `revisions`.
#[tokio::test]
async fn a_blank_source_is_none() {
    let sim = sim().await;
    sim.fleet().upsert(
        "
metadata: {name: multi}
spec:
  project: shop
  source: {repoURL: ''}
  sources:
  - {repoURL: https://git.example.test/one.git}
  - {repoURL: https://git.example.test/two.git}
status:
  sync: {status: Synced, revisions: [one, two]}
  history: [{id: 7, revisions: [one, two]}]
  operationState: {phase: Succeeded, operation: {sync: {}}, syncResult: {revisions: [one, two]}}
"
        .parse()
        .unwrap(),
    );
    // The trap is set: they are on the wire, with nothing in them.
    let wire = wire(&sim, "multi").await;
    let status = wire.status.unwrap();
    let history = &status.history[0];
    let result = status.operation_state.unwrap().sync_result.unwrap();
    let sync = status.sync.unwrap();
    for blank in [
        wire.spec.unwrap().source,
        sync.compared_to.unwrap().source,
        history.source.clone(),
        result.source,
    ] {
        assert_eq!(blank.unwrap().repo_url.as_deref(), Some(""));
    }
    for blank in [sync.revision, history.revision.clone(), result.revision] {
        assert_eq!(blank.as_deref(), Some(""));
    }

    let api = api(&sim);
    let fetched = soon(api.get(&target("multi"))).await.unwrap();
    let listed = soon(api.list(&Filter::default().name(&app("multi"))))
        .await
        .unwrap();
    for application in [&fetched.application, &listed[0].application] {
        assert_eq!(application.sources.len(), 2);
        assert!(!application.sources.shadows_single(), "a blank source is none");
        let revisions = &application.status.as_ref().unwrap().revisions;
        assert_eq!(**revisions, ["one".into(), "two".into()]);
    }
    let both: [Box<str>; 2] = ["one".into(), "two".into()];
    assert_eq!(fetched.detail.history[0].revisions, both);
    assert_eq!(fetched.detail.operation.unwrap().revisions, both);
}

/// The zero time is an empty message, and means that none is set.
#[tokio::test]
async fn an_empty_time_is_not_1970() {
    let sim = sim().await;
    sim.fleet().upsert(
        "
metadata: {name: timeless, deletionTimestamp: '0001-01-01T00:00:00Z'}
spec: {project: shop}
status:
  reconciledAt: '0001-01-01T00:00:00Z'
  history: [{id: 7, revision: abc}]
  operationState: {phase: Running, operation: {sync: {}}}
"
        .parse()
        .unwrap(),
    );
    let wire = wire(&sim, "timeless").await;
    let status = wire.status.unwrap();
    for empty in [
        wire.metadata.unwrap().deletion_timestamp,
        status.reconciled_at,
        status.history[0].deployed_at,
        status.operation_state.unwrap().started_at,
    ] {
        assert_eq!(empty, Some(Time::default()), "the trap is set");
    }

    let api = api(&sim);
    let Fetched {
        application, detail, ..
    } = soon(api.get(&target("timeless"))).await.unwrap();
    let listed = soon(api.list(&Filter::default().name(&app("timeless"))))
        .await
        .unwrap();
    assert!(!application.deleting && !listed[0].application.deleting);
    assert_eq!(detail.reconciled_at, None);
    assert_eq!(detail.history[0].deployed_at, None);
    assert_eq!(detail.operation.unwrap().started_at, None);
}

/// The message as it comes, for a look at the trap itself.
async fn wire(sim: &ArgoCdSim, name: &str) -> v1alpha1::Application {
    let mut client = ApplicationServiceClient::new(argo_cd(sim).build().unwrap().service());
    let query = ApplicationQuery {
        name: Some(name.to_owned()),
        ..ApplicationQuery::default()
    };
    soon(client.get(query)).await.unwrap().into_inner()
}
