//! Fleets of ten thousand applications of 5 kB each: that they are no effort, and how much exactly.
//!
//! Measured with `cargo test --release -p octopus-argo-testkit --all-features --test argocd -- large --ignored --nocapture
//! --test-threads 1`.

use std::time::Instant;

use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::prost::Message as _;
use octopus_argo_testkit::argocd::Controller;
use serde_json::json;

use super::*;

/// An application whose message has about 5 kB: with resources, history and managed fields, as from the field.
fn realistic(name: &str) -> Manifest {
    let resource = |number: usize| {
        json!({"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": format!("{name}-{number}"),
               "status": "Synced", "health": {"status": "Healthy"}})
    };
    let source = json!({"repoURL": "https://git.example.test/web.git", "path": "deploy/overlays/production", "targetRevision": "main"});
    let entry = |id: usize| {
        json!({"id": id, "revision": "0123456789abcdef0123456789abcdef01234567", "deployedAt": "2026-05-01T10:00:00Z",
               "deployStartedAt": "2026-05-01T09:59:00Z", "source": source})
    };
    let fields = json!({"f:metadata": {"f:annotations": {"f:argo.octopus.com/project": {}, "f:argo.octopus.com/environment": {}},
        "f:labels": {"f:team": {}}}, "f:spec": {"f:destination": {"f:namespace": {}, "f:server": {}}, "f:source": {"f:path": {},
        "f:repoURL": {}, "f:targetRevision": {}}}, "f:status": {"f:health": {}, "f:sync": {"f:status": {}, "f:revision": {}}}});
    let manager = |name: &str| {
        json!({"manager": name, "operation": "Update", "apiVersion": "argoproj.io/v1alpha1", "fieldsType": "FieldsV1",
               "time": "2026-05-01T10:00:00Z", "fieldsV1": fields})
    };
    Manifest::try_from(json!({
        "metadata": {"name": name, "labels": {"team": "shop"},
            "annotations": {"argo.octopus.com/project": "shop", "argo.octopus.com/environment": "production"},
            "managedFields": [manager("argocd-controller"), manager("argocd-server")]},
        "spec": {"project": "shop", "source": source, "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}},
        "status": {"health": {"status": "Healthy"}, "sync": {"status": "Synced", "comparedTo": {"source": source}},
            "resources": (0..36).map(resource).collect::<Vec<_>>(), "history": (0..10).map(entry).collect::<Vec<_>>()},
    }))
    .unwrap()
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
        / 1024
}

const COUNT: usize = 10_000;

fn name(number: usize) -> String {
    format!("app-{number:05}")
}

/// Copies of one application, with optimisation or without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_copies_start_at_once() {
    let web = realistic("web");
    let sim = builder_of((0..COUNT).map(|number| web.renamed(&name(number))));
    let sim = sim.start().await.unwrap();
    let names = sim.fleet().names();
    assert_eq!((names.len(), names[COUNT - 1].name()), (COUNT, "app-09999"));
    // What is changed is no longer shared, and nobody else changes with it.
    sim.fleet()
        .edit(&app("app-00001"), |json| json["spec"]["project"] = "other".into())
        .unwrap();
    let project = |name| sim.fleet().manifest(&app(name)).unwrap()["spec"]["project"].clone();
    assert_eq!(
        (project("app-00001"), project("app-00002")),
        ("other".into(), "shop".into())
    );
}

fn builder_of(applications: impl IntoIterator<Item = Manifest>) -> ArgoCdSimBuilder {
    ArgoCdSim::builder()
        .without_authentication()
        .applications(applications)
        .controller(Controller::default().reconciliations(83.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn ten_thousand_copies() {
    let web = realistic("web");
    measure(|| builder_of((0..COUNT).map(|number| web.renamed(&name(number))))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn ten_thousand_that_differ() {
    measure(|| builder_of((0..COUNT).map(|number| realistic(&name(number))))).await;
}

#[expect(clippy::print_stdout, reason = "a measurement")]
async fn measure(builder: impl FnOnce() -> ArgoCdSimBuilder) {
    let before = resident_mib();
    let began = Instant::now();
    let builder = builder();
    println!("manifests  {:?}", began.elapsed());
    let began = Instant::now();
    let sim = builder.start().await.unwrap();
    println!("start      {:?}", began.elapsed());
    println!("memory     {} MiB more", resident_mib().saturating_sub(before));
    let mut client = ApplicationServiceClient::new(channel(&sim).await).max_decoding_message_size(200 << 20);
    for _ in 0..3 {
        let began = Instant::now();
        let list = client
            .list(ApplicationQuery::default())
            .await
            .unwrap()
            .into_inner();
        println!(
            "list       {:?}, decoded; {} bytes",
            began.elapsed(),
            list.encoded_len()
        );
        assert_eq!(list.items.len(), COUNT);
    }
    let began = Instant::now();
    let mut events = client
        .watch(ApplicationQuery::default())
        .await
        .unwrap()
        .into_inner();
    for _ in 0..COUNT {
        events.message().await.unwrap().unwrap();
    }
    println!("burst      {:?}", began.elapsed());
    println!(
        "memory     {} MiB more, with the client's copies",
        resident_mib().saturating_sub(before)
    );
    let began = Instant::now();
    for _ in 0..166 {
        events.message().await.unwrap().unwrap();
    }
    println!(
        "166 events {:?} at 83 a second, lost {}",
        began.elapsed(),
        sim.fleet().lost_events()
    );
}
