//! Trap 4: pings that come too often, or while nothing is called, end the connection.

use octopus_argo_proto::argocd::Filter;

use super::*;

/// Lets time pass in steps of this length, and what moves move at each.
async fn pass(time: Duration, step: Duration) {
    let mut passed = Duration::ZERO;
    while passed < time {
        tokio::time::advance(step).await;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        passed += step;
    }
}

#[tokio::test]
async fn a_connection_is_not_pinged_while_nothing_is_called() {
    let sim = sim().await;
    let api = api(&sim);
    soon(api.version()).await.unwrap();
    tokio::time::pause();
    pass(Duration::from_secs(1200), Duration::from_secs(5)).await;
    assert_eq!((sim.traffic().pings(), sim.traffic().too_many_pings()), (0, 0));
    tokio::time::resume();
    soon(api.version()).await.unwrap();
    assert_eq!(sim.traffic().connections(), 1, "the connection is still there");
}

#[tokio::test]
async fn a_quiet_watch_is_pinged_and_never_too_often() {
    let sim = sim().await;
    let api = api(&sim);
    let mut watch = api.watch(&Filter::default());
    for _ in 0..2 {
        soon(watch.next()).await.unwrap().unwrap();
    }
    tokio::time::pause();
    let quiet = tokio::time::timeout(Duration::from_secs(900), watch.next());
    let (quiet, ()) = tokio::join!(quiet, pass(Duration::from_secs(905), Duration::from_secs(1)));
    assert!(quiet.is_err(), "nothing came, and nothing broke: {quiet:?}");
    assert!(sim.traffic().pings() >= 20, "{} pings", sim.traffic().pings());
    assert_eq!(sim.traffic().too_many_pings(), 0);
    tokio::time::resume();
    sim.fleet().annotate(&app("web"), "x", Some("1")).unwrap();
    soon(watch.next()).await.unwrap().unwrap();
    assert_eq!(sim.traffic().connections(), 1);
}

#[tokio::test]
async fn an_interval_that_ends_connections_is_refused() {
    let sim = sim().await;
    let quick = argo_cd(&sim).keep_alive(Duration::from_secs(10)).build();
    assert!(quick.is_err());
    let slow = argo_cd(&sim).keep_alive(Duration::from_secs(300)).build();
    soon(slow.unwrap().api().version()).await.unwrap();
}
