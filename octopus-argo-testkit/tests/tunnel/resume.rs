//! Sessions outlive their connections: calls in flight go on where a cut connection left them.

use std::time::Duration;

use octopus_argo_client::{Gateway, GatewayEvent, Rotation};
use octopus_argo_proto::session::{Config as SessionConfig, EndCause};
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use octopus_argo_server::{Connection, ServerEvent, TunnelError, TunnelErrorKind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use crate::echo::{echo, message, payload};
use crate::support::{
    Events, GATEWAY, Octopus, Signpost, connected, cut, disconnected, id, interrupted, mend, relay, resumed,
    soon, start_with,
};

/// A call that echoes what it is sent, one message at a time.
struct Conversation {
    to: mpsc::Sender<Packet>,
    from: Streaming<Packet>,
}

impl Conversation {
    async fn begin(octopus: &Octopus) -> Self {
        let (to, messages) = mpsc::channel(4);
        let mut request = Request::new(ReceiverStream::new(messages));
        request.metadata_mut().insert("x-do", "echo".parse().unwrap());
        let mut client = TunnelClient::new(octopus.gateway()).max_decoding_message_size(16 << 20);
        let from = soon(client.open(request)).await.unwrap().into_inner();
        Self { to, from }
    }

    async fn say(&mut self, text: &[u8]) {
        soon(self.to.send(message(text))).await.unwrap();
    }

    async fn hear(&mut self) -> Vec<u8> {
        payload(&soon(self.from.message()).await.unwrap().unwrap()).to_vec()
    }
}

#[tokio::test(crate = "crate::checked")]
async fn a_call_survives_every_cut() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let relay = relay(&octopus).await;
    let config = octopus.config_at(relay.address(), &octopus.credential(GATEWAY, "ArgoCDGateways-1"));
    let (_gateway, mut events) = start_with(config, echo().0);
    server.until(connected).await;

    let mut call = Conversation::begin(&octopus).await;
    call.say(b"before").await;
    assert_eq!(call.hear().await, b"before");
    for round in 0..5_u8 {
        cut(&relay);
        server.until(interrupted).await;
        assert!(matches!(
            octopus.server.connection(&id()),
            Connection::Interrupted { .. }
        ));
        // What is sent while there is no connection waits, and so does a new call.
        call.say(&vec![round; 100_000]).await;
        let another = Conversation::begin(&octopus);
        let mended = async {
            mend(&relay);
            server.until(resumed).await;
        };
        let (mut another, ()) = tokio::join!(another, mended);
        another.say(b"new").await;
        assert_eq!(another.hear().await, b"new");
        assert_eq!(call.hear().await, vec![round; 100_000]);
        events
            .until(|event| matches!(event, GatewayEvent::Resumed).then_some(()))
            .await;
    }
    let events = server.so_far();
    assert!(
        !events.iter().any(|event| disconnected(event).is_some()),
        "{events:?}"
    );
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_that_does_not_come_back_in_time_is_gone() {
    let grace = Duration::from_millis(200);
    let octopus = Octopus::start_with(SessionConfig::default().resume_grace(grace)).await;
    let mut server = octopus.events();
    let relay = relay(&octopus).await;
    let config = octopus.config_at(relay.address(), &octopus.credential(GATEWAY, "ArgoCDGateways-1"));
    let (_gateway, mut events) = start_with(config, echo().0);
    server.until(connected).await;
    let mut call = Conversation::begin(&octopus).await;
    cut(&relay);
    server.until(interrupted).await;
    server.until(disconnected).await;
    let status = soon(call.from.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let error = TunnelError::find(&status).unwrap();
    assert!(
        matches!(error.kind(), TunnelErrorKind::Ended(EndCause::Lost(_))),
        "{error:?}"
    );
    // It comes back with a new session, and says why the old one is over.
    mend(&relay);
    server.until(connected).await;
    let over = |event: &GatewayEvent| {
        matches!(
            event,
            GatewayEvent::ResumeRefused(_) | GatewayEvent::Disconnected { .. }
        )
        .then_some(())
    };
    events.until(over).await;
    let mut call = Conversation::begin(&octopus).await;
    call.say(b"again").await;
    assert_eq!(call.hear().await, b"again");
}

#[tokio::test(crate = "crate::checked")]
async fn another_server_begins_anew() {
    let first = Octopus::start().await;
    let second = first.twin().await;
    let signpost = Signpost::nowhere();
    signpost.point(first.serving.local_addr());
    let (mut at_first, mut at_second) = (first.events(), second.events());
    let config = first.register().dial(signpost.clone());
    let (_gateway, mut events) = start_with(config, echo().0);
    at_first.until(connected).await;
    signpost.point(second.serving.local_addr());
    // As if the first had crashed: nobody says goodbye.
    drop(first.serving);
    at_second.until(connected).await;
    events
        .until(|event| matches!(event, GatewayEvent::ResumeRefused(_)).then_some(()))
        .await;
    let mut call = Conversation::begin(&second).await;
    call.say(b"there").await;
    assert_eq!(call.hear().await, b"there");
}

#[tokio::test(crate = "crate::checked")]
async fn a_connection_is_replaced_while_it_stands() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let config = octopus.config(&octopus.credential(GATEWAY, "ArgoCDGateways-1"));
    let gateway = Gateway::builder(config)
        .services(echo().0)
        .rotation(Rotation::never().after_bytes(200_000))
        .start()
        .unwrap();
    let mut events = Events::new(gateway.events());
    server.until(connected).await;
    let mut call = Conversation::begin(&octopus).await;
    let mut rotations = 0;
    let begun = std::time::Instant::now();
    // However quick the machine is: rotations keep a distance.
    for round in (0..=u8::MAX).cycle() {
        call.say(&vec![round; 50_000]).await;
        assert_eq!(call.hear().await, vec![round; 50_000]);
        let seen = events.so_far();
        assert!(
            !seen
                .iter()
                .any(|event| matches!(event, GatewayEvent::Interrupted { .. })),
            "{seen:?}"
        );
        rotations += seen
            .iter()
            .filter(|event| matches!(event, GatewayEvent::Resumed))
            .count();
        if rotations >= 3 || begun.elapsed() > Duration::from_secs(30) {
            break;
        }
    }
    assert!(rotations >= 3, "{rotations} rotations");
    let seen = server.so_far();
    assert!(!seen.iter().any(|event| interrupted(event).is_some()), "{seen:?}");
    let away = |event: &ServerEvent| match event {
        ServerEvent::Resumed { away, .. } => Some(*away),
        _ => None,
    };
    assert!(seen.iter().filter_map(away).all(|away| away.is_zero()));
}
