//! Calls of the server that go on to Argo CD.

mod policy;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use octopus_argo_proto::argocd::REFUSED_BY_GATEWAY;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::prost::Message as _;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tower_service::Service as _;

use policy::Rule;
pub use policy::{Method, Policy};

use crate::argocd::{ArgoCd, ArgoCdService};
use crate::router::Router;

/// The largest request that is looked into, in bytes. Queries are a few hundred.
const LARGEST_QUERY: usize = 64 << 10;

/// Forwards what the policy allows, with the gateway's own token.
#[derive(Clone)]
pub(crate) struct Forwarder {
    /// Takes off whatever credentials the caller sent, and adds the gateway's own.
    service: ArgoCdService,
    policy: Policy,
}

impl Forwarder {
    pub(crate) fn new(argo_cd: &ArgoCd, policy: Policy) -> Self {
        Self {
            service: argo_cd.service(),
            policy,
        }
    }

    /// Makes Argo CD's services reachable.
    pub(crate) fn mount(self, router: &mut Router) {
        for service in policy::SERVICES {
            router.insert(service, self.clone());
        }
    }

    async fn forward(self, mut request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        let rule = self.policy.rule(path);
        tracing::debug!(
            rpc.method = path,
            allowed = rule != Rule::Deny,
            "call of the server for Argo CD"
        );
        match rule {
            Rule::Deny => {
                let message = format!("the gateway's policy does not allow {path}");
                return refused(message).into_http();
            }
            Rule::Allow => {}
            Rule::WithoutRefresh => match without_refresh(request).await {
                Ok(looked_into) => request = looked_into,
                Err(status) => return status.into_http(),
            },
        }
        let mut service = self.service;
        match service.call(request).await {
            Ok(response) => response,
            Err(error) => Status::from_error(error.into()).into_http(),
        }
    }
}

/// A refusal of the gateway itself, marked so that nobody takes it for one of Argo CD.
fn refused(message: impl Into<String>) -> Status {
    let mut status = Status::permission_denied(message);
    let policy = MetadataValue::from_static("policy");
    status.metadata_mut().insert(REFUSED_BY_GATEWAY, policy);
    status
}

/// Lets a query through if it does not ask for a refresh, which changes the application and makes Argo CD work.
///
/// The field counts by its presence: Argo CD refreshes even for an empty text.
async fn without_refresh(request: Request<Body>) -> Result<Request<Body>, Status> {
    let (parts, body) = request.into_parts();
    let bytes = collect(body).await?;
    let query = message(&bytes).ok_or_else(|| refused("the gateway has to read this request, and cannot"))?;
    let query = ApplicationQuery::decode(query)
        .map_err(|_| Status::invalid_argument("the request is not an ApplicationQuery"))?;
    if query.refresh.is_some() {
        return Err(refused("the gateway's policy does not allow Get with a refresh"));
    }
    Ok(Request::from_parts(parts, Body::new(Whole(Some(bytes)))))
}

async fn collect(mut body: Body) -> Result<Bytes, Status> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > LARGEST_QUERY {
            return Err(Status::resource_exhausted("the request is larger than any query"));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// The one uncompressed message of a gRPC body.
fn message(body: &Bytes) -> Option<Bytes> {
    let mut rest = body.clone();
    if rest.len() < 5 || rest.get_u8() != 0 {
        return None;
    }
    let length = usize::try_from(rest.get_u32()).ok()?;
    (rest.len() == length).then_some(rest)
}

/// A body that is there at once.
struct Whole(Option<Bytes>);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl tower_service::Service<Request<Body>> for Forwarder {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let forwarder = self.clone();
        Box::pin(async move { Ok(forwarder.forward(request).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(query: &ApplicationQuery, flag: u8) -> Body {
        let encoded = query.encode_to_vec();
        let mut bytes = vec![flag];
        bytes.extend_from_slice(&u32::try_from(encoded.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&encoded);
        Body::new(Whole(Some(bytes.into())))
    }

    #[tokio::test]
    async fn a_refresh_is_refused_even_if_it_is_empty() {
        let plain = ApplicationQuery {
            name: Some("web".into()),
            ..ApplicationQuery::default()
        };
        assert!(without_refresh(Request::new(body(&plain, 0))).await.is_ok());
        for refresh in ["hard", ""] {
            let query = ApplicationQuery {
                refresh: Some(refresh.into()),
                ..plain.clone()
            };
            let status = without_refresh(Request::new(body(&query, 0))).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::PermissionDenied, "{refresh}");
        }
        let status = without_refresh(Request::new(body(&plain, 1))).await.unwrap_err();
        assert_eq!(
            status.code(),
            tonic::Code::PermissionDenied,
            "compressed requests cannot be looked into"
        );
    }
}
