//! The gateway's handle under any tonic client.

use std::time::{Duration, Instant};

use octopus_argo_client::{GatewayEvent, Router};
use octopus_argo_proto::argocd::version::version_service_client::VersionServiceClient;
use octopus_argo_proto::session::{EndCause, Execution};
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use octopus_argo_server::{Gateway, TunnelError, TunnelErrorKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tonic::metadata::MetadataMap;
use tonic::{Code, IntoStreamingRequest as _, Request, Status};

use crate::echo::{DETAILS, echo, message, payload};
use crate::support::{Events, GATEWAY, Octopus, connected, cut, disconnected, mend, relay, soon, start_with};
use octopus_argo_testkit::relay::Relay;

/// A server, a gateway with the echo, and a relay between them.
struct Fixture {
    octopus: Octopus,
    relay: Relay,
    server: Events<octopus_argo_server::ServerEvent>,
    ended: mpsc::UnboundedReceiver<&'static str>,
    _gateway: (octopus_argo_client::Gateway, Events<GatewayEvent>),
}

impl Fixture {
    async fn start() -> Self {
        Self::start_at(Octopus::start().await).await
    }

    /// Where a cut is the end of every call.
    async fn start_forgetful() -> Self {
        Self::start_at(Octopus::start_forgetful().await).await
    }

    async fn start_at(octopus: Octopus) -> Self {
        let mut server = octopus.events();
        let relay = relay(&octopus).await;
        let (services, ended) = echo();
        let config = octopus.config_at(relay.address(), &octopus.credential(GATEWAY, "ArgoCDGateways-1"));
        let gateway = start_with(config, services);
        server.until(connected).await;
        Self {
            octopus,
            relay,
            server,
            ended,
            _gateway: gateway,
        }
    }

    fn client(&self) -> TunnelClient<Gateway> {
        TunnelClient::new(self.octopus.gateway()).max_decoding_message_size(16 << 20)
    }
}

/// A request that carries these messages and then ends.
fn request(order: &'static str, messages: Vec<Packet>) -> Request<impl tokio_stream::Stream<Item = Packet>> {
    let mut request = Request::new(tokio_stream::iter(messages));
    request.metadata_mut().insert("x-do", order.parse().unwrap());
    request
}

/// The same, but open for more.
fn open_request(order: &'static str) -> Request<impl tokio_stream::Stream<Item = Packet>> {
    let mut request = Request::new(tokio_stream::pending());
    request.metadata_mut().insert("x-do", order.parse().unwrap());
    request
}

fn kind(status: &Status) -> Option<TunnelErrorKind> {
    TunnelError::find(status).map(|error| error.kind().clone())
}

fn mark(metadata: &mut MetadataMap) {
    for value in ["one", "two", ""] {
        metadata.append("x-text", value.parse().unwrap());
    }
    for value in [&b"\0\xff\x80"[..], b"", b"abcd"] {
        metadata.append_bin("x-some-bin", tonic::metadata::MetadataValue::from_bytes(value));
    }
}

fn assert_marked(metadata: &MetadataMap) {
    let texts: Vec<_> = metadata
        .get_all("x-text")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(texts, ["one", "two", ""]);
    let bytes: Vec<_> = metadata
        .get_all_bin("x-some-bin")
        .iter()
        .map(|value| value.to_bytes().unwrap())
        .collect();
    assert_eq!(bytes, [&b"\0\xff\x80"[..], b"", b"abcd"]);
}

#[tokio::test(crate = "crate::checked")]
async fn metadata_goes_both_ways() {
    let fixture = Fixture::start().await;
    let mut request = request("echo", vec![message("hello")]);
    mark(request.metadata_mut());
    let answer = soon(fixture.client().open(request)).await.unwrap();
    assert_marked(answer.metadata());
    let mut messages = answer.into_inner();
    let first = soon(messages.message()).await.unwrap().unwrap();
    assert_eq!(payload(&first), b"hello");
    assert!(soon(messages.message()).await.unwrap().is_none());
}

#[tokio::test(crate = "crate::checked")]
async fn errors_keep_details_and_trailers() {
    let fixture = Fixture::start().await;
    let mut early = request("fail", vec![]);
    mark(early.metadata_mut());
    let early = soon(fixture.client().open(early)).await.unwrap_err();

    let mut late = request("fail-later", vec![]);
    mark(late.metadata_mut());
    let mut messages = soon(fixture.client().open(late)).await.unwrap().into_inner();
    assert_eq!(
        payload(&soon(messages.message()).await.unwrap().unwrap()),
        b"first"
    );
    let late = soon(messages.message()).await.unwrap_err();

    for status in [early, late] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "not so: 100 % – no\n");
        assert_eq!(status.details(), DETAILS);
        assert_marked(status.metadata());
        assert_eq!(kind(&status), None, "the service said so, not the tunnel");
    }
}

#[tokio::test(crate = "crate::checked")]
async fn a_service_that_is_not_there_is_unimplemented() {
    let fixture = Fixture::start().await;
    let status = soon(VersionServiceClient::new(fixture.octopus.gateway()).version(()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(kind(&status), None);
    assert!(TunnelError::find(&status).is_none());
}

#[tokio::test(crate = "crate::checked")]
async fn a_deadline_is_kept_and_ends_the_service() {
    let mut fixture = Fixture::start().await;
    let timeout = Duration::from_millis(300);
    for order in ["never", "hang"] {
        let mut request = open_request(order);
        request.set_timeout(timeout);
        let before = Instant::now();
        let mut client = fixture.client();
        let call = async {
            let mut messages = client.open(request).await?.into_inner();
            while messages.message().await?.is_some() {}
            Ok::<_, Status>(())
        };
        let status = soon(call).await.unwrap_err();
        let took = before.elapsed();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(kind(&status), Some(TunnelErrorKind::Ended(EndCause::Deadline)));
        assert!(took >= timeout && took < timeout * 10, "{took:?}");
        let ends: &[_] = if order == "never" {
            &["began", "future"]
        } else {
            &["stream"]
        };
        for end in ends {
            assert_eq!(soon(fixture.ended.recv()).await, Some(*end));
        }
    }
}

#[tokio::test(crate = "crate::checked")]
async fn a_client_streams() {
    let fixture = Fixture::start().await;
    let messages = (0..100).map(|_| message(vec![1; 50_000])).collect();
    let mut grpc = tonic::client::Grpc::new(fixture.octopus.gateway());
    soon(grpc.ready()).await.unwrap();
    let codec = tonic_prost::ProstCodec::<Packet, Packet>::default();
    let path = http::uri::PathAndQuery::from_static("/octopus.argo.v1.Tunnel/Open");
    let answer = grpc.client_streaming(request("count", messages).into_streaming_request(), path, codec);
    let answer = soon(answer).await.unwrap().into_inner();
    assert_eq!(payload(&answer), b"100 5000000");
}

#[tokio::test(crate = "crate::checked")]
async fn both_sides_stream_at_once() {
    let fixture = Fixture::start().await;
    let (say, heard) = mpsc::channel(1);
    let outbound = tokio_stream::wrappers::ReceiverStream::new(heard);
    let mut answers = soon(fixture.client().open(outbound)).await.unwrap().into_inner();
    for round in 0..50_u8 {
        say.send(message(vec![round; 1000])).await.unwrap();
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert_eq!(payload(&answer), vec![round; 1000]);
    }
    drop(say);
    assert!(soon(answers.message()).await.unwrap().is_none());
}

#[tokio::test(crate = "crate::checked")]
async fn large_messages_go_both_ways() {
    let fixture = Fixture::start().await;
    let large: Vec<u8> = (0..5_u32 << 20).map(|index| (index % 251) as u8).collect();
    let mut answers = soon(
        fixture
            .client()
            .open(request("echo", vec![message(large.clone()); 2])),
    )
    .await
    .unwrap()
    .into_inner();
    for _ in 0..2 {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert!(payload(&answer) == large, "another message came back");
    }
    assert!(soon(answers.message()).await.unwrap().is_none());
}

#[tokio::test(crate = "crate::checked")]
async fn a_message_over_the_limit_is_refused_by_the_client_alone() {
    let mut fixture = Fixture::start().await;
    let mut strict = fixture.client().max_decoding_message_size(1000);
    let mut answers = soon(strict.open(open_request("flood")))
        .await
        .unwrap()
        .into_inner();
    let status = soon(answers.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    drop(answers);
    assert_eq!(soon(fixture.ended.recv()).await, Some("flood"));
}

#[tokio::test(crate = "crate::checked")]
async fn a_call_that_is_dropped_ends_the_service() {
    let mut fixture = Fixture::start().await;
    let mut client = fixture.client();
    // While the service works on its answer.
    let call = client.open(open_request("never"));
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        began = soon(fixture.ended.recv()) => assert_eq!(began, Some("began")),
    }
    assert_eq!(soon(fixture.ended.recv()).await, Some("future"));
    // While it streams.
    let mut answers = soon(client.open(open_request("hang")))
        .await
        .unwrap()
        .into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    drop(answers);
    assert_eq!(soon(fixture.ended.recv()).await, Some("stream"));
}

#[tokio::test(crate = "crate::checked")]
async fn a_stream_that_nobody_reads_holds_up_no_other_call() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client();
    let unread = soon(client.open(open_request("flood"))).await.unwrap();
    for _ in 0..20 {
        let answer = soon(client.open(request("echo", vec![message(vec![3; 200_000])]))).await;
        let mut answers = answer.unwrap().into_inner();
        assert_eq!(
            payload(&soon(answers.message()).await.unwrap().unwrap()).len(),
            200_000
        );
    }
    drop(unread);
}

#[tokio::test(crate = "crate::checked")]
async fn many_calls_at_once_in_tasks() {
    let fixture = Fixture::start().await;
    let mut calls = JoinSet::new();
    for number in 0..100_u8 {
        let mut client = fixture.client();
        // That it may move to a task is part of what is tested.
        calls.spawn(async move {
            let answers = client.open(request("echo", vec![message(vec![number; 3000]); 3]));
            let mut answers = answers.await.unwrap().into_inner();
            let mut count = 0;
            while let Some(answer) = answers.next().await {
                assert_eq!(payload(&answer.unwrap()), vec![number; 3000]);
                count += 1;
            }
            count
        });
    }
    assert_eq!(soon(calls.join_all()).await, vec![3; 100]);
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_that_is_not_there_is_said_so_at_once() {
    let octopus = Octopus::start_forgetful().await;
    let status = VersionServiceClient::new(octopus.gateway())
        .version(())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(kind(&status), Some(TunnelErrorKind::NeverConnected));
    assert!(TunnelError::find(&status).unwrap().was_not_executed());
    assert!(!octopus.gateway().is_online());

    let mut server = octopus.events();
    let (gateway, _events) = start_with(octopus.register(), Router::default());
    server.until(connected).await;
    soon(gateway.shutdown(Duration::from_secs(10))).await;
    server.until(disconnected).await;
    let status = VersionServiceClient::new(octopus.gateway())
        .version(())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        matches!(kind(&status), Some(TunnelErrorKind::Offline { for_, .. }) if for_ < Duration::from_secs(5))
    );
    assert!(TunnelError::find(&status).unwrap().was_not_executed());
}

#[tokio::test(crate = "crate::checked")]
async fn a_tunnel_that_is_lost_ends_its_calls() {
    let mut fixture = Fixture::start_forgetful().await;
    let mut client = fixture.client();
    let mut answers = soon(client.open(open_request("hang")))
        .await
        .unwrap()
        .into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    let mut waiting = fixture.client();
    let waiting = waiting.open(open_request("never"));
    let (early, late, ()) = tokio::join!(soon(waiting), soon(answers.message()), async {
        assert_eq!(soon(fixture.ended.recv()).await, Some("began"));
        cut(&fixture.relay);
    });
    for status in [early.map(drop).unwrap_err(), late.map(drop).unwrap_err()] {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let lost = EndCause::Lost(Execution::Possible);
        assert_eq!(kind(&status), Some(TunnelErrorKind::Ended(lost)));
        assert!(!TunnelError::find(&status).unwrap().was_not_executed());
    }
    // The gateway ends them as well, by itself.
    let ends = [soon(fixture.ended.recv()).await, soon(fixture.ended.recv()).await];
    assert!(
        ends.contains(&Some("future")) && ends.contains(&Some("stream")),
        "{ends:?}"
    );
    mend(&fixture.relay);
    fixture.server.until(connected).await;
    let again = soon(fixture.client().open(request("echo", vec![message("again")]))).await;
    let answer = soon(again.unwrap().into_inner().message())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(payload(&answer), b"again");
}

#[tokio::test(crate = "crate::checked")]
async fn a_request_that_is_cut_does_not_look_complete() {
    let mut fixture = Fixture::start_forgetful().await;
    let mut client = fixture.client();
    let detached = request("detach", vec![message("all"), message("of it")]);
    let complete = soon(client.open(detached)).await.unwrap();
    assert_eq!(soon(fixture.ended.recv()).await, Some("complete"), "the control");
    drop(complete);

    // The caller gives it up.
    let mut answers = soon(client.open(open_request("detach")))
        .await
        .unwrap()
        .into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    drop(answers);
    assert_eq!(soon(fixture.ended.recv()).await, Some("cut"));

    // The tunnel is lost.
    let mut answers = soon(client.open(open_request("detach")))
        .await
        .unwrap()
        .into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    cut(&fixture.relay);
    assert_eq!(soon(fixture.ended.recv()).await, Some("cut"));
}

#[tokio::test(crate = "crate::checked")]
async fn a_request_is_over_when_the_service_has_ended_its_answer() {
    let mut fixture = Fixture::start_forgetful().await;
    let mut client = fixture.client();
    let answers = soon(client.open(open_request("detach-and-end"))).await.unwrap();
    let mut answers = answers.into_inner();
    soon(answers.message()).await.unwrap().unwrap();
    assert!(soon(answers.message()).await.unwrap().is_none());
    assert_eq!(soon(fixture.ended.recv()).await, Some("cut"));
}
