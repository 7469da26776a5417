//! No bytes make the tunnel's decoder or a session panic, however the connection cuts them; and cut or whole they are the
//! same packets.
#![no_main]

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http_body::Frame;
use libfuzzer_sys::fuzz_target;
use octopus_argo_proto::prost::Message;
use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{Attachment, Config, Event, InstanceId, Request, Session, SessionId};
use octopus_argo_proto::tunnel::Incoming;
use octopus_argo_proto::v1::Packet;
use tonic::body::Body;

/// What is kept and not acknowledged or taken, at most.
const BUDGET: u64 = 2 << 20;

// How long the pieces are that arrive; whether what follows is the stream as it is, or packets with a length each.
fuzz_target!(|input: &[u8]| {
    let &[cut, framed, ref rest @ ..] = input else {
        return;
    };
    let cut = usize::from(cut).max(1);
    if framed % 2 == 0 {
        play(decode(rest, cut).0);
        return;
    }
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    let mut rest = rest;
    while let [low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (packet, tail) = tail.split_at(len);
        rest = tail;
        stream.push(0);
        stream.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
        stream.extend(packet);
        expected.push(Packet::decode(packet));
    }
    let (packets, whole) = decode(&stream, cut);
    let sound = expected.iter().take_while(|packet| packet.is_ok()).count();
    assert_eq!(whole, sound == expected.len());
    assert!(
        expected
            .into_iter()
            .map_while(Result::ok)
            .eq(packets.iter().cloned())
    );
    for packet in &packets {
        let again = Packet::decode(&*packet.encode_to_vec()).expect("what was encoded here");
        assert_eq!(*packet, again);
    }
    play(packets);
});

/// The packets of a stream that arrives in pieces of `cut` bytes, and whether it ended in order.
fn decode(stream: &[u8], cut: usize) -> (Vec<Packet>, bool) {
    let pieces = stream.chunks(cut).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let mut incoming = Incoming::request(Body::new(Pieces(pieces.into_iter())));
    let mut packets = Vec::new();
    loop {
        let next = pin!(incoming.next()).poll(&mut Context::from_waker(Waker::noop()));
        match next {
            Poll::Ready(Ok(Some(packet))) => packets.push(packet),
            Poll::Ready(Ok(None)) => return (packets, true),
            Poll::Ready(Err(_)) => return (packets, false),
            Poll::Pending => unreachable!("all pieces are there"),
        }
    }
}

struct Pieces(std::vec::IntoIter<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Gives the packets to both sides, before and behind the handshake.
fn play(packets: Vec<Packet>) {
    let now = Instant::now();
    let [server, gateway] = fresh(now);
    let [mut old_server, mut old_gateway] = fresh(now);
    carry(&mut old_gateway, &mut old_server, now);
    carry(&mut old_server, &mut old_gateway, now);
    for _ in 0..2 {
        let _ = old_server
            .open(Request::new("/a/b"), now)
            .expect("a call is allowed");
    }
    carry(&mut old_server, &mut old_gateway, now);
    for mut session in [server, gateway, old_server, old_gateway] {
        let _ = session.next_packet(Attachment::FIRST, now);
        for packet in &packets {
            session.receive(Attachment::FIRST, packet.clone(), now);
            let mut last = false;
            while let Some(event) = session.next_event() {
                assert!(!last, "{event:?} after the last event");
                last = matches!(event, Event::Closed(_));
            }
            while let Some(packet) = session.next_packet(Attachment::FIRST, now) {
                assert!(Packet::decode(&*packet.encode_to_vec()).is_ok());
            }
            assert!(session.buffered_bytes() <= BUDGET);
            if session.is_over() {
                assert_eq!(session.open_calls(), 0);
            }
        }
    }
}

fn fresh(now: Instant) -> [Session; 2] {
    let config = Config::default()
        .max_calls(4)
        .session_budget(BUDGET)
        .replay_buffer(512 << 10);
    [
        Session::server(config.clone(), SessionId::from_bytes([1; 16]), now),
        Session::gateway(config, InstanceId::from_bytes([7; 16]), now),
    ]
}

fn carry(from: &mut Session, to: &mut Session, now: Instant) {
    while let Some(packet) = from.next_packet(Attachment::FIRST, now) {
        to.receive(Attachment::FIRST, Packet::from(&packet), now);
    }
}
