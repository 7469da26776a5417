//! A server and a gateway side by side, and what is carried between them as if over a connection.
#![allow(
    clippy::missing_panics_doc,
    reason = "a benchmark ends when its pair does not do what it measures"
)]

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::session::{
    Attachment, CallEnd, CallId, Code, Config, Event, InstanceId, Request, Session, SessionId,
};
use octopus_argo_proto::v1::Packet;

const VIA: Attachment = Attachment::FIRST;

/// Two machines and a buffer that stands for the wire.
pub struct Pair {
    /// The side that opens calls.
    pub server: Session,
    /// The side that answers them.
    pub gateway: Session,
    now: Instant,
    wire: BytesMut,
    /// What went over the wire so far.
    pub bytes: u64,
    /// The packets that did.
    pub packets: u64,
}

impl Default for Pair {
    fn default() -> Self {
        let now = Instant::now();
        let mut pair = Self {
            server: server(now),
            gateway: gateway(now),
            now,
            wire: BytesMut::with_capacity(1 << 20),
            bytes: 0,
            packets: 0,
        };
        pair.up();
        pair.down();
        drop([pair.server.next_event(), pair.gateway.next_event()]);
        pair
    }
}

/// A server's side of a session, before its handshake.
pub fn server(now: Instant) -> Session {
    Session::server(Config::default(), SessionId::from_bytes([1; 16]), now)
}

/// A gateway's side of a session, before its handshake.
pub fn gateway(now: Instant) -> Session {
    Session::gateway(Config::default(), InstanceId::from_bytes([7; 16]), now)
}

impl Pair {
    /// Carries what the server has to send.
    pub fn down(&mut self) {
        while let Some(packet) = self.server.next_packet(VIA, self.now) {
            packet.encode(&mut self.wire);
            self.bytes += packet.encoded_len() as u64;
            self.packets += 1;
            let packet = Packet::decode(self.wire.split().freeze()).expect("a packet of ours");
            self.gateway.receive(VIA, packet, self.now);
        }
    }

    /// Carries what the gateway has to send.
    pub fn up(&mut self) {
        while let Some(packet) = self.gateway.next_packet(VIA, self.now) {
            packet.encode(&mut self.wire);
            self.bytes += packet.encoded_len() as u64;
            self.packets += 1;
            let packet = Packet::decode(self.wire.split().freeze()).expect("a packet of ours");
            self.server.receive(VIA, packet, self.now);
        }
    }

    /// Opens a call and lets the gateway see it.
    pub fn open(&mut self, path: &str) -> CallId {
        let call = self.server.open(Request::new(path), self.now).expect("a call");
        self.down();
        self.answer();
        call
    }

    /// A whole unary call, from its open to its end.
    pub fn unary(&mut self, path: &str, body: &Bytes) {
        let call = self.server.open(Request::new(path), self.now).expect("a call");
        let _ = self.server.send(call, body.clone()).expect("the call is open");
        self.server.half_close(call).expect("the call is open");
        self.down();
        while let Some(event) = self.gateway.next_event() {
            match event {
                Event::Data { call, payload } => self.gateway.taken(call, payload.len(), self.now),
                Event::HalfClosed { call } => {
                    self.gateway.head(call, Vec::new()).expect("the call is open");
                    let _ = self.gateway.send(call, body.clone()).expect("the call is open");
                    let end = CallEnd::new(Code::OK, "");
                    self.gateway.end(call, end).expect("the call is open");
                }
                _ => {}
            }
        }
        self.up();
        let mut ended = false;
        while let Some(event) = self.server.next_event() {
            match event {
                Event::Data { call, payload } => self.server.taken(call, payload.len(), self.now),
                Event::Ended { .. } => ended = true,
                _ => {}
            }
        }
        assert!(ended, "the call came to its end");
    }

    /// Sends a piece down an open call, and has it taken. The answer is how many frames it came as.
    pub fn stream(&mut self, call: CallId, piece: &Bytes) -> u64 {
        let _ = self.server.send(call, piece.clone()).expect("the call is open");
        self.down();
        let frames = self.answer();
        self.up();
        frames
    }

    /// Takes what arrived at the gateway.
    fn answer(&mut self) -> u64 {
        let mut frames = 0;
        while let Some(event) = self.gateway.next_event() {
            if let Event::Data { call, payload } = event {
                self.gateway.taken(call, payload.len(), self.now);
                frames += 1;
            }
        }
        frames
    }
}
