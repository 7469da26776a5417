//! The socket: accepting connections and serving HTTP/2 on them, every task owned.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::service::Api;

/// What happens to a connection before HTTP/2 is spoken on it.
#[derive(Clone)]
pub(super) enum Security {
    Plaintext,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// A server on a socket. Dropping it ends every task at once.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    tasks: TaskTracker,
    drain: CancellationToken,
    end: CancellationToken,
    _end_on_drop: DropGuard,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr, security: Security, api: Api) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let end = CancellationToken::new();
        let listener = Self {
            address,
            tasks: TaskTracker::new(),
            drain: end.child_token(),
            _end_on_drop: end.clone().drop_guard(),
            end,
        };
        let server = Server {
            security,
            api,
            drain: listener.drain.clone(),
            executor: Executor {
                tasks: listener.tasks.clone(),
                end: listener.end.clone(),
            },
        };
        listener.tasks.spawn(accept(socket, server));
        Ok(listener)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, tells clients to go away, waits for their calls at most `grace`, then cuts what is left.
    ///
    /// Rule: Argo CD `server/server.go` (`Run`, `shutdownFunc`), where the grace is 20 s.
    pub(super) async fn shutdown(&self, grace: Duration) {
        self.drain.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.end.cancel();
            self.tasks.wait().await;
        }
    }
}

#[derive(Clone)]
struct Server {
    security: Security,
    api: Api,
    drain: CancellationToken,
    executor: Executor,
}

async fn accept(socket: TcpListener, server: Server) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.drain.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, server.clone());
                hyper::rt::Executor::execute(&server.executor, connection);
            }
            // Out of file descriptors, or a client that left before it was accepted: there may be others.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn connection(stream: TcpStream, server: Server) {
    if stream.set_nodelay(true).is_err() {
        return; // The client has gone.
    }
    match server.security.clone() {
        Security::Plaintext => serve(stream, server).await,
        #[cfg(feature = "tls")]
        Security::Tls(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, server).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, server: Server) {
    let Server {
        api, drain, executor, ..
    } = server;
    let service = service_fn(move |request| api.clone().answer(request));
    let mut http = http2::Builder::new(executor);
    // grpc-go announces no limit of streams, and does not count resets against a connection as h2 does.
    http.max_concurrent_streams(None)
        .max_local_error_reset_streams(None)
        .max_pending_accept_reset_streams(RESETS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        // What ends a connection is of interest to its client alone.
        _ = connection.as_mut() => return,
        () = drain.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// More than a test resets at once.
const RESETS: usize = 100_000;

/// Puts hyper's tasks, one a call, under the same owner as all others.
#[derive(Clone)]
struct Executor {
    tasks: TaskTracker,
    end: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let end = self.end.clone();
        self.tasks
            .spawn(async move { end.run_until_cancelled_owned(future).await.is_some() });
    }
}
