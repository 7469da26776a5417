//! A tower layer that puts a gateway's credentials on every request.

use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::Credentials;

/// Makes [`Authenticate`] services: every request gets `client-id` and `authorization`.
///
/// A [`Connection`](crate::connection::Connection) has it built in; it is for channels that are made in another way.
/// Nothing here looks at the transport: keeping tokens off plaintext is up to whoever stacks the layer.
///
/// ```
/// use octopus_argo_client::credentials::{AuthenticateLayer, Credentials};
/// use tower_layer::Layer as _;
///
/// # fn channel() {}
/// let credentials = Credentials::new("c1".parse()?, "t1".parse()?);
/// let service = AuthenticateLayer::new(&credentials).layer(channel());
/// # Ok::<(), octopus_argo_client::credentials::CredentialTextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    headers: AuthHeaders,
}

impl AuthenticateLayer {
    /// Headers out of `credentials`. A later change of the token needs a new layer.
    #[must_use]
    pub fn new(credentials: &Credentials) -> Self {
        Self {
            headers: AuthHeaders::new(credentials),
        }
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate {
            inner,
            headers: self.headers.clone(),
        }
    }
}

/// A service that puts credentials on each request and hands it on. Made by [`AuthenticateLayer`].
///
/// The token is marked sensitive, so that HTTP/2 never puts it into a compression table and `Debug` hides it. Headers
/// of the same names that the caller set are replaced.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    headers: AuthHeaders,
}

impl<S> Authenticate<S> {
    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.headers.put_on(request.headers_mut());
        self.inner.call(request)
    }
}

#[derive(Clone, Debug)]
struct AuthHeaders {
    client_id: HeaderValue,
    authorization: HeaderValue,
}

impl AuthHeaders {
    #[expect(
        clippy::expect_used,
        reason = "both texts were checked to be visible ASCII when they were read"
    )]
    fn new(credentials: &Credentials) -> Self {
        let bearer = format!("Bearer {}", credentials.token().expose());
        let mut authorization = HeaderValue::try_from(bearer).expect("an access token is visible ASCII");
        authorization.set_sensitive(true);
        let client_id =
            HeaderValue::from_str(credentials.client_id().as_str()).expect("a client id is visible ASCII");
        Self {
            client_id,
            authorization,
        }
    }

    fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(CLIENT_ID, self.client_id.clone());
        headers.insert(AUTHORIZATION, self.authorization.clone());
    }
}

const CLIENT_ID: HeaderName = HeaderName::from_static("client-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_go_on_and_replace_what_is_there() {
        let credentials = Credentials::new("c1".parse().unwrap(), "gw-token-1".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            HeaderValue::from_static("Bearer of somebody else"),
        );
        AuthHeaders::new(&credentials).put_on(&mut headers);
        assert_eq!(headers.get("client-id").unwrap(), "c1");
        let values: Vec<_> = headers.get_all("authorization").iter().collect();
        assert_eq!(values, ["Bearer gw-token-1"]);
        assert!(values[0].is_sensitive());
        assert!(!format!("{headers:?}").contains("gw-token-1"));
    }
}
