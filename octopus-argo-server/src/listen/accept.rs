//! Accepts sockets, makes HTTP/2 connections of them, and serves.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use octopus_argo_core::http2;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::serving::Tasks;
use super::{Listen, Peer, preface};

pub(super) struct Acceptor<S> {
    tls: Option<TlsAcceptor>,
    handshake_timeout: Duration,
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    tasks: Tasks,
    service: S,
}

impl<S, B> Acceptor<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) fn new(listen: Listen, tasks: Tasks, service: S) -> Self {
        Self {
            tls: listen.tls.map(TlsAcceptor::from),
            handshake_timeout: listen.handshake_timeout,
            handshakes: Arc::new(Semaphore::new(listen.max_handshakes)),
            connections: Arc::new(Semaphore::new(listen.max_connections)),
            tasks,
            service,
        }
    }

    pub(super) async fn run(self, listener: TcpListener) {
        let drain = self.tasks.drain.clone();
        drain.run_until_cancelled(self.accept_all(listener)).await;
    }

    async fn accept_all(self, listener: TcpListener) {
        loop {
            // Places first: a connection that nobody can serve yet waits in the kernel's queue, where it costs least.
            let Ok(connection) = self.connections.clone().acquire_owned().await else {
                return;
            };
            let Ok(handshake) = self.handshakes.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((socket, address)) => self.take(socket, Peer { address }, handshake, connection),
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors, mostly: trying again at once would only burn the processor.
                    tracing::warn!(
                        error = &error as &dyn Error,
                        "cannot accept connections, trying again"
                    );
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(
        &self,
        socket: TcpStream,
        peer: Peer,
        handshake: OwnedSemaphorePermit,
        connection: OwnedSemaphorePermit,
    ) {
        let (tls, limit) = (self.tls.clone(), self.handshake_timeout);
        let (tasks, service) = (self.tasks.clone(), self.service.clone());
        // Each stage has a box of its own, which goes when it is over. In one future a connection would take, for as long as
        // it lives, the room of every stage and of every copy that is moved from one to the next: 34 KiB instead of four.
        self.tasks.spawn(async move {
            let _connection = connection;
            let served = match tls {
                None => {
                    let begun = within(limit, &tasks, handshake, Box::pin(begin(socket)));
                    begun.await.map(|stream| serve(stream, peer, &tasks, service))
                }
                Some(tls) => {
                    let begun = within(limit, &tasks, handshake, Box::pin(begin_tls(tls, socket)));
                    begun.await.map(|stream| serve(stream, peer, &tasks, service))
                }
            };
            let result = match served {
                Ok(serving) => serving.await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = result {
                tracing::debug!(peer = %peer.address, error = &*error as &dyn Error, "connection ended");
            }
        });
    }
}

async fn begin(socket: TcpStream) -> io::Result<preface::Prefaced<TcpStream>> {
    // Small messages must not wait for acknowledgements, which take up to 40 ms.
    socket.set_nodelay(true)?;
    preface::read(socket).await
}

async fn begin_tls(
    tls: TlsAcceptor,
    socket: TcpStream,
) -> io::Result<preface::Prefaced<tokio_rustls::server::TlsStream<TcpStream>>> {
    socket.set_nodelay(true)?;
    preface::read(tls.accept(socket).await?).await
}

/// Gives the place of a handshake back when it is over, whatever came of it. Draining does not wait for one.
async fn within<T>(
    limit: Duration,
    tasks: &Tasks,
    _place: OwnedSemaphorePermit,
    handshake: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::select! {
        biased;
        () = tasks.drain.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
        result = timeout(limit, handshake) => result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

type Served = Pin<Box<dyn Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send>>;

fn serve<I, S, B>(stream: I, peer: Peer, tasks: &Tasks, service: S) -> Served
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut service = service.clone();
        async move {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        }
    });
    let connection = builder(tasks.clone()).serve_connection(TokioIo::new(stream), service);
    let (mut connection, drain) = (Box::pin(connection), tasks.drain.clone());
    Box::pin(async move {
        tokio::select! {
            biased;
            () = drain.cancelled() => {}
            result = connection.as_mut() => return Ok(result?),
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    })
}

fn builder(tasks: Tasks) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .max_frame_size(http2::MAX_FRAME_SIZE)
        .max_header_list_size(http2::MAX_HEADER_LIST_SIZE)
        .max_send_buf_size(http2::MAX_SEND_BUFFER)
        .max_concurrent_streams(http2::MAX_CONCURRENT_STREAMS)
        .max_pending_accept_reset_streams(http2::MAX_RESET_STREAMS)
        .max_local_error_reset_streams(http2::MAX_RESET_STREAMS)
        .keep_alive_interval(http2::KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(http2::KEEP_ALIVE_TIMEOUT);
    builder
}

/// Whether only the connection that was to be accepted failed, and the listener is well.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}

/// How long a listener that cannot accept waits before it tries again: 100 ms.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
