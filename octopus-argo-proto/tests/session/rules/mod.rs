//! One small test for each rule, against packets made by hand.

mod calls;
mod closing;
mod credit;
mod handshake;
mod hostile;
mod liveness;
mod packets;
mod resume;
mod sending;

use std::time::{Duration, Instant};

use octopus_argo_proto::prost::Message;
use octopus_argo_proto::prost::bytes::Bytes;
use octopus_argo_proto::session::{
    Attachment, CallEnd, CallId, CloseReason, Code, Config, EndCause, Event, GoodbyeReason, InstanceId,
    Metadata, Request, Session, SessionId,
};
use octopus_argo_proto::v1::frame::Body;
use octopus_argo_proto::v1::{self, Frame, Packet};

const PATH: &str = "/test.Service/Method";

/// A session under test; the test plays the other side.
struct Bench {
    session: Session,
    now: Instant,
    via: Attachment,
    /// The number of the last packet that the test sent.
    seq: u64,
}

impl Bench {
    fn new_server() -> Self {
        let now = Instant::now();
        let id = SessionId::from_bytes([1; 16]);
        Self {
            session: Session::server(plain(), id, now),
            now,
            via: Attachment::FIRST,
            seq: 0,
        }
    }

    fn new_gateway_with(config: Config) -> Self {
        let now = Instant::now();
        let instance = InstanceId::from_bytes([7; 16]);
        Self {
            session: Session::gateway(config, instance, now),
            now,
            via: Attachment::FIRST,
            seq: 0,
        }
    }

    /// A server behind its handshake with a gateway of these limits.
    fn server_with(limits: v1::Limits) -> Self {
        let mut bench = Self::new_server();
        let hello = v1::Hello {
            limits: Some(limits),
            ..hello()
        };
        bench.feed_unnumbered([Body::Hello(hello)]);
        assert!(matches!(bench.frames()[..], [Body::Welcome(_)]));
        assert!(matches!(bench.events()[..], [Event::Established(_)]));
        bench
    }

    fn server() -> Self {
        Self::server_with(v1::Limits::default())
    }

    /// A gateway behind its handshake with a server of default limits.
    fn gateway_with(config: Config) -> Self {
        let mut bench = Self::new_gateway_with(config);
        assert!(matches!(bench.frames()[..], [Body::Hello(_)]));
        bench.feed_unnumbered([Body::Welcome(welcome())]);
        assert!(matches!(bench.events()[..], [Event::Established(_)]));
        bench
    }

    fn gateway() -> Self {
        Self::gateway_with(plain())
    }

    /// A server with one call whose Open is sent.
    fn server_with_call() -> (Self, CallId) {
        let mut bench = Self::server();
        let call = bench.open();
        assert!(matches!(bench.frames()[..], [Body::Open(_)]));
        (bench, call)
    }

    /// A gateway with one call, which has number 1.
    fn gateway_with_call() -> (Self, CallId) {
        let mut bench = Self::gateway();
        let call = bench.opened(1);
        (bench, call)
    }

    fn open(&mut self) -> CallId {
        self.session.open(Request::new(PATH), self.now).unwrap()
    }

    /// Lets the other side open a call.
    fn opened(&mut self, id: u64) -> CallId {
        self.feed([open(id)]);
        match self.events()[..] {
            [Event::Opened { call, .. }] => call,
            ref other => panic!("{other:?}"),
        }
    }

    fn feed_packet(&mut self, seq: u64, ack: u64, bodies: impl IntoIterator<Item = Body>) {
        let frames = bodies
            .into_iter()
            .map(|body| Frame {
                must_understand: true,
                body: Some(body),
            })
            .collect();
        self.receive(Packet { seq, ack, frames });
    }

    fn feed(&mut self, bodies: impl IntoIterator<Item = Body>) {
        self.seq += 1;
        self.feed_packet(self.seq, 0, bodies);
    }

    fn feed_unnumbered(&mut self, bodies: impl IntoIterator<Item = Body>) {
        self.feed_packet(0, 0, bodies);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now);
    }

    fn receive(&mut self, packet: Packet) {
        self.session.receive(self.via, packet, self.now);
    }

    fn next(&mut self) -> Option<Packet> {
        let packet = self.session.next_packet(self.via, self.now)?;
        Some(Packet::from(&packet))
    }

    fn packets(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.next()).collect()
    }

    fn taken(&mut self, call: CallId, payload: usize) {
        self.session.taken(call, payload, self.now);
    }

    fn frames(&mut self) -> Vec<Body> {
        self.packets().into_iter().flat_map(bodies).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    /// The session said goodbye for this reason, and is over.
    fn assert_goodbye(&mut self, expected: GoodbyeReason) {
        match self.events().last() {
            Some(Event::Closed(CloseReason::Ended(reason))) => assert_eq!(*reason, expected),
            other => panic!("{other:?}"),
        }
        match &self.frames()[..] {
            [Body::Goodbye(goodbye)] => assert_eq!(goodbye.reason, wire_reason(expected) as i32),
            other => panic!("{other:?}"),
        }
        assert!(self.session.is_over());
        assert_eq!(self.session.open_calls(), 0);
        assert_eq!(self.session.next_timeout(), None);
    }

    /// The session said goodbye for this reason, behind whatever else waited.
    fn packets_until_goodbye(&mut self, expected: GoodbyeReason) {
        let frames = self.frames();
        match frames.last() {
            Some(Body::Goodbye(goodbye)) => assert_eq!(goodbye.reason, wire_reason(expected) as i32),
            other => panic!("{other:?}"),
        }
        assert!(self.session.is_over());
    }

    /// The call was broken off, the session lives. As the opener and as the answerer.
    fn assert_breach(&mut self, call: CallId) {
        assert!(self.session.is_established());
        assert_eq!(self.session.open_calls(), 0);
        let frames = self.frames();
        match &self.events()[..] {
            [
                ..,
                Event::Ended {
                    call: ended,
                    end: CallEnd { cause, code, .. },
                },
            ] => {
                assert_eq!(
                    (*ended, *cause, *code),
                    (call, Some(EndCause::Breach), Code::INTERNAL)
                );
                assert!(matches!(frames[..], [Body::Cancel(_)]), "{frames:?}");
            }
            [.., Event::Cancelled { call: cancelled }] => {
                assert_eq!(*cancelled, call);
                let [Body::End(end)] = &frames[..] else {
                    panic!("{frames:?}")
                };
                assert_eq!(end.cause(), v1::TunnelCause::Breach);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Windows that begin as they are guaranteed, so that nothing is granted that the test did not ask for.
fn plain() -> Config {
    Config::default().initial_credit(Config::GUARANTEED_CREDIT)
}

fn bodies(packet: Packet) -> Vec<Body> {
    packet.frames.into_iter().filter_map(|frame| frame.body).collect()
}

fn wire_reason(reason: GoodbyeReason) -> v1::GoodbyeReason {
    match reason {
        GoodbyeReason::Incompatible => v1::GoodbyeReason::Incompatible,
        GoodbyeReason::LimitExceeded => v1::GoodbyeReason::LimitExceeded,
        GoodbyeReason::ProtocolError => v1::GoodbyeReason::ProtocolError,
        GoodbyeReason::HandshakeTimeout => v1::GoodbyeReason::HandshakeTimeout,
        GoodbyeReason::Silence => v1::GoodbyeReason::Silence,
        GoodbyeReason::Rotation => v1::GoodbyeReason::Rotation,
        other => panic!("{other:?} is in no test"),
    }
}

fn hello() -> v1::Hello {
    v1::Hello {
        revision: 1,
        oldest_revision: 1,
        instance_id: Bytes::from_static(&[7; 16]),
        ..v1::Hello::default()
    }
}

fn welcome() -> v1::Welcome {
    v1::Welcome {
        revision: 1,
        session_id: Bytes::from_static(&[1; 16]),
        attachment: 1,
        ..v1::Welcome::default()
    }
}

fn open(call: u64) -> Body {
    Body::Open(v1::Open {
        call,
        path: PATH.into(),
        ..v1::Open::default()
    })
}

fn head(call: u64) -> Body {
    Body::Head(v1::Head {
        call,
        metadata: Vec::new(),
    })
}

fn data(call: u64, size: usize) -> Body {
    Body::Data(v1::Data {
        call,
        payload: Bytes::from(vec![5; size]),
    })
}

fn half_close(call: u64) -> Body {
    Body::HalfClose(v1::HalfClose { call })
}

fn end(call: u64) -> Body {
    Body::End(v1::End {
        call,
        ..v1::End::default()
    })
}

fn cancel(call: u64) -> Body {
    Body::Cancel(v1::Cancel { call })
}

fn credit(call: u64, bytes: u64) -> Body {
    Body::Credit(v1::Credit { call, bytes })
}

/// Metadata of this many bytes as the protocol counts them.
fn metadata(size: usize) -> Vec<Metadata> {
    vec![Metadata {
        key: "x-large".into(),
        value: Bytes::from(vec![b'a'; size - 32 - "x-large".len()]),
    }]
}

/// A packet with a frame of a kind that nobody knows yet, by field number 99.
fn unknown_frame(must_understand: bool) -> Packet {
    let frame = if must_understand {
        &[0x08, 0x01, 0x9a, 0x06, 0x00][..]
    } else {
        &[0x9a, 0x06, 0x00][..]
    };
    let mut bytes = vec![0x1a, u8::try_from(frame.len()).unwrap()];
    bytes.extend_from_slice(frame);
    Packet::decode(&*bytes).unwrap()
}
