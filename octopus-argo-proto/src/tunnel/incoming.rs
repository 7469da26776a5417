//! Packets out of the body of a gRPC call.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use http::HeaderMap;
use http_body::Body as _;
use prost::Message as _;
use prost::bytes::{Buf, Bytes};
use tonic::body::Body;
use tonic::{Code, Status};

use super::PREFIX;
use crate::session::MAX_PACKET;
use crate::v1::Packet;

/// The packets that arrive over one connection, until its stream ends.
///
/// Memory is bounded by one packet of [`MAX_PACKET`] bytes and one DATA frame.
///
/// # Cancel safety
/// A packet is taken only when it is returned.
pub struct Incoming {
    body: Body,
    buffer: Pieces,
    side: Side,
    over: bool,
    malformed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// What a gateway sends ends without a word.
    Request,
    /// What a server sends ends with a status.
    Response,
}

impl Incoming {
    /// What a gateway sends.
    #[must_use]
    pub fn request(body: Body) -> Self {
        Self::new(body, Side::Request)
    }

    pub(super) fn response(body: Body) -> Self {
        Self::new(body, Side::Response)
    }

    fn new(body: Body, side: Side) -> Self {
        Self {
            body,
            buffer: Pieces::default(),
            side,
            over: false,
            malformed: false,
        }
    }

    /// The next packet; `None` when the stream has ended in order.
    ///
    /// # Errors
    /// The status with which the other side ended the call, or which says what was wrong with what it sent.
    ///
    /// # Cancel safety
    /// Safe: a packet is taken only when it is returned.
    pub async fn next(&mut self) -> Result<Option<Packet>, Status> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
            .await
            .transpose()
    }

    /// Whether the other side sent what is no packet, after an error said so. A cut connection is none.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Packet>, Status>> {
        loop {
            match self.buffer.take_packet() {
                Ok(None) => {}
                Ok(Some(packet)) => return Poll::Ready(Ok(Some(packet))),
                Err(status) => {
                    self.malformed = true;
                    return Poll::Ready(Err(status));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.push(data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.ended(Some(&trailers)));
                    }
                },
                Some(Err(status)) => return Poll::Ready(Err(status)),
                None => return Poll::Ready(self.ended(None)),
            }
        }
    }

    fn ended(&self, trailers: Option<&HeaderMap>) -> Result<Option<Packet>, Status> {
        if self.side == Side::Response {
            match trailers.and_then(Status::from_header_map) {
                Some(status) if status.code() == Code::Ok => {}
                Some(status) => return Err(status),
                None => return Err(Status::unavailable("the stream ended without a status")),
            }
        }
        if self.buffer.is_empty() {
            Ok(None)
        } else {
            Err(Status::unavailable("the stream ended in the middle of a packet"))
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Packet, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_packet(cx)).transpose();
        self.over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// What has arrived and is not a whole packet yet, as it came.
#[derive(Debug, Default)]
struct Pieces {
    queue: VecDeque<Bytes>,
    len: usize,
    /// The length of the packet whose prefix was read.
    wanted: Option<usize>,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.queue.push_back(piece);
        }
    }

    fn is_empty(&self) -> bool {
        self.len == 0 && self.wanted.is_none()
    }

    fn take_packet(&mut self) -> Result<Option<Packet>, Status> {
        let wanted = match self.wanted {
            Some(wanted) => wanted,
            None if self.len < PREFIX => return Ok(None),
            None => {
                let mut prefix = Limited {
                    pieces: self,
                    left: PREFIX,
                };
                if prefix.get_u8() != 0 {
                    return Err(Status::unimplemented("packets are never compressed"));
                }
                let len = usize::try_from(prefix.get_u32()).unwrap_or(usize::MAX);
                drop(prefix);
                if len > MAX_PACKET {
                    return Err(Status::out_of_range(format!(
                        "a packet has {len} bytes, and {MAX_PACKET} are allowed"
                    )));
                }
                *self.wanted.insert(len)
            }
        };
        if self.len < wanted {
            return Ok(None);
        }
        self.wanted = None;
        let limited = Limited {
            pieces: self,
            left: wanted,
        };
        Packet::decode(limited).map(Some).map_err(|error| {
            let mut status = Status::internal("a packet cannot be decoded");
            status.set_source(Arc::new(error) as Arc<dyn Error + Send + Sync>);
            status
        })
    }
}

/// The next packet's bytes, which are all there. A payload that lies within one piece is shared, not copied.
struct Limited<'a> {
    pieces: &'a mut Pieces,
    left: usize,
}

impl Buf for Limited<'_> {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        let piece = self.pieces.queue.front().map_or(&[][..], |piece| piece);
        piece.get(..self.left).unwrap_or(piece)
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.left, "a decoder that reads beyond its message");
        self.left -= count;
        self.pieces.len -= count;
        while count > 0 {
            let Some(piece) = self.pieces.queue.front_mut() else {
                return;
            };
            if piece.len() > count {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.queue.pop_front();
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        if let Some(piece) = self
            .pieces
            .queue
            .front()
            .filter(|piece| piece.len() >= len && self.left >= len)
        {
            let bytes = piece.slice(..len);
            self.advance(len);
            return bytes;
        }
        let mut bytes = prost::bytes::BytesMut::with_capacity(len);
        prost::bytes::BufMut::put(&mut bytes, self.take(len));
        bytes.freeze()
    }
}

impl Drop for Limited<'_> {
    /// A message that cannot be decoded is over all the same.
    fn drop(&mut self) {
        self.advance(self.left);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::v1::frame::Body as FrameBody;
    use crate::v1::{Data, Frame};

    fn packet(seq: u64, size: usize) -> Packet {
        let payload = vec![u8::try_from(seq % 251).unwrap(); size].into();
        let body = Some(FrameBody::Data(Data { call: seq, payload }));
        Packet {
            seq,
            ack: 0,
            frames: vec![Frame {
                must_understand: true,
                body,
            }],
        }
    }

    fn framed(packets: &[Packet]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for packet in packets {
            bytes.push(0);
            bytes.extend(u32::try_from(packet.encoded_len()).unwrap().to_be_bytes());
            packet.encode(&mut bytes).unwrap();
        }
        bytes
    }

    proptest! {
        /// However the bytes are cut, the same packets come out, each as soon as it is whole.
        #[test]
        fn any_cut_gives_the_same(sizes in proptest::collection::vec(0_usize..3_000, 1..6), cut in 1_usize..4_000) {
            let sent: Vec<_> = (1..).zip(sizes).map(|(seq, size)| packet(seq, size)).collect();
            let mut pieces = Pieces::default();
            let mut arrived = Vec::new();
            for piece in framed(&sent).chunks(cut) {
                pieces.push(Bytes::copy_from_slice(piece));
                while let Some(packet) = pieces.take_packet().unwrap() {
                    arrived.push(packet);
                }
            }
            prop_assert_eq!(arrived, sent);
            prop_assert!(pieces.is_empty());
        }

        #[test]
        fn garbage_is_an_error_and_never_more(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut pieces = Pieces::default();
            pieces.push(bytes.into());
            while let Ok(Some(_)) = pieces.take_packet() {}
        }
    }

    #[test]
    fn a_payload_within_one_piece_is_shared() {
        let bytes = Bytes::from(framed(&[packet(1, 10_000)]));
        let mut pieces = Pieces::default();
        pieces.push(bytes.clone());
        let packet = pieces.take_packet().unwrap().unwrap();
        let Some(FrameBody::Data(data)) = &packet.frames[0].body else {
            panic!("data was sent")
        };
        assert!(bytes.as_ptr_range().contains(&data.payload.as_ptr()));
    }

    #[test]
    fn what_is_too_large_or_compressed_is_refused_before_it_is_here() {
        let refused = |prefix: [u8; 5]| {
            let mut pieces = Pieces::default();
            pieces.push(Bytes::copy_from_slice(&prefix));
            pieces.take_packet().unwrap_err().code()
        };
        assert_eq!(refused([0, 0, 8, 0, 1]), Code::OutOfRange);
        assert_eq!(refused([1, 0, 0, 0, 1]), Code::Unimplemented);
    }
}
