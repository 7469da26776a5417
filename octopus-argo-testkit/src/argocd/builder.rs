//! How a simulated server is set up.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use octopus_argo_core::DEFAULT_NAMESPACE;

use super::clock::Clock;
use super::listen::{Listener, Security};
use super::service::Api;
use super::{Access, Accounts, ArgoCdSim, ArgoCdVersion, Fleet, Manifest};

/// Sets up an [`ArgoCdSim`]. Made by [`ArgoCdSim::builder`].
#[must_use = "nothing runs before `start`"]
pub struct ArgoCdSimBuilder {
    address: SocketAddr,
    version: ArgoCdVersion,
    namespace: String,
    applications: Vec<Manifest>,
    tokens: Vec<(String, Access)>,
    authentication: bool,
    message_limit: usize,
    watch_buffer: usize,
    clock: Clock,
    #[cfg(feature = "tls")]
    tls: bool,
}

/// Why a simulated server did not start.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The certificate could not be made.
    #[error("could not set up TLS")]
    #[non_exhaustive]
    Tls {
        /// What the cryptography says.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The address is not to be had.
    #[error("could not listen on {address}")]
    #[non_exhaustive]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
}

impl ArgoCdSimBuilder {
    /// How many bytes a message may have, both ways, as Argo CD does by default: 200 MiB.
    ///
    /// Rule: Argo CD `pkg/apiclient/apiclient.go` (`MaxGRPCMessageSize`).
    pub const MESSAGE_LIMIT: usize = 200 << 20;

    /// How many events wait for a Watch client before others are dropped, as Argo CD does by default.
    ///
    /// Rule: Argo CD `server/broadcast/broadcaster.go` and `ARGOCD_WATCH_API_BUFFER_SIZE`.
    pub const WATCH_BUFFER: usize = 1000;

    pub(super) fn new() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            version: ArgoCdVersion::default(),
            namespace: DEFAULT_NAMESPACE.to_owned(),
            applications: Vec::new(),
            tokens: Vec::new(),
            authentication: true,
            message_limit: Self::MESSAGE_LIMIT,
            watch_buffer: Self::WATCH_BUFFER,
            clock: Clock::new(SystemTime::now),
            #[cfg(feature = "tls")]
            tls: false,
        }
    }

    /// Where to listen. Default: a free port of 127.0.0.1.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Which Argo CD to be. Default: the newest.
    pub fn version(mut self, version: ArgoCdVersion) -> Self {
        self.version = version;
        self
    }

    /// The control plane's namespace. Default: `argocd`. Applications of every namespace are served.
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Applications to begin with. More come by [`Fleet::upsert`].
    pub fn applications(mut self, manifests: impl IntoIterator<Item = Manifest>) -> Self {
        self.applications.extend(manifests);
        self
    }

    /// A token to begin with, and what its account may do. More come by [`Accounts::issue`]. Default: none, so that
    /// every call but Version and `GetUserInfo` is refused.
    pub fn token(mut self, token: &str, access: Access) -> Self {
        self.tokens.push((token.to_owned(), access));
        self
    }

    /// Lets anyone do anything, as the server's `--disable-auth` does.
    pub fn without_authentication(mut self) -> Self {
        self.authentication = false;
        self
    }

    /// Speaks TLS, with a self-signed certificate as Argo CD makes one. Default: plain text, as with `--insecure`.
    ///
    /// The certificate names `localhost` and `argocd-server`, not 127.0.0.1.
    #[cfg(feature = "tls")]
    pub fn self_signed_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// The largest message in bytes, both ways. Default: [`Self::MESSAGE_LIMIT`]. A small one provokes cheaply what a
    /// large fleet does.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// How many events wait for each Watch client, at least 1. Default: [`Self::WATCH_BUFFER`].
    pub fn watch_buffer(mut self, events: usize) -> Self {
        self.watch_buffer = events.max(1);
        self
    }

    /// Where times come from: those of creation, change and reconciliation, of log lines and of tokens. Default: the
    /// system's clock. With a clock of your own, runs are alike to the byte.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Starts to listen. Must be called in a Tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Safe: a server that has not been returned does not listen.
    pub async fn start(self) -> Result<ArgoCdSim, StartError> {
        let fleet = Fleet::new(self.clock.clone(), self.namespace.clone(), self.watch_buffer);
        for manifest in self.applications {
            fleet.upsert(manifest);
        }
        let accounts = Accounts::new(self.clock, self.version);
        if !self.authentication {
            accounts.open_to_all();
        }
        for (token, access) in self.tokens {
            accounts.issue(&token, access);
        }
        let setup = Setup {
            address: self.address,
            api: Api {
                fleet,
                accounts,
                version: self.version,
                message_limit: self.message_limit,
            },
            #[cfg(feature = "tls")]
            identity: self
                .tls
                .then(|| super::tls::Identity::generate(&self.namespace))
                .transpose()
                .map_err(|error| StartError::Tls {
                    source: Arc::new(error),
                })?,
        };
        setup.start().await
    }
}

impl fmt::Debug for ArgoCdSimBuilder {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgoCdSimBuilder")
            .field("address", &self.address)
            .field("version", &self.version)
            .field("applications", &self.applications.len())
            .finish_non_exhaustive()
    }
}

/// Everything that survives a restart.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) address: SocketAddr,
    pub(super) api: Api,
    #[cfg(feature = "tls")]
    pub(super) identity: Option<super::tls::Identity>,
}

impl Setup {
    pub(super) async fn start(mut self) -> Result<ArgoCdSim, StartError> {
        let security = self.security()?;
        let listener = Listener::bind(self.address, security, self.api.clone())
            .await
            .map_err(|error| StartError::Bind {
                address: self.address,
                source: Arc::new(error),
            })?;
        self.address = listener.address();
        Ok(ArgoCdSim {
            setup: self,
            listener,
        })
    }

    #[cfg(feature = "tls")]
    fn security(&self) -> Result<Security, StartError> {
        let Some(identity) = &self.identity else {
            return Ok(Security::Plaintext);
        };
        let acceptor = identity.acceptor(self.api.version);
        acceptor
            .map(Security::Tls)
            .map_err(|error| StartError::Tls { source: error.into() })
    }

    #[cfg(not(feature = "tls"))]
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "with TLS it has both"
    )]
    fn security(&self) -> Result<Security, StartError> {
        Ok(Security::Plaintext)
    }
}
