//! Serves a router to gateways: TLS, HTTP/2 with the right settings, limits, and an orderly end.
//!
//! Optional: a tonic or axum router may be served in any other way. What gateways need then is TLS with ALPN `h2`,
//! `TCP_NODELAY` on every socket, the windows and limits of [`octopus_argo_core::http2`], and patience with a ping every
//! 30 s on an otherwise idle connection.
//!
//! It builds on hyper and not on `tonic::transport::Server`, because that runs connections in tasks that nobody owns,
//! waits for them without a limit when shutting down, and bounds neither connections nor handshakes. HTTP/2 only: what
//! speaks HTTP/1 belongs on the web server.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tower_service::Service;

mod accept;

mod identity;
pub use identity::{Identity, IdentityError};

mod preface;

mod serving;
pub use serving::{Ended, Serving};

/// How to listen. The limits are those of one listener.
///
/// ```no_run
/// use octopus_argo_server::listen::{Identity, Listen};
/// use std::time::Duration;
/// # use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
/// # #[derive(Clone)] struct Router;
/// # struct Empty;
/// # impl http_body::Body for Empty {
/// #     type Data = bytes::Bytes;
/// #     type Error = Infallible;
/// #     fn poll_frame(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>)
/// #         -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> { Poll::Ready(None) }
/// # }
/// # impl tower_service::Service<http::Request<hyper::body::Incoming>> for Router {
/// #     type Response = http::Response<Empty>;
/// #     type Error = Infallible;
/// #     type Future = Ready<Result<Self::Response, Infallible>>;
/// #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
/// #     fn call(&mut self, _: http::Request<hyper::body::Incoming>) -> Self::Future { ready(Ok(http::Response::new(Empty))) }
/// # }
/// # async fn example(router: Router) -> Result<(), Box<dyn std::error::Error>> {
/// let identity = Identity::from_pem(&std::fs::read("server.pem")?, &std::fs::read("server.key")?)?;
/// println!("gateways may pin {}", identity.thumbprint());
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:8443").await?;
/// let serving = Listen::tls(&identity)?.serve(listener, router)?;
/// println!("listening on {}", serving.local_addr());
/// serving.shutdown(Duration::from_secs(30)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Listen {
    tls: Option<Arc<rustls::ServerConfig>>,
    handshake_timeout: Duration,
    max_handshakes: usize,
    max_connections: usize,
}

impl Listen {
    /// How long TLS and the client's first bytes of HTTP/2 may take together, if nothing else is said: 10 s.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// How many handshakes may be under way at once, if nothing else is said: 256.
    ///
    /// A handshake costs a signature, about a millisecond with RSA; this is a quarter of a second of one core. When as
    /// many are under way, further connections wait in the kernel's queue.
    pub const MAX_HANDSHAKES: usize = 256;

    /// How many connections may be open at once, if nothing else is said: 10 000.
    pub const MAX_CONNECTIONS: usize = 10_000;

    /// Listens with TLS 1.2 and 1.3, and proves to be `identity`.
    ///
    /// # Errors
    /// [`IdentityError::Mismatch`] if the key does not belong to the certificate.
    pub fn tls(identity: &Identity) -> Result<Self, IdentityError> {
        Ok(Self {
            tls: Some(Arc::new(identity.server_config()?)),
            ..Self::danger_plaintext()
        })
    }

    /// Listens without TLS: everyone on the way can read and change everything, access tokens included.
    ///
    /// For a proxy on the same machine that ends TLS, for a mesh that encrypts by itself, and for tests.
    #[must_use]
    pub fn danger_plaintext() -> Self {
        Self {
            tls: None,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
            max_handshakes: Self::MAX_HANDSHAKES,
            max_connections: Self::MAX_CONNECTIONS,
        }
    }

    /// The limit for a handshake. Default: [`HANDSHAKE_TIMEOUT`](Self::HANDSHAKE_TIMEOUT).
    #[must_use]
    pub fn handshake_timeout(self, handshake_timeout: Duration) -> Self {
        Self {
            handshake_timeout,
            ..self
        }
    }

    /// The limit of handshakes at once, at least 1. Default: [`MAX_HANDSHAKES`](Self::MAX_HANDSHAKES).
    #[must_use]
    pub fn max_handshakes(self, max_handshakes: usize) -> Self {
        Self {
            max_handshakes: max_handshakes.clamp(1, MOST),
            ..self
        }
    }

    /// The limit of connections at once, at least 1. Default: [`MAX_CONNECTIONS`](Self::MAX_CONNECTIONS).
    ///
    /// A connection whose client sends and whose service does not read keeps at most
    /// [`CONNECTION_WINDOW`](octopus_argo_core::http2::CONNECTION_WINDOW) bytes.
    #[must_use]
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self {
            max_connections: max_connections.clamp(1, MOST),
            ..self
        }
    }

    /// Accepts connections and serves `service` on them until the returned handle is shut down or dropped.
    ///
    /// `service` is an axum router, tonic's `Routes`, a generated server, or any other service; it is cloned for each
    /// connection and call. Requests carry a [`Peer`] in their extensions.
    ///
    /// # Errors
    /// If the listener has no address, or tokio cannot take it.
    pub fn serve<S, B>(self, listener: impl IntoListener, service: S) -> io::Result<Serving>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Serving::start(self, listener.into_listener()?, service)
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listen")
            .field("tls", &self.tls.is_some())
            .field("handshake_timeout", &self.handshake_timeout)
            .field("max_handshakes", &self.max_handshakes)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// A listening socket: tokio's, or the standard library's. Must be used inside a tokio runtime.
pub trait IntoListener: private::Sealed {
    /// Makes it tokio's.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking, or registered.
    fn into_listener(self) -> io::Result<TcpListener>;
}

impl IntoListener for TcpListener {
    fn into_listener(self) -> io::Result<TcpListener> {
        Ok(self)
    }
}

impl IntoListener for std::net::TcpListener {
    fn into_listener(self) -> io::Result<TcpListener> {
        self.set_nonblocking(true)?;
        TcpListener::from_std(self)
    }
}

mod private {
    #[expect(unnameable_types, reason = "this is what seals `IntoListener`")]
    pub trait Sealed {}
    impl Sealed for tokio::net::TcpListener {}
    impl Sealed for std::net::TcpListener {}
}

/// The other end of a request's connection, in the request's extensions.
///
/// Behind a load balancer this is the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
}

/// What a semaphore can count to on every platform, with room to spare.
const MOST: usize = 1 << 24;
