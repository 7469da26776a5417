//! `grpc.health.v1`, as gateways and load balancers ask for it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use octopus_argo_proto::v1::tunnel_server::TunnelServer;
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::tunnel::TunnelService;

/// The health service, to be mounted through [`Server::health`](crate::Server::health) or
/// [`Server::services`](crate::Server::services).
///
/// It knows the empty name, which is the server as a whole, and the tunnel's. Both are `SERVING` until
/// [`Server::shutdown`](crate::Server::shutdown) begins, and `NOT_SERVING` from then on.
///
/// A call with credentials has them checked like the tunnel's, so that a gateway whose token is refused does not take the
/// link for healthy. A call without any is answered: load balancers have none.
///
/// Rule: the gRPC health checking protocol, and OctopusDeploy/octopus-grpc `go/pkg/connection`.
#[derive(Clone)]
pub struct HealthService {
    tunnel: TunnelService,
    serving: watch::Receiver<bool>,
    stopping: CancellationToken,
}

impl HealthService {
    pub(crate) fn new(
        tunnel: TunnelService,
        serving: watch::Receiver<bool>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            tunnel,
            serving,
            stopping,
        }
    }

    async fn admit(&self, metadata: &MetadataMap) -> Result<(), Status> {
        if CREDENTIALS.iter().any(|key| metadata.contains_key(*key)) {
            self.tunnel.authenticate(metadata).await?;
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.admit(request.metadata()).await?;
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("the server has no such service"));
        }
        let serving = *self.serving.borrow() && !self.stopping.is_cancelled();
        Ok(Response::new(answer(status(serving))))
    }

    type WatchStream = HealthStream;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthStream>, Status> {
        self.admit(request.metadata()).await?;
        Ok(Response::new(HealthStream {
            known: is_known(&request.get_ref().service),
            last: None,
            updates: WatchStream::new(self.serving.clone()),
            stopped: Box::pin(self.stopping.clone().cancelled_owned()),
        }))
    }
}

impl std::fmt::Debug for HealthService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthService")
            .field("serving", &*self.serving.borrow())
            .finish_non_exhaustive()
    }
}

/// What `Watch` answers: the status now, and each other one. It ends with the server.
pub struct HealthStream {
    known: bool,
    last: Option<ServingStatus>,
    updates: WatchStream<bool>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream for HealthStream {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let Some(serving) = ready!(Pin::new(&mut self.updates).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let now = if self.known {
                status(serving)
            } else {
                ServingStatus::ServiceUnknown
            };
            if self.last.replace(now) != Some(now) {
                return Poll::Ready(Some(Ok(answer(now))));
            }
        }
    }
}

impl std::fmt::Debug for HealthStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthStream")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

fn is_known(service: &str) -> bool {
    service.is_empty() || service == TunnelServer::<TunnelService>::NAME
}

fn status(serving: bool) -> ServingStatus {
    if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

const CREDENTIALS: [&str; 2] = ["client-id", "authorization"];
