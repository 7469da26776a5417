//! HTTP headers as the metadata of a call, and back.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use prost::bytes::Bytes;

use crate::session::Metadata;

/// The headers that go along with a call: all but those that concern one connection only, and those `skip` names.
///
/// Order within a name is kept, values are shared.
#[must_use]
pub fn metadata_from_headers(headers: &HeaderMap, skip: impl Fn(&HeaderName) -> bool) -> Vec<Metadata> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !concerns_connection(name) && !skip(name));
    kept.map(|(name, value)| Metadata {
        key: name.as_str().to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    })
    .collect()
}

/// The headers for a call's metadata. What HTTP does not allow is left out: nobody could have sent it.
#[must_use]
pub fn headers_from_metadata(metadata: Vec<Metadata>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(metadata.len());
    for Metadata { key, value } in metadata {
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(key.as_bytes()),
            HeaderValue::from_maybe_shared(value),
        ) else {
            continue;
        };
        if !concerns_connection(&name) {
            headers.append(name, value);
        }
    }
    headers
}

/// The header of a call's timeout.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What `grpc-timeout` says; `None` where there is none, or nothing that can be read.
///
/// Rule: gRPC over HTTP/2, "Requests": at most 8 digits and a unit.
#[must_use]
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
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

/// The value of `grpc-timeout` for a timeout, in the finest unit that it fits in; never less than the timeout.
#[must_use]
pub fn grpc_timeout_value(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let nanos = timeout.as_nanos();
    let units = [
        ("n", 1),
        ("u", 1_000),
        ("m", 1_000_000),
        ("S", 1_000_000_000),
        ("M", 60_000_000_000),
    ];
    let fitting = units.into_iter().find_map(|(unit, size)| {
        let amount = nanos.div_ceil(size);
        (amount <= MOST).then(|| format!("{amount}{unit}"))
    });
    let text = fitting.unwrap_or_else(|| format!("{}H", nanos.div_ceil(3_600_000_000_000).min(MOST)));
    // Digits and a letter are always a header value.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("1n"))
}

/// Headers that belong to one HTTP connection. Rule: RFC 9110 §7.6.1, RFC 9113 §8.2.2.
fn concerns_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "transfer-encoding"
            | "upgrade"
            | "te"
            | "host"
            | "content-length"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_binary_headers_survive() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.append("x-b-bin", HeaderValue::from_static("AAEC"));
        headers.append("te", HeaderValue::from_static("trailers"));
        headers.append("x-secret", HeaderValue::from_static("no"));
        let metadata = metadata_from_headers(&headers, |name| name == "x-secret");
        let back = headers_from_metadata(metadata);
        headers.remove("te");
        headers.remove("x-secret");
        assert_eq!(back, headers);
    }

    #[test]
    fn timeouts_survive_and_never_shrink() {
        let mut headers = HeaderMap::new();
        for nanos in [0, 1, 99_999_999, 100_000_001, 30_000_000_000, u64::MAX] {
            let timeout = Duration::from_nanos(nanos);
            headers.insert(GRPC_TIMEOUT, grpc_timeout_value(timeout));
            let back = grpc_timeout(&headers).unwrap();
            assert!(
                back >= timeout && back <= timeout + timeout / 1000 + Duration::from_nanos(1),
                "{nanos}: {back:?}"
            );
        }
        for bad in ["", "S", "123456789S", "1x", "-1S", "1"] {
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(bad));
            assert_eq!(grpc_timeout(&headers), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_header_is_left_out() {
        let pair = |key: &str, value: &'static [u8]| Metadata {
            key: key.into(),
            value: Bytes::from_static(value),
        };
        let headers = headers_from_metadata(vec![
            pair("a b", b"1"),
            pair("x", b"\n"),
            pair("", b""),
            pair("ok", b"yes"),
        ]);
        assert_eq!(headers.len(), 1);
    }
}
