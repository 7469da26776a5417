//! How a simulated server is set up.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use octopus_argo_core::DEFAULT_NAMESPACE;

use super::clock::Clock;
use super::connection::{Listener, Security};
use super::service::{Api, Options};
use super::{
    Access, Accounts, ArgoCdSim, ArgoCdVersion, Controller, Encoding, Faults, Fleet, KeepAlive, Manifest,
    Presence, Traffic, controller,
};

/// Sets up an [`ArgoCdSim`]. Made by [`ArgoCdSim::builder`].
#[must_use = "nothing runs before `start`"]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ArgoCdSimBuilder {
    address: SocketAddr,
    version: ArgoCdVersion,
    namespace: String,
    applications: Vec<Manifest>,
    tokens: Vec<(String, Access)>,
    users: Vec<(String, String, Access)>,
    default_access: Option<Access>,
    anonymous: bool,
    authentication: bool,
    message_limit: usize,
    watch_buffer: usize,
    clock: Clock,
    keep_alive: Option<KeepAlive>,
    root_path: String,
    presence: Presence,
    headers_at_once: bool,
    health_source: HealthSource,
    log_rights: bool,
    override_for_revisions: bool,
    controller: Controller,
    faults: Faults,
    #[cfg(feature = "tls")]
    tls: bool,
    #[cfg(feature = "tls")]
    alpn: Alpn,
}

/// Where the health of an application's resources is kept, for applications whose manifest does not say so in
/// `status.resourceHealthSource`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthSource {
    /// As the simulated version does by default: in the object up to 2.14, in the tree since 3.0. The default.
    #[default]
    OfVersion,
    /// In the object, so that List has it, and each change of it is a change of the object.
    Inline,
    /// In the tree: List and Sync answer without it, Get and Watch fill it in, and a change of it is no change of the
    /// object, so that a Watch does not see it.
    AppTree,
}

/// Which protocol TLS answers to a client that offers some.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Alpn {
    /// As the simulated version: none up to 2.13, `http/1.1` before `h2` since 2.14. The default.
    #[default]
    OfVersion,
    /// `http/1.1` before `h2`, in the server's order: a client that offers both gets `http/1.1`.
    ServerOrder,
    /// No answer. HTTP/2 is spoken all the same with who begins it.
    None,
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

#[cfg(feature = "tls")]
impl Alpn {
    /// What the server offers, its favourite first.
    ///
    /// Rule: Argo CD `server/server.go` (`Run`, `NextProtos`).
    fn protocols(self, version: ArgoCdVersion) -> &'static [&'static [u8]] {
        match self {
            Self::OfVersion if version < ArgoCdVersion::V2_14 => &[],
            Self::OfVersion | Self::ServerOrder => &[b"http/1.1", b"h2"],
            Self::None => &[],
        }
    }
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
            users: Vec::new(),
            default_access: None,
            anonymous: false,
            authentication: true,
            message_limit: Self::MESSAGE_LIMIT,
            watch_buffer: Self::WATCH_BUFFER,
            clock: Clock::new(SystemTime::now),
            keep_alive: Some(KeepAlive::default()),
            root_path: String::new(),
            presence: Presence::default(),
            headers_at_once: false,
            health_source: HealthSource::default(),
            log_rights: false,
            override_for_revisions: false,
            controller: Controller::default(),
            faults: Faults::default(),
            #[cfg(feature = "tls")]
            tls: false,
            #[cfg(feature = "tls")]
            alpn: Alpn::default(),
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

    /// Applications to begin with. More come by [`Fleet::upsert`]. They are taken one by one, and kept in little memory: an
    /// iterator that makes them is better than a list of them. A large fleet starts sooner if its version, presence and health
    /// source are set before.
    pub fn applications(mut self, manifests: impl IntoIterator<Item = Manifest>) -> Self {
        let encoding = self.encoding();
        let manifests = manifests.into_iter();
        self.applications
            .extend(manifests.map(|manifest| manifest.compacted(encoding)));
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

    /// Which protocol TLS answers. Default: [`Alpn::OfVersion`]. Routing looks at bytes alone, so that HTTP/2 works
    /// whatever was agreed on.
    #[cfg(feature = "tls")]
    pub fn alpn(mut self, alpn: Alpn) -> Self {
        self.alpn = alpn;
        self
    }

    /// How many pings are borne, or `None` for any number. Default: [`KeepAlive::default`], as Argo CD.
    pub fn keep_alive(mut self, keep_alive: Option<KeepAlive>) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Where HTTP/1.1, and so gRPC-Web and JSON, is served: `--rootpath`. Slashes around it do not matter. Default: at the root.
    /// HTTP/2 is not moved: a path with the prefix is an unknown service there.
    pub fn root_path(mut self, path: &str) -> Self {
        self.root_path = match path.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        self
    }

    /// Whether empty values are on the wire. Default: [`Presence::Always`], as Argo CD.
    pub fn presence(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Whether an answer over HTTP/2 that is a stream begins with headers at once. Default: false, as Argo CD: grpc-go
    /// sends them with the first message, so a client that waits for them waits as long as there is nothing to say.
    pub fn headers_at_once(mut self, at_once: bool) -> Self {
        self.headers_at_once = at_once;
        self
    }

    /// Where health of resources is kept. Default: [`HealthSource::OfVersion`].
    pub fn health_source(mut self, source: HealthSource) -> Self {
        self.health_source = source;
        self
    }

    /// Whether pod logs need the right `logs, get` before 3.0: `server.rbac.log.enforce.enable`. Default: false, as Argo
    /// CD. Since 3.0 they always do.
    pub fn log_rights(mut self, needed: bool) -> Self {
        self.log_rights = needed;
        self
    }

    /// Whether a sync to another revision than the application's own needs the right `applications, override`:
    /// `application.sync.requireOverridePrivilegeForRevisionSync`. Default: false, as Argo CD. No effect before 3.3.
    pub fn override_for_revisions(mut self, needed: bool) -> Self {
        self.override_for_revisions = needed;
        self
    }

    /// What moves by itself. Default: [`Controller::default`]: refreshes are carried out at once, everything else is left
    /// to the test.
    pub fn controller(mut self, controller: Controller) -> Self {
        self.controller = controller;
        self
    }

    /// Faults to begin with; the same handle as [`ArgoCdSim::faults`]. Default: none.
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = faults.clone();
        self
    }

    /// What everyone may do, whatever else they may: `policy.default`. Default: nothing. More by
    /// [`Accounts::set_default_access`].
    pub fn default_access(mut self, access: Access) -> Self {
        self.default_access = Some(access);
        self
    }

    /// Lets calls without a good token through as an anonymous caller, who may do what the default access allows:
    /// `users.anonymous.enabled`. Default: false.
    pub fn anonymous(mut self, enabled: bool) -> Self {
        self.anonymous = enabled;
        self
    }

    /// A user who can log in with a password. More by [`Accounts::set_user`]. Default: none.
    pub fn user(mut self, name: &str, password: &str, access: Access) -> Self {
        self.users.push((name.to_owned(), password.to_owned(), access));
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

    /// What the bytes of an object depend on, as far as it is set.
    const fn encoding(&self) -> Encoding {
        Encoding {
            version: self.version,
            presence: self.presence,
            health_in_tree: match self.health_source {
                HealthSource::OfVersion => self.version.is_3_or_later(),
                HealthSource::Inline => false,
                HealthSource::AppTree => true,
            },
        }
    }

    /// Starts to listen. Must be called in a Tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Safe: a server that has not been returned does not listen.
    pub async fn start(self) -> Result<ArgoCdSim, StartError> {
        let encoding = self.encoding();
        let fleet = Fleet::new(
            self.clock.clone(),
            self.namespace.clone(),
            self.watch_buffer,
            encoding,
            self.faults.clone(),
        );
        fleet.add_own_cluster();
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
        for (name, password, access) in self.users {
            accounts.set_user(&name, &password, access);
        }
        accounts.set_default_access(self.default_access);
        accounts.set_anonymous(self.anonymous);
        let setup = Setup {
            address: self.address,
            keep_alive: self.keep_alive,
            controller: Arc::new(controller::Running::start(self.controller, fleet.clone())),
            api: Api {
                fleet,
                accounts,
                faults: self.faults,
                traffic: Traffic::default(),
                options: Arc::new(Options {
                    version: self.version,
                    message_limit: self.message_limit,
                    root_path: self.root_path,
                    headers_at_once: self.headers_at_once,
                    log_rights: self.log_rights,
                    override_for_revisions: self.override_for_revisions,
                }),
            },
            #[cfg(feature = "tls")]
            alpn: self.alpn,
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
    keep_alive: Option<KeepAlive>,
    /// Goes on while the server is stopped, as another process would.
    #[expect(dead_code, reason = "kept until the end")]
    controller: Arc<controller::Running>,
    #[cfg(feature = "tls")]
    alpn: Alpn,
    #[cfg(feature = "tls")]
    pub(super) identity: Option<super::tls::Identity>,
}

impl Setup {
    pub(super) async fn start(mut self) -> Result<ArgoCdSim, StartError> {
        let security = self.security()?;
        let listener = Listener::bind(self.address, security, self.keep_alive, self.api.clone())
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
        let acceptor = identity.acceptor(self.alpn.protocols(self.api.options.version));
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
