//! HTTP headers as the metadata of a call, and back.

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
