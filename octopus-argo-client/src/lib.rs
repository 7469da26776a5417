//! Keeps one tunnel open from inside a cluster to an Octopus server. It never listens.
//!
//! A [`Gateway`] dials an Octopus server, proves who it is, and answers what the server calls through the tunnel: Argo CD,
//! as far as a [`Policy`] of its own allows, the applications in it as they change, and services of yours. It comes back
//! by itself when the connection is lost.
//!
//! ```no_run
//! use octopus_argo_client::connection::Config;
//! use octopus_argo_client::credentials::Credentials;
//! use octopus_argo_client::tls::{Roots, Tls};
//! use octopus_argo_client::{ArgoCd, Gateway};
//! use octopus_argo_core::Thumbprint;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let thumbprint: Thumbprint = "30656E497815B3E31EB4BC517A57558170D9ABBF".parse()?;
//! let credentials = Credentials::new("0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11".parse()?, "the-token".parse()?);
//! let server = Config::new("grpc://octopus.example.com".parse()?, &Tls::pinned(thumbprint), credentials)?;
//!
//! let trust = Tls::host_name(Roots::empty().with_file("/etc/argocd/ca.crt")?);
//! let argo_cd = ArgoCd::new("argocd-server.argocd.svc", &trust, std::env::var("ARGOCD_TOKEN")?.into())?;
//!
//! let gateway = Gateway::builder(server).argo_cd(argo_cd).start()?;
//! println!("{}", gateway.stopped().await);
//! # Ok(())
//! # }
//! ```
//!
//! Where to go next: [`Gateway`] for its events, [`connection`] for the stages and their errors, [`tls`] for what is trusted, [`credentials`] for
//! tokens that change, [`dial`] for unusual networks and proxies,
//! [`diagnosis`] for an operator whose gateway does not connect.
//!
//! # Cancel safety
//!
//! A future is called cancel-safe here if it may be dropped at any time: nothing is lost but its own work, nothing
//! keeps running, and it may be started again.
//!
//! # Features
//!
//! - `registration`: the module `registration`, the REST calls that register gateways. Off by default.
//! - `native-roots`: the operating system's root certificates. On by default.
//! - `kubernetes`: finding Argo CD in a cluster, through `kube`. Off by default: it compiles some forty crates more.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// What stands in this crate's signatures. Its minor version follows tonic's.
#[doc(no_inline)]
pub use {http, tonic};

pub mod connection;

pub mod credentials;

pub mod diagnosis;

pub mod dial;

pub mod tls;

#[cfg(feature = "registration")]
pub mod registration;

pub mod argocd;
pub use argocd::ArgoCd;

mod forward;
pub use forward::{Method, Policy};

mod gateway;
pub use gateway::{
    ArgoCdProblem, ArgoCdState, CallSummary, Gateway, GatewayBuilder, GatewayEvent, GatewayState,
    GatewayStats, Hook, Interruption, NotConnectedError, Rotation, StartError, Stopped,
};

mod router;
pub use router::Router;

#[cfg(feature = "kubernetes")]
pub mod kubernetes;

mod answer;
mod inventory;
