//! Packets as they leave: encoded once, kept as they are, payloads shared instead of copied.

use std::sync::Arc;

use prost::Message as _;
use prost::bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::v1::frame::Body;
use crate::v1::{Frame, Packet};

/// A payload shorter than this is copied to its neighbours: a piece of its own costs more than the copy.
const WORTH_SHARING: usize = 2 << 10;

/// What the buffer for everything but payloads grows by: four packets as the last one, within these limits. A session
/// that only sends heartbeats holds as little as it can.
const STEP: (usize, usize) = (512, 4 << 10);

/// A packet to be sent: the bytes of a [`v1::Packet`](Packet), in pieces.
///
/// Its payloads are those that were given to [`Session::send`](super::Session::send), not copies of them.
#[derive(Clone, Debug)]
pub struct Outgoing {
    seq: u64,
    ack: u64,
    frames: Frames,
}

/// The encoded frames of a packet, shared by whoever sends them and by what is kept to send them again.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    pieces: Arc<[Bytes]>,
    len: usize,
}

impl Frames {
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Outgoing {
    pub(super) fn new(seq: u64, ack: u64, frames: Frames) -> Self {
        Self { seq, ack, frames }
    }

    /// The packet's number; 0 for one that is not numbered.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many bytes it has.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        number_len(SEQ, self.seq) + number_len(ACK, self.ack) + self.frames.len
    }

    /// Writes the number and the acknowledgement; [`Outgoing::pieces`] follow. At most 22 bytes.
    pub fn encode_head(&self, buffer: &mut impl BufMut) {
        put_number(SEQ, self.seq, buffer);
        put_number(ACK, self.ack, buffer);
    }

    /// The frames, in pieces.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.frames.pieces
    }

    /// Writes all of it, which copies the payloads.
    pub fn encode(&self, buffer: &mut impl BufMut) {
        self.encode_head(buffer);
        for piece in self.pieces() {
            buffer.put_slice(piece);
        }
    }

    /// All of it in one buffer, which copies the payloads.
    #[must_use]
    pub fn encode_to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.encode(&mut bytes);
        bytes
    }
}

/// Field numbers of [`Packet`].
const SEQ: u32 = 1;
const ACK: u32 = 2;
const FRAMES: u32 = 3;

fn number_len(field: u32, value: u64) -> usize {
    if value == 0 {
        0
    } else {
        key_len(field) + encoded_len_varint(value)
    }
}

fn put_number(field: u32, value: u64, buffer: &mut impl BufMut) {
    if value != 0 {
        encode_key(field, WireType::Varint, buffer);
        encode_varint(value, buffer);
    }
}

/// Encodes the frames of one packet after the other.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// Everything but payloads, up to the last piece.
    arena: BytesMut,
    pieces: Vec<Bytes>,
    len: usize,
    /// How many bytes the last packet had.
    last: usize,
}

impl Encoder {
    /// How many bytes the frames have so far.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, body: Body) {
        match body {
            Body::Data(data) => self.push_data(data.call, data.payload),
            body => {
                let frame = Frame {
                    must_understand: true,
                    body: Some(body),
                };
                let len = frame.encoded_len();
                let whole = key_len(FRAMES) + encoded_len_varint(len as u64) + len;
                self.reserve(whole);
                encode_key(FRAMES, WireType::LengthDelimited, &mut self.arena);
                encode_varint(len as u64, &mut self.arena);
                frame.encode_raw(&mut self.arena);
                self.len += whole;
            }
        }
    }

    /// A data frame by hand, so that its payload, which is last, can be a piece of its own.
    fn push_data(&mut self, call: u64, payload: Bytes) {
        // Of `Frame` and of `Data`.
        const MUST_UNDERSTAND: u32 = 1;
        const DATA: u32 = 10;
        const CALL: u32 = 1;
        const PAYLOAD: u32 = 2;

        let size = payload.len() as u64;
        let payload_len = if payload.is_empty() {
            0
        } else {
            key_len(PAYLOAD) + encoded_len_varint(size) + payload.len()
        };
        let data_len = number_len(CALL, call) + payload_len;
        let frame_len =
            number_len(MUST_UNDERSTAND, 1) + key_len(DATA) + encoded_len_varint(data_len as u64) + data_len;
        let whole = key_len(FRAMES) + encoded_len_varint(frame_len as u64) + frame_len;
        let shared = payload.len() >= WORTH_SHARING;
        self.reserve(if shared { whole - payload.len() } else { whole });

        let buffer = &mut self.arena;
        encode_key(FRAMES, WireType::LengthDelimited, buffer);
        encode_varint(frame_len as u64, buffer);
        put_number(MUST_UNDERSTAND, 1, buffer);
        encode_key(DATA, WireType::LengthDelimited, buffer);
        encode_varint(data_len as u64, buffer);
        put_number(CALL, call, buffer);
        if !payload.is_empty() {
            encode_key(PAYLOAD, WireType::LengthDelimited, buffer);
            encode_varint(size, buffer);
        }
        if shared {
            self.close_piece();
            self.pieces.push(payload);
        } else {
            self.arena.put_slice(&payload);
        }
        self.len += whole;
    }

    /// The frames so far, as those of one packet.
    pub(super) fn take(&mut self) -> Frames {
        self.close_piece();
        self.last = self.len;
        Frames {
            pieces: self.pieces.drain(..).collect(),
            len: std::mem::take(&mut self.len),
        }
    }

    fn close_piece(&mut self) {
        if !self.arena.is_empty() {
            self.pieces.push(self.arena.split().freeze());
        }
    }

    /// Grows in steps, so that what is sent in small packets does not take an allocation each.
    fn reserve(&mut self, bytes: usize) {
        if self.arena.capacity() - self.arena.len() < bytes {
            let step = self.last.saturating_mul(4).clamp(STEP.0, STEP.1);
            self.arena.reserve(bytes.max(step));
        }
    }
}

/// Decodes it again, which is for tests and for those who move packets as messages.
impl From<&Outgoing> for Packet {
    fn from(outgoing: &Outgoing) -> Self {
        // What was encoded here is whole.
        Self::decode(Bytes::from(outgoing.encode_to_vec())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::v1;

    fn body() -> impl Strategy<Value = Body> {
        let payload = prop_oneof![
            Just(Vec::new()),
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(any::<u8>(), 2_000..70_000)
        ];
        prop_oneof![
            (any::<u64>(), payload).prop_map(|(call, payload)| Body::Data(v1::Data {
                call,
                payload: payload.into()
            })),
            (any::<u64>(), any::<u64>()).prop_map(|(call, bytes)| Body::Credit(v1::Credit { call, bytes })),
            (any::<u64>(), "[a-z/]{0,40}").prop_map(|(call, path)| Body::Open(v1::Open {
                call,
                path,
                ..v1::Open::default()
            })),
            any::<u64>().prop_map(|call| Body::HalfClose(v1::HalfClose { call })),
        ]
    }

    proptest! {
        /// Ours and prost's are the same, byte for byte, for one packet after the other.
        #[test]
        fn encodes_as_prost_does(
            packets in proptest::collection::vec((any::<u64>(), 0_u64..3, proptest::collection::vec(body(), 0..6)), 1..4)
        ) {
            let mut encoder = Encoder::default();
            for (seq, ack, bodies) in packets {
                for body in bodies.clone() {
                    encoder.push(body);
                }
                let outgoing = Outgoing::new(seq, ack, encoder.take());
                let frames = bodies.into_iter().map(|body| Frame { must_understand: true, body: Some(body) });
                let packet = Packet { seq, ack, frames: frames.collect() };
                let bytes = outgoing.encode_to_vec();
                prop_assert!(bytes == packet.encode_to_vec());
                prop_assert_eq!(bytes.len(), outgoing.encoded_len());
                prop_assert_eq!(Packet::from(&outgoing), packet);
            }
        }
    }

    #[test]
    fn a_payload_is_shared() {
        let payload = Bytes::from(vec![7; 10_000]);
        let mut encoder = Encoder::default();
        encoder.push(Body::Data(v1::Data {
            call: 1,
            payload: payload.clone(),
        }));
        let outgoing = Outgoing::new(1, 0, encoder.take());
        assert!(
            outgoing
                .pieces()
                .iter()
                .any(|piece| piece.as_ptr() == payload.as_ptr())
        );
    }
}
