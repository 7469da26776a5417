//! One connection to Argo CD, made when it is needed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::sync::Mutex;
use tonic::body::Body;
use tower_service::Service;

use crate::connection::{CallError, Endpoint, Http2, ResponseBody};

/// Argo CD's API server as a service that tonic's generated clients work over. Cloning shares the connection, which is
/// made with the first call and made again when it is gone.
#[derive(Clone)]
pub struct ArgoCdChannel {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    /// Held while connecting, so that many calls make one connection.
    connection: Mutex<Option<Http2>>,
}

impl ArgoCdChannel {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            shared: Arc::new(Shared {
                endpoint,
                connection: Mutex::default(),
            }),
        }
    }

    async fn connection(&self) -> Result<Http2, CallError> {
        let mut held = self.shared.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = self
            .shared
            .endpoint
            .connect()
            .await
            .map_err(CallError::not_connected)?;
        Ok(held.insert(connection).clone())
    }
}

impl Service<Request<Body>> for ArgoCdChannel {
    type Response = Response<ResponseBody>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let channel = self.clone();
        Box::pin(async move {
            let mut connection = channel.connection().await?;
            std::future::poll_fn(|cx| connection.poll_ready(cx)).await?;
            connection.call(request).await
        })
    }
}

impl fmt::Debug for ArgoCdChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgoCdChannel")
            .field("endpoint", &self.shared.endpoint)
            .finish_non_exhaustive()
    }
}
