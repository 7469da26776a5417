//! The service over an HTTP/2 connection, and how the connection ends.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use octopus_argo_core::{Thumbprint, http2};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::DropGuard;
use tonic::body::Body;
use tower_service::Service;

use super::call::{CallError, ResponseBody, ResponseFuture};
use super::first_frame::FirstFrame;
use super::tasks::Tasks;
use super::{Endpoint, Http2Error, Peer};
use crate::credentials::Authenticate;
use crate::dial::BoxStream;

/// One authenticated HTTP/2 connection, as a service that tonic's generated clients work over. Cloning shares it.
///
/// It ends when the last clone, unfinished call and response body is dropped, when [`close`](Self::close) is called,
/// when the server ends it, or when a ping stays unanswered. Calls then fail with `UNAVAILABLE`.
///
/// ```no_run
/// # async fn example(config: octopus_argo_client::connection::Config) -> Result<(), Box<dyn std::error::Error>> {
/// let connection = octopus_argo_client::connection::connect(&config).await?;
/// let mut grpc = tonic::client::Grpc::new(connection.clone());
/// grpc.ready().await?;
/// let closed = connection.closed().await;
/// println!("{closed}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    service: Authenticate<Http2>,
}

impl Connection {
    pub(crate) fn new(service: Authenticate<Http2>) -> Self {
        Self { service }
    }

    /// The thumbprint of the certificate that the server showed; none without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<Thumbprint> {
        self.shared().certificate
    }

    /// Whether the connection has ended, so that every further call will fail.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.service.inner().is_closed()
    }

    /// Waits for the end of the connection and says why it ended.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn closed(&self) -> Closed {
        closed(self.shared().closed.clone()).await
    }

    /// Ends the connection now, also for clones, and waits until its tasks have ended. Calls in flight fail.
    ///
    /// # Cancel safety
    /// Cancel-safe: the connection ends all the same.
    pub async fn close(self) {
        let shared = self.shared();
        shared.tasks.cancel.cancel();
        shared.tasks.tracker.close();
        shared.tasks.tracker.wait().await;
    }

    fn shared(&self) -> &Shared {
        &self.service.inner().shared
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<ResponseBody>;
    type Error = CallError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        self.service.call(request)
    }
}

/// How a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the connection ended")]
pub struct Closed {
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Closed {
    /// Whether it ended in order: by the server's goodbye, or because this side let go of it.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.source.is_none()
    }
}

/// The connection without credentials.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Body>,
    shared: Arc<Shared>,
}

impl Http2 {
    /// Whether the connection has ended, so that every further call will fail.
    pub(crate) fn is_closed(&self) -> bool {
        let closed = &self.shared.closed;
        // The sender is gone where the task was cancelled.
        closed.borrow().is_some() || closed.has_changed().is_err()
    }

    /// Whether both are the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// As a call. Gives the request back where nothing of it was sent: the server has said goodbye meanwhile, and this
    /// connection only still serves the calls that are on it.
    pub(crate) async fn try_send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<ResponseBody>, (CallError, Option<Request<Body>>)> {
        let request = self.prepared(request).map_err(|error| (error, None))?;
        let shared = self.shared.clone();
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| ResponseBody::new(body, shared))),
            Err(mut failed) => {
                let unsent = failed.take_message();
                Err((CallError::from_hyper(failed.into_error()), unsent))
            }
        }
    }

    fn prepared(&self, mut request: Request<Body>) -> Result<Request<Body>, CallError> {
        // Generated clients leave scheme and authority to the transport, and HTTP/2 cannot do without.
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.shared.scheme.clone());
        parts.authority = Some(self.shared.authority.clone());
        parts
            .path_and_query
            .get_or_insert_with(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from_parts(parts).map_err(CallError::invalid)?;
        request
            .headers_mut()
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(PRODUCT));
        Ok(request)
    }
}

/// What calls in flight hold on to. Dropping the last one ends the connection's tasks.
pub(super) struct Shared {
    tasks: Tasks,
    _guard: DropGuard,
    closed: watch::Receiver<Option<Closed>>,
    certificate: Option<Thumbprint>,
    scheme: Scheme,
    authority: Authority,
}

/// Begins HTTP/2 and waits for the server's first frame.
pub(super) async fn handshake(
    stream: BoxStream,
    endpoint: &Endpoint,
    certificate: Option<Thumbprint>,
) -> Result<Http2, Http2Error> {
    let authority =
        Authority::try_from(endpoint.server.authority()).map_err(|error| broken(Some(Arc::new(error))))?;
    let scheme = if endpoint.uses_tls() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let tasks = Tasks::default();
    let guard = tasks.cancel.clone().drop_guard();
    let (stream, first_frame) = FirstFrame::new(stream);
    let (sender, connection) = builder(&tasks, endpoint)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(Some(Arc::new(error))))?;
    let (report, receiver) = watch::channel(None);
    let cancel = tasks.cancel.clone();
    tasks.spawn(async move {
        let result = connection.await;
        // Cancelling the other tasks fails the connection, which then is no failure of its own.
        let failed = result.err().filter(|_| !cancel.is_cancelled());
        // Nobody may be left who wants to know.
        let _ = report.send(Some(Closed {
            source: failed.map(|error| Arc::new(error) as _),
        }));
    });
    first(first_frame, &receiver).await?;
    let shared = Arc::new(Shared {
        tasks,
        _guard: guard,
        closed: receiver,
        certificate,
        scheme,
        authority,
    });
    Ok(Http2 { sender, shared })
}

fn builder(tasks: &Tasks, endpoint: &Endpoint) -> Builder<Tasks> {
    let (stream_window, connection_window) = match endpoint.peer {
        Peer::Octopus => (http2::STREAM_WINDOW, http2::CONNECTION_WINDOW),
        Peer::ArgoCd | Peer::ArgoCdWeb => (http2::BACKEND_STREAM_WINDOW, http2::BACKEND_CONNECTION_WINDOW),
    };
    let mut builder = Builder::new(tasks.clone());
    builder
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .max_frame_size(http2::MAX_FRAME_SIZE)
        .max_header_list_size(http2::MAX_HEADER_LIST_SIZE)
        .max_send_buf_size(http2::MAX_SEND_BUFFER)
        .max_concurrent_reset_streams(http2::MAX_RESET_STREAMS)
        .max_local_error_reset_streams(http2::MAX_RESET_STREAMS)
        .max_pending_accept_reset_streams(http2::MAX_RESET_STREAMS)
        .keep_alive_interval(endpoint.keep_alive)
        .keep_alive_timeout(http2::KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(endpoint.peer == Peer::Octopus);
    builder
}

async fn first(
    first_frame: oneshot::Receiver<Result<(), Http2Error>>,
    receiver: &watch::Receiver<Option<Closed>>,
) -> Result<(), Http2Error> {
    match first_frame.await {
        Ok(result) => result,
        // The stream is gone, so the connection's task says in a moment why.
        Err(_) => Err(broken(closed(receiver.clone()).await.source)),
    }
}

async fn closed(mut receiver: watch::Receiver<Option<Closed>>) -> Closed {
    match receiver.wait_for(Option::is_some).await {
        Ok(closed) => closed.clone().unwrap_or(Closed { source: None }),
        // The task was cancelled: this side let go.
        Err(_) => Closed { source: None },
    }
}

fn broken(source: Option<Arc<dyn Error + Send + Sync>>) -> Http2Error {
    Http2Error::Broken { source }
}

impl Service<Request<Body>> for Http2 {
    type Response = Response<ResponseBody>;
    type Error = CallError;
    type Future = ResponseFuture;

    /// Always ready. A connection that has ended says so in the call, because generated clients turn an error from
    /// here into `UNKNOWN`, which nobody retries.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        let request = match self.prepared(request) {
            Ok(request) => request,
            Err(error) => return ResponseFuture::failed(error),
        };
        ResponseFuture::new(self.sender.send_request(request), self.shared.clone())
    }
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("authority", &self.shared.authority)
            .field("certificate", &self.shared.certificate)
            .field("closed", &*self.shared.closed.borrow())
            .finish_non_exhaustive()
    }
}

pub(crate) const PRODUCT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
