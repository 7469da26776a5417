//! A gateway takes so many calls at once, and whoever counts them is told of each.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use octopus_argo_client::{Gateway as Client, GatewayEvent};
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::session::{Config, OpenError};
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use octopus_argo_server::{
    CallSummary, Gateway, GatewayId, Hook, Server, ServerEvent, TunnelError, TunnelErrorKind,
};
use tokio::sync::mpsc;
use tonic::{Code, Request, Streaming};

use crate::echo::{echo, message};
use crate::support::{Events, Octopus, connected, id, soon};

/// A gateway that takes two calls at once.
struct Fixture {
    octopus: Octopus,
    gateway: Client,
    _events: Events<GatewayEvent>,
    ended: mpsc::UnboundedReceiver<&'static str>,
}

impl Fixture {
    async fn start(octopus: Octopus) -> Self {
        let mut server = octopus.events();
        let (services, ended) = echo();
        let gateway = Client::builder(octopus.register())
            .services(services)
            .session(Config::default().max_calls(2))
            .start()
            .unwrap();
        let events = Events::new(gateway.events());
        server.until(connected).await;
        // The server has asked for the inventory, which is not there, and that call is over.
        soon(async {
            while octopus.gateway().open_calls() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Self {
            octopus,
            gateway,
            _events: events,
            ended,
        }
    }

    fn client(&self) -> TunnelClient<Gateway> {
        TunnelClient::new(self.octopus.gateway())
    }

    /// A call that goes on until its answer is dropped.
    async fn hang(&self) -> Streaming<Packet> {
        let mut answers = soon(self.client().open(order("hang")))
            .await
            .unwrap()
            .into_inner();
        soon(answers.message()).await.unwrap().unwrap();
        answers
    }
}

fn order(order: &'static str) -> Request<impl tokio_stream::Stream<Item = Packet>> {
    let mut request = Request::new(tokio_stream::once(message("one")));
    request.metadata_mut().insert("x-do", order.parse().unwrap());
    request
}

#[tokio::test(crate = "crate::checked")]
async fn calls_wait_for_places_first_come_first_served() {
    let mut fixture = Fixture::start(Octopus::start().await).await;
    let (first, second) = (fixture.hang().await, fixture.hang().await);
    assert_eq!(fixture.octopus.gateway().open_calls(), 2);
    let (mut third_client, mut fourth_client) = (fixture.client(), fixture.client());
    let mut third = std::pin::pin!(third_client.open(order("hang")));
    let mut fourth = std::pin::pin!(fourth_client.open(order("hang")));
    // Both stand in line, in this order.
    let waited = Duration::from_millis(300);
    assert!(tokio::time::timeout(waited, &mut third).await.is_err());
    assert!(tokio::time::timeout(waited, &mut fourth).await.is_err());
    assert_eq!(fixture.octopus.gateway().open_calls(), 2);

    drop(first);
    assert_eq!(soon(fixture.ended.recv()).await, Some("stream"));
    let third = tokio::select! {
        answers = soon(&mut third) => answers.unwrap(),
        _ = &mut fourth => panic!("the fourth came before the third"),
    };
    drop(second);
    let fourth = soon(&mut fourth).await.unwrap();
    drop((third, fourth));
    for _ in 0..3 {
        assert_eq!(soon(fixture.ended.recv()).await, Some("stream"));
    }
    assert_eq!(fixture.octopus.gateway().open_calls(), 0);
}

#[tokio::test(crate = "crate::checked")]
async fn a_call_waits_no_longer_than_its_deadline() {
    let fixture = Fixture::start(Octopus::start().await).await;
    let (_first, _second) = (fixture.hang().await, fixture.hang().await);
    let mut request = order("echo");
    let limit = Duration::from_millis(400);
    request.set_timeout(limit);
    let before = Instant::now();
    let status = soon(fixture.client().open(request)).await.map(drop).unwrap_err();
    let took = before.elapsed();
    assert!(took >= limit && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let error = TunnelError::find(&status).unwrap();
    let full = matches!(
        error.kind(),
        TunnelErrorKind::Open(OpenError::TooManyCalls { limit: 2, .. })
    );
    assert!(full && error.was_not_executed(), "{error:?}");
}

#[tokio::test(crate = "crate::checked")]
async fn a_call_in_line_hears_at_once_that_the_gateway_has_gone() {
    let fixture = Fixture::start(Octopus::start().await).await;
    let (_first, _second) = (fixture.hang().await, fixture.hang().await);
    let mut client = fixture.client();
    let waits = client.open(order("echo"));
    let goes = async {
        // Both calls are cut short.
        fixture.gateway.shutdown(Duration::from_millis(100)).await;
    };
    let before = Instant::now();
    let (status, ()) = soon(async { tokio::join!(waits, goes) }).await;
    let status = status.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(TunnelError::find(&status).unwrap().was_not_executed());
    assert!(
        before.elapsed() < Duration::from_secs(8),
        "not only at the end of its patience"
    );
}

#[derive(Debug, Default)]
struct Notes {
    started: Mutex<Vec<String>>,
    ended: Mutex<Vec<CallSummary>>,
    events: Mutex<Vec<ServerEvent>>,
}

impl Hook for Notes {
    fn event(&self, event: &ServerEvent) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn call_started(&self, gateway: &GatewayId, path: &str) {
        assert_eq!(*gateway, id());
        self.started.lock().unwrap().push(path.to_owned());
    }

    fn call_ended(&self, call: &CallSummary) {
        self.ended.lock().unwrap().push(call.clone());
    }
}

impl Notes {
    /// The next call that is over, without those for the inventory.
    async fn next(&self) -> CallSummary {
        soon(async {
            loop {
                let found = {
                    let mut ended = self.ended.lock().unwrap();
                    let place = ended.iter().position(|call| call.path.contains("Tunnel"));
                    place.map(|place| ended.remove(place))
                };
                match found {
                    Some(call) => return call,
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }
}

#[tokio::test(crate = "crate::checked")]
async fn a_hook_is_told_of_every_call() {
    const PREFIX: u64 = 5;
    let notes = Arc::new(Notes::default());
    let hook = notes.clone();
    let octopus = Octopus::start_as(|store| Server::with_hook(store, Config::default(), hook)).await;
    let fixture = Fixture::start(octopus).await;
    let connected = |event: &ServerEvent| matches!(event, ServerEvent::Connected { .. });
    assert!(notes.events.lock().unwrap().iter().any(connected));

    let large = message(vec![1; 300_000]);
    let size = u64::try_from(large.encoded_len()).unwrap() + PREFIX;
    let request = Request::new(tokio_stream::iter(vec![large; 3]));
    let mut client = fixture.client().max_decoding_message_size(1 << 20);
    let mut answers = soon(client.open(request)).await.unwrap().into_inner();
    while soon(answers.message()).await.unwrap().is_some() {}
    let call = notes.next().await;
    assert_eq!(call.path, "/octopus.argo.v1.Tunnel/Open");
    assert_eq!(
        (call.code, call.sent, call.received),
        (Some(Code::Ok), 3 * size, 3 * size)
    );
    assert!(call.took > Duration::ZERO);

    // One that fails, one that is given up, and one that never goes into the tunnel.
    let status = soon(fixture.client().open(order("fail")))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(notes.next().await.code, Some(Code::FailedPrecondition));
    drop(fixture.hang().await);
    assert_eq!(notes.next().await.code, None);
    let stranger = fixture.octopus.server.gateway(&"nobody".parse().unwrap());
    let refused = soon(TunnelClient::new(stranger).open(order("echo"))).await;
    assert_eq!(refused.map(drop).unwrap_err().code(), Code::Unavailable);
    let started = notes.started.lock().unwrap();
    let mine = started.iter().filter(|path| path.contains("Tunnel"));
    assert_eq!(mine.count(), 3);
}
