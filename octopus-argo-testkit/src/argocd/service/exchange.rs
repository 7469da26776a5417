//! One call: a message read, the answer of the services, and both over HTTP/2 and as gRPC-Web.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use tonic::body::Body;
use tonic::codegen::BoxStream;
use tonic::{Code, Status};

/// The messages of an answer, in their bytes; an error is the last item.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, End>> + Send>>;

/// How a call ends that does not end well.
#[derive(Clone, Debug)]
pub(in crate::argocd) enum End {
    Status(Status),
    /// Torn off, without a status.
    Broken,
    /// As if it were whole, without a status.
    Unsaid,
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// A whole answer that is one message.
pub(super) fn one(message: Bytes) -> Messages {
    Box::pin(stream::once(std::future::ready(Ok(message))))
}

/// An answer of several messages.
pub(super) fn many(messages: BoxStream<Bytes>) -> Messages {
    Box::pin(messages.map(|message| message.map_err(End::from)))
}

/// Ends an answer after so many messages. Before it is torn off they get a moment to leave: with a reset, HTTP/2 throws away
/// what it has not sent.
pub(super) fn ended_after(messages: Messages, count: usize, end: End) -> Messages {
    let end = stream::once(async {
        if matches!(end, End::Broken) {
            tokio::time::sleep(MOMENT).await;
        }
        Err(end)
    });
    Box::pin(messages.take(count).chain(end))
}

/// Enough on loopback, for messages that fit the windows of HTTP/2.
const MOMENT: Duration = Duration::from_millis(50);

/// Reads the one message of a request.
///
/// # Errors
/// Code 8 for more than `limit` bytes, code 12 for a compressed one, code 13 for what is no message.
pub(super) async fn read_message(mut body: Incoming, limit: usize) -> Result<Bytes, Status> {
    let mut read = Vec::new();
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        match frame {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    read.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => return Err(Status::cancelled("the request was not complete")),
            None => break,
        }
        if let Some(length) = length(&read).filter(|length| *length > limit) {
            return Err(Status::resource_exhausted(format!(
                "grpc: received message larger than max ({length} vs. {limit})"
            )));
        }
        if length(&read).is_some_and(|length| read.len() > length + PREFIX) {
            break;
        }
    }
    match (length(&read), read.first()) {
        (Some(length), Some(0)) if read.len() == length + PREFIX => Ok(Bytes::from(read).slice(PREFIX..)),
        (Some(_), Some(1)) => Err(Status::unimplemented(
            "grpc: Decompressor is not installed for grpc-encoding \"\"",
        )),
        _ => Err(Status::internal("unexpected EOF")),
    }
}

/// Flag and length before a message.
const PREFIX: usize = 5;

fn length(read: &[u8]) -> Option<usize> {
    let prefix = read.first_chunk::<PREFIX>()?;
    let [_, a, b, c, d] = *prefix;
    usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()
}

/// What has come of a call so far.
///
/// grpc-go sends no headers before the first message, so a stream that has nothing to say looks like a call that is not
/// answered, and one that ends without a message is headers alone.
///
/// Rule: grpc-go `stream.go` (`ServerStream.SetHeader`: sent with the first message, or the status).
pub(super) enum Opened {
    /// There is something to say.
    Messages(Messages),
    Ended(Status),
}

impl Opened {
    pub(super) async fn wait(mut messages: Messages) -> Self {
        match messages.next().await {
            None => Self::Ended(Status::new(Code::Ok, "")),
            Some(Err(End::Status(status))) => Self::Ended(status),
            Some(first) => Self::Messages(Box::pin(stream::once(std::future::ready(first)).chain(messages))),
        }
    }
}

/// Where the status of a call stands when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// HTTP/2: in trailers.
    Grpc,
    /// In a frame of the body.
    Web,
}

/// The answer in HTTP.
pub(super) fn into_http(opened: Opened, encoding: Encoding) -> Response<Body> {
    let content_type = HeaderValue::from_static(match encoding {
        Encoding::Grpc => "application/grpc",
        Encoding::Web => "application/grpc-web+proto",
    });
    let messages = match opened {
        Opened::Messages(messages) => messages,
        Opened::Ended(status) => return only_headers(&status, content_type),
    };
    let mut response = Response::new(Body::new(Answer {
        messages: Some(messages),
        encoding,
    }));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn only_headers(status: &Status, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = status_headers(status);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Messages as frames of a body, then the status.
struct Answer {
    messages: Option<Messages>,
    encoding: Encoding,
}

/// The body was torn off on purpose.
#[derive(Debug, thiserror::Error)]
#[error("torn off")]
struct TornOff;

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(messages) = &mut self.messages else {
            return Poll::Ready(None);
        };
        let status = match ready!(messages.as_mut().poll_next(cx)) {
            Some(Ok(message)) => return Poll::Ready(Some(Ok(Frame::data(framed(0, &message))))),
            Some(Err(End::Broken)) => {
                self.messages = None;
                return Poll::Ready(Some(Err(TornOff.into())));
            }
            Some(Err(End::Unsaid)) => {
                self.messages = None;
                return Poll::Ready(None);
            }
            Some(Err(End::Status(status))) => status,
            None => Status::new(Code::Ok, ""),
        };
        self.messages = None;
        let trailers = status_headers(&status);
        Poll::Ready(Some(Ok(match self.encoding {
            Encoding::Grpc => Frame::trailers(trailers),
            Encoding::Web => Frame::data(trailer_frame(&trailers)),
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.messages.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Code and message. Everything but printable ASCII, and the percent sign, is percent-encoded; tonic encodes more.
///
/// Rule: grpc-go `internal/transport/http_util.go` (`encodeGrpcMessage`).
fn status_headers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from(i32::from(status.code())));
    let mut message = String::new();
    for byte in status.message().bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => message.push(char::from(byte)),
            _ => message.extend(format!("%{byte:02X}").chars()),
        }
    }
    // Printable ASCII always is a header.
    if let Some(message) = HeaderValue::from_str(&message)
        .ok()
        .filter(|message| !message.is_empty())
    {
        headers.insert("grpc-message", message);
    }
    headers
}

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(PREFIX + message.len());
    frame.push(flag);
    // Nothing is longer than the limit of messages, which is far below 4 GiB.
    frame.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

/// Rule: improbable `go/grpcweb/grpc_web_response.go` (`copyTrailersToPayload`): names in lower case, lines of HTTP/1.1.
fn trailer_frame(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    framed(0x80, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_encoded_as_grpc_go_does() {
        let headers = status_headers(&Status::new(Code::Unknown, "50% of \"Köln\"\n"));
        assert_eq!(headers["grpc-status"], "2");
        assert_eq!(headers["grpc-message"], "50%25 of \"K%C3%B6ln\"%0A");
        assert!(!status_headers(&Status::new(Code::Ok, "")).contains_key("grpc-message"));
    }

    #[test]
    fn a_trailer_is_a_frame_of_lines() {
        let frame = trailer_frame(&status_headers(&Status::new(Code::NotFound, "gone")));
        assert_eq!(&frame[..5], [0x80, 0, 0, 0, 36]);
        assert_eq!(&frame[5..], b"grpc-status: 5\r\ngrpc-message: gone\r\n");
    }
}
