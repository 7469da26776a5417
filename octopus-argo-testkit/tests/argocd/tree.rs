//! Trees, managed resources, live objects, and the cache between them and the controller.

use octopus_argo_proto::argocd::application::{
    ApplicationQuery, ApplicationResourceEventsQuery, ApplicationResourceRequest, ResourcesQuery,
};
use octopus_argo_testkit::argocd::{ArgoCdVersion, Controller, HealthSource};
use serde_json::json;

use super::*;

fn tree_of(name: &str) -> ResourcesQuery {
    ResourcesQuery {
        application_name: name.to_owned(),
        ..ResourcesQuery::default()
    }
}

async fn manual() -> (ArgoCdSim, Client) {
    let sim = builder()
        .token(TOKEN, Access::read_only("gateway"))
        .controller(Controller::default().refresh_manually())
        .start()
        .await
        .unwrap();
    let client = client(&sim).await;
    (sim, client)
}

fn healths(application: octopus_argo_proto::argocd::v1alpha1::Application) -> Vec<Option<String>> {
    let resources = application.status.unwrap().resources.into_iter();
    resources
        .map(|resource| resource.health.map(|health| health.status().to_owned()))
        .collect()
}

const TWO: &str = "
metadata: {name: two}
spec: {destination: {namespace: two}}
status:
  resources:
  - {kind: Service, name: there, namespace: two, status: Synced, health: {status: Degraded}}
  - {kind: Service, name: absent, namespace: two, status: OutOfSync}
";

#[tokio::test]
async fn health_is_in_the_tree_since_3_0() {
    for (version, in_list) in [(ArgoCdVersion::V2_14, true), (ArgoCdVersion::V3_0, false)] {
        let sim = builder()
            .without_authentication()
            .version(version)
            .start()
            .await
            .unwrap();
        sim.fleet().upsert(TWO.parse().unwrap());
        let mut client = client(&sim).await;
        let list = soon(client.list(named("two"))).await.unwrap().into_inner();
        let expected = in_list.then(|| "Degraded".to_owned());
        assert_eq!(healths(list.items[0].clone()), [expected, None], "{version:?}");
        let got = soon(client.get(named("two"))).await.unwrap().into_inner();
        assert_eq!(healths(got), [text("Degraded"), None]);
    }
}

#[tokio::test]
async fn get_and_watch_fill_in_what_the_tree_knows() {
    let sim = builder()
        .without_authentication()
        .health_source(HealthSource::AppTree)
        .start()
        .await
        .unwrap();
    let fleet = sim.fleet();
    let two = fleet.upsert(TWO.parse().unwrap());
    let mut client = client(&sim).await;
    let mut events = soon(client.watch(named("two"))).await.unwrap().into_inner();
    soon(events.message()).await.unwrap();
    fleet
        .set_tree(
            &two,
            &json!({"nodes": [
                {"kind": "Service", "name": "there", "namespace": "two", "uid": "u", "health": {"status": "Healthy"}},
                {"kind": "Service", "name": "absent", "namespace": "two"},
            ]}),
        )
        .unwrap();
    let got = soon(client.get(named("two"))).await.unwrap().into_inner();
    assert_eq!(healths(got), [text("Healthy"), text("Missing")]);
    // The tree alone has changed, so no Watch has seen it; the next event tells.
    fleet.annotate(&two, "touched", Some("yes")).unwrap();
    let event = soon(events.message()).await.unwrap().unwrap();
    let application = event.application.unwrap();
    assert_eq!(
        application.metadata.as_ref().unwrap().annotations["touched"],
        "yes"
    );
    assert_eq!(healths(application), [text("Healthy"), text("Missing")]);
    let list = soon(client.list(named("two"))).await.unwrap().into_inner();
    assert_eq!(healths(list.items[0].clone()), [None, None]);
}

#[tokio::test]
async fn a_refresh_waits_for_the_controller_or_for_its_deadline() {
    let (sim, mut client) = manual().await;
    let mut query = named("web");
    query.refresh = text("hard");
    let mut limited = Request::new(query.clone());
    limited
        .metadata_mut()
        .insert("grpc-timeout", MetadataValue::from_static("50m"));
    assert!(is_late(&soon(client.get(limited)).await.unwrap_err()));
    let annotation = |sim: &ArgoCdSim| {
        sim.fleet().manifest(&app("web")).unwrap()["metadata"]["annotations"]["argocd.argoproj.io/refresh"]
            .clone()
    };
    assert_eq!(annotation(&sim), "hard", "it is still asked for");
    assert!(sim.fleet().is_refreshing(&app("web")));

    let waiting = client.get(query);
    sim.fleet().reconcile(&app("web")).unwrap();
    // Whether it asked before or after, one more reconciliation ends it.
    let fleet = sim.fleet().clone();
    let answer = soon(async {
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                biased;
                answer = &mut waiting => return answer,
                () = tokio::task::yield_now() => fleet.reconcile(&app("web")).unwrap(),
            }
        }
    })
    .await
    .unwrap()
    .into_inner();
    assert!(answer.status.unwrap().reconciled_at.is_some());
    assert!(annotation(&sim).is_null());
}

#[tokio::test]
async fn a_tree_that_is_not_in_the_cache_is_waited_for() {
    let (sim, mut client) = manual().await;
    let web = app("web");
    let tree = soon(client.resource_tree(tree_of("web")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        tree.nodes[0].resource_ref.as_ref().unwrap().name(),
        "web",
        "made from the resources"
    );
    sim.fleet().forget_tree(&web).unwrap();
    for waiting in [true, false] {
        let mut limited = Request::new(tree_of("web"));
        limited
            .metadata_mut()
            .insert("grpc-timeout", MetadataValue::from_static("50m"));
        let answer = if waiting {
            soon(client.resource_tree(limited)).await.map(drop)
        } else {
            soon(client.managed_resources(limited)).await.map(drop)
        };
        assert!(is_late(&answer.unwrap_err()));
    }
    assert!(sim.fleet().is_refreshing(&web), "it asked for a refresh");
    sim.fleet().reconcile(&web).unwrap();
    assert!(soon(client.resource_tree(tree_of("web"))).await.is_ok());
}

#[tokio::test]
async fn conditions_stand_in_for_a_tree_that_will_not_come() {
    let (sim, mut client) = manual().await;
    let web = app("web");
    sim.fleet().forget_tree(&web).unwrap();
    sim.fleet()
        .edit(&web, |json| {
            json["status"]["conditions"] = json!([
                {"type": "ComparisonError", "message": "no such branch"},
                {"type": "SyncError", "message": "of no interest"},
                {"type": "InvalidSpecError", "message": "no such cluster"},
            ]);
        })
        .unwrap();
    let expected = "ComparisonError: no such branch;InvalidSpecError: no such cluster";
    assert_status(
        soon(client.resource_tree(tree_of("web"))).await,
        Code::Unknown,
        expected,
    );
    assert_status(
        soon(client.managed_resources(tree_of("web"))).await,
        Code::Unknown,
        expected,
    );
}

#[tokio::test]
async fn a_watch_of_the_tree_is_silent_then_repeats_and_ends_with_code_2() {
    let (sim, mut client) = reader().await;
    let web = app("web");
    let mut trees = soon(client.watch_resource_tree(tree_of("web")))
        .await
        .unwrap()
        .into_inner();
    let tree = json!({"nodes": [{"kind": "Pod", "name": "first", "uid": "u"}]});
    sim.fleet().set_tree(&web, &tree).unwrap();
    sim.fleet().notify_tree(&web).unwrap();
    sim.fleet().reconcile(&web).unwrap();
    for _ in 0..3 {
        let tree = soon(trees.message()).await.unwrap().unwrap();
        assert_eq!(
            tree.nodes[0].resource_ref.as_ref().unwrap().name(),
            "first",
            "nothing came before it"
        );
    }
    sim.fleet().delete(&web).unwrap();
    let status = soon(trees.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert!(status.message().contains("cache: key is missing"), "{status}");
}

#[tokio::test]
async fn a_pod_is_found_by_its_ancestor() {
    let (sim, mut client) = reader().await;
    let web = app("web");
    let tree = json!({"nodes": [
        {"group": "apps", "kind": "Deployment", "name": "web", "namespace": "shop", "uid": "1"},
        {"group": "apps", "kind": "ReplicaSet", "name": "web-1", "namespace": "shop", "uid": "2",
         "parentRefs": [{"group": "apps", "kind": "Deployment", "name": "web", "namespace": "shop"}]},
        {"kind": "Pod", "name": "web-1-a", "namespace": "shop", "uid": "3",
         "parentRefs": [{"group": "apps", "kind": "ReplicaSet", "name": "web-1", "namespace": "shop"}]},
        {"kind": "Pod", "name": "other", "namespace": "shop", "uid": "4"},
    ]});
    sim.fleet().set_tree(&web, &tree).unwrap();
    sim.fleet().set_logs(&web, "web-1-a", ["of web"]).unwrap();
    sim.fleet().set_logs(&web, "other", ["of another"]).unwrap();
    let query = octopus_argo_proto::argocd::application::ApplicationPodLogsQuery {
        name: "web".to_owned(),
        kind: text("Deployment"),
        group: text("apps"),
        resource_name: text("web"),
        ..Default::default()
    };
    let mut lines = soon(client.pod_logs(query)).await.unwrap().into_inner();
    let line = soon(lines.message()).await.unwrap().unwrap();
    assert_eq!(
        (line.content.as_str(), line.pod_name.as_str()),
        ("of web", "web-1-a")
    );
    assert!(soon(lines.message()).await.unwrap().unwrap().last);
}

#[tokio::test]
async fn secrets_are_masked_and_what_is_not_there_is_null() {
    let (sim, mut client) = reader().await;
    let web = app("web");
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"},
               "data": {"password": value}})
    };
    let fleet = sim.fleet();
    fleet.set_resource(&web, secret("b25l"), secret("dHdv")).unwrap();
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "shop"}});
    fleet.set_resource(&web, map.clone(), json!(null)).unwrap();
    let items = soon(client.managed_resources(tree_of("web")))
        .await
        .unwrap()
        .into_inner()
        .items;
    let secret = items.iter().find(|item| item.kind() == "Secret").unwrap();
    assert!(secret.target_state().contains("\"++++++++\""), "{secret:?}");
    assert!(secret.live_state().contains("\"++++++++++++\""), "{secret:?}");
    assert_eq!((secret.diff(), secret.modified()), ("", true));
    let map = items.iter().find(|item| item.kind() == "ConfigMap").unwrap();
    assert_eq!(map.live_state(), "null");
    let only = ResourcesQuery {
        kind: text("Secret"),
        version: text("ignored"),
        ..tree_of("web")
    };
    assert_eq!(
        soon(client.managed_resources(only))
            .await
            .unwrap()
            .into_inner()
            .items
            .len(),
        1
    );

    let resource = |kind: &str, name: &str| ApplicationResourceRequest {
        name: "web".to_owned(),
        kind: kind.to_owned(),
        resource_name: name.to_owned(),
        namespace: text("shop"),
        ..ApplicationResourceRequest::default()
    };
    let live = soon(client.get_resource(resource("Secret", "s")))
        .await
        .unwrap()
        .into_inner();
    assert!(
        live.manifest.contains("++++") && !live.manifest.contains("dHdv"),
        "{}",
        live.manifest
    );
    for (kind, name, code) in [
        ("ConfigMap", "m", Code::InvalidArgument),
        ("Secret", "unknown", Code::InvalidArgument),
        ("Service", "web", Code::NotFound),
    ] {
        let status = soon(client.get_resource(resource(kind, name))).await.unwrap_err();
        assert_eq!(status.code(), code, "{kind} {name}: {status}");
    }
}

#[tokio::test]
async fn events_are_told_apart_by_what_they_are_about() {
    for version in [ArgoCdVersion::V3_0, ArgoCdVersion::V3_5] {
        let sim = builder()
            .without_authentication()
            .version(version)
            .start()
            .await
            .unwrap();
        let web = app("web");
        sim.fleet()
            .set_tree(
                &web,
                &json!({"nodes": [
                    {"kind": "Pod", "name": "p", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
                ]}),
            )
            .unwrap();
        sim.fleet()
            .set_events(&web, &json!({"items": [
                {"involvedObject": {"kind": "Application", "name": "web"}, "reason": "Synced"},
                {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "shop", "uid": "u"}, "reason": "Pulled",
                 "count": 3},
            ]}))
            .unwrap();
        let mut client = client(&sim).await;
        let query = |name: &str, uid: &str| ApplicationResourceEventsQuery {
            name: "web".to_owned(),
            resource_name: text(name),
            resource_namespace: text("shop"),
            resource_uid: text(uid),
            ..ApplicationResourceEventsQuery::default()
        };
        let reasons = |list: octopus_argo_proto::argocd::events::EventList| {
            list.items
                .into_iter()
                .map(|event| event.reason)
                .collect::<Vec<_>>()
        };
        let own = soon(client.list_resource_events(query("", "")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(reasons(own), ["Synced"]);
        let pod = soon(client.list_resource_events(query("p", "u")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(pod.items[0].count, 3);
        assert_eq!(reasons(pod), ["Pulled"], "{version:?}");
        let unknown = soon(client.list_resource_events(query("p", "other")))
            .await
            .unwrap_err();
        assert_eq!(unknown.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn many_applications_are_no_effort() {
    let web: Manifest = TWO.parse().unwrap();
    let sim = ArgoCdSim::builder()
        .without_authentication()
        .applications((0..2000).map(|number| web.renamed(&format!("app-{number:05}"))))
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let list = soon(client.list(ApplicationQuery::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.items.len(), 2000);
    assert_eq!(list.items[1999].metadata.as_ref().unwrap().name(), "app-01999");
}
