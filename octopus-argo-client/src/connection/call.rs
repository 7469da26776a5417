//! A call over a connection: its future, its body, its error.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::{Code, Status};

use super::channel::Shared;

/// Why a call over a [`Connection`](super::Connection) got no answer, or no end of one.
///
/// tonic's clients turn it into the [`Status`] that it holds: `UNAVAILABLE` whenever the connection is gone, and what
/// the gRPC specification says for a stream that was reset. The cause stays reachable as the status's source.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the call failed below gRPC")]
pub struct CallError {
    #[source]
    status: Status,
}

impl CallError {
    /// The status that the call counts as.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    pub(crate) fn new(code: Code, words: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        let mut status = Status::new(code, words);
        status.set_source(Arc::new(source));
        Self { status }
    }

    /// The request's own body failed.
    pub(crate) fn of_request(status: Status) -> Self {
        Self { status }
    }

    pub(crate) fn from_hyper(error: hyper::Error) -> Self {
        let (code, words) = find(&error).map_or((Code::Unavailable, "the connection is gone"), classify);
        let mut status = Status::new(code, words);
        status.set_source(Arc::new(error));
        Self { status }
    }

    /// No connection could be made for the call.
    pub(crate) fn not_connected(error: super::ConnectError) -> Self {
        let mut status = Status::unavailable("not connected");
        status.set_source(Arc::new(error));
        Self { status }
    }

    pub(super) fn invalid(error: http::uri::InvalidUriParts) -> Self {
        let mut status = Status::internal("the path of the call is invalid");
        status.set_source(Arc::new(error));
        Self { status }
    }
}

fn find(error: &hyper::Error) -> Option<&h2::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(h2) = error.downcast_ref() {
            return Some(h2);
        }
        source = error.source();
    }
    None
}

/// Rule: gRPC over HTTP/2, "Errors". Only a reset of this very stream is about the call.
fn classify(error: &h2::Error) -> (Code, &'static str) {
    use h2::Reason;
    match error.reason() {
        Some(reason) if error.is_reset() => match reason {
            Reason::REFUSED_STREAM => (Code::Unavailable, "the server refused the stream"),
            Reason::CANCEL => (Code::Cancelled, "the server cancelled the stream"),
            Reason::ENHANCE_YOUR_CALM => (Code::ResourceExhausted, "the server asked for calm"),
            Reason::INADEQUATE_SECURITY => (Code::PermissionDenied, "the server asked for better security"),
            _ => (Code::Internal, "the stream ended with RST_STREAM"),
        },
        _ => (Code::Unavailable, "the connection is gone"),
    }
}

/// The answer to a call, once its head has come. Dropping it cancels the call.
pub struct ResponseFuture {
    state: State,
}

type Answer = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

enum State {
    Sent(Answer, Arc<Shared>),
    Failed(Option<CallError>),
}

impl ResponseFuture {
    pub(super) fn new(
        answer: impl Future<Output = hyper::Result<Response<Incoming>>> + Send + 'static,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            state: State::Sent(Box::pin(answer), shared),
        }
    }

    pub(super) fn failed(error: CallError) -> Self {
        Self {
            state: State::Failed(Some(error)),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Sent(answer, shared) => {
                let result = ready!(answer.as_mut().poll(cx));
                let shared = shared.clone();
                Poll::Ready(
                    result
                        .map(|response| {
                            response.map(|body| ResponseBody {
                                body,
                                _shared: shared,
                            })
                        })
                        .map_err(CallError::from_hyper),
                )
            }
            State::Failed(error) => error
                .take()
                .map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// The body of an answer. It keeps the connection up until it has been read or dropped.
pub struct ResponseBody {
    body: Incoming,
    _shared: Arc<Shared>,
}

impl ResponseBody {
    pub(super) fn new(body: Incoming, shared: Arc<Shared>) -> Self {
        Self {
            body,
            _shared: shared,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        Pin::new(&mut self.body)
            .poll_frame(cx)
            .map_err(CallError::from_hyper)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}
