//! HTTP/2 in bytes: what a library would hide.

use std::time::Duration;

use octopus_argo_testkit::argocd::{KeepAlive, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const GET: &str = "/application.ApplicationService/Get";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn ping() -> Vec<u8> {
    frame(6, 0, 0, &[7; 8])
}

/// Headers of a request, each a literal that is not indexed; the request has a body to come.
fn request(stream: u32, path: &str, content_type: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", content_type),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    frame(1, 4, stream, &block)
}

/// The message with the name of an application, and the end of the request.
fn body(stream: u32) -> Vec<u8> {
    frame(0, 1, stream, &[0, 0, 0, 0, 5, 10, 3, b'a', b'p', b'i'])
}

struct Raw(TcpStream);

impl Raw {
    async fn begin(sim: &ArgoCdSim) -> Self {
        let mut raw = Self(soon(TcpStream::connect(sim.address())).await.unwrap());
        raw.write(&[PREFACE, &SETTINGS].concat()).await;
        raw
    }

    async fn write(&mut self, bytes: &[u8]) {
        soon(self.0.write_all(bytes)).await.unwrap();
    }

    /// The next frame: kind, flags and payload; `None` at the end.
    async fn frame(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        soon(self.0.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        soon(self.0.read_exact(&mut payload)).await.ok()?;
        Some((head[3], head[4], payload))
    }

    /// Passes over frames until one of this kind comes, with this flag.
    async fn until(&mut self, kind: u8, flag: u8) -> Vec<u8> {
        loop {
            let (found, flags, payload) = self.frame().await.expect("the connection has ended");
            if found == kind && flags & flag == flag {
                return payload;
            }
            assert!(found != 7 || kind == 7, "GOAWAY {payload:?}");
        }
    }

    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // The end may come as a reset, where something that was sent has not been read.
        let _ = soon(self.0.read_to_end(&mut rest)).await;
        rest
    }
}

#[tokio::test]
async fn a_first_request_of_another_content_type_gets_settings_and_the_end() {
    let sim = builder().without_authentication().start().await.unwrap();
    for (count, other) in [
        "application/grpc+proto",
        "application/grpc-web+proto",
        "application/grpc;charset=utf-8",
        "application/json",
    ]
    .into_iter()
    .enumerate()
    {
        let mut raw = Raw::begin(&sim).await;
        raw.write(&request(1, GET, other)).await;
        assert_eq!(raw.rest().await, SETTINGS, "{other}");
        assert_eq!(sim.traffic().refused(), u64::try_from(count).unwrap() + 1);
    }
}

#[tokio::test]
async fn a_later_request_may_name_the_encoding() {
    let sim = builder().without_authentication().start().await.unwrap();
    let mut raw = Raw::begin(&sim).await;
    for (stream, content_type) in [(1, "application/grpc"), (3, "application/grpc+proto")] {
        raw.write(&[request(stream, GET, content_type), body(stream)].concat())
            .await;
        // DATA, and then HEADERS with END_STREAM.
        raw.until(0, 0).await;
        raw.until(1, 1).await;
    }
}

#[tokio::test]
async fn pings_are_not_answered_before_the_first_request() {
    let sim = builder().without_authentication().start().await.unwrap();
    let mut raw = Raw::begin(&sim).await;
    raw.write(&ping()).await;
    // A request that is refused ends the connection: what has come until then is all that ever comes.
    raw.write(&request(1, GET, "application/json")).await;
    assert_eq!(
        raw.rest().await,
        SETTINGS,
        "no acknowledgement of the ping, nor of the settings"
    );
    assert_eq!(sim.traffic().pings(), 1);

    let mut raw = Raw::begin(&sim).await;
    raw.write(&ping()).await;
    raw.write(&request(1, GET, "application/grpc")).await;
    assert_eq!(
        raw.until(6, 1).await,
        [7; 8],
        "answered when grpc-go has the connection"
    );
}

#[tokio::test]
async fn the_client_sees_two_settings() {
    let sim = builder().without_authentication().start().await.unwrap();
    let mut raw = Raw::begin(&sim).await;
    let (kind, _, payload) = raw.frame().await.unwrap();
    assert_eq!(
        (kind, payload.len()),
        (4, 0),
        "that of the multiplexer, which says nothing"
    );
    raw.write(&request(1, GET, "application/grpc")).await;
    let (kind, flags, _) = raw.frame().await.unwrap();
    assert_eq!((kind, flags & 1), (4, 0), "and the server's own");
}

#[tokio::test]
async fn the_fourth_quick_ping_during_a_call_ends_the_connection() {
    let sim = builder().without_authentication().start().await.unwrap();
    let _held = sim.faults().hold(Method::Get);
    let mut raw = Raw::begin(&sim).await;
    raw.write(&[request(1, GET, "application/grpc"), body(1)].concat())
        .await;
    for _ in 0..3 {
        raw.write(&ping()).await;
        raw.until(6, 1).await;
    }
    assert_eq!(sim.traffic().too_many_pings(), 0);
    raw.write(&ping()).await;
    let goaway = raw.until(7, 0).await;
    assert_eq!(
        goaway[..8],
        [0, 0, 0, 1, 0, 0, 0, 11],
        "the last stream, and ENHANCE_YOUR_CALM"
    );
    assert_eq!(&goaway[8..], b"too_many_pings");
    assert!(raw.rest().await.is_empty(), "closed at once");
    assert_eq!(sim.traffic().too_many_pings(), 1);
}

#[tokio::test]
async fn what_is_borne_during_a_call_is_not_borne_while_idle() {
    let sim = builder()
        .without_authentication()
        .keep_alive(Some(KeepAlive::with_minimum(Duration::ZERO)))
        .start()
        .await
        .unwrap();
    let mut raw = Raw::begin(&sim).await;
    let held = sim.faults().hold(Method::Get);
    raw.write(&[request(1, GET, "application/grpc"), body(1)].concat())
        .await;
    for _ in 0..20 {
        raw.write(&ping()).await;
        raw.until(6, 1).await;
    }
    drop(held);
    raw.until(1, 1).await;
    // The first ping after what the server has said resets the count.
    for _ in 0..3 {
        raw.write(&ping()).await;
        raw.until(6, 1).await;
    }
    raw.write(&ping()).await;
    assert_eq!(&raw.until(7, 0).await[8..], b"too_many_pings");
}

#[tokio::test]
async fn pings_can_be_borne_without_end() {
    let sim = builder()
        .without_authentication()
        .keep_alive(None)
        .start()
        .await
        .unwrap();
    let mut raw = Raw::begin(&sim).await;
    raw.write(&[request(1, GET, "application/grpc"), body(1)].concat())
        .await;
    raw.until(1, 1).await;
    for _ in 0..20 {
        raw.write(&ping()).await;
        raw.until(6, 1).await;
    }
}

#[tokio::test]
async fn what_speaks_no_http_is_cut() {
    let sim = builder().start().await.unwrap();
    for other in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"hello there\n",
        b"PRI * HTTP/1.1\r\n\r\n",
    ] {
        let mut raw = Raw(soon(TcpStream::connect(sim.address())).await.unwrap());
        raw.write(other).await;
        assert!(raw.rest().await.is_empty(), "{other:?}");
    }
}

#[tokio::test]
async fn going_away_is_said_and_a_cut_is_not() {
    let sim = builder().without_authentication().start().await.unwrap();
    let _held = sim.faults().hold(Method::Get);
    let mut raw = Raw::begin(&sim).await;
    raw.write(&[request(1, GET, "application/grpc"), body(1)].concat())
        .await;
    raw.write(&ping()).await;
    raw.until(6, 1).await;
    sim.go_away();
    let goaway = raw.until(7, 0).await;
    assert_eq!(goaway[4..8], [0; 4], "no error");
    sim.cut();
    let rest = raw.rest().await;
    assert!(rest.len() < 64, "nothing but what was under way: {rest:?}");
    let mut raw = Raw::begin(&sim).await;
    raw.write(&request(1, GET, "application/grpc")).await;
    raw.until(4, 1).await;
}
