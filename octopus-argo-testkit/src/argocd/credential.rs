//! The token that a request presents.

use http::HeaderMap;

/// The token that a request presents, looked for where and in the order that Argo CD does.
///
/// A `token` header is final, even when it is empty: a good `authorization` header beside it is not looked at.
///
/// Rule: Argo CD `server/server.go` (`getToken`).
pub(super) fn presented(headers: &HeaderMap) -> Option<&str> {
    let token = match headers.get("token") {
        Some(token) => token.to_str().ok(),
        None => bearer(headers).or_else(|| cookie(headers)),
    };
    token.filter(|token| !token.is_empty())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(http::header::AUTHORIZATION)
        .iter()
        .filter_map(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .find(|token| is_jwt(token))
}

/// What the JSON gateway makes of a browser's cookie. A plain `cookie` header does not count.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all("grpcgateway-cookie");
    let mut cookies = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix("argocd.token="))
}

pub(super) fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn tokens_are_looked_for_in_order() {
        for (pairs, expected) in [
            (&[("token", "t")][..], Some("t")),
            (&[("authorization", "Bearer a.b.c")], Some("a.b.c")),
            (&[("authorization", "Bearer abc")], None),
            (&[("authorization", "bearer a.b.c")], None),
            (&[("token", "t"), ("authorization", "Bearer a.b.c")], Some("t")),
            (&[("token", ""), ("authorization", "Bearer a.b.c")], None),
            (
                &[("grpcgateway-cookie", "x=y; argocd.token=a.b.c")],
                Some("a.b.c"),
            ),
            (&[("cookie", "argocd.token=a.b.c")], None),
            (&[], None),
        ] {
            assert_eq!(presented(&headers(pairs)), expected, "{pairs:?}");
        }
    }
}
