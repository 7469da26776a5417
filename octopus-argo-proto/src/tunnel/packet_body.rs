//! Packets as the body of a gRPC call.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use prost::bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;

use super::PREFIX;
use crate::session::Outgoing;

/// The number and the acknowledgement of a packet have at most this many bytes.
const HEAD: usize = 22;

/// A packet up to this size goes out in one piece, which costs a copy and saves DATA frames.
const ONE_PIECE: usize = 4 << 10;

/// A stream of packets as the body of a request or of a response.
///
/// Each packet is made when the connection asks for it. A response ends with the trailers of an `OK`.
pub struct PacketBody<S> {
    packets: S,
    /// What is left of the packet that was taken last.
    pieces: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    over: bool,
}

impl<S> PacketBody<S> {
    /// The body of the gateway's request.
    #[must_use]
    pub fn request(packets: S) -> Self {
        Self {
            packets,
            pieces: VecDeque::new(),
            trailers: None,
            over: false,
        }
    }

    /// The body of the server's response.
    #[must_use]
    pub fn response(packets: S) -> Self {
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        Self {
            trailers: Some(trailers),
            ..Self::request(packets)
        }
    }

    fn cut(&mut self, packet: &Outgoing) -> Bytes {
        let len = packet.encoded_len();
        let whole = len <= ONE_PIECE;
        let mut head = BytesMut::with_capacity(PREFIX + if whole { len } else { HEAD });
        head.put_u8(0);
        // A packet is far smaller than 4 GiB.
        head.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
        packet.encode_head(&mut head);
        if whole {
            for piece in packet.pieces() {
                head.put_slice(piece);
            }
        } else {
            self.pieces.extend(packet.pieces().iter().cloned());
        }
        head.freeze()
    }
}

impl<S: Stream<Item = Outgoing> + Unpin> http_body::Body for PacketBody<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(packet) = ready!(Pin::new(&mut self.packets).poll_next(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(self.cut(&packet)))));
        }
        self.over = true;
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

impl<S> fmt::Debug for PacketBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketBody")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
