//! A simulated Argo CD API server.
//!
//! [`ArgoCdSim`] speaks the real gRPC API on a real socket, over HTTP/2 with or without TLS, so that whatever talks to
//! Argo CD can be tested against it unchanged. It is filled from Application manifests, and its [`Fleet`] can be changed
//! while it runs. Where Argo CD has traps, so has it: a `token` header that is empty hides a good `authorization`
//! header, an absent application is code 7 unless the caller names the project, Watch loses events without a word.
//!
//! [`Method`] lists the calls that are simulated: all that a gateway makes, and those with which the `argocd` command
//! line logs in. Others answer code 12.
//!
//! ```
//! use octopus_argo_core::ApplicationName;
//! use octopus_argo_core::health::HealthStatus;
//! use octopus_argo_testkit::argocd::{Access, ArgoCdSim, Manifest};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = ArgoCdSim::builder()
//!     .token("header.payload.signature", Access::read_only("gateway"))
//!     .applications(Manifest::parse_all(
//!         "
//! metadata: {name: web, annotations: {argo.octopus.com/project: shop}}
//! spec: {project: default, source: {repoURL: https://git.example.test/web.git, path: deploy}}
//! status: {health: {status: Progressing}, sync: {status: Synced}}
//! ",
//!     )?)
//!     .start()
//!     .await?;
//!
//! // Point your client at it: `sim.uri()` with the token above. Meanwhile, things happen.
//! let web = ApplicationName::new(None, "web");
//! sim.fleet().set_health(&web, &HealthStatus::Healthy)?;
//! sim.fleet().annotate(&web, "argo.octopus.com/environment", Some("staging"))?;
//! sim.accounts().expire("header.payload.signature");
//!
//! sim.shutdown(std::time::Duration::from_secs(1)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # As the real one does
//! | what | switch |
//! |------|--------|
//! | One port; a connection is sorted by its first bytes, and an HTTP/2 one by its first `content-type`, which must be exactly `application/grpc`: else SETTINGS and the end | |
//! | TLS answers plain HTTP with 307, and anything else not at all | [`ArgoCdSimBuilder::self_signed_tls`] |
//! | TLS prefers `http/1.1` since 2.14, and was silent before | [`ArgoCdSimBuilder::alpn`] |
//! | No answer to PING before the first request; too many pings end the connection | [`ArgoCdSimBuilder::keep_alive`] |
//! | Headers of a stream come with its first message | [`ArgoCdSimBuilder::headers_at_once`] |
//! | gRPC-Web over HTTP/1.1 for exactly `application/grpc-web+proto`, under a root path that HTTP/2 has not | [`ArgoCdSimBuilder::root_path`] |
//! | The same methods as JSON below `/api/`: Go's field names, cookies, `fields`, streams as lines or server-sent events; what changes something has to be exactly `application/json` | |
//! | Messages of 200 MiB at most, else code 8 | [`ArgoCdSimBuilder::message_limit`] |
//! | Tokens: `token`, then `authorization`, then a cookie, in pieces too; an empty `token` is final | [`Accounts`] |
//! | A login lasts for a day, and is renewed in its last five minutes | [`ArgoCdSimBuilder::user`] |
//! | Streams outlive their tokens, not their rights | [`Accounts::revoke`], [`Accounts::set_access`] |
//! | Clients that call themselves `argocd-client` below 1.4.0 are refused | |
//! | 7 for an application that is absent, 5 with a project, 3 where the project is missing | [`Fleet::remove_project`] |
//! | Missing fields that are required are code 13 | |
//! | Empty values and blank structs are on the wire | [`ArgoCdSimBuilder::presence`] |
//! | Health of resources is in the tree since 3.0, not in List | [`ArgoCdSimBuilder::health_source`] |
//! | Watch has no end of the beginning, no replay, and loses events | [`Faults`], [`ArgoCdSimBuilder::watch_buffer`] |
//! | A refresh, and a tree that is not in the cache, wait for the controller | [`Controller`], [`Fleet::forget_tree`] |
//! | Secrets are masked | [`Fleet::set_resource`] |
//! | An operation is accepted, runs, ends, and can be terminated | [`Fleet::begin_sync`], [`Controller::sync_after`] |
//! | Manifests, and by a setting another revision, need the right to override | [`ArgoCdSimBuilder::override_for_revisions`] |
//! | Differences of versions | [`ArgoCdVersion`] |
//!
//! # Determinism
//! Uids are made from names, resource versions are counted from 1, and nothing happens that the test has not asked for,
//! but that a refresh is carried out at once: no reconciliation, no progress of syncs, no time limit. With
//! [`ArgoCdSimBuilder::clock`] answers are alike to the byte. The certificate's key alone is new each time.
//!
//! # Large fleets
//! [`Manifest::renamed`] makes many applications of one. They share everything but their metadata until one is changed: ten
//! thousand of 5 kB each start in about a second, with optimisation or without, and take some 35 MiB. As many that differ are
//! kept as text and as the bytes that every answer shares, some 350 MiB, and are read for some seconds first. A List of them
//! takes a second or two with its decoding. Measured on two busy cores, by the ignored tests `large`.
//!
//! # Where it differs from Argo CD
//! - A Watch sees every change from its first event on, unless [`Faults::open_watch_window`] says otherwise; Argo CD can
//!   lose those between the initial burst and its subscription.
//! - The key of the certificate is ECDSA, and it is valid for a century.
//! - There is no single sign-on, no compression, and of the user interface nothing.
//! - JSON leaves out what is empty by a rule for all fields with exceptions, not by the tag of each.
//! - Nothing is rendered and no schedule is looked at: manifests are what [`Fleet::set_resource`] was given, and sync
//!   windows block when [`Fleet::set_sync_window`] says so.
//! - The texts of errors are those of Argo CD where they are known, else like them. Match codes.

mod access;
mod accounts;
mod builder;
mod clock;
mod connection;
mod controller;
mod credential;
mod encoding;
mod faults;
mod fleet;
mod manifest;
mod method;
mod selector;
mod service;
#[cfg(feature = "tls")]
mod tls;
mod version;

pub use access::Access;
pub use accounts::Accounts;
#[cfg(feature = "tls")]
pub use builder::Alpn;
pub use builder::{ArgoCdSimBuilder, HealthSource, StartError};
pub use connection::{KeepAlive, Traffic};
pub use controller::Controller;
pub use encoding::Presence;
pub use faults::{Faults, Hold};
pub use fleet::{ChangeError, Fleet, SyncWindow};
pub use manifest::{Manifest, ManifestError};
pub use method::Method;
pub use version::ArgoCdVersion;

use std::net::SocketAddr;
use std::time::Duration;

use builder::Setup;
use connection::Listener;
use encoding::Encoding;

/// A simulated Argo CD API server. Dropping it ends everything that it has started, at once.
///
/// See the [module](self) for an example.
#[derive(Debug)]
pub struct ArgoCdSim {
    setup: Setup,
    listener: Listener,
}

impl ArgoCdSim {
    /// Begins to set up a server.
    pub fn builder() -> ArgoCdSimBuilder {
        ArgoCdSimBuilder::new()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The address for a client: with `https` and the name `localhost`, which its certificate bears, or with `http`.
    #[must_use]
    pub fn uri(&self) -> String {
        let address = self.address();
        if self.speaks_tls() {
            format!("https://localhost:{}", address.port())
        } else {
            format!("http://{address}")
        }
    }

    /// Its applications.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.setup.api.fleet
    }

    /// Its tokens.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.setup.api.accounts
    }

    /// What goes wrong with it.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.setup.api.faults
    }

    /// What clients have done so far.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.setup.api.traffic
    }

    /// Its certificate in PEM, to be trusted by clients; `None` in plain text.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.setup.identity.as_ref().map(tls::Identity::pem)
    }

    /// Its certificate in DER, to be pinned by clients; `None` in plain text.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn certificate_der(&self) -> Option<&[u8]> {
        self.setup.identity.as_ref().map(tls::Identity::der)
    }

    /// Stops as Argo CD does: accepts no more connections, tells clients to go away, waits for their calls, and after
    /// `grace` cuts those that are left. Watch streams never end by themselves, so with one open the grace is used up.
    ///
    /// Returns what it takes to start again.
    ///
    /// # Cancel safety
    /// Safe in that nothing goes on: a shutdown that is given up ends everything at once.
    pub async fn shutdown(self, grace: Duration) -> Stopped {
        self.listener.shutdown(grace).await;
        Stopped { setup: self.setup }
    }

    /// Tells every client of now to go away: GOAWAY, no new calls on the connection, those that are open go on. The server
    /// still listens. Real Argo CD does it on SIGTERM, and when settings change that make it listen anew.
    pub fn go_away(&self) {
        self.listener.go_away();
    }

    /// Cuts every connection of now, without a word. The server still listens. What a crash, a proxy or a network does.
    pub fn cut(&self) {
        self.listener.cut();
    }

    /// [`ArgoCdSim::shutdown`] and [`Stopped::start`] in one: GOAWAY, `grace` for the calls that are open, the cut, and
    /// then the same address again. Real Argo CD: each upgrade, with a grace of 20 s.
    ///
    /// # Errors
    /// [`StartError::Bind`] where another has taken the port meanwhile.
    ///
    /// # Cancel safety
    /// As [`ArgoCdSim::shutdown`]; a restart that is given up has ended the server.
    pub async fn restart(self, grace: Duration) -> Result<Self, StartError> {
        self.shutdown(grace).await.start().await
    }

    #[cfg(feature = "tls")]
    fn speaks_tls(&self) -> bool {
        self.setup.identity.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "with TLS it looks")]
    fn speaks_tls(&self) -> bool {
        false
    }
}

/// A server that does not listen: its address answers no connection.
#[derive(Debug)]
pub struct Stopped {
    setup: Setup,
}

impl Stopped {
    /// Its applications.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.setup.api.fleet
    }

    /// Its tokens.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.setup.api.accounts
    }

    /// What goes wrong with it.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.setup.api.faults
    }

    /// Starts it again: on the same address, with the same certificate, applications and tokens.
    ///
    /// # Errors
    /// [`StartError::Bind`] where another has taken the port meanwhile.
    ///
    /// # Cancel safety
    /// Safe: a server that has not been returned does not listen.
    pub async fn start(self) -> Result<ArgoCdSim, StartError> {
        self.setup.start().await
    }
}
