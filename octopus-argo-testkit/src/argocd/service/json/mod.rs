//! The JSON API, which Argo CD makes of the same methods for browsers and scripts.
//!
//! Rule: `grpc-ecosystem/grpc-gateway` v1, Argo CD `server/server.go` (`newHTTPServer`).

mod read;
mod route;
mod select;
mod table;
mod write;

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, Request, Response, StatusCode};
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::{Code, Status};

pub(super) use self::read::unescaped;
use self::select::Selection;
use super::exchange::{End, Messages, Opened};
use super::web::text;
use super::{Api, session};
use crate::argocd::method::Kind;
use crate::argocd::{ArgoCdVersion, Method};

impl Api {
    /// Answers a request for a path below `/api/`.
    pub(super) async fn answer_json(self, path: &str, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let is_json = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value == "application/json");
        if parts.method != Verb::GET && !is_json && self.version() >= ArgoCdVersion::V2_14 {
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid content type\n");
        }
        let query = parts.uri.query().unwrap_or_default();
        let mut values = match parts.method {
            Verb::GET | Verb::DELETE => read::query(query),
            _ => match read_body(body, self.options.message_limit).await {
                Ok(values) => values,
                Err(status) => return refusal(&status),
            },
        };
        let Some(method) = route::find(&parts.method, path, &mut values) else {
            return text(StatusCode::NOT_FOUND, "404 page not found\n");
        };
        let (name, _) = route::messages(method);
        let message = match method {
            Method::CreateSession => Ok(session::create_request(&values)),
            _ => read::message(name, &values),
        };
        let message = match message {
            Ok(message) => message,
            Err(wrong) => return refusal(&Status::invalid_argument(wrong)),
        };
        let headers = metadata(&parts.headers);
        let opened = self
            .carry_out(method, &headers, async { Ok(message.into()) }, false)
            .await;
        let selection = Selection::of(method, query);
        match (method.kind(), opened) {
            (Kind::Stream, opened) => streamed(method, opened, selection, wants_events(&parts.headers)),
            (Kind::Unary, Opened::Ended(status)) => refusal(&status),
            (Kind::Unary, Opened::Messages(messages)) => one(method, messages, &selection).await,
        }
    }
}

/// The body of a request as JSON; none is an empty object.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Value, Status> {
    let mut read = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame) = frame else {
            return Err(Status::cancelled("the request was not complete"));
        };
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > limit {
            return Err(Status::resource_exhausted("the request is too large"));
        }
    }
    if read.trim_ascii().is_empty() {
        return Ok(json!({}));
    }
    let values: Value =
        serde_json::from_slice(&read).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if values.is_object() {
        Ok(values)
    } else {
        Err(Status::invalid_argument("json: cannot unmarshal into Go value"))
    }
}

/// The metadata of the call: the bearer token, the cookie under another name, and what says that it is metadata. A `token`
/// header is not passed on.
fn metadata(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        let passed = match name.as_str().strip_prefix("grpc-metadata-") {
            Some(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
            None if name == COOKIE => Some(HeaderName::from_static("grpcgateway-cookie")),
            None if name == AUTHORIZATION || name == "grpc-timeout" => Some(name.clone()),
            None => None,
        };
        if let Some(name) = passed {
            metadata.append(name, value.clone());
        }
    }
    metadata
}

async fn one(method: Method, mut messages: Messages, selection: &Selection) -> Response<Body> {
    match messages.next().await {
        Some(Ok(message)) => {
            let json = selection.apply(answer_of(method, &message));
            let mut response = whole(StatusCode::OK, &json);
            if let Some(cookie) = cookie(method, &json) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            response
        }
        Some(Err(End::Status(status))) => refusal(&status),
        Some(Err(End::Broken | End::Unsaid)) | None => refusal(&Status::unavailable(
            "the connection to the API server is closing",
        )),
    }
}

fn answer_of(method: Method, message: &[u8]) -> Value {
    match method {
        Method::CreateSession | Method::DeleteSession => session::answer(message),
        _ => write::object(route::messages(method).1, message),
    }
}

/// A login is a cookie, and so is its end.
///
/// Rule: Argo CD `server/server.go` (`translateGrpcCookieHeader`).
fn cookie(method: Method, json: &Value) -> Option<HeaderValue> {
    let token = match method {
        Method::CreateSession => json["token"].as_str()?,
        Method::DeleteSession => "",
        _ => return None,
    };
    format!("argocd.token={token}; path=/; SameSite=lax; httpOnly")
        .try_into()
        .ok()
}

fn refusal(status: &Status) -> Response<Body> {
    let json =
        json!({"error": status.message(), "code": i32::from(status.code()), "message": status.message()});
    whole(http_status(status.code()), &json)
}

fn whole(status: StatusCode, json: &Value) -> Response<Body> {
    let mut response = Response::new(Body::new(Pieces(stream::iter([Ok(Bytes::from(
        json.to_string(),
    ))]))));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Rule: grpc-gateway v1 `runtime/errors.go` (`HTTPStatusFromCode`).
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .is_some_and(|value| value == "text/event-stream")
}

/// An object a line, or a record of server-sent events each.
fn streamed(method: Method, opened: Opened, selection: Selection, events: bool) -> Response<Body> {
    let (status, messages) = match opened {
        Opened::Ended(status) if status.code() == Code::Ok => (StatusCode::OK, None),
        Opened::Ended(status) => {
            let messages: Messages = Box::pin(stream::iter([Err(End::Status(status.clone()))]));
            (http_status(status.code()), Some(messages))
        }
        Opened::Messages(messages) => (StatusCode::OK, Some(messages)),
    };
    let messages = messages.unwrap_or_else(|| Box::pin(stream::empty()));
    let mut seen = HashMap::new();
    let pieces = messages.filter_map(move |message| {
        let json = match message {
            Ok(message) => {
                let result = answer_of(method, &message);
                let new = method != Method::Watch || is_new(&mut seen, &result);
                Some(Ok(json!({"result": selection.apply(result)}))).filter(|_| new)
            }
            Err(End::Status(status)) => Some(Ok(json!({"error": {
                "grpc_code": i32::from(status.code()),
                "http_code": http_status(status.code()).as_u16(),
                "message": status.message(),
                "http_status": http_status(status.code()).canonical_reason(),
            }}))),
            Err(End::Broken) => Some(Err(Torn)),
            Err(End::Unsaid) => None,
        };
        let piece = json.map(|json| json.map(|json| Bytes::from(piece(&json, events))));
        std::future::ready(piece)
    });
    let content_type = if events {
        "text/event-stream"
    } else {
        "application/json"
    };
    let body = if events {
        Body::new(Pieces(Box::pin(with_comments(pieces))))
    } else {
        Body::new(Pieces(Box::pin(pieces) as Pin<Box<dyn Stream<Item = _> + Send>>))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn piece(json: &Value, events: bool) -> String {
    if events {
        format!("data: {json}\n\n")
    } else {
        format!("{json}\n")
    }
}

/// Whether an event differs from the last one of an application of this name. Namespaces are not looked at.
fn is_new(seen: &mut HashMap<String, String>, event: &Value) -> bool {
    let name = event["application"]["metadata"]["name"]
        .as_str()
        .unwrap_or_default();
    let text = event.to_string();
    seen.insert(name.to_owned(), text.clone()) != Some(text)
}

/// While nothing happens, a comment now and then keeps proxies from giving up.
fn with_comments<S>(pieces: S) -> impl Stream<Item = Result<Bytes, Torn>> + Send
where
    S: Stream<Item = Result<Bytes, Torn>> + Send + 'static,
{
    stream::unfold(Box::pin(pieces), |mut pieces| async {
        let piece = match tokio::time::timeout(COMMENTS, pieces.next()).await {
            Ok(piece) => piece?,
            Err(_) => Ok(Bytes::from_static(b":\n")),
        };
        Some((piece, pieces))
    })
}

const COMMENTS: Duration = Duration::from_secs(15);

/// The body was torn off on purpose.
#[derive(Debug, thiserror::Error)]
#[error("torn off")]
struct Torn;

/// Pieces of a body.
struct Pieces<S>(S);

impl<S: Stream<Item = Result<Bytes, Torn>> + Unpin> hyper::body::Body for Pieces<S> {
    type Data = Bytes;
    type Error = Torn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Torn>>> {
        self.0
            .poll_next_unpin(cx)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
