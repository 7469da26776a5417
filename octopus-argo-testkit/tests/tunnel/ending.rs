//! How both ends end, and that nothing is left then.

use std::time::{Duration, Instant};

use octopus_argo_client::{Gateway, GatewayState, Stopped};
use octopus_argo_proto::session::{EndCause, GoodbyeReason};
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use octopus_argo_server::{TunnelError, TunnelErrorKind};
use tonic::{Code, Request};

use crate::checked;
use crate::echo::echo;
use crate::support::{Octopus, argo_cd, beside, complete, disconnected, soon, start};

const LONG: Duration = Duration::from_secs(25);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(crate = "crate::checked")]
async fn the_gateway_ends_at_once_when_only_the_inventory_is_open() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let (gateway, _events) = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    let before = Instant::now();
    soon(gateway.shutdown(LONG)).await;
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(gateway.state(), GatewayState::Stopped);
    assert!(matches!(gateway.stopped().await, Stopped::ShutDown));
    server.until(disconnected).await;
    // A second time is no harm.
    soon(gateway.shutdown(LONG)).await;

    let before = Instant::now();
    soon(octopus.server.shutdown(LONG)).await;
    soon(octopus.serving.shutdown(LONG)).await;
    soon(sim.shutdown(LONG)).await;
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(crate = "crate::checked")]
async fn the_server_ends_at_once_when_only_the_inventory_is_open() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let (gateway, mut events) = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    let before = Instant::now();
    soon(octopus.server.shutdown(LONG)).await;
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
    let reason = events
        .until(|event| match event {
            octopus_argo_client::GatewayEvent::Disconnected { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    let octopus_argo_proto::session::CloseReason::Goodbye { reason, .. } = reason else {
        panic!("{reason:?}");
    };
    assert_eq!(reason, GoodbyeReason::Shutdown);
    // It comes back, and is not let in.
    let error = events
        .until(|event| match event {
            octopus_argo_client::GatewayEvent::ConnectFailed { error, .. } => Some(error.clone()),
            octopus_argo_client::GatewayEvent::Connected(_) => panic!("the server has ended"),
            _ => None,
        })
        .await;
    assert!(error.is_retryable());
    soon(octopus.serving.shutdown(LONG)).await;
    soon(gateway.shutdown(LONG)).await;
    soon(sim.shutdown(LONG)).await;
}

/// With a call that never ends, the grace is used up, and then the call is over.
async fn with_an_open_call(
    end: impl AsyncFnOnce(&Octopus, &Gateway),
    kind: impl Fn(&TunnelErrorKind) -> bool,
) {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let (services, mut ended) = echo();
    let mut server = octopus.events();
    let gateway = Gateway::builder(octopus.register())
        .argo_cd(beside(&sim))
        .services(services)
        .start()
        .unwrap();
    server.until(complete).await;
    let mut client = TunnelClient::new(octopus.gateway());
    let mut request = Request::new(tokio_stream::pending());
    request.metadata_mut().insert("x-do", "hang".parse().unwrap());
    let mut answers = soon(client.open(request)).await.unwrap().into_inner();
    soon(answers.message()).await.unwrap().unwrap();

    let before = Instant::now();
    end(&octopus, &gateway).await;
    let took = before.elapsed();
    assert!(took >= SHORT && took < Duration::from_secs(5), "{took:?}");
    let status = soon(answers.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let error = TunnelError::find(&status).unwrap();
    assert!(kind(error.kind()), "{error:?}");
    assert_eq!(soon(ended.recv()).await, Some("stream"));
    drop((answers, client));

    soon(gateway.shutdown(SHORT)).await;
    soon(octopus.server.shutdown(SHORT)).await;
    soon(octopus.serving.shutdown(SHORT)).await;
    soon(sim.shutdown(SHORT)).await;
}

#[tokio::test(crate = "crate::checked")]
async fn the_gateway_ends_after_its_grace() {
    with_an_open_call(
        async |_, gateway| soon(gateway.shutdown(SHORT)).await,
        |kind| {
            matches!(
                kind,
                TunnelErrorKind::Ended(EndCause::Lost(_) | EndCause::Goodbye { .. })
            )
        },
    )
    .await;
}

#[tokio::test(crate = "crate::checked")]
async fn the_server_ends_after_its_grace() {
    with_an_open_call(
        async |octopus, _| soon(octopus.server.shutdown(SHORT)).await,
        |kind| {
            matches!(
                kind,
                TunnelErrorKind::Ended(EndCause::EndedHere {
                    reason: GoodbyeReason::Shutdown,
                    ..
                })
            )
        },
    )
    .await;
}

#[tokio::test(crate = "crate::checked")]
async fn dropping_the_handles_ends_everything() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let (gateway, events) = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    let clone = gateway.clone();
    drop((gateway, events));
    assert_eq!(clone.state(), GatewayState::Connected);
    drop(clone);
    server.until(disconnected).await;
    checked::no_longer();
    drop((octopus, sim, server));
}

#[tokio::test(crate = "crate::checked")]
async fn dropping_the_server_first_ends_everything_too() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let gateway = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    checked::no_longer();
    drop((octopus, server));
    drop(sim);
    drop(gateway);
}
