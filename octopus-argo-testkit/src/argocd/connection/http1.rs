//! Connections that speak HTTP/1.1.

use std::convert::Infallible;
use std::pin::pin;

use http::header::{HOST, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// Serves requests until the client leaves, or the server ends and the answer under way is complete.
pub(super) async fn serve<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    drain: CancellationToken,
) where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        // What ends a connection is of interest to its client alone.
        _ = connection.as_mut() => return,
        () = drain.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// What a port that speaks TLS answers to plain HTTP: the same address with `https`.
///
/// Rule: Argo CD `server/server.go` (`newRedirectServer`).
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "only a port with TLS redirects")
)]
pub(super) fn redirect<B>(request: &Request<B>, root_path: &str) -> Response<Body> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(&format!("https://{host}{root_path}{path}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
