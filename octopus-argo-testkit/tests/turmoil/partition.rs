//! The network between a gateway and the server goes, for a while or one way only.

use std::time::Duration;

use octopus_argo_client::{GatewayEvent, Interruption};
use octopus_argo_proto::session::EndCause;
use octopus_argo_server::TunnelErrorKind;
use tonic::Code;

use crate::call::{Conversation, Pages, echo, kind};
use crate::probe::page;
use crate::world::{
    SERVER, connected, disconnected, interrupted, now, resumed, seconds, since, until, with_seeds,
};

/// A session is given up after 25 s of silence. The last word may have been the acknowledgement of what a test counts from,
/// and a message may be under way for 20 ms.
const DEAD: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(24_900)..=Duration::from_millis(25_300);

const PAGES: usize = 400;

/// What was under way when the network went is lost, and TCP does not mend it here: the connection is dead.
#[test]
fn calls_in_flight_survive_a_partition() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        let read_before = world.pick(1, 300);
        let gone_for = 1 + world.pick(2, 45);
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                let mut pages = Pages::begin(&handle, PAGES, 10_000).await;
                for _ in 0..read_before {
                    assert!(pages.read().await.unwrap());
                }
                turmoil::partition("gateway", SERVER);
                // Said while nobody hears it, and asked while nobody answers.
                talk.say().await;
                let new = echo(&handle, page(7, 100_000));
                let heal = async {
                    seconds(gone_for).await;
                    turmoil::repair("gateway", SERVER);
                };
                let (new, ()) = tokio::join!(new, heal);
                new.unwrap();
                talk.hear().await.unwrap();
                talk.goes_on().await;
                pages.read_to_end(PAGES).await;
                let events = scene.events.so_far();
                assert!(events.iter().any(|event| resumed(event).is_some()), "{events:?}");
                assert!(
                    !events.iter().any(|event| disconnected(event).is_some()),
                    "{events:?}"
                );
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// Where the network only holds things up, nothing happens at all.
#[test]
fn a_network_that_holds_things_up_for_less_than_that_cuts_nothing() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        let held_for = 1 + world.pick(1, 22);
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut pages = Pages::begin(&handle, PAGES, 10_000).await;
                assert!(pages.read().await.unwrap());
                turmoil::hold("gateway", SERVER);
                seconds(held_for).await;
                turmoil::release("gateway", SERVER);
                pages.read_to_end(PAGES).await;
                scene.events.none_so_far(interrupted);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// What was held up comes when both sides have gone on without it, and is nobody's business any more.
#[test]
fn what_comes_too_late_is_discarded() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        let held_for = 30 + world.pick(1, 15);
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                let mut pages = Pages::begin(&handle, PAGES, 10_000).await;
                turmoil::hold("gateway", SERVER);
                talk.say().await;
                scene.events.until(30, interrupted).await;
                seconds(held_for - 25).await;
                turmoil::release("gateway", SERVER);
                talk.hear().await.unwrap();
                pages.read_to_end(PAGES).await;
                talk.goes_on().await;
                scene.events.none_so_far(disconnected);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// After 25 s of silence and 30 s of patience.
#[test]
fn a_partition_that_lasts_ends_the_calls() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                turmoil::partition("gateway", SERVER);
                talk.say().await;
                let status = talk.hear().await.unwrap_err();
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                let why = kind(&status);
                assert!(
                    matches!(why, TunnelErrorKind::Ended(EndCause::Lost(_))),
                    "{why:?}"
                );
                scene.events.until(1, disconnected).await;
                // Nobody waits any more.
                let status = echo(&handle, page(1, 10)).await.unwrap_err();
                let why = kind(&status);
                assert!(matches!(why, TunnelErrorKind::Offline { .. }), "{why:?}");
                turmoil::repair("gateway", SERVER);
                scene.events.until(10, connected).await;
                echo(&handle, page(1, 10)).await.unwrap();
                // The other side has ended the call too.
                until(5, || gateway.over() >= 2).await;
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

#[test]
fn a_server_that_hears_nothing_notices_after_25_s() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                let silent_since = now();
                turmoil::partition_oneway("gateway", SERVER);
                talk.say().await;
                scene.events.until(30, interrupted).await;
                let noticed = since(silent_since);
                assert!(DEAD.contains(&noticed), "{noticed:?}");
                turmoil::repair_oneway("gateway", SERVER);
                scene.events.until(20, resumed).await;
                talk.hear().await.unwrap();
                talk.goes_on().await;
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

#[test]
fn a_gateway_that_hears_nothing_notices_after_25_s() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                gateway.forget();
                let silent_since = now();
                turmoil::partition_oneway(SERVER, "gateway");
                talk.say().await;
                until(30, || {
                    gateway.saw(|event| {
                        matches!(
                            event,
                            GatewayEvent::Interrupted {
                                how: Interruption::Silence,
                                ..
                            }
                        )
                    })
                })
                .await;
                let noticed = since(silent_since);
                assert!(DEAD.contains(&noticed), "{noticed:?}");
                turmoil::repair_oneway(SERVER, "gateway");
                until(20, || gateway.saw(|event| matches!(event, GatewayEvent::Resumed))).await;
                talk.hear().await.unwrap();
                talk.goes_on().await;
                scene.events.none_so_far(disconnected);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}
