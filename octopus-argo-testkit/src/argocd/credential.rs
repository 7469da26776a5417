//! The token that a request presents.

use std::borrow::Cow;

use http::HeaderMap;

/// The token that a request presents, looked for where and in the order that Argo CD does.
///
/// A `token` header is final, even when it is empty: a good `authorization` header beside it is not looked at.
///
/// Rule: Argo CD `server/server.go` (`getToken`).
pub(super) fn presented(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let token = match headers.get("token") {
        Some(token) => token.to_str().ok().map(Cow::Borrowed),
        None => bearer(headers).map(Cow::Borrowed).or_else(|| cookie(headers)),
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

/// What the JSON gateway makes of a browser's cookie. A plain `cookie` header does not count. A long token comes in pieces:
/// their number, a colon and the first under its name, the others under the name with a number.
///
/// Rule: Argo CD `util/http/http.go` (`JoinCookies`).
fn cookie(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let values = headers.get_all("grpcgateway-cookie");
    let find = |name: &str| {
        let mut cookies = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'));
        cookies.find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let first = find(COOKIE)?;
    let Some((count, first)) = first.split_once(':') else {
        return Some(Cow::Borrowed(first));
    };
    let count: usize = count.parse().ok()?;
    let later = (1..count).map(|piece| find(&format!("{COOKIE}-{piece}")));
    let pieces: Option<String> = std::iter::once(Some(first)).chain(later).collect();
    pieces.map(Cow::Owned)
}

const COOKIE: &str = "argocd.token";

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
            (
                &[(
                    "grpcgateway-cookie",
                    "argocd.token-1=.b; argocd.token=3:a; argocd.token-2=.c",
                )],
                Some("a.b.c"),
            ),
            (&[("grpcgateway-cookie", "argocd.token=2:a.b.c")], None),
            (&[("grpcgateway-cookie", "argocd.token=x:a.b.c")], None),
            (&[("cookie", "argocd.token=a.b.c")], None),
            (&[], None),
        ] {
            assert_eq!(presented(&headers(pairs)).as_deref(), expected, "{pairs:?}");
        }
    }
}
