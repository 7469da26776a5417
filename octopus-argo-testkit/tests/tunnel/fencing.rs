//! One credential, one gateway.

use std::time::Duration;

use octopus_argo_client::connection::ConnectError;
use octopus_argo_client::{GatewayEvent, GatewayState, Router, Stopped};
use octopus_argo_proto::session::{CloseReason, GoodbyeReason};
use octopus_argo_server::{Connection, ServerEvent};

use crate::support::{GATEWAY, Octopus, connected, disconnected, id, soon, start_with};

#[tokio::test(crate = "crate::checked")]
async fn another_process_supersedes_the_first() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let secret = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let (first, mut first_events) = start_with(octopus.config(&secret), Router::default());
    server.until(connected).await;
    let (second, _second_events) = start_with(octopus.config(&secret), Router::default());
    let superseded = server
        .until(|event| match event {
            ServerEvent::Superseded { gateway } => Some(gateway.clone()),
            _ => None,
        })
        .await;
    assert_eq!(superseded, id());
    let (reason, retry_in) = first_events
        .until(|event| match event {
            GatewayEvent::Disconnected { reason, retry_in } => Some((reason.clone(), *retry_in)),
            _ => None,
        })
        .await;
    assert!(
        matches!(
            reason,
            CloseReason::Goodbye {
                reason: GoodbyeReason::Superseded,
                ..
            }
        ),
        "{reason:?}"
    );
    assert!(retry_in >= Duration::from_secs(60), "{retry_in:?}");
    assert_eq!(first.state(), GatewayState::Connecting);
    server.until(connected).await;
    assert_eq!(second.state(), GatewayState::Connected);
    assert!(octopus.gateway().is_online());
    // The end of the first is not the end of the second.
    let events = server.so_far();
    assert!(
        !events.iter().any(|event| disconnected(event).is_some()),
        "{events:?}"
    );
    // A gateway that stays away can still be shut down at once.
    let before = std::time::Instant::now();
    soon(first.shutdown(Duration::from_secs(20))).await;
    assert!(before.elapsed() < Duration::from_secs(5));
    assert!(matches!(first.stopped().await, Stopped::ShutDown));
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_whose_credential_is_revoked_stops() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let config = octopus.register();
    let (gateway, _events) = start_with(config.clone(), Router::default());
    server.until(connected).await;
    octopus.store.remove_credential(&id());
    octopus.server.revoke(&id());
    let stopped = soon(gateway.stopped()).await;
    assert!(
        matches!(
            stopped,
            Stopped::SentAway {
                reason: GoodbyeReason::Revoked,
                ..
            }
        ),
        "{stopped:?}"
    );
    assert_eq!(gateway.state(), GatewayState::Stopped);
    server.until(disconnected).await;
    assert!(matches!(
        octopus.server.connection(&id()),
        Connection::Offline { .. }
    ));

    let (gateway, _events) = start_with(config, Router::default());
    let stopped = soon(gateway.stopped()).await;
    assert!(
        matches!(stopped, Stopped::Connect(ConnectError::Refused { .. })),
        "{stopped:?}"
    );
}
