//! Everything that a gateway calls, as one service.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use octopus_argo_proto::v1::tunnel_server::TunnelServer;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic_health::pb::health_server::HealthServer;
use tower_service::Service;

use crate::health::HealthService;
use crate::tunnel::TunnelService;

/// The tunnel and `grpc.health.v1`, which gateways expect beside each other, for a server that serves nothing else.
///
/// Made by [`Server::services`](crate::Server::services). On a router of your own mount [`Server::tunnel`] and
/// [`Server::health`] instead. A path that neither has is answered UNIMPLEMENTED.
///
/// [`Server::tunnel`]: crate::Server::tunnel
/// [`Server::health`]: crate::Server::health
#[derive(Clone, Debug)]
pub struct Services {
    tunnel: TunnelServer<TunnelService>,
    health: HealthServer<HealthService>,
}

impl Services {
    pub(crate) fn new(tunnel: TunnelServer<TunnelService>, health: HealthServer<HealthService>) -> Self {
        Self { tunnel, health }
    }
}

impl<B> Service<Request<B>> for Services
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Generated servers are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.uri().path().starts_with(HEALTH) {
            self.health.call(request)
        } else {
            self.tunnel.call(request)
        }
    }
}

const HEALTH: &str = "/grpc.health.v1.Health/";
