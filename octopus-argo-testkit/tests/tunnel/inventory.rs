//! What the server knows of the applications behind its gateways.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use octopus_argo_core::health::HealthStatus;
use octopus_argo_core::{ApplicationName, Scope, SpaceId};
use octopus_argo_proto::v1::change::Change;
use octopus_argo_proto::v1::inventory_client::InventoryClient;
use octopus_argo_proto::v1::{Known, WatchRequest, WatchResponse};
use octopus_argo_server::{Fleet, Instance, InstanceView};
use octopus_argo_testkit::argocd::Manifest;
use tonic::Streaming;

use crate::support::{
    GATEWAY, Octopus, app, argo_cd, beside, complete, connected, cut, disconnected, id, mend, relay, soon,
    start,
};

const OTHER: &str = "another-gateway";

fn view<'a>(fleet: &'a Fleet, instance: &str) -> &'a InstanceView {
    let found = fleet
        .instances()
        .iter()
        .find(|view| view.instance.id.as_str() == instance);
    found.unwrap()
}

fn names(view: &InstanceView) -> Vec<String> {
    let names = view
        .applications
        .iter()
        .map(|application| application.name.to_string());
    names.collect()
}

/// What a deployment touches, as `instance application`.
fn touched(fleet: &Fleet, scope: &Scope) -> Vec<String> {
    let matches = fleet
        .resolve(scope)
        .filter(|(_, resolution)| resolution.is_match());
    matches
        .map(|(view, resolution)| format!("{} {}", view.instance.id, resolution.name()))
        .collect()
}

fn environment(name: &str) -> Scope {
    Scope::from_texts("shop", name, None).unwrap()
}

#[tokio::test(crate = "crate::checked")]
async fn first_everything_then_changes() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), beside(&sim));
    assert_eq!(server.until(complete).await, 2);
    let fleet = octopus.server.fleet().await.unwrap();
    let known = view(&fleet, "ArgoCDGateways-1");
    assert!(known.complete);
    assert_eq!(names(known), ["argocd/api", "argocd/web"]);
    assert_eq!(known.argo_cd.reachable, Some(true));
    assert!(known.argo_cd.version.is_some());
    assert_eq!(
        touched(&fleet, &environment("staging")),
        ["ArgoCDGateways-1 argocd/web"]
    );

    // An annotation.
    let web = app("web");
    sim.fleet()
        .annotate(&web, "argo.octopus.com/environment", Some("production"))
        .unwrap();
    octopus
        .until(&mut server, |fleet| {
            touched(fleet, &environment("staging")).is_empty()
                && touched(fleet, &environment("production")).len() == 1
        })
        .await;
    // A status.
    sim.fleet().set_health(&web, &HealthStatus::Degraded).unwrap();
    octopus
        .until(&mut server, |fleet| {
            let view = view(fleet, "ArgoCDGateways-1");
            let web = view
                .applications
                .iter()
                .find(|application| application.name == web);
            let status = web.and_then(|web| web.status.as_ref()?.health.as_ref());
            status.is_some_and(|health| health.to_string() == "Degraded")
        })
        .await;
    // One that is new, one that is gone.
    let new: Manifest = "
metadata: {name: new, namespace: team-a}
spec: {project: team, source: {repoURL: https://git.example.test/new.git, path: deploy}}"
        .parse()
        .unwrap();
    sim.fleet().upsert(new);
    sim.fleet().delete(&app("api")).unwrap();
    octopus
        .until(&mut server, |fleet| {
            names(view(fleet, "ArgoCDGateways-1")) == ["argocd/web", "team-a/new"]
        })
        .await;
}

#[tokio::test(crate = "crate::checked")]
async fn what_changes_while_argo_cd_is_away_is_made_up_for() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    let down = sim.shutdown(std::time::Duration::from_millis(100)).await;
    down.fleet().delete(&app("api")).unwrap();
    down.fleet()
        .annotate(&app("web"), "argo.octopus.com/environment", Some("production"))
        .unwrap();
    let _sim = down.start().await.unwrap();
    octopus
        .until(&mut server, |fleet| {
            names(view(fleet, "ArgoCDGateways-1")) == ["argocd/web"]
                && touched(fleet, &environment("production")).len() == 1
        })
        .await;
}

/// Reads an inventory until it is complete: the records by uid, how many are removed, and how many there are in all.
async fn read(changes: &mut Streaming<WatchResponse>) -> (BTreeMap<Vec<u8>, u64>, usize, u64) {
    let (mut records, mut removed) = (BTreeMap::new(), 0);
    loop {
        let batch = soon(changes.message()).await.unwrap().unwrap();
        for change in batch.changes {
            match change.change.unwrap() {
                Change::Upsert(record) => {
                    let before = records.insert(record.uid.to_vec(), record.digest);
                    assert!(before.is_none(), "sent twice");
                }
                Change::Removed(_) => removed += 1,
                Change::SnapshotEnd(end) => return (records, removed, end.applications),
                Change::ArgoCd(_) => {}
            }
        }
    }
}

fn request(known: &BTreeMap<Vec<u8>, u64>) -> impl tokio_stream::Stream<Item = WatchRequest> + use<> {
    let known = known.iter().map(|(uid, digest)| Known {
        uid: uid.clone().into(),
        digest: *digest,
    });
    tokio_stream::iter([WatchRequest {
        known: known.collect(),
    }])
}

#[tokio::test(crate = "crate::checked")]
async fn what_is_known_is_not_sent_again() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    // The service itself, through the tunnel.
    let mut inventory = InventoryClient::new(octopus.gateway());
    let nothing = BTreeMap::new();
    let mut changes = soon(inventory.watch(request(&nothing)))
        .await
        .unwrap()
        .into_inner();
    let (mut known, removed, all) = read(&mut changes).await;
    assert_eq!((known.len(), removed, all), (2, 0, 2));

    let mut changes = soon(inventory.watch(request(&known))).await.unwrap().into_inner();
    assert_eq!(read(&mut changes).await, (BTreeMap::new(), 0, 2));

    // One that the gateway does not have, one that is another there.
    known.insert(vec![7; 16], 1);
    let uid = known.keys().find(|uid| **uid != vec![7; 16]).unwrap().clone();
    let digest = known.insert(uid.clone(), 0).unwrap();
    let mut changes = soon(inventory.watch(request(&known))).await.unwrap().into_inner();
    let (records, removed, all) = read(&mut changes).await;
    assert_eq!((records, removed, all), (BTreeMap::from([(uid, digest)]), 1, 2));
}

#[tokio::test(crate = "crate::checked")]
async fn after_a_cut_only_the_difference_is_sent() {
    let octopus = Octopus::start_forgetful().await;
    let mut manifests = String::new();
    for number in 0..300 {
        let _ = write!(
            manifests,
            "---
metadata: {{name: app-{number:03}, annotations: {{argo.octopus.com/project: shop, argo.octopus.com/environment: e{number}}}}}
spec: {{project: shop, source: {{repoURL: 'https://git.example.test/{number}.git', path: deploy}}}}
"
        );
    }
    let sim = argo_cd()
        .applications(Manifest::parse_all(&manifests).unwrap())
        .start()
        .await
        .unwrap();
    let relay = relay(&octopus).await;
    let mut server = octopus.events();
    let config = octopus.config_at(relay.address(), &octopus.credential(GATEWAY, "ArgoCDGateways-1"));
    let _gateway = start(config, beside(&sim));
    assert_eq!(server.until(complete).await, 302);
    let first = relay.counts().up;

    cut(&relay);
    server.until(disconnected).await;
    assert_eq!(
        octopus.view().await.applications.len(),
        302,
        "what was last known is kept"
    );
    sim.fleet().delete(&app("app-007")).unwrap();
    sim.fleet()
        .annotate(&app("app-008"), "argo.octopus.com/environment", Some("elsewhere"))
        .unwrap();
    mend(&relay);
    server.until(connected).await;
    octopus
        .until(&mut server, |fleet| {
            let view = view(fleet, "ArgoCDGateways-1");
            view.applications.len() == 301 && touched(fleet, &environment("elsewhere")).len() == 1
        })
        .await;
    let second = relay.counts().up - first;
    // Three hundred records are some 50 kB, a connection and two changes are not.
    assert!(first > 30_000, "{first} bytes");
    assert!(second < first / 4, "{second} bytes after {first}");
}

#[tokio::test(crate = "crate::checked")]
async fn a_scope_is_answered_over_all_gateways_of_its_space() {
    let octopus = Octopus::start().await;
    let spaces: [SpaceId; 2] = ["Spaces-1".parse().unwrap(), "Spaces-22".parse().unwrap()];
    let first = argo_cd().start().await.unwrap();
    let second = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let config = octopus.register();
    let other = octopus.config(&octopus.credential(OTHER, "ArgoCDGateways-2"));
    // The other one is in both spaces.
    octopus.store.put(
        Instance::new(
            "ArgoCDGateways-3".parse().unwrap(),
            "three".parse().unwrap(),
            OTHER.parse().unwrap(),
        )
        .in_space(spaces[1].clone()),
    );
    let _first = start(config, beside(&first));
    let _second = start(other, beside(&second));
    server.until(complete).await;
    server.until(complete).await;

    let staging = environment("staging");
    let elsewhere = staging.clone().in_space(spaces[1].clone());
    let fleet = octopus.server.fleet().await.unwrap();
    assert_eq!(
        touched(&fleet, &staging),
        ["ArgoCDGateways-1 argocd/web", "ArgoCDGateways-2 argocd/web"]
    );
    assert_eq!(touched(&fleet, &elsewhere), ["ArgoCDGateways-3 argocd/web"]);

    // A change in one is a change in its instances alone.
    let web: ApplicationName = app("web");
    second
        .fleet()
        .annotate(&web, "argo.octopus.com/environment", Some("production"))
        .unwrap();
    octopus
        .until(&mut server, |fleet| {
            touched(fleet, &staging) == ["ArgoCDGateways-1 argocd/web"]
                && touched(fleet, &elsewhere).is_empty()
        })
        .await;
    // A record that is gone takes its answers along; the gateway stays.
    octopus.store.remove(&"ArgoCDGateways-1".parse().unwrap());
    let fleet = octopus.server.fleet().await.unwrap();
    assert!(touched(&fleet, &staging).is_empty());
    assert!(octopus.server.gateway(&id()).is_online());
}
