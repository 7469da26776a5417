//! What a gateway tells of itself and its calls, and what both ends say that they hold.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use octopus_argo_client::{
    CallSummary, Gateway, GatewayEvent, GatewayStats, Hook, Interruption, Router, Stopped,
};
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::session::{CloseReason, GoodbyeReason};
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Streaming};

use crate::echo::{echo, message};
use crate::support::{
    Events, GATEWAY, Octopus, connected, cut, interrupted, mend, relay, resumed, soon, start_with,
};

const PATH: &str = "/octopus.argo.v1.Tunnel/Open";

#[derive(Debug, Default)]
struct Notes {
    started: Mutex<Vec<String>>,
    ended: Mutex<Vec<CallSummary>>,
    events: Mutex<Vec<GatewayEvent>>,
}

impl Hook for Notes {
    fn event(&self, event: &GatewayEvent) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn call_started(&self, path: &str) {
        self.started.lock().unwrap().push(path.to_owned());
    }

    fn call_ended(&self, call: &CallSummary) {
        self.ended.lock().unwrap().push(call.clone());
    }
}

impl Notes {
    /// The next call of the test's own that is over.
    async fn next(&self) -> CallSummary {
        let mut found = None;
        until(|| {
            let mut ended = self.ended.lock().unwrap();
            let place = ended.iter().position(|call| call.path == PATH);
            found = place.map(|place| ended.remove(place));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// What was told, by name.
    fn names(&self) -> Vec<String> {
        let name = |event: &GatewayEvent| {
            let text = format!("{event:?}");
            text.split([' ', '(']).next().unwrap().to_owned()
        };
        self.events.lock().unwrap().iter().map(name).collect()
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    soon(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn order(order: &'static str) -> Request<impl Stream<Item = Packet>> {
    let mut request = Request::new(tokio_stream::pending());
    request.metadata_mut().insert("x-do", order.parse().unwrap());
    request
}

/// A call that has begun and goes on.
async fn hang(octopus: &Octopus) -> Streaming<Packet> {
    let mut client = TunnelClient::new(octopus.gateway());
    let mut answers = soon(client.open(order("hang"))).await.unwrap().into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    answers
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateways_hook_is_told_of_every_call() {
    const PREFIX: u64 = 5;
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let notes = Arc::new(Notes::default());
    let gateway = Gateway::builder(octopus.register())
        .services(echo().0)
        .hook(notes.clone())
        .start()
        .unwrap();
    server.until(connected).await;

    let large = message(vec![1; 300_000]);
    let size = u64::try_from(large.encoded_len()).unwrap() + PREFIX;
    let mut client = TunnelClient::new(octopus.gateway()).max_decoding_message_size(1 << 20);
    let request = Request::new(tokio_stream::iter(vec![large; 3]));
    let mut answers = soon(client.open(request)).await.unwrap().into_inner();
    while soon(answers.next()).await.transpose().unwrap().is_some() {}
    let call = notes.next().await;
    assert_eq!(
        (call.code, call.received, call.sent),
        (Some(Code::Ok), 3 * size, 3 * size)
    );
    assert!(call.took > Duration::ZERO);

    let status = soon(client.open(order("fail"))).await.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let call = notes.next().await;
    assert_eq!((call.code, call.sent), (Some(Code::FailedPrecondition), 0));

    // One that is given up, while both ends say that they have it.
    let open = hang(&octopus).await;
    until(|| gateway.stats().open_calls == 1 && octopus.server.stats().open_calls == 1).await;
    assert_eq!(gateway.stats().held_calls, 1);
    assert_eq!(octopus.server.stats().held_calls, 1);
    drop(open);
    assert_eq!(notes.next().await.code, None);
    until(|| gateway.stats() == GatewayStats::default()).await;
    until(|| {
        let held = octopus.server.stats();
        (
            held.sessions,
            held.open_calls,
            held.held_calls,
            held.buffered_bytes,
        ) == (1, 0, 0, 0)
    })
    .await;
    let started = notes.started.lock().unwrap();
    assert_eq!(started.iter().filter(|path| *path == PATH).count(), 3);
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_tells_how_a_connection_was_lost_and_that_it_is_back() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let relay = relay(&octopus).await;
    let config = octopus.config_at(relay.address(), &octopus.credential(GATEWAY, "ArgoCDGateways-1"));
    let (_gateway, mut events) = start_with(config, Router::default());
    events
        .until(|event| matches!(event, GatewayEvent::Connected(_)).then_some(()))
        .await;
    cut(&relay);
    server.until(interrupted).await;
    let how = events
        .until(|event| match event {
            GatewayEvent::Interrupted { how, .. } => Some(how.clone()),
            _ => None,
        })
        .await;
    // A reset, as the operating system tells it.
    let Interruption::Cut { source, .. } = how else {
        panic!("{how:?}")
    };
    assert_ne!(source.code(), Code::Ok);
    mend(&relay);
    server.until(resumed).await;
    events
        .until(|event| matches!(event, GatewayEvent::Resumed).then_some(()))
        .await;
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_tells_that_the_server_drains() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let notes = Arc::new(Notes::default());
    let gateway = Gateway::builder(octopus.register())
        .services(echo().0)
        .hook(notes.clone())
        .start()
        .unwrap();
    let mut events = Events::new(gateway.events());
    server.until(connected).await;
    let open = hang(&octopus).await;
    let shutdown = octopus.server.shutdown(Duration::from_secs(20));
    let told = async {
        let reason = events
            .until(|event| match event {
                GatewayEvent::Draining { reason } => Some(*reason),
                _ => None,
            })
            .await;
        assert_eq!(reason, GoodbyeReason::Shutdown);
        drop(open);
    };
    soon(async { tokio::join!(shutdown, told) }).await;
    events
        .until(|event| matches!(event, GatewayEvent::Disconnected { .. }).then_some(()))
        .await;
    // The hook has heard the same.
    let names = notes.names();
    let told: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    assert_eq!(told, ["Connected", "Draining", "Disconnected"], "{names:?}");
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_tells_that_its_last_call_is_over() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let (gateway, mut events) = start_with(octopus.register(), echo().0);
    server.until(connected).await;
    let open = hang(&octopus).await;
    let shutdown = gateway.shutdown(Duration::from_secs(20));
    let ends = async {
        until(|| gateway.state() == octopus_argo_client::GatewayState::Draining).await;
        assert!(
            !events
                .so_far()
                .iter()
                .any(|event| matches!(event, GatewayEvent::Drained))
        );
        drop(open);
    };
    soon(async { tokio::join!(shutdown, ends) }).await;
    events
        .until(|event| matches!(event, GatewayEvent::Drained).then_some(()))
        .await;
    events
        .until(|event| matches!(event, GatewayEvent::Stopped(Stopped::ShutDown)).then_some(()))
        .await;
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_tells_that_another_has_its_place() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let config = octopus.register();
    let (_first, mut events) = start_with(config.clone(), Router::default());
    server.until(connected).await;
    let _second = start_with(config, Router::default());
    events
        .until(|event| matches!(event, GatewayEvent::Superseded).then_some(()))
        .await;
    let (reason, retry_in) = events
        .until(|event| match event {
            GatewayEvent::Disconnected { reason, retry_in } => Some((reason.clone(), *retry_in)),
            _ => None,
        })
        .await;
    let superseded = matches!(
        reason,
        CloseReason::Goodbye {
            reason: GoodbyeReason::Superseded,
            ..
        }
    );
    assert!(superseded, "{reason:?}");
    assert!(retry_in >= Duration::from_secs(60));
}
