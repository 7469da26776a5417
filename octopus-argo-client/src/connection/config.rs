//! What a connection is made from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::tls::Verification;
use octopus_argo_core::{Host, ServerAddress};
use rustls_pki_types::ServerName;

use crate::credentials::CredentialProvider;
use crate::dial::{Dial, TcpDial};
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
    pub(super) server: ServerAddress,
    pub(super) tls: Option<TlsSetup>,
    pub(super) credentials: Arc<dyn CredentialProvider>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) dial_timeout: Duration,
    pub(super) handshake_timeout: Duration,
}

#[derive(Clone)]
pub(super) struct TlsSetup {
    pub(super) verification: Verification,
    pub(super) config: Arc<rustls::ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Config {
    /// How long dialling may take if nothing else is said: 10 s, name look-up included.
    pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

    /// How long TLS, and after it HTTP/2, may take each if nothing else is said: 10 s.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// A connection over TLS, dialled with [`TcpDial`].
    ///
    /// # Errors
    /// [`TlsConfigError`] if `tls` could accept no server at all.
    pub fn new(
        server: ServerAddress,
        tls: &Tls,
        credentials: impl CredentialProvider + 'static,
    ) -> Result<Self, TlsConfigError> {
        let setup = TlsSetup {
            verification: tls.verification(),
            config: Arc::new(tls.client_config()?),
            name: server_name(&server),
        };
        Ok(Self {
            tls: Some(setup),
            ..Self::danger_plaintext(server, credentials)
        })
    }

    /// A connection without TLS: everyone on the way can read and change everything, the access token included.
    ///
    /// For a service mesh that encrypts by itself, and for tests. The credentials have to allow it as well, with
    /// [`Credentials::danger_allow_plaintext`](crate::credentials::Credentials::danger_allow_plaintext).
    #[must_use]
    pub fn danger_plaintext(server: ServerAddress, credentials: impl CredentialProvider + 'static) -> Self {
        Self {
            server,
            tls: None,
            credentials: Arc::new(credentials),
            dial: Arc::new(TcpDial),
            dial_timeout: Self::DIAL_TIMEOUT,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
        }
    }

    /// Dials in another way: through a proxy, or in a simulated network.
    #[must_use]
    pub fn dial(self, dial: impl Dial + 'static) -> Self {
        Self {
            dial: Arc::new(dial),
            ..self
        }
    }

    /// The limit for dialling. Default: [`DIAL_TIMEOUT`](Self::DIAL_TIMEOUT).
    #[must_use]
    pub fn dial_timeout(self, dial_timeout: Duration) -> Self {
        Self { dial_timeout, ..self }
    }

    /// The limit for TLS, and again for HTTP/2. Default: [`HANDSHAKE_TIMEOUT`](Self::HANDSHAKE_TIMEOUT).
    #[must_use]
    pub fn handshake_timeout(self, handshake_timeout: Duration) -> Self {
        Self {
            handshake_timeout,
            ..self
        }
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// How the server has to prove who it is.
    #[must_use]
    pub fn verification(&self) -> Verification {
        self.tls
            .as_ref()
            .map_or(Verification::Plaintext, |tls| tls.verification)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server)
            .field("verification", &self.verification())
            .field("credentials", &self.credentials)
            .field("dial", &self.dial)
            .field("dial_timeout", &self.dial_timeout)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::expect_used,
    reason = "a server address holds only letters, digits, hyphens, underscores and dots"
)]
fn server_name(server: &ServerAddress) -> ServerName<'static> {
    match server.host() {
        Host::Ip(ip) => ServerName::from(*ip),
        host => ServerName::try_from(host.to_string()).expect("a host name is a DNS name"),
    }
}
