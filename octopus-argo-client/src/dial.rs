//! How bytes get to a server: a trait for embedders, and TCP.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octopus_argo_core::{Host, ServerAddress};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};

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
    /// A dialler's own reason.
    #[error("the dialler failed")]
    #[non_exhaustive]
    Other {
        /// The reason.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl DialError {
    /// A reason of another kind. Such failures count as passing ones: dialling is tried again.
    pub fn other(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other {
            source: source.into().into(),
        }
    }
}

/// TCP, with `TCP_NODELAY` set: without it small messages wait for acknowledgements, up to 40 ms each.
///
/// The name is looked up each time, and its addresses are tried one after another, each for at most
/// [`ATTEMPT_TIMEOUT`](Self::ATTEMPT_TIMEOUT).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TcpDial;

impl TcpDial {
    /// How long one of several addresses may take: 3 s, so that one unreachable address leaves time for the others.
    pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

    /// There is nothing to choose yet.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Dial for TcpDial {
    async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError> {
        let addresses: Vec<_> = match address.host() {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, address.port())],
            host => lookup_host((host.to_string(), address.port()))
                .await
                .map_err(|error| DialError::Resolve {
                    source: Arc::new(error),
                })?
                .collect(),
        };
        let mut failure = DialError::NoAddress;
        for (index, &last) in addresses.iter().enumerate() {
            let attempt = connect(last);
            // The last one has all the time that is left; whoever called sets the limit.
            let result = if index + 1 == addresses.len() {
                attempt.await
            } else {
                tokio::time::timeout(Self::ATTEMPT_TIMEOUT, attempt)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            };
            match result {
                Ok(socket) => return Ok(Box::new(socket)),
                Err(error) => {
                    tracing::debug!(peer = %last, error = &error as &dyn Error, "address not reached");
                    failure = DialError::Connect {
                        last,
                        tried: index + 1,
                        source: Arc::new(error),
                    };
                }
            }
        }
        Err(failure)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
