//! A gateway as a service: what any tonic client calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, header};
use http_body::Body as _;
use octopus_argo_proto::link::{
    CallWriter, GRPC_TIMEOUT, grpc_timeout, headers_from_metadata, metadata_from_headers,
};
use octopus_argo_proto::session;
use tokio::time::Instant;
use tonic::body::Body;

use crate::body::{self, TunnelBody};
use crate::line::{Attempt, Line, WITHOUT_DEADLINE};
use crate::registry::Registry;
use crate::watch::Meter;
use crate::{GatewayId, TunnelError};

/// A gateway, wherever it is connected now. Cheap to clone, and never stale: each call looks the live session up.
///
/// It is a [`tower::Service`](tower_service::Service) for gRPC requests, so every tonic-generated client works over it
/// unchanged. It is always ready; a gateway that is offline is said so at once, as UNAVAILABLE. One whose connection was
/// lost is waited for while it may come back for its session, by default 30 s: calls go out then.
///
/// While a gateway has as many calls as it allows, further ones wait in line: until their deadline, or for 10 s where
/// they have none. Then they fail with `RESOURCE_EXHAUSTED`. What is left of a deadline goes along with the call, and when
/// it has passed the call ends with `DEADLINE_EXCEEDED`, whatever the service does.
///
/// ```no_run
/// # async fn example(gateway: octopus_argo_server::Gateway) -> Result<(), tonic::Status> {
/// use octopus_argo_proto::argocd::version::version_service_client::VersionServiceClient;
///
/// let mut argo_cd = VersionServiceClient::new(gateway);
/// println!("{:?}", argo_cd.version(()).await?);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the response future or the response body cancels the call.
#[derive(Clone)]
pub struct Gateway {
    id: GatewayId,
    registry: Arc<Registry>,
    line: Arc<Line>,
}

impl Gateway {
    pub(crate) fn new(id: GatewayId, registry: Arc<Registry>) -> Self {
        let line = registry.lines.of(&id);
        Self { id, registry, line }
    }

    /// Which gateway it is.
    #[must_use]
    pub fn id(&self) -> &GatewayId {
        &self.id
    }

    /// Ready-made calls of the Argo CD behind it, as far as the gateway's own policy lets them through.
    ///
    /// ```no_run
    /// # async fn example(gateway: octopus_argo_server::Gateway) -> Result<(), Box<dyn std::error::Error>> {
    /// use octopus_argo_proto::argocd::Filter;
    ///
    /// for listed in gateway.argocd().list(&Filter::default().project("shop")).await? {
    ///     println!("{}", listed.application.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn argocd(&self) -> octopus_argo_proto::argocd::Api<Self> {
        octopus_argo_proto::argocd::Api::new(self.clone())
    }

    /// Whether it is connected now.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.registry.live(&self.id).is_ok()
    }

    /// How many calls are open in the tunnel now; 0 while the gateway is not connected.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.registry.live(&self.id).map_or(0, |link| link.open_calls())
    }

    async fn send(self, request: Request<Body>) -> Result<Response<TunnelBody>, TunnelError> {
        let (parts, body) = request.into_parts();
        let now = Instant::now();
        let timeout = grpc_timeout(&parts.headers);
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        let open = || {
            let link = match self.registry.live(&self.id) {
                Ok(link) => link,
                Err(error) => return Attempt::Done(Err(error)),
            };
            let metadata = metadata_from_headers(&parts.headers, |name| *name == GRPC_TIMEOUT);
            let mut open = session::Request::new(parts.uri.path()).metadata(metadata);
            if let Some(deadline) = deadline {
                open = open.timeout(deadline.saturating_duration_since(Instant::now()));
            }
            Attempt::from(link.open_held(open))
        };
        let patience = deadline.unwrap_or(now + WITHOUT_DEADLINE);
        let ((mut reader, writer), place) = self.line.admit(patience, open).await?;
        let meter = Meter::start(self.registry.hook.as_ref(), &self.id, parts.uri.path());
        self.upload(body, writer, meter.clone()).await;
        match std::future::poll_fn(|cx| reader.poll_head(cx)).await {
            Ok(head) => {
                let mut response = Response::new(TunnelBody::new(reader, place, meter));
                *response.headers_mut() = headers_from_metadata(head);
                Ok(response)
            }
            Err(end) => {
                meter.ended(end.code.number());
                let mut response = Response::new(TunnelBody::empty());
                *response.headers_mut() = body::trailers(end)?;
                let kind = HeaderValue::from_static("application/grpc");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                Ok(response)
            }
        }
    }

    /// Sends the request body. Of most calls it is there at once; the others get a task, because it has to flow
    /// whether or not somebody reads the response.
    async fn upload(&self, body: Body, writer: CallWriter, meter: Meter) {
        let mut upload = Box::pin(upload(body, writer, meter));
        let done = std::future::poll_fn(|cx| Poll::Ready(upload.as_mut().poll(cx).is_ready())).await;
        if !done {
            let stopping = self.registry.stopping.clone();
            self.registry
                .tasks
                .spawn(stopping.run_until_cancelled_owned(upload));
        }
    }
}

async fn upload(mut body: Body, mut writer: CallWriter, meter: Meter) {
    loop {
        let frame = std::future::poll_fn(|cx| {
            let frame = Pin::new(&mut body).poll_frame(cx).map(Some);
            if frame.is_pending() {
                writer.release();
                return writer.poll_over(cx).map(|()| None);
            }
            frame
        })
        .await;
        match frame {
            // The call is over: nobody wants the rest.
            None => return,
            Some(None) => return writer.half_close(),
            Some(Some(Err(_))) => return writer.abort(),
            Some(Some(Ok(frame))) => {
                // A gRPC request has no trailers.
                let Ok(payload) = frame.into_data() else { continue };
                let size = payload.len();
                if std::future::poll_fn(|cx| writer.poll_ready(cx)).await.is_err()
                    || writer.send(payload).is_err()
                {
                    return;
                }
                meter.sent(size);
            }
        }
    }
}

impl tower_service::Service<Request<Body>> for Gateway {
    type Response = Response<TunnelBody>;
    type Error = TunnelError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TunnelBody>, TunnelError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TunnelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
