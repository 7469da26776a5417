//! Clocks that do not agree.

use std::time::Duration;

use octopus_argo_client::GatewayEvent;
use tonic::Code;

use crate::call::{Conversation, Pages, down, echo};
use crate::probe::page;
use crate::world::{disconnected, interrupted, now, resumed, seconds, since, until, with_seeds};

/// The gateway's clock is hours ahead, and runs up to a third faster: each side keeps its own time, and only lengths of
/// time cross the wire.
#[test]
fn a_clock_that_runs_fast_is_nobodys_business() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        let drift = Duration::from_millis(2 + world.pick(1, 15));
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                gateway.drift(drift);
                let mut talk = Conversation::begin(&handle).await;
                let mut pages = Pages::begin(&handle, 200, 10_000).await;
                for _ in 0..6 {
                    talk.goes_on().await;
                    assert!(pages.read().await.unwrap());
                    // Twice as long as it is silent before it asks.
                    seconds(20).await;
                }
                pages.read_to_end(200).await;
                scene.events.none_so_far(interrupted);
                // A deadline is the caller's.
                let before = now();
                let limit = Duration::from_secs(10);
                let call = async { down(&handle, "hang").await };
                let status = tokio::time::timeout(limit, call).await;
                assert!(status.is_err(), "{status:?}");
                assert!(since(before) >= limit);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// The gateway's machine sleeps for an hour: for itself it was silent for that long, for the server it was not away.
#[test]
fn a_gateway_that_wakes_up_resumes() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                gateway.jump(Duration::from_secs(3600));
                scene.events.until(30, resumed).await;
                until(5, || gateway.saw(|event| matches!(event, GatewayEvent::Resumed))).await;
                talk.goes_on().await;
                scene.events.none_so_far(disconnected);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// The server's does: calls whose time is over end so, and the others go on.
#[test]
fn a_server_that_wakes_up_goes_on() {
    with_seeds(|mut world| {
        let gateway = world.gateway("gateway");
        world.script(move |mut scene| {
            let gateway = gateway.clone();
            async move {
                let handle = scene.connected(&gateway).await;
                let mut talk = Conversation::begin(&handle).await;
                talk.goes_on().await;
                let limited = hanging(&handle);
                let wakes = async {
                    seconds(1).await;
                    tokio::time::advance(Duration::from_secs(600)).await;
                };
                let (status, ()) = tokio::join!(limited, wakes);
                assert_eq!(status.unwrap_err().code(), Code::DeadlineExceeded);
                // However silent it seems to have been: only a question that stays without an answer proves anything.
                talk.goes_on().await;
                echo(&handle, page(1, 10)).await.unwrap();
                scene.events.none_so_far(interrupted);
                drop(talk);
                scene.end(&[&gateway]).await;
            }
        });
        world.run();
    });
}

/// A call with five minutes, which nobody answers.
async fn hanging(handle: &octopus_argo_server::Gateway) -> Result<(), tonic::Status> {
    let mut grpc = tonic::client::Grpc::new(handle.clone());
    let mut request = tonic::Request::new(bytes::Bytes::new());
    request.metadata_mut().insert("x-do", "hang".parse().unwrap());
    request.set_timeout(Duration::from_secs(300));
    let path = http::uri::PathAndQuery::from_static("/conformance.Probe/Unary");
    grpc.unary(request, path, crate::probe::Raw).await.map(drop)
}
