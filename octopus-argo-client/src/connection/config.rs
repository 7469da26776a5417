//! What a connection is made from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::ServerAddress;
use octopus_argo_core::tls::Verification;

use super::endpoint::{Endpoint, Peer};
use crate::credentials::CredentialProvider;
use crate::dial::Dial;
use crate::tls::{Tls, TlsConfigError};

/// Everything [`connect`](super::connect) needs. Cloning shares providers and diallers.
///
/// ```no_run
/// use std::time::Duration;
///
/// use octopus_argo_client::connection::Config;
/// use octopus_argo_client::credentials::Credentials;
/// use octopus_argo_client::tls::{Roots, Tls};
///
/// # fn example() -> Result<Config, Box<dyn std::error::Error>> {
/// let credentials = Credentials::new("c1".parse()?, "t1".parse()?);
/// let tls = Tls::host_name(Roots::empty().with_folder("/etc/octopus/roots")?);
/// let config = Config::new("octopus.example.com:8443".parse()?, &tls, credentials)?
///     .dial_timeout(Duration::from_secs(5));
/// # Ok(config)
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: Arc<dyn CredentialProvider>,
}

impl Config {
    /// How long dialling may take if nothing else is said: 10 s, name look-up included.
    pub const DIAL_TIMEOUT: Duration = Endpoint::DIAL_TIMEOUT;

    /// How long TLS, and after it HTTP/2, may take each if nothing else is said: 10 s.
    pub const HANDSHAKE_TIMEOUT: Duration = Endpoint::HANDSHAKE_TIMEOUT;

    /// A connection over TLS, dialled with [`TcpDial`](crate::dial::TcpDial).
    ///
    /// # Errors
    /// [`TlsConfigError`] if `tls` could accept no server at all.
    pub fn new(
        server: ServerAddress,
        tls: &Tls,
        credentials: impl CredentialProvider + 'static,
    ) -> Result<Self, TlsConfigError> {
        Ok(Self {
            endpoint: Endpoint::new(server, Some(tls), Peer::Octopus)?,
            credentials: Arc::new(credentials),
        })
    }

    /// A connection without TLS: everyone on the way can read and change everything, the access token included.
    ///
    /// For a service mesh that encrypts by itself, and for tests. The credentials have to allow it as well, with
    /// [`Credentials::danger_allow_plaintext`](crate::credentials::Credentials::danger_allow_plaintext).
    #[must_use]
    pub fn danger_plaintext(server: ServerAddress, credentials: impl CredentialProvider + 'static) -> Self {
        Self {
            endpoint: Endpoint::danger_plaintext(server, Peer::Octopus),
            credentials: Arc::new(credentials),
        }
    }

    /// Dials in another way: through a proxy, or in a simulated network.
    #[must_use]
    pub fn dial(mut self, dial: impl Dial + 'static) -> Self {
        self.endpoint.dial = Arc::new(dial);
        self
    }

    /// The limit for dialling. Default: [`DIAL_TIMEOUT`](Self::DIAL_TIMEOUT).
    #[must_use]
    pub fn dial_timeout(mut self, dial_timeout: Duration) -> Self {
        self.endpoint.dial_timeout = dial_timeout;
        self
    }

    /// The limit for TLS, and again for HTTP/2. Default: [`HANDSHAKE_TIMEOUT`](Self::HANDSHAKE_TIMEOUT).
    #[must_use]
    pub fn handshake_timeout(mut self, handshake_timeout: Duration) -> Self {
        self.endpoint.handshake_timeout = handshake_timeout;
        self
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &ServerAddress {
        &self.endpoint.server
    }

    /// How the server has to prove who it is.
    #[must_use]
    pub fn verification(&self) -> Verification {
        // Nothing here makes an endpoint that verifies nothing.
        self.endpoint.verification().unwrap_or_default()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("endpoint", &self.endpoint)
            .field("credentials", &self.credentials)
            .finish()
    }
}
