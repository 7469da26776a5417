//! Trap 8: 4 MiB is not enough.

use octopus_argo_proto::argocd::Filter;

use super::*;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_large_fleet_is_listed_and_a_large_answer_read() {
    let sim = sim().await;
    let filler = "x".repeat(MIB);
    for number in 0..6 {
        let name = sim.fleet().upsert(
            format!("metadata: {{name: large-{number}}}\nspec: {{project: shop}}")
                .parse()
                .unwrap(),
        );
        sim.fleet().annotate(&name, "filler", Some(&filler)).unwrap();
    }
    let api = api(&sim);
    assert_eq!(soon(api.list(&Filter::default())).await.unwrap().len(), 8);

    let state = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "large", "namespace": "shop"}, "data": {"filler": "x".repeat(5 * MIB)}});
    sim.fleet()
        .set_resource(&app("web"), state.clone(), state)
        .unwrap();
    let states = soon(api.managed_resources(&target("web"))).await.unwrap();
    assert!(
        states
            .iter()
            .any(|state| state.live.as_ref().is_some_and(|live| live.len() > 5 * MIB))
    );
}

/// The limit that there is holds, and is said.
#[tokio::test]
async fn memory_is_bounded() {
    let sim = sim().await;
    let filler = "x".repeat(2 * MIB);
    sim.fleet()
        .annotate(&app("web"), "filler", Some(&filler))
        .unwrap();
    let bounded = api(&sim).largest_message(MIB);
    assert_eq!(
        reason(soon(bounded.list(&Filter::default())).await),
        Reason::TooLarge
    );
    assert_eq!(reason(soon(bounded.get(&target("web"))).await), Reason::TooLarge);
}
