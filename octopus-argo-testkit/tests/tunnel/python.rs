//! A gateway in Python, written from `PROTOCOL.md` and the .proto file alone: the protocol is what they say.
//!
//! Runs where `OCTOPUS_ARGO_PYTHON` is an interpreter with grpcio and grpcio-tools, as in `.ci/run`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr as _;

use octopus_argo_proto::session::{CloseReason, GoodbyeReason};
use octopus_argo_server::{Gateway, GatewayToken, ServerEvent};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::support::{Events, GATEWAY, Octopus, connected, disconnected, id, interrupted, resumed, soon};

/// `google.protobuf.BytesValue`.
type Bytes = Vec<u8>;

/// The peer's process. It is killed when this is dropped.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(python: &OsString, octopus: &Octopus, certificate: &Path) -> Self {
        let token = GatewayToken::generate().unwrap();
        octopus.store.set_credential(&id(), &token);
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../octopus-argo-proto/peer/peer.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(["--address", &octopus.serving.local_addr().to_string()])
            .args(["--name", "localhost", "--certificate"])
            .arg(certificate)
            .env("CLIENT_ID", GATEWAY)
            .env("TOKEN", token.secret().expose_secret())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    /// What it says next.
    async fn line(&mut self) -> Option<String> {
        soon(self.output.next_line()).await.unwrap()
    }

    async fn come_back(&mut self) {
        self.input.write_all(b"\n").await.unwrap();
    }
}

async fn call(gateway: Gateway, method: &str, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let path = PathAndQuery::from_str(&format!("/test.Peer/{method}")).unwrap();
    let mut client = Grpc::new(gateway);
    client.ready().await.unwrap();
    soon(client.unary(request, path, ProstCodec::<Bytes, Bytes>::default())).await
}

/// A call of the peer's echo.
struct Echo {
    to: mpsc::Sender<Bytes>,
    from: Streaming<Bytes>,
}

impl Echo {
    async fn begin(gateway: Gateway) -> Self {
        let (to, messages) = mpsc::channel(4);
        let path = PathAndQuery::from_static("/test.Peer/Echo");
        let mut client = Grpc::new(gateway).max_decoding_message_size(16 << 20);
        client.ready().await.unwrap();
        let request = Request::new(ReceiverStream::new(messages));
        let streaming = client.streaming(request, path, ProstCodec::<Bytes, Bytes>::default());
        let from = soon(streaming).await.unwrap().into_inner();
        Self { to, from }
    }

    async fn say(&mut self, message: impl Into<Bytes>) {
        soon(self.to.send(message.into())).await.unwrap();
    }

    async fn hear(&mut self) -> Bytes {
        soon(self.from.message()).await.unwrap().unwrap()
    }
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_written_from_the_document_alone_is_enough() {
    let Some(python) = std::env::var_os("OCTOPUS_ARGO_PYTHON") else {
        // Not `eprintln`, of which nothing is seen when a test passes.
        let said = b"\nSKIPPED: OCTOPUS_ARGO_PYTHON is not set, so the peer in Python was not run\n";
        std::io::stderr().write_all(said).unwrap();
        return;
    };
    let octopus = Octopus::start().await;
    let mut server: Events<ServerEvent> = octopus.events();
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("server.pem");
    std::fs::write(&certificate, octopus.certificate_pem()).unwrap();
    let mut peer = Peer::start(&python, &octopus, &certificate);
    server.until(connected).await;

    // One answer, with its headers and trailers.
    let mut request = Request::new(b"unary".to_vec());
    request.metadata_mut().insert("x-note", "kept".parse().unwrap());
    let response = call(octopus.gateway(), "Upper", request).await.unwrap();
    assert_eq!(response.metadata().get("x-note").unwrap(), "kept");
    assert_eq!(response.into_inner(), b"UNARY");

    // An error, with its details, and a method that is not there.
    let status = call(octopus.gateway(), "Fail", Request::new(Bytes::new()))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::FailedPrecondition, "not so")
    );
    assert_eq!(status.details(), [8, 9]);
    let status = call(octopus.gateway(), "Nothing", Request::new(Bytes::new()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);

    // A stream of answers.
    let path = PathAndQuery::from_static("/test.Peer/Count");
    let mut client = Grpc::new(octopus.gateway());
    client.ready().await.unwrap();
    let request = Request::new(b"1000".to_vec());
    let counting = client.server_streaming(request, path, ProstCodec::<Bytes, Bytes>::default());
    let mut numbers = soon(counting).await.unwrap().into_inner();
    for number in 0..1000 {
        let next = soon(numbers.message()).await.unwrap().unwrap();
        assert_eq!(next, number.to_string().into_bytes());
    }
    assert_eq!(soon(numbers.message()).await.unwrap(), None);

    // More than there is credit for at once, in both directions.
    let mut echo = Echo::begin(octopus.gateway()).await;
    let large: Bytes = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    echo.say(large.clone()).await;
    assert_eq!(echo.hear().await, large);

    // Cut before it took a packet, which has to come again; and before its answer went out, which it keeps.
    for order in ["cut before taking", "cut after taking"] {
        echo.say(order).await;
        server.until(interrupted).await;
        assert_eq!(peer.line().await.as_deref(), Some("cut"));
        let while_away = call(octopus.gateway(), "Upper", Request::new(b"away".to_vec()));
        let back = async {
            echo.say(large.clone()).await;
            peer.come_back().await;
            server.until(resumed).await;
            assert_eq!(echo.hear().await, order.as_bytes());
            assert_eq!(echo.hear().await, large);
        };
        let (away, ()) = tokio::join!(while_away, back);
        assert_eq!(away.unwrap().into_inner(), b"AWAY");
    }
    drop(echo.to);
    assert_eq!(soon(echo.from.message()).await.unwrap(), None);

    // A goodbye ends it.
    let shutdown = octopus.server.shutdown(std::time::Duration::from_secs(5));
    soon(shutdown).await;
    assert!(peer.line().await.is_some_and(|line| line.starts_with("goodbye:")));
    assert!(soon(peer.child.wait()).await.unwrap().success());
    let seen = server.so_far();
    let gone: Vec<_> = seen.iter().filter_map(disconnected).collect();
    assert_eq!(gone.len(), 1, "{seen:?}");
    assert!(!seen.iter().any(|event| connected(event).is_some()), "{seen:?}");
    let ended = |event: &ServerEvent| {
        matches!(
            event,
            ServerEvent::Disconnected {
                reason: CloseReason::Ended(GoodbyeReason::Shutdown),
                ..
            }
        )
    };
    assert!(seen.iter().any(ended), "{seen:?}");
}
