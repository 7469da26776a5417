//! Connections over HTTP/1.1, each for one call at a time.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;
use tonic::body::Body;
use tracing::Instrument as _;

use crate::connection::{CallError, Endpoint};

/// How many calls may be under way at once. Each has a connection of its own: 128 are more than a browser would make, and
/// few enough for any proxy.
const MOST: usize = 128;

/// How many connections are kept for the next call.
const MOST_IDLE: usize = 8;

/// Connections to one server. Dropping it ends them all.
pub(super) struct Pool {
    endpoint: Endpoint,
    idle: Mutex<Vec<SendRequest<Body>>>,
    permits: Arc<Semaphore>,
    cancel: CancellationToken,
    tasks: tokio_util::task::TaskTracker,
    _ends: DropGuard,
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let cancel = CancellationToken::new();
        Self {
            endpoint,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(MOST)),
            tasks: tokio_util::task::TaskTracker::new(),
            _ends: cancel.clone().drop_guard(),
            cancel,
        }
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request on a connection that is free, or on a new one. The lease lasts until the answer is read.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), CallError> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit =
            permit.map_err(|error| CallError::new(Code::Unavailable, "the connections are closed", error))?;
        loop {
            let (mut sender, fresh) = match self.take() {
                Some(sender) => (sender, false),
                None => (self.connect().await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let lease = Lease {
                        pool: self.clone(),
                        sender,
                        _permit: permit,
                    };
                    return Ok((response, lease));
                }
                Err(mut failed) => match failed.take_message() {
                    // The server closed the connection while nobody used it. Nothing was sent.
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(CallError::from_hyper(failed.into_error())),
                },
            }
        }
    }

    fn take(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !sender.is_closed() {
            idle.push(sender);
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, CallError> {
        let (stream, _) = self.endpoint.stream().await.map_err(CallError::not_connected)?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(CallError::from_hyper)?;
        let cancel = self.cancel.clone();
        self.tasks.spawn(
            async move {
                // Whoever has a call on it is told by hyper.
                let _ = cancel.run_until_cancelled_owned(connection).await;
            }
            .in_current_span(),
        );
        Ok(sender)
    }
}

/// A connection while a call uses it. Dropped, it closes the connection; given back, others may use it.
pub(super) struct Lease {
    pool: Arc<Pool>,
    sender: SendRequest<Body>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn give_back(self) {
        let Self { pool, sender, .. } = self;
        pool.put(sender);
    }
}
