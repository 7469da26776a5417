//! What is served over HTTP/1.1: gRPC-Web, JSON, a probe, and nothing else.

use std::convert::Infallible;

use http::{HeaderValue, Method as HttpMethod, Request, Response, StatusCode, header};
use hyper::body::{Bytes, Incoming};
use tonic::body::Body;

use super::exchange::{self, Encoding};
use super::{Api, add_token};

impl Api {
    /// Answers one request. Under a root path everything but the probe lives beneath it.
    ///
    /// Rule: Argo CD `server/server.go` (`newHTTPServer`, `handlerSwitcher`, `withRootPath`).
    pub(in crate::argocd) async fn answer_http1(
        self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        if path == "/healthz" {
            return Ok(text(StatusCode::OK, "ok"));
        }
        let root = self.options.root_path.as_str();
        let Some(path) = path
            .strip_prefix(root)
            .filter(|path| path.starts_with('/'))
            .map(str::to_owned)
        else {
            return Ok(text(StatusCode::NOT_FOUND, "404 page not found\n"));
        };
        // Exactly: with a parameter, or without `+proto`, the file server gets it, which has no such file.
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_web = content_type.is_some_and(|value| value == "application/grpc-web+proto");
        if !is_web && path.starts_with("/api/") {
            return Ok(self.answer_json(&path, request).await);
        }
        if request.method() != HttpMethod::POST || !is_web {
            return Ok(text(StatusCode::NOT_FOUND, "404 page not found\n"));
        }
        let Ok(uri) = path.parse() else {
            return Ok(text(StatusCode::BAD_REQUEST, "400 Bad Request"));
        };
        *request.uri_mut() = uri;
        // No headers before the first message here, whatever is set: the status of an early end belongs in them.
        let renewed = self.accounts.renewed(request.headers());
        let opened = self.open(request, false).await;
        let mut response = exchange::into_http(opened, Encoding::Web);
        add_token(&mut response, renewed);
        Ok(response)
    }
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// A body of known length.
fn whole(text: &'static str) -> Body {
    struct Whole(Option<Bytes>);

    impl hyper::body::Body for Whole {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            let left = self.0.as_ref().map_or(0, Bytes::len);
            hyper::body::SizeHint::with_exact(u64::try_from(left).unwrap_or_default())
        }
    }

    Body::new(Whole(Some(Bytes::from_static(text.as_bytes()))))
}
