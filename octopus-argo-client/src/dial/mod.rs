//! How bytes get to a server: a trait for embedders, TCP, and HTTP proxies.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octopus_argo_core::ServerAddress;
use tokio::io::{AsyncRead, AsyncWrite};

mod bypass;
pub use bypass::{Bypass, BypassError};

mod proxy;
pub use proxy::{HttpProxy, ProxyConfigError, ProxyError};

mod tcp;
pub use tcp::{Resolve, TcpDial};

/// A connected byte stream, as a [`Dial`] hands it out. Implemented by whatever can be.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> ByteStream for T {}

/// A byte stream of any kind.
pub type BoxStream = Box<dyn ByteStream>;

/// Opens the byte stream under a connection: TCP, a proxy, a simulated network. TLS and HTTP/2 come on top of it.
///
/// ```
/// use octopus_argo_client::dial::{BoxStream, Dial, DialError};
/// use octopus_argo_core::ServerAddress;
///
/// /// Goes to a fixed socket, whatever the address says; certificates are checked against the address all the same.
/// #[derive(Debug)]
/// struct Detour(std::net::SocketAddr);
///
/// #[async_trait::async_trait]
/// impl Dial for Detour {
///     async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
///         let socket = tokio::net::TcpStream::connect(self.0).await.map_err(DialError::other)?;
///         socket.set_nodelay(true).map_err(DialError::other)?;
///         Ok(Box::new(socket))
///     }
/// }
/// ```
#[async_trait]
pub trait Dial: fmt::Debug + Send + Sync {
    /// Opens a stream to `address`. Names are to be looked up each time, because a server may have moved.
    ///
    /// # Errors
    /// [`DialError`]; use [`DialError::other`] for what has no variant of its own.
    ///
    /// # Cancel safety
    /// Must be cancel-safe: the future is dropped when the time for dialling is over.
    async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError>;

    /// The sockets that would be tried for `address`, or for the proxy before it: for a
    /// [diagnosis](crate::diagnosis). None where the dialler does not say, which is the default.
    ///
    /// # Errors
    /// [`DialError::Resolve`] and [`DialError::NoAddress`].
    ///
    /// # Cancel safety
    /// Must be cancel-safe, as [`dial`](Self::dial).
    async fn lookup(&self, address: &ServerAddress) -> Result<Vec<SocketAddr>, DialError> {
        let _ = address;
        Ok(Vec::new())
    }

    /// The proxy on the way to `address`: for a [diagnosis](crate::diagnosis). Default: none.
    fn proxy(&self, address: &ServerAddress) -> Option<&ServerAddress> {
        let _ = address;
        None
    }
}

/// Why no byte stream could be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name could not be looked up.
    #[error("the name could not be looked up")]
    #[non_exhaustive]
    Resolve {
        /// What the system's resolver said.
        source: Arc<io::Error>,
    },
    /// The name exists and has no address.
    #[error("the name has no address")]
    NoAddress,
    /// No address could be connected to.
    #[error("no connection to {last}, the last of {tried} addresses")]
    #[non_exhaustive]
    Connect {
        /// The address tried last, whose error is the source.
        last: SocketAddr,
        /// How many addresses were tried.
        tried: usize,
        /// Why the last one failed.
        source: Arc<io::Error>,
    },
    /// It took too long.
    #[error("no connection within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// A proxy did not connect us.
    #[error("no connection through the proxy {}", proxy.authority())]
    #[non_exhaustive]
    Proxy {
        /// Where the proxy is.
        proxy: ServerAddress,
        /// What went wrong with it.
        source: ProxyError,
    },
    /// A dialler's own reason.
    #[error("the dialler failed")]
    #[non_exhaustive]
    Other {
        /// The reason.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl DialError {
    /// Whether trying again can help. Only a proxy that wants other credentials stays as it is.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Proxy { source, .. } => source.is_retryable(),
            _ => true,
        }
    }

    /// A reason of another kind. Such failures count as passing ones: dialling is tried again.
    pub fn other(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other {
            source: source.into().into(),
        }
    }
}
