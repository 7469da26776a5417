//! Deadlines of calls. Argo CD sets none of its own, but honours what the caller says.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Response};
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;

/// The answer of `call`, cut off when the time that the caller has allowed in `grpc-timeout` is over: code 4.
pub(super) async fn bounded<E>(
    allowed: Option<Duration>,
    call: impl Future<Output = Result<Response<Body>, E>>,
) -> Result<Response<Body>, E> {
    let Some(deadline) = allowed.and_then(|allowed| Instant::now().checked_add(allowed)) else {
        return call.await;
    };
    match tokio::time::timeout_at(deadline, call).await {
        Ok(answer) => Ok(answer?.map(|body| {
            Body::new(Bounded {
                body,
                deadline: Box::pin(tokio::time::sleep_until(deadline)),
                over: false,
            })
        })),
        Err(_) => Ok(exceeded().into_http()),
    }
}

/// The time that a request allows.
///
/// Rule: gRPC over HTTP/2, `Timeout`: up to eight digits and a unit. What is none is no limit.
pub(super) fn allowed(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = match digits.len() {
        1..=8 => digits.parse().ok()?,
        _ => return None,
    };
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

fn exceeded() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// A stream of messages that ends at a deadline.
struct Bounded {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    over: bool,
}

impl hyper::body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.deadline.as_mut().poll(cx));
        self.over = true;
        let mut trailers = HeaderMap::new();
        exceeded().add_header(&mut trailers)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn reads_the_header() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("S", None),
            ("5", None),
            ("5x", None),
            ("123456789S", None),
            ("-1S", None),
        ] {
            let headers = [(
                http::HeaderName::from_static("grpc-timeout"),
                HeaderValue::from_static(text),
            )];
            assert_eq!(allowed(&HeaderMap::from_iter(headers)), expected, "{text:?}");
        }
    }
}
