//! Keeps one tunnel open from inside a cluster to an Octopus server. It never listens.
//!
//! So far it holds the connection: an address is dialled, the server proves who it is, and every call carries the
//! gateway's credentials. Any client that tonic generates works over it. Reconnecting, the tunnel, registration and the
//! forwarder of allowed calls build on it and are not here yet.
//!
//! ```no_run
//! use octopus_argo_client::connection::{self, Config};
//! use octopus_argo_client::credentials::Credentials;
//! use octopus_argo_client::tls::Tls;
//! use octopus_argo_core::Thumbprint;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let thumbprint: Thumbprint = "30656E497815B3E31EB4BC517A57558170D9ABBF".parse()?;
//! let credentials = Credentials::new("0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11".parse()?, "the-token".parse()?);
//! let config = Config::new("grpc://octopus.example.com".parse()?, &Tls::pinned(thumbprint), credentials)?;
//! match connection::connect(&config).await {
//!     Ok(connection) => println!("connected to {:?}", connection.certificate()),
//!     Err(error) if error.is_retryable() => println!("{error}; worth another try"),
//!     Err(error) => println!("{error}; someone has to act"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where to go next: [`connection`] for the stages and their errors, [`tls`] for what is trusted, [`credentials`] for
//! tokens that change, [`dial`] for unusual networks.
//!
//! # Cancel safety
//!
//! A future is called cancel-safe here if it may be dropped at any time: nothing is lost but its own work, nothing
//! keeps running, and it may be started again.
//!
//! # Features
//!
//! - `native-roots`: the operating system's root certificates. On by default.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod connection;

pub mod credentials;

pub mod dial;

pub mod tls;
