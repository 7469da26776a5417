//! How calls go out, each within its time.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use prost::bytes::{BufMut as _, Bytes, BytesMut};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{ApiError, Call};
use crate::http_status::{self, Refusal};

type BoxError = Box<dyn Error + Send + Sync>;

/// Whatever tonic's clients work over, and that can be cloned: a channel of your own, or a gateway's handle on a server.
///
/// It is implemented for all such services; there is nothing to implement.
pub trait Channel:
    GrpcService<
        Body,
        Error: Into<BoxError>,
        Future: Send,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Channel for S
where
    S: GrpcService<Body> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    S::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <S::ResponseBody as HttpBody>::Error: Into<BoxError> + Send,
{
}

/// One request, one answer.
pub(super) async fn unary<S, Q, A>(
    service: &S,
    call: Call,
    limit: Duration,
    largest: usize,
    request: Q,
) -> Result<A, ApiError>
where
    S: Channel,
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut client = Grpc::new(service.clone()).max_decoding_message_size(largest);
    let work = async {
        client
            .ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static(call.path());
        client
            .unary(timed(request, limit), path, ProstCodec::default())
            .await
    };
    // Boxed: tonic's future has several KiB, and callers would hold one for each call they may make.
    match timeout(limit, Box::pin(work)).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(ApiError::from_status(call, limit, status)),
        Err(_) => Err(ApiError::late(call, limit)),
    }
}

fn timed<Q>(message: Q, limit: Duration) -> Request<Q> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

type Opening<A> = Pin<Box<dyn Future<Output = Result<Streaming<A>, Status>> + Send>>;

/// A stream of answers. Its beginning is not waited for: Argo CD sends not even headers before the first message.
pub(super) struct Answers<A> {
    call: Call,
    limit: Duration,
    deadline: Instant,
    state: State<A>,
}

enum State<A> {
    Opening(Opening<A>),
    Open(Box<Streaming<A>>),
    Over,
}

impl<A> Answers<A>
where
    A: Message + Default + Send + Sync + 'static,
{
    pub(super) fn open<S: Channel, Q: Message + Send + Sync + 'static>(
        service: &S,
        call: Call,
        limit: Duration,
        largest: usize,
        request: Q,
    ) -> Self {
        let mut client = Grpc::new(service.clone()).max_decoding_message_size(largest);
        let opening = async move {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            let path = PathAndQuery::from_static(call.path());
            let answer = client.server_streaming(timed(request, limit), path, ProstCodec::default());
            Ok(answer.await?.into_inner())
        };
        Self {
            call,
            limit,
            deadline: after(limit),
            state: State::Opening(Box::pin(opening)),
        }
    }

    /// The next answer, or `None` at a proper end. Cancel-safe: what has begun stays in here.
    pub(super) async fn next(&mut self) -> Result<Option<A>, ApiError> {
        let (call, limit, deadline) = (self.call, self.limit, self.deadline);
        let next = std::future::poll_fn(|cx| self.poll_next(cx));
        let Ok(next) = timeout_at(deadline, next).await else {
            self.state = State::Over;
            return Err(ApiError::late(call, limit));
        };
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Over;
        }
        next.transpose()
            .map_err(|status| ApiError::from_status(call, limit, status))
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<A, Status>>> {
        loop {
            match &mut self.state {
                State::Opening(opening) => match std::task::ready!(opening.as_mut().poll(cx)) {
                    Ok(stream) => self.state = State::Open(Box::new(stream)),
                    Err(status) => return Poll::Ready(Some(Err(status))),
                },
                State::Open(stream) => return futures_core::Stream::poll_next(Pin::new(&mut **stream), cx),
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

/// A limit that no clock reaches is 30 years.
fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

impl<A> std::fmt::Debug for Answers<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// Sends one request, and hands the bytes of the one message of its answer over as they come.
///
/// tonic's own decoder holds a whole message before it reads any of it. `take` sees at most one frame at a time.
pub(super) async fn pieces<S: Channel>(
    service: &S,
    call: Call,
    limit: Duration,
    largest: usize,
    request: &(impl Message + Sized),
    mut take: impl FnMut(&[u8]) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut service = service.clone();
    let refused = |status| ApiError::from_status(call, limit, status);
    let work = async {
        std::future::poll_fn(|cx| service.poll_ready(cx))
            .await
            .map_err(|error| refused(Status::from_error(error.into())))?;
        let request = http_request(call, limit, request).map_err(refused)?;
        let answer = service.call(request).await;
        let answer = answer.map_err(|error| refused(Status::from_error(error.into())))?;
        let (parts, body) = answer.into_parts();
        if let Some(status) = Status::from_header_map(&parts.headers) {
            // An answer without a message is a refusal, or else it is none.
            return Err(refused(status));
        }
        if parts.status != http::StatusCode::OK {
            return Err(refused(of_http(parts.status)));
        }
        let mut body = Box::pin(body);
        let mut message = Header::default();
        let mut ended = None;
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let frame = frame.map_err(|error| refused(Status::from_error(error.into())))?;
            match frame.into_data() {
                Ok(data) => message.pass(call, largest, &data, &mut take)?,
                Err(frame) => ended = frame.into_trailers().ok(),
            }
        }
        match ended.as_ref().and_then(Status::from_header_map) {
            Some(status) if status.code() == tonic::Code::Ok => message.end(call),
            Some(status) => Err(refused(status)),
            None => Err(ApiError::without_status(call, super::Reason::Cut)),
        }
    };
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(ApiError::late(call, limit)))
}

fn of_http(status: http::StatusCode) -> Status {
    let status = status.as_u16();
    Status::new(
        http_status::code(status, Refusal::Server),
        format!("the answer is HTTP {status}"),
    )
}

fn http_request(call: Call, limit: Duration, message: &impl Message) -> Result<http::Request<Body>, Status> {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(5 + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).map_err(|_| Status::internal("the request is too large"))?);
    message
        .encode(&mut bytes)
        .map_err(|_| Status::internal("the request has no room"))?;
    let millis = limit.as_millis().min(u128::from(MOST_DIGITS));
    http::Request::builder()
        .method(http::Method::POST)
        .version(http::Version::HTTP_2)
        .uri(call.path())
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .header("grpc-timeout", format!("{millis}m"))
        .body(Body::new(Once(Some(bytes.freeze()))))
        .map_err(|_| Status::internal("the request cannot be built"))
}

/// `grpc-timeout` has eight digits at most.
const MOST_DIGITS: u32 = 99_999_999;

/// A body that is there at once.
struct Once(Option<Bytes>);

impl HttpBody for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// The five bytes before a message, and how much of it is to come.
#[derive(Default)]
struct Header {
    bytes: [u8; 5],
    filled: usize,
    left: Option<usize>,
}

impl Header {
    fn pass(
        &mut self,
        call: Call,
        largest: usize,
        mut data: &[u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let malformed = || ApiError::without_status(call, super::Reason::Malformed);
        while let (None, [first, rest @ ..]) = (self.left, data) {
            data = rest;
            if let Some(byte) = self.bytes.get_mut(self.filled) {
                *byte = *first;
            }
            self.filled += 1;
            if self.filled == self.bytes.len() {
                let [compressed, length @ ..] = self.bytes;
                // Nothing else was offered.
                if compressed != 0 {
                    return Err(malformed());
                }
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if length > largest {
                    return Err(ApiError::without_status(call, super::Reason::TooLarge));
                }
                self.left = Some(length);
            }
        }
        let Some(left) = self.left.filter(|_| !data.is_empty()) else {
            return Ok(());
        };
        // A second message has no place here.
        self.left = Some(left.checked_sub(data.len()).ok_or_else(malformed)?);
        take(data)
    }

    fn end(&self, call: Call) -> Result<(), ApiError> {
        match self.left {
            Some(0) => Ok(()),
            _ => Err(ApiError::without_status(call, super::Reason::Cut)),
        }
    }
}
