//! Processes and machines that go in the middle of their work.

use std::time::Duration;

use octopus_argo_client::GatewayEvent;
use octopus_argo_proto::session::{CloseReason, EndCause, GoodbyeReason, ResumeRefusal};
use octopus_argo_server::{ServerEvent, TunnelErrorKind};
use tonic::Code;

use crate::call::{Conversation, Pages, echo, kind};
use crate::probe::page;
use crate::world::{
    Order, SERVER, connected, disconnected, interrupted, now, seconds, since, until, with_seeds,
};

#[test]
fn a_server_that_restarts_in_good_order_says_so_to_open_calls() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                if scene.run == 1 {
                    assert!(
                        !gateway.saw(|event| matches!(event, GatewayEvent::Resumed)),
                        "{}",
                        gateway.events()
                    );
                    echo(&handle, page(2, 1000)).await.unwrap();
                    return scene.end(&[&gateway]).await;
                }
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                scene.server.shutdown(Duration::from_secs(2)).await;
                let status = talk.ended().await;
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                let why = kind(&status);
                let shut_down = matches!(
                    why,
                    TunnelErrorKind::Ended(EndCause::EndedHere {
                        reason: GoodbyeReason::Shutdown,
                        ..
                    })
                );
                assert!(shut_down, "{why:?}");
                let told = |event: &GatewayEvent| {
                    matches!(
                        event,
                        GatewayEvent::Disconnected {
                            reason: CloseReason::Goodbye {
                                reason: GoodbyeReason::Shutdown,
                                ..
                            },
                            ..
                        }
                    )
                };
                until(5, || gateway.saw(told)).await;
                scene.orders.give(Order::Begin(SERVER));
            }
        });
        world.run();
    });
}

/// The server's process dies in the middle of streams, or its machine does.
#[test]
fn a_server_that_crashes_is_come_back_to_with_a_new_session() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        let read = world.pick(1, 100);
        let silently = world.pick(2, 2) == 0;
        world.script(move |scene| {
            let gateway = gateway.clone();
            async move {
                if scene.run == 1 {
                    turmoil::repair("gateway", SERVER);
                }
                let handle = scene.connected(&gateway).await;
                if scene.run == 1 {
                    let refused = |event: &GatewayEvent| {
                        matches!(event, GatewayEvent::ResumeRefused(ResumeRefusal::UnknownSession))
                    };
                    until(5, || gateway.saw(refused)).await;
                    // Nothing of what the calls of before began goes on.
                    until(5, || gateway.over() >= 2).await;
                    echo(&handle, page(2, 1000)).await.unwrap();
                    return scene.end(&[&gateway]).await;
                }
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                let mut pages = Pages::begin(&handle, 10_000, 10_000).await;
                for _ in 0..read {
                    assert!(pages.read().await.unwrap());
                }
                if silently {
                    turmoil::partition("gateway", SERVER);
                }
                scene.orders.give(Order::Crash(SERVER));
                scene.orders.give(Order::Begin(SERVER));
                std::future::pending::<()>().await;
            }
        });
        world.run();
    });
}

/// Its process dies, and another one begins: the server does not take it for the one before.
#[test]
fn a_gateway_that_crashes_is_replaced_and_its_calls_end() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        let silently = world.pick(1, 2) == 0;
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                if silently {
                    scene.orders.fail("gateway").await;
                } else {
                    scene.orders.give(Order::Crash("gateway"));
                    scene.events.until(5, interrupted).await;
                }
                // What is asked now waits, for whoever comes back.
                talk.say().await;
                seconds(3).await;
                scene.orders.give(Order::Begin("gateway"));
                let superseded =
                    |event: &ServerEvent| matches!(event, ServerEvent::Superseded { .. }).then_some(());
                scene.events.until(10, superseded).await;
                let status = talk.hear().await.unwrap_err();
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                let why = kind(&status);
                let ended = matches!(
                    why,
                    TunnelErrorKind::Ended(EndCause::EndedHere {
                        reason: GoodbyeReason::Superseded,
                        ..
                    })
                );
                assert!(ended, "{why:?}");
                scene.events.until(5, connected).await;
                echo(&handle, page(3, 100_000)).await.unwrap();
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// And nobody comes: callers hear of it when the grace is over, and not later.
#[test]
fn a_gateway_that_is_gone_for_good_is_given_up_after_55_s() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                let gone_since = now();
                scene.orders.fail("gateway").await;
                talk.say().await;
                let status = talk.hear().await.unwrap_err();
                let took = since(gone_since).as_secs_f64();
                assert!((54.5..56.0).contains(&took), "{took}");
                let why = kind(&status);
                assert!(
                    matches!(why, TunnelErrorKind::Ended(EndCause::Lost(_))),
                    "{why:?}"
                );
                scene.events.until(1, disconnected).await;
                drop(talk);
                scene.end(&[]).await;
            }
        });
        world.run();
    });
}
