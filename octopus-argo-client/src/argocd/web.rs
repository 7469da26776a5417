//! gRPC-Web over HTTP/1.1, for an Argo CD behind something that does not let HTTP/2 through.
//!
//! Not by way of `tonic-web`: its client side sends another content type, which Argo CD answers with 404, and it does not
//! tell a body that was cut from one that ended.

mod body;
mod pool;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HOST, HeaderValue, TE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Version};
use octopus_argo_proto::http_status::{self, Refusal};
use tonic::body::Body;
use tonic::{Code, Status};

use body::WebBody;
use pool::Pool;

use crate::connection::{CallError, Endpoint};

/// The one content type that Argo CD takes for gRPC-Web.
///
/// Rule: Argo CD `server/server.go` (`newHTTPServer`).
const GRPC_WEB: HeaderValue = HeaderValue::from_static("application/grpc-web+proto");

pub(super) struct Web {
    pool: Arc<Pool>,
    /// Empty, or with a slash in front and none behind.
    root: Box<str>,
    host: HeaderValue,
}

impl Web {
    /// Calls below `root`, the path that the server was started with in `--rootpath`.
    pub(super) fn new(endpoint: Endpoint, root: &str) -> Result<Self, http::header::InvalidHeaderValue> {
        let host = HeaderValue::try_from(endpoint.authority())?;
        let root = root.trim_matches('/');
        Ok(Self {
            pool: Arc::new(Pool::new(endpoint)),
            root: if root.is_empty() {
                Box::default()
            } else {
                format!("/{root}").into()
            },
            host,
        })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        self.pool.endpoint()
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) async fn call(&self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        let request = self.translated(request)?;
        let (response, lease) = self.pool.send(request).await?;
        Ok(answer(response, lease))
    }

    fn translated(&self, request: Request<Body>) -> Result<Request<Body>, CallError> {
        let (mut parts, body) = request.into_parts();
        let path = format!("{}{}", self.root, parts.uri.path());
        let path = PathAndQuery::try_from(path)
            .map_err(|error| CallError::new(Code::Internal, "the path of the call is invalid", error))?;
        parts.uri = path.into();
        parts.method = Method::POST;
        parts.version = Version::HTTP_11;
        parts.headers.remove(TE);
        parts.headers.insert(CONTENT_TYPE, GRPC_WEB);
        parts.headers.insert(HOST, self.host.clone());
        parts
            .headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(crate::connection::PRODUCT));
        Ok(Request::from_parts(parts, body))
    }
}

/// The answer as gRPC over HTTP/2 would have it.
fn answer(response: Response<hyper::body::Incoming>, lease: pool::Lease) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let is_web = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web"));
    // An error before any message comes in the headers, whatever the content type.
    let refused = parts.headers.contains_key("grpc-status");
    if !refused && (parts.status != StatusCode::OK || !is_web) {
        return not_grpc_web(parts.status).into_http();
    }
    parts.version = Version::HTTP_2;
    parts.status = StatusCode::OK;
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    for hop in [
        "connection",
        "content-length",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ] {
        parts.headers.remove(hop);
    }
    let body = if refused {
        Body::empty()
    } else {
        Body::new(WebBody::new(body, lease))
    };
    Response::from_parts(parts, body)
}

/// A page in place of an answer is said in words of our own. Pages that are found are no gRPC-Web either.
fn not_grpc_web(status: StatusCode) -> Status {
    let text = format!(
        "the answer is HTTP {} and not gRPC-Web: look at the address and the root path",
        status.as_u16()
    );
    let code = match status.as_u16() {
        200 | 307 | 308 | 405 => Code::Unimplemented,
        status => http_status::code(status, Refusal::Server),
    };
    Status::new(code, text)
}
