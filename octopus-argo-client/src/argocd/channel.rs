//! One connection to Argo CD, made when it is needed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    held: Mutex<Held>,
    /// How many attempts to connect have ended.
    attempts: AtomicU64,
}

#[derive(Default)]
struct Held {
    connection: Option<Http2>,
    /// Why the last attempt failed.
    failed: Option<CallError>,
}

impl ArgoCdChannel {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let shared = Shared {
            endpoint,
            held: Mutex::default(),
            attempts: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    async fn connection(&self) -> Result<Http2, CallError> {
        let shared = &*self.shared;
        let seen = shared.attempts.load(Ordering::Acquire);
        let mut held = shared.held.lock().await;
        if let Some(connection) = held
            .connection
            .as_ref()
            .filter(|connection| !connection.is_closed())
        {
            return Ok(connection.clone());
        }
        // An attempt that failed while this call waited failed for it as well. If each waiter tried anew, the last of
        // many would wait for all the others' time-outs.
        if let Some(error) = held
            .failed
            .as_ref()
            .filter(|_| shared.attempts.load(Ordering::Acquire) != seen)
        {
            return Err(error.clone());
        }
        let result = shared.endpoint.connect().await.map_err(CallError::not_connected);
        shared.attempts.fetch_add(1, Ordering::Release);
        held.connection = result.as_ref().ok().cloned();
        held.failed = result.as_ref().err().cloned();
        result
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::connection::Peer;

    #[tokio::test]
    async fn those_who_wait_share_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let channel = ArgoCdChannel::new(Endpoint::danger_plaintext(address, Peer::ArgoCd));
        let calls = async { tokio::join!(channel.connection(), channel.connection(), channel.connection()) };
        // Each connection is closed as soon as it stands, so an attempt fails only after it was counted.
        let accepted = AtomicU64::new(0);
        let server = async {
            while let Ok(connection) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                drop(connection);
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), async {
            tokio::select! {
                calls = calls => calls,
                () = server => panic!("the listener failed"),
            }
        });
        let (first, second, third) = Box::pin(outcome).await.unwrap();
        assert!(first.is_err() && second.is_err() && third.is_err());
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    }
}
