//! Behind something that cuts every connection when it has carried a little, or stood for a while: calls of any length
//! succeed, and not a byte is lost, doubled or out of order.

use std::time::Duration;

use octopus_argo_testkit::relay::{Faults, Way};
use tonic::Code;

use crate::call::{Call, Kind};
use crate::ground::Ground;
use crate::outcome::{Digest, Outcome};
use crate::probe::page;

const MIB: usize = 1 << 20;

/// What a page of these tests has: not a number that divides anything.
const PAGE: usize = 100_003;

/// 16 MiB and a little.
const PAGES: usize = 168;

fn after_a_mebibyte() -> Faults {
    Faults::none().cut_after_bytes(MIB as u64)
}

/// A gateway's connection carries this much in each direction in a second.
fn slow() -> Faults {
    Faults::none().both(Way::clear().rate(1_000_000))
}

fn digests(count: usize) -> Vec<Digest> {
    (0..count).map(|number| Digest::of(&page(number, PAGE))).collect()
}

fn assert_complete(outcome: &Outcome, count: usize) {
    assert_eq!(outcome.code(), Code::Ok, "{outcome:?}");
    assert_eq!(outcome.messages, digests(count));
}

/// Makes a call through both tunnels at once, and fails unless at least so many connections were cut meanwhile.
async fn through_cuts(ground: &mut Ground, call: &Call, cuts: u64, check: impl Fn(&Outcome)) {
    let before = ground.relay.counts().cut;
    let (tunnel, behind) = tokio::join!(ground.tunnel.make(call, true), ground.behind.make(call, true));
    check(&tunnel);
    check(&behind);
    let cut = ground.relay.counts().cut - before;
    assert!(cut >= cuts, "only {cut} connections were cut");
}

#[tokio::test]
async fn calls_with_more_than_a_connection_carries() {
    let mut ground = Ground::new().await;
    ground.relay.set(after_a_mebibyte());
    let before = ground.relay.counts().cut;
    for size in [MIB - 1000, MIB, 3 * MIB + 7, 8 * MIB] {
        let call = Call::new(Kind::Unary, "echo").messages([page(size, size)]);
        ground.same("echo", &call).await;
    }
    // Each byte goes up and down again, once for each of the two gateways.
    let cut = ground.relay.counts().cut - before;
    assert!(cut >= 40, "only {cut} connections were cut");
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn streams_with_more_than_a_connection_carries() {
    let mut ground = Ground::new().await;
    ground.relay.set(after_a_mebibyte());
    let down = Call::new(Kind::Down, &format!("pages {PAGES} {PAGE}"));
    through_cuts(&mut ground, &down, 30, |outcome| assert_complete(outcome, PAGES)).await;

    let pages = || (0..PAGES).map(|number| page(number, PAGE));
    let up = Call::new(Kind::Up, "count").messages(pages());
    let counted = Digest::of(&format!("{PAGES} messages, {} bytes", PAGES * PAGE).into());
    through_cuts(&mut ground, &up, 30, |outcome| {
        assert_eq!(outcome.messages, std::slice::from_ref(&counted), "{outcome:?}");
        assert_eq!(outcome.told, ["over", "request complete"]);
    })
    .await;

    let both = Call::new(Kind::Both, "echo").messages(pages());
    through_cuts(&mut ground, &both, 60, |outcome| assert_complete(outcome, PAGES)).await;
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn streams_that_last_longer_than_a_connection() {
    let mut ground = Ground::new().await;
    // 12 MB at 1 MB a second.
    ground.relay.set(slow().cut_after(Duration::from_secs(5)));
    let count = 120;
    let down = Call::new(Kind::Down, &format!("pages {count} {PAGE}"));
    through_cuts(&mut ground, &down, 4, |outcome| assert_complete(outcome, count)).await;
    let messages = (0..count).map(|number| page(number, PAGE));
    let both = Call::new(Kind::Both, "echo").messages(messages);
    through_cuts(&mut ground, &both, 4, |outcome| assert_complete(outcome, count)).await;
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn streams_that_say_little_and_last_long() {
    let mut ground = Ground::new().await;
    ground.relay.set(Faults::none().cut_after(Duration::from_secs(5)));
    let quiet = Call::new(Kind::Down, &format!("paced 24 {PAGE} 500"));
    through_cuts(&mut ground, &quiet, 4, |outcome| assert_complete(outcome, 24)).await;
    ground.nothing_is_left().await;
}

#[tokio::test]
async fn connections_that_hardly_stand() {
    let mut ground = Ground::new().await;
    ground.relay.set(slow().cut_after(Duration::from_millis(400)));
    let messages = (0..30).map(|number| page(number, PAGE));
    let both = Call::new(Kind::Both, "echo").messages(messages);
    through_cuts(&mut ground, &both, 10, |outcome| assert_complete(outcome, 30)).await;
    ground.nothing_is_left().await;
}
