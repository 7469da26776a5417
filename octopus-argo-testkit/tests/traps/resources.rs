//! Trap 9: where health is, and what tells of it.

use octopus_argo_core::health::HealthStatus;
use octopus_argo_core::health::argocd::ResourceTree;
use octopus_argo_proto::argocd::Filter;
use octopus_argo_testkit::argocd::{ArgoCdVersion, Method};
use serde_json::json;

use super::*;

fn tree(health: &str) -> serde_json::Value {
    json!({"nodes": [
        {"kind": "Service", "namespace": "shop", "name": "web", "uid": "1", "health": {"status": health}},
    ]})
}

/// Since 3.0 it is in the tree, before in the application; it is found wherever it is.
#[tokio::test]
async fn health_of_resources_is_found_wherever_it_is() {
    for version in [ArgoCdVersion::V2_14, ArgoCdVersion::V3_5] {
        let sim = builder()
            .version(version)
            .token(TOKEN, access())
            .start()
            .await
            .unwrap();
        if version == ArgoCdVersion::V3_5 {
            sim.fleet().set_tree(&app("web"), &tree("Degraded")).unwrap();
        }
        let health = soon(api(&sim).resource_health(&target("web"))).await.unwrap();
        let expected = if version == ArgoCdVersion::V3_5 {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        };
        assert_eq!(health[0].1, Some(expected), "{version:?}");
    }
}

/// The stream of trees says nothing at its beginning, so the tree is read as well.
#[tokio::test]
async fn the_first_tree_is_not_waited_for() {
    let sim = sim().await;
    let mut trees = api(&sim).watch_resource_tree(&target("web"));
    let first = soon(trees.next()).await.unwrap().unwrap();
    assert_eq!(first.nodes.len(), 1);
}

/// A tree that changes before the stream stands is told by nothing, so the tree is read once more.
#[tokio::test]
async fn a_tree_that_changes_before_the_stream_stands_is_found() {
    let sim = sim().await;
    let _hold = sim.faults().hold(Method::WatchResourceTree);
    let mut trees = api(&sim).watch_resource_tree(&target("web"));
    soon(trees.next()).await.unwrap().unwrap();
    sim.fleet().set_tree(&app("web"), &tree("Degraded")).unwrap();
    let second = soon(trees.next()).await.unwrap().unwrap();
    assert_eq!(health_of(&second), Some(HealthStatus::Degraded));
}

/// The same tree comes again and again, and is no news; an application that is gone is said.
#[tokio::test]
async fn only_trees_that_differ_are_told() {
    let sim = sim().await;
    let mut trees = api(&sim).watch_resource_tree(&target("web"));
    soon(trees.next()).await.unwrap().unwrap();
    for _ in 0..3 {
        sim.fleet().notify_tree(&app("web")).unwrap();
    }
    sim.fleet().set_tree(&app("web"), &tree("Degraded")).unwrap();
    let second = soon(trees.next()).await.unwrap().unwrap();
    assert_eq!(health_of(&second), Some(HealthStatus::Degraded));
    sim.fleet().delete(&app("web")).unwrap();
    assert_eq!(reason(soon(trees.next()).await), Reason::Gone);
}

fn health_of(tree: &ResourceTree) -> Option<HealthStatus> {
    tree.nodes[0].health.as_ref().unwrap().status()
}

/// A change of a child's health is no event of the application.
#[tokio::test]
async fn a_childs_health_is_not_watched_for_in_applications() {
    let sim = sim().await;
    let api = api(&sim);
    let mut watch = api.watch(&Filter::default().name(&app("web")));
    soon(watch.next()).await.unwrap().unwrap();
    let mut trees = api.watch_resource_tree(&target("web"));
    soon(trees.next()).await.unwrap().unwrap();
    sim.fleet().set_tree(&app("web"), &tree("Degraded")).unwrap();
    soon(trees.next()).await.unwrap().unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(300), watch.next()).await;
    assert!(silent.is_err(), "{silent:?}");
}
