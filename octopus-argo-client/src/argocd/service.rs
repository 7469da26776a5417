//! Calls with the right token.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, header};
use http_body::{Body as _, Frame};
use octopus_argo_proto::argocd::project_of_request;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use super::tokens::Presented;
use super::{ArgoCd, ArgoCdChannel};
use crate::connection::CallError;

/// How much of a request is held to find its project, and to make the call again after the token was replaced: 1 MiB.
/// Queries have some hundred bytes. A larger request goes out with the token for calls without a project, and once.
const MOST_HELD: usize = 1 << 20;

/// Argo CD's API server, called with the token of the project that each call is about.
///
/// Whatever credentials a request has are taken off it. A call that is refused for its token is made again if there is
/// another by now: see [`Tokens`](super::Tokens).
#[derive(Clone, Debug)]
pub struct ArgoCdService {
    argo_cd: ArgoCd,
    /// Every call is made with this project's token.
    project: Option<Box<str>>,
}

impl ArgoCdService {
    pub(super) fn new(argo_cd: ArgoCd, project: Option<Box<str>>) -> Self {
        Self { argo_cd, project }
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        let tokens = &self.argo_cd.tokens;
        let mut channel = self.argo_cd.channel.clone();
        let (mut parts, body) = request.into_parts();
        remove_credentials(&mut parts.headers);
        let routed = self.project.is_none() && tokens.by_project();
        let renewed = tokens
            .of(self.project.as_deref())
            .is_some_and(|entry| entry.may_change());
        if !routed && !renewed {
            if let Some(entry) = tokens.of(self.project.as_deref()) {
                parts
                    .headers
                    .insert(header::AUTHORIZATION, entry.present().await.header);
            }
            return channel.call(Request::from_parts(parts, body)).await;
        }
        let held = hold(body).await.map_err(CallError::of_request)?;
        let project = match &self.project {
            Some(project) => Some(project.to_string()),
            None => project_of_request(parts.uri.path(), held.message()),
        };
        let Some(entry) = tokens.of(project.as_deref()) else {
            return channel.call(Request::from_parts(parts, held.into_body())).await;
        };
        let presented = entry.present().await;
        let Some(again) = held.again() else {
            let request = with_token(&parts, held.into_body(), &presented);
            return channel.call(request).await;
        };
        let answer = channel
            .call(with_token(&parts, held.into_body(), &presented))
            .await?;
        if !is_unauthenticated(answer.headers()) {
            return Ok(answer);
        }
        match entry.instead_of(&presented).await {
            Some(presented) => channel.call(with_token(&parts, again, &presented)).await,
            None => Ok(answer),
        }
    }
}

fn with_token(parts: &http::request::Parts, body: Body, presented: &Presented) -> Request<Body> {
    let mut parts = parts.clone();
    parts
        .headers
        .insert(header::AUTHORIZATION, presented.header.clone());
    Request::from_parts(parts, body)
}

/// Argo CD refuses a token before it reads anything, so the answer is its head alone.
fn is_unauthenticated(headers: &HeaderMap) -> bool {
    headers.get("grpc-status").is_some_and(|code| code == "16")
}

/// Removes whatever credentials the caller sent.
///
/// Argo CD reads a token from `token`, `authorization` and a cookie, in this order, and an empty one of the first hides a
/// good one of the second.
///
/// Rule: Argo CD `server/server.go` (`getToken`).
fn remove_credentials(headers: &mut HeaderMap) {
    let carries = |name: &http::HeaderName| {
        let name = name.as_str();
        matches!(
            name,
            "authorization" | "token" | "cookie" | "client-id" | "proxy-authorization"
        ) || name.starts_with("grpc-metadata-")
            || name.starts_with("grpcgateway-")
    };
    let foreign: Vec<_> = headers.keys().filter(|name| carries(name)).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
}

/// The body of a request, as far as it was read.
struct Held {
    read: Bytes,
    /// What was not read, where the request is large.
    rest: Option<Body>,
}

async fn hold(mut body: Body) -> Result<Held, Status> {
    let mut read = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // A gRPC request has no trailers.
        let Ok(data) = frame?.into_data() else { continue };
        read.extend_from_slice(&data);
        if read.len() > MOST_HELD {
            return Ok(Held {
                read: read.freeze(),
                rest: Some(body),
            });
        }
    }
    Ok(Held {
        read: read.freeze(),
        rest: None,
    })
}

impl Held {
    /// The one uncompressed message, or nothing.
    fn message(&self) -> &[u8] {
        match &*self.read {
            [0, a, b, c, d, message @ ..] if self.rest.is_none() => {
                let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
                if message.len() == length { message } else { &[] }
            }
            _ => &[],
        }
    }

    fn again(&self) -> Option<Body> {
        let whole = self.rest.is_none();
        whole.then(|| {
            Body::new(Replay {
                read: self.read.clone(),
                rest: None,
            })
        })
    }

    fn into_body(self) -> Body {
        Body::new(Replay {
            read: self.read,
            rest: self.rest,
        })
    }
}

/// What was read, then the rest.
struct Replay {
    read: Bytes,
    rest: Option<Body>,
}

impl http_body::Body for Replay {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.read.has_remaining() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.read)))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.read.has_remaining() && self.rest.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}

impl Service<Request<Body>> for ArgoCdService {
    type Response = Response<Body>;
    type Error = CallError;
    type Future = <ArgoCdChannel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn foreign_credentials_are_removed() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "token",
            "cookie",
            "client-id",
            "grpc-metadata-token",
            "x-kept",
        ] {
            headers.append(HeaderName::from_static(name), "foreign".parse().unwrap());
            headers.append(HeaderName::from_static(name), "".parse().unwrap());
        }
        remove_credentials(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
    }

    #[tokio::test]
    async fn a_large_request_is_passed_on_whole_and_once() {
        let large = Bytes::from(vec![7; MOST_HELD + 1]);
        let parts = Body::new(Replay {
            read: large.clone(),
            rest: Some(Body::new(Replay {
                read: Bytes::from_static(b"end"),
                rest: None,
            })),
        });
        let held = hold(parts).await.unwrap();
        assert!(held.again().is_none() && held.message().is_empty());
        let whole = hold(held.into_body()).await.unwrap();
        let rest = hold(whole.rest.unwrap()).await.unwrap();
        assert_eq!((whole.read.len(), &*rest.read), (large.len(), &b"end"[..]));
    }
}
