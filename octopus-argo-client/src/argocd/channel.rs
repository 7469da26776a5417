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

use super::web::Web;
use crate::connection::{CallError, Endpoint, Http2};

/// Argo CD's API server as a service that tonic's generated clients work over, without any token. Cloning shares the
/// connection, which is made with the first call and made again when it is gone.
#[derive(Clone)]
pub struct ArgoCdChannel(Kind);

#[derive(Clone)]
enum Kind {
    Http2(Arc<Shared>),
    Web(Arc<Web>),
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
    pub(super) fn http2(endpoint: Endpoint) -> Self {
        Self(Kind::Http2(Arc::new(Shared::new(endpoint))))
    }

    pub(super) fn web(web: Web) -> Self {
        Self(Kind::Web(Arc::new(web)))
    }
}

impl Shared {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            held: Mutex::default(),
            attempts: AtomicU64::new(0),
        }
    }

    /// Makes no more calls on this connection. Those that are on it go on.
    async fn leave(&self, connection: &Http2) {
        let mut held = self.held.lock().await;
        held.connection.take_if(|held| held.is(connection));
    }

    async fn connection(&self) -> Result<Http2, CallError> {
        let shared = self;
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
    type Response = Response<Body>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.0.clone() {
            Kind::Http2(shared) => Box::pin(async move {
                let mut connection = shared.connection().await?;
                match connection.try_send(request).await {
                    Ok(response) => Ok(response.map(Body::new)),
                    Err((_, Some(unsent))) => {
                        shared.leave(&connection).await;
                        let mut connection = shared.connection().await?;
                        Ok(connection.call(unsent).await?.map(Body::new))
                    }
                    Err((error, None)) => Err(error),
                }
            }),
            Kind::Web(web) => Box::pin(async move { web.call(request).await }),
        }
    }
}

impl fmt::Debug for ArgoCdChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (endpoint, root) = match &self.0 {
            Kind::Http2(shared) => (&shared.endpoint, None),
            Kind::Web(web) => (web.endpoint(), Some(web.root())),
        };
        f.debug_struct("ArgoCdChannel")
            .field("endpoint", endpoint)
            .field("grpc_web", &root)
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
        let channel = Shared::new(Endpoint::danger_plaintext(address, Peer::ArgoCd));
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
