//! Deadlines of calls. Argo CD sets none of its own, but honours what the caller says.

use std::future::Future;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::HeaderMap;
use tokio::time::Instant;
use tonic::Status;

use super::exchange::{End, Messages};

/// When the time that a request allows is over.
pub(super) fn deadline(headers: &HeaderMap) -> Option<Instant> {
    Instant::now().checked_add(allowed(headers)?)
}

/// The result of `call`, or code 4 when the deadline comes first.
pub(super) async fn bounded<T>(
    deadline: Option<Instant>,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let Some(deadline) = deadline else {
        return call.await;
    };
    tokio::time::timeout_at(deadline, call)
        .await
        .unwrap_or_else(|_| Err(exceeded()))
}

/// The messages, and code 4 when the deadline comes before their end.
pub(super) fn bounded_messages(deadline: Option<Instant>, messages: Messages) -> Messages {
    let Some(deadline) = deadline else {
        return messages;
    };
    Box::pin(stream::unfold(Some(messages), move |messages| async move {
        let mut messages = messages?;
        match tokio::time::timeout_at(deadline, messages.next()).await {
            Ok(Some(message)) => Some((message, Some(messages))),
            Ok(None) => None,
            Err(_) => Some((Err(End::Status(exceeded())), None)),
        }
    }))
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
