//! A simulated Argo CD API server.
//!
//! [`ArgoCdSim`] speaks the real gRPC API on a real socket, over HTTP/2 with or without TLS, so that whatever talks to
//! Argo CD can be tested against it unchanged. It is filled from Application manifests, and its [`Fleet`] can be changed
//! while it runs. Where Argo CD has traps, so has it: a `token` header that is empty hides a good `authorization`
//! header, an absent application is code 7 unless the caller names the project, Watch loses events without a word.
//!
//! Simulated now: `Version`, `GetUserInfo`, and of applications `List`, `Get`, `Watch`, `PodLogs` and `Sync`. Other
//! methods answer code 12, and so do other services.
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
//! # Determinism
//! Uids are made from names, resource versions are counted from 1, and nothing happens that the test has not asked for:
//! no reconciliation, no progress of syncs, no time limit. With [`ArgoCdSimBuilder::clock`] answers are alike to the
//! byte. The certificate's key alone is new each time.
//!
//! # Where it differs from Argo CD
//! - A Watch sees every change from its first event on; Argo CD can lose those between the initial burst and its
//!   subscription.
//! - A request without a field that must be present is read as if the field were empty.
//! - The key of the certificate is ECDSA, and it is valid for a century.
//! - HTTP/1.1, and so gRPC-Web and JSON, are not served.

mod access;
mod accounts;
mod builder;
mod clock;
mod credential;
mod fleet;
mod listen;
mod manifest;
mod selector;
mod service;
#[cfg(feature = "tls")]
mod tls;
mod version;

pub use access::Access;
pub use accounts::Accounts;
pub use builder::{ArgoCdSimBuilder, StartError};
pub use fleet::{ChangeError, Fleet, SyncWindow};
pub use manifest::{Manifest, ManifestError};
pub use version::ArgoCdVersion;

use std::net::SocketAddr;
use std::time::Duration;

use builder::Setup;
use listen::Listener;

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
