//! How Argo CD is reached.

use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::ServerAddress;

use super::channel::ArgoCdChannel;
use super::web::Web;
use super::{ArgoCd, ArgoCdConfigError, Tokens, unverified};
use crate::connection::{Endpoint, Peer};
use crate::dial::Dial;
use crate::tls::{Roots, Tls, TlsConfigError};

/// Sets up an [`ArgoCd`]. Made by [`ArgoCd::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is set up before `build`"]
pub struct ArgoCdBuilder {
    address: String,
    security: Security,
    /// For gRPC-Web: the root path, which may be empty.
    web: Option<String>,
    tokens: Tokens,
    keep_alive: Duration,
    relist: Duration,
    dial: Option<Arc<dyn Dial>>,
}

#[derive(Clone, Debug)]
enum Security {
    Tls(Option<Tls>),
    Unverified,
    Plaintext,
}

impl ArgoCdBuilder {
    /// Default of [`ArgoCdBuilder::keep_alive`]: 30 s. Argo CD's own command line pings every 20 s.
    pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

    /// The shortest interval between pings: 20 s, twice what Argo CD bears by default.
    ///
    /// Rule: Argo CD `common/common.go` (`GetGRPCKeepAliveTime`).
    pub const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(20);

    /// Default of [`ArgoCdBuilder::relist_every`]: 5 min.
    pub const RELIST: Duration = Duration::from_secs(300);

    /// The shortest time between lists: 1 s. A list of a large fleet keeps Argo CD busy for longer.
    pub const LEAST_RELIST: Duration = Duration::from_secs(1);

    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            security: Security::Tls(None),
            web: None,
            tokens: Tokens::default(),
            keep_alive: Self::KEEP_ALIVE,
            relist: Self::RELIST,
            dial: None,
        }
    }

    /// Over TLS, with this trust. Default: the roots of the operating system, with the host name checked.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.security = Security::Tls(Some(tls));
        self
    }

    /// Over TLS with whoever answers, as the command line's `--insecure`: anyone on the way can pretend to be Argo CD, and
    /// so take the token.
    pub fn danger_unverified(mut self) -> Self {
        self.security = Security::Unverified;
        self
    }

    /// Without TLS, as the command line's `--plaintext`, for a server that was started with `--insecure`: everyone on the
    /// way can read the token.
    pub fn danger_plaintext(mut self) -> Self {
        self.security = Security::Plaintext;
        self
    }

    /// By gRPC-Web over HTTP/1.1, for proxies that do not let HTTP/2 through. Each call then has a connection of its own,
    /// of which there are 128 at most.
    pub fn grpc_web(mut self) -> Self {
        self.web.get_or_insert_default();
        self
    }

    /// By gRPC-Web below this path, which the server was started with in `--rootpath`. The path never applies to native
    /// gRPC, so this is gRPC-Web too.
    pub fn grpc_web_root_path(mut self, path: &str) -> Self {
        self.web = Some(path.to_owned());
        self
    }

    /// The tokens to present. Default: none, so that only the version is told.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// How long a connection with calls on it is quiet before it is pinged. Default: [`ArgoCdBuilder::KEEP_ALIVE`]; no less
    /// than [`ArgoCdBuilder::LEAST_KEEP_ALIVE`]. Servers and proxies may want more: `ARGOCD_GRPC_KEEP_ALIVE_MIN`, and 5 min
    /// up to Argo CD 2.4. A connection without calls is never pinged.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// How often a gateway lists everything again, beside watching. Argo CD's Watch loses events without a word when it is
    /// slow, and tells of no application that one may no longer see, so this is how long such a loss lasts at most. Default:
    /// [`ArgoCdBuilder::RELIST`]; no less than [`ArgoCdBuilder::LEAST_RELIST`]. Each costs a whole List.
    pub fn relist_every(mut self, interval: Duration) -> Self {
        self.relist = interval.max(Self::LEAST_RELIST);
        self
    }

    /// How to open a byte stream. Default: TCP.
    pub fn dial(mut self, dial: Arc<dyn Dial>) -> Self {
        self.dial = Some(dial);
        self
    }

    /// Puts it together. Nothing is dialled yet.
    ///
    /// # Errors
    /// [`ArgoCdConfigError`].
    pub fn build(self) -> Result<ArgoCd, ArgoCdConfigError> {
        if self.keep_alive < Self::LEAST_KEEP_ALIVE {
            return Err(ArgoCdConfigError::KeepAlive);
        }
        let port = match self.security {
            Security::Plaintext => PLAINTEXT_PORT,
            Security::Tls(_) | Security::Unverified => TLS_PORT,
        };
        let address = ServerAddress::with_default_port(&self.address, port)
            .map_err(|source| ArgoCdConfigError::Address { source })?;
        let peer = if self.web.is_some() {
            Peer::ArgoCdWeb
        } else {
            Peer::ArgoCd
        };
        let refused = |source| ArgoCdConfigError::Tls { source };
        let mut endpoint = match &self.security {
            Security::Plaintext => Endpoint::danger_plaintext(address, peer),
            Security::Unverified => {
                let config = unverified::client_config().map_err(|source| TlsConfigError::Provider {
                    source: Arc::new(source),
                });
                Endpoint::danger_trusting_anyone(address, config.map_err(refused)?, peer)
            }
            Security::Tls(Some(tls)) => Endpoint::new(address, Some(tls), peer).map_err(refused)?,
            Security::Tls(None) => Endpoint::new(address, Some(&system_trust()), peer).map_err(refused)?,
        };
        endpoint.set_keep_alive(self.keep_alive);
        if let Some(dial) = self.dial {
            endpoint.set_dial(dial);
        }
        let channel = match &self.web {
            Some(root) => {
                let fits = root
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%'));
                let web = fits.then(|| Web::new(endpoint, root));
                ArgoCdChannel::web(web.and_then(Result::ok).ok_or(ArgoCdConfigError::RootPath)?)
            }
            None => ArgoCdChannel::http2(endpoint),
        };
        Ok(ArgoCd {
            channel,
            tokens: Arc::new(self.tokens),
            relist: self.relist,
        })
    }
}

#[cfg(feature = "native-roots")]
fn system_trust() -> Tls {
    Tls::host_name(Roots::system())
}

/// Without the operating system's roots there are none: then TLS has to be given.
#[cfg(not(feature = "native-roots"))]
fn system_trust() -> Tls {
    Tls::host_name(Roots::empty())
}

/// The ports of Argo CD's service.
const TLS_PORT: u16 = 443;
const PLAINTEXT_PORT: u16 = 80;
