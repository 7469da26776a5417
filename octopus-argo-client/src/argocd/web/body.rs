//! The body of an answer: data frames, then one with the trailers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

use super::pool::Lease;
use crate::connection::CallError;

/// How long an answer may be silent: 10 min. There are no pings here, and a connection that is gone would never show.
/// A fleet that is watched says something every three minutes at least.
const SILENCE: Duration = Duration::from_secs(600);

/// The largest trailer frame that is taken, in bytes: as large as the metadata of a call.
const LARGEST_TRAILERS: usize = 64 << 10;

pub(super) struct WebBody {
    inner: Incoming,
    lease: Option<Lease>,
    frames: Frames,
    silence: Pin<Box<Sleep>>,
}

impl WebBody {
    pub(super) fn new(inner: Incoming, lease: Lease) -> Self {
        Self {
            inner,
            lease: Some(lease),
            frames: Frames::default(),
            silence: Box::pin(tokio::time::sleep(SILENCE)),
        }
    }
}

impl Body for WebBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = &mut *self;
        loop {
            match body.frames.next() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            let Poll::Ready(frame) = Pin::new(&mut body.inner).poll_frame(cx) else {
                ready!(body.silence.as_mut().poll(cx));
                body.lease = None;
                return Poll::Ready(Some(Err(Status::unavailable(
                    "the answer was silent for too long",
                ))));
            };
            body.silence.as_mut().reset(Instant::now() + SILENCE);
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        body.frames.feed(data);
                    }
                }
                Some(Err(error)) => {
                    body.lease = None;
                    let error = CallError::new(Code::Unavailable, "the connection is gone", error);
                    return Poll::Ready(Some(Err(error.status().clone())));
                }
                None => {
                    // Others may use the connection now.
                    if let Some(lease) = body.lease.take() {
                        lease.give_back();
                    }
                    return Poll::Ready(body.frames.end().err().map(Err));
                }
            }
        }
    }
}

/// Finds the frames in the bytes of a body, however they come.
#[derive(Default)]
struct Frames {
    buffer: BytesMut,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Header,
    /// So many bytes of a message are to come.
    Message(usize),
    /// So many bytes of trailers are to come.
    Trailers(usize),
    Ended,
}

impl Frames {
    fn feed(&mut self, bytes: Bytes) {
        match bytes.try_into_mut() {
            Ok(bytes) if self.buffer.is_empty() => self.buffer = bytes,
            Ok(bytes) => self.buffer.extend_from_slice(&bytes),
            Err(bytes) => self.buffer.extend_from_slice(&bytes),
        }
    }

    /// The next piece: of messages with their five bytes in front, as they are in gRPC, or the trailers.
    fn next(&mut self) -> Result<Option<Frame<Bytes>>, Status> {
        loop {
            match self.state {
                State::Header => {
                    let Some(&[flag, a, b, c, d]) = self.buffer.first_chunk::<5>() else {
                        return Ok(None);
                    };
                    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                    if flag & TRAILERS == 0 {
                        self.state = State::Message(length);
                        return Ok(Some(Frame::data(self.buffer.split_to(5).freeze())));
                    }
                    if length > LARGEST_TRAILERS {
                        return Err(malformed("the trailers are too large"));
                    }
                    self.buffer.advance(5);
                    self.state = State::Trailers(length);
                }
                State::Message(0) => self.state = State::Header,
                State::Message(left) => {
                    if self.buffer.is_empty() {
                        return Ok(None);
                    }
                    let piece = self.buffer.split_to(left.min(self.buffer.len())).freeze();
                    self.state = State::Message(left - piece.len());
                    return Ok(Some(Frame::data(piece)));
                }
                State::Trailers(length) => {
                    if self.buffer.len() < length {
                        return Ok(None);
                    }
                    let trailers = trailers(&self.buffer.split_to(length))?;
                    self.state = State::Ended;
                    return Ok(Some(Frame::trailers(trailers)));
                }
                State::Ended if self.buffer.is_empty() => return Ok(None),
                State::Ended => return Err(malformed("something follows the trailers")),
            }
        }
    }

    /// Rule: gRPC-Web, "Protocol differences": the trailers are the last frame, so that a body without was cut.
    fn end(&self) -> Result<(), Status> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(Status::unavailable("the answer was cut: it has no trailers")),
        }
    }
}

fn trailers(text: &[u8]) -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon
            .and_then(|colon| Some((line.get(..colon)?, line.get(colon + 1..)?)))
            .ok_or_else(|| malformed("a trailer has no colon"))?;
        let name =
            HeaderName::from_bytes(name.trim_ascii()).map_err(|_| malformed("a trailer has no name"))?;
        let value =
            HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| malformed("a trailer has no value"))?;
        headers
            .try_append(name, value)
            .map_err(|_| malformed("there are too many trailers"))?;
    }
    Ok(headers)
}

fn malformed(text: &'static str) -> Status {
    Status::internal(text)
}

/// The flag of the frame with the trailers.
const TRAILERS: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, the trailers' status, and the end, with the body in pieces of this size.
    fn read(body: &[u8], piece: usize) -> Result<(Vec<u8>, Option<String>), Status> {
        let mut frames = Frames::default();
        let (mut data, mut status) = (Vec::new(), None);
        for piece in body.chunks(piece) {
            frames.feed(Bytes::copy_from_slice(piece));
            while let Some(frame) = frames.next()? {
                match frame.into_data() {
                    Ok(bytes) => data.extend(bytes),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        status = trailers["grpc-status"].to_str().ok().map(str::to_owned);
                    }
                }
            }
        }
        frames.end().map(|()| (data, status))
    }

    const MESSAGES: &[u8] = b"\0\0\0\0\x02ab\0\0\0\0\0";
    const END: &[u8] = b"\x80\0\0\0\x0fgrpc-status: 7\r";

    #[test]
    fn messages_pass_and_the_last_frame_is_the_trailers() {
        let body = [MESSAGES, END].concat();
        for piece in 1..body.len() {
            let (data, status) = read(&body, piece).unwrap();
            assert_eq!((&*data, status.as_deref()), (MESSAGES, Some("7")), "{piece}");
        }
    }

    #[test]
    fn a_body_without_trailers_was_cut() {
        for cut in [MESSAGES, &MESSAGES[..6], b"", &[MESSAGES, &END[..9]].concat()] {
            assert_eq!(read(cut, 4).unwrap_err().code(), Code::Unavailable);
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for body in [
            &[MESSAGES, END, b"x"].concat()[..],
            b"\x80\xff\0\0\0",
            b"\x80\0\0\0\x03abc",
            b"\x80\0\0\0\x04:abc",
        ] {
            assert_eq!(read(body, 64).unwrap_err().code(), Code::Internal, "{body:?}");
        }
    }
}
