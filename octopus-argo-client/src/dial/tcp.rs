//! TCP, and the names that it looks up.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octopus_argo_core::{Host, ServerAddress};
use tokio::net::{TcpStream, lookup_host};

use super::{BoxStream, Dial, DialError};

/// TCP, with `TCP_NODELAY` set: without it small messages wait for acknowledgements, up to 40 ms each.
///
/// The name is looked up each time, and its addresses are tried one after another, each for at most
/// [`ATTEMPT_TIMEOUT`](Self::ATTEMPT_TIMEOUT).
#[derive(Clone, Debug, Default)]
pub struct TcpDial {
    resolver: Option<Arc<dyn Resolve>>,
}

impl TcpDial {
    /// How long one of several addresses may take: 3 s, so that one unreachable address leaves time for the others.
    pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

    /// Looks names up as the operating system does.
    #[must_use]
    pub const fn new() -> Self {
        Self { resolver: None }
    }

    /// Looks names up with `resolver`: where the system's answer is not the right one, and in tests.
    #[must_use]
    pub fn resolver(self, resolver: impl Resolve + 'static) -> Self {
        Self {
            resolver: Some(Arc::new(resolver)),
        }
    }

    /// The sockets that `address` stands for now, in the order in which they are tried. A number needs no look-up.
    ///
    /// # Errors
    /// [`DialError::Resolve`] and [`DialError::NoAddress`].
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn lookup(&self, address: &ServerAddress) -> Result<Vec<SocketAddr>, DialError> {
        let name = match address.host() {
            Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, address.port())]),
            host => host.to_string(),
        };
        let found: io::Result<Vec<_>> = match &self.resolver {
            Some(resolver) => resolver.resolve(&name).await.map(|found| {
                let socket = |ip| SocketAddr::new(ip, address.port());
                found.into_iter().map(socket).collect()
            }),
            None => lookup_host((name, address.port())).await.map(Iterator::collect),
        };
        let found = found.map_err(|error| DialError::Resolve {
            source: Arc::new(error),
        })?;
        if found.is_empty() {
            return Err(DialError::NoAddress);
        }
        Ok(found)
    }
}

/// Finds the addresses of a host name. It is asked for each connection, so that a server that moved is found again.
///
/// ```
/// use std::io;
/// use std::net::{IpAddr, Ipv4Addr};
///
/// use octopus_argo_client::dial::{Resolve, TcpDial};
///
/// #[derive(Debug)]
/// struct Everywhere(Ipv4Addr);
///
/// #[async_trait::async_trait]
/// impl Resolve for Everywhere {
///     async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
///         Ok(vec![self.0.into()])
///     }
/// }
///
/// let dial = TcpDial::new().resolver(Everywhere(Ipv4Addr::LOCALHOST));
/// # let _ = dial;
/// ```
#[async_trait]
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of `name`, the best first. An answer that is kept longer than its time to live hides a move.
    ///
    /// # Errors
    /// Whatever stood against it; it is tried again later.
    ///
    /// # Cancel safety
    /// Must be cancel-safe: the future is dropped when the time for dialling is over.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

#[async_trait]
impl Dial for TcpDial {
    async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError> {
        let addresses = self.lookup(address).await?;
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
                    tracing::debug!(peer = %last, error = &error as &dyn std::error::Error, "address not reached");
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

    async fn lookup(&self, address: &ServerAddress) -> Result<Vec<SocketAddr>, DialError> {
        Self::lookup(self, address).await
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
