//! Trap 5: what is present and empty, on both sides.

use octopus_argo_core::health::argocd::ResourceKey;
use octopus_argo_proto::argocd::{LogQuery, Refresh};
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

/// What is written though it is empty is read as unset: blank texts, blank sources, empty times.
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
        assert!(!application.sources.shadows_single(), "a blank source is none");
        assert!(!application.deleting, "an empty time is not 1970");
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
