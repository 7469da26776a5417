//! The socket: accepting connections and serving them, every task owned.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::shim::{Shim, Verdict};
use super::sort::{Kind, sort};
use super::{KeepAlive, http1};
use crate::argocd::service::Api;

/// What happens to a connection before HTTP is spoken on it.
#[derive(Clone)]
pub(in crate::argocd) enum Security {
    Plaintext,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// A server on a socket. Dropping it ends every task at once.
#[derive(Debug)]
pub(in crate::argocd) struct Listener {
    address: SocketAddr,
    tasks: TaskTracker,
    drain: CancellationToken,
    end: CancellationToken,
    /// Counts up to tell the connections of the moment something.
    order: watch::Sender<Order>,
    _end_on_drop: DropGuard,
}

/// What the connections of the moment are told; later ones do not hear of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    go_away: u64,
    cut: u64,
}

impl Listener {
    pub(in crate::argocd) async fn bind(
        address: SocketAddr,
        security: Security,
        keep_alive: Option<KeepAlive>,
        api: Api,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let end = CancellationToken::new();
        let listener = Self {
            address,
            tasks: TaskTracker::new(),
            drain: end.child_token(),
            order: watch::Sender::default(),
            _end_on_drop: end.clone().drop_guard(),
            end,
        };
        let server = Server {
            security,
            keep_alive,
            api,
            drain: listener.drain.clone(),
            order: listener.order.subscribe(),
            executor: Executor {
                tasks: listener.tasks.clone(),
                end: listener.end.clone(),
            },
        };
        listener.tasks.spawn(accept(socket, server));
        Ok(listener)
    }

    pub(in crate::argocd) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends GOAWAY on every connection; calls that are open go on.
    pub(in crate::argocd) fn go_away(&self) {
        self.order.send_modify(|order| order.go_away += 1);
    }

    /// Cuts every connection.
    pub(in crate::argocd) fn cut(&self) {
        self.order.send_modify(|order| order.cut += 1);
    }

    /// Stops accepting, tells clients to go away, waits for their calls at most `grace`, then cuts what is left.
    ///
    /// Rule: Argo CD `server/server.go` (`Run`, `shutdownFunc`), where the grace is 20 s.
    pub(in crate::argocd) async fn shutdown(&self, grace: Duration) {
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
    keep_alive: Option<KeepAlive>,
    api: Api,
    drain: CancellationToken,
    order: watch::Receiver<Order>,
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
                server.api.traffic.count_connection();
                let mut server = server.clone();
                let executor = server.executor.clone();
                server.order.mark_unchanged();
                hyper::rt::Executor::execute(&executor, connection(stream, server));
            }
            // Out of file descriptors, or a client that left before it was accepted: there may be others.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Serves a connection until it ends, or is cut.
async fn connection(stream: TcpStream, server: Server) {
    if stream.set_nodelay(true).is_err() {
        return; // The client has gone.
    }
    let mut order = server.order.clone();
    let before = order.borrow().cut;
    tokio::select! {
        biased;
        _ = order.wait_for(|order| order.cut != before) => {}
        () = sorted(stream, server) => {}
    }
}

async fn sorted(stream: TcpStream, server: Server) {
    match server.security.clone() {
        Security::Plaintext => serve(stream, server).await,
        #[cfg(feature = "tls")]
        Security::Tls(acceptor) => {
            // A silent connection stays open, unless the server ends.
            let sorted = server.drain.run_until_cancelled(sort(stream)).await;
            match sorted {
                Some(Ok((Kind::Http1, stream))) => {
                    let root = server.api.options.root_path.clone();
                    let redirect = service_fn(move |request: http::Request<_>| {
                        std::future::ready(Ok(http1::redirect(&request, &root)))
                    });
                    http1::serve(stream, redirect, server.drain).await;
                }
                // Anything else is taken as TLS; what is none fails there.
                Some(Ok((Kind::Http2 | Kind::Other, stream))) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, server).await;
                    }
                }
                Some(Err(_)) | None => {}
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, server: Server) {
    match server.drain.run_until_cancelled(sort(stream)).await {
        Some(Ok((Kind::Http2, stream))) => serve_http2(stream, server).await,
        Some(Ok((Kind::Http1, stream))) => {
            let api = server.api.clone();
            let web = service_fn(move |request| api.clone().answer_http1(request));
            http1::serve(stream, web, server.drain).await;
        }
        Some(Ok((Kind::Other, _)) | Err(_)) | None => {}
    }
}

async fn serve_http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, server: Server) {
    let Server {
        api,
        drain,
        mut order,
        executor,
        keep_alive,
        ..
    } = server;
    let verdict = Arc::new(Verdict::default());
    let decision = verdict.clone();
    let traffic = api.traffic.clone();
    let stream = Shim::new(stream, verdict.clone(), keep_alive, traffic.clone());
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let accepted = verdict.judge(request.headers().get(http::header::CONTENT_TYPE));
        if !accepted {
            traffic.count_refused();
        }
        let api = api.clone();
        async move {
            if accepted {
                api.answer(request).await
            } else {
                std::future::pending().await // The shim ends the connection.
            }
        }
    });
    let mut http = http2::Builder::new(executor);
    // grpc-go announces no limit of streams, and does not count resets against a connection as h2 does.
    http.max_concurrent_streams(None)
        .max_local_error_reset_streams(None)
        .max_pending_accept_reset_streams(RESETS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut before = order.borrow().go_away;
    loop {
        tokio::select! {
            biased;
            // What ends a connection is of interest to its client alone.
            _ = connection.as_mut() => return,
            () = drain.cancelled() => {
                // Before its first request a connection belongs to the multiplexer, which says nothing.
                if !decision.is_made() {
                    return;
                }
                break;
            }
            _ = order.wait_for(|order| order.go_away != before) => {}
        }
        if decision.is_made() {
            break;
        }
        before = order.borrow().go_away;
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
