//! Finding Argo CD in a cluster.
//!
//! [`Discovery`] asks the Kubernetes API server, read-only, for Argo CD's API servers and what leads to them. The rules are
//! those of [`octopus_argo_core::setup`]. It reads no Secret, and logs nothing of what it reads.
//!
//! ```no_run
//! use octopus_argo_client::kubernetes::{Discovery, client, kube};
//! use octopus_argo_core::helm::ArgoCdEndpoint;
//! use octopus_argo_core::setup::choose;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let discovery = Discovery::new(client(&kube::Config::infer().await?)?);
//! let found = discovery.find().await?;
//! let argo_cd = choose(&found, Some("argocd"))?;
//! let endpoint = ArgoCdEndpoint::from(argo_cd);
//! # Ok(())
//! # }
//! ```
//!
//! A program that embeds this chooses the version of `k8s-openapi`, which is beneath `kube`, by a feature of its own
//! dependency on it, as every program does that uses `kube`.

/// What stands in this module's signatures.
#[doc(no_inline)]
pub use kube;

mod api;

mod client;
pub use client::{ClientError, client};

mod discover;
pub use discover::Discovery;

mod error;
pub use error::{DiscoverError, Kind, NothingFound, RequestError};

mod objects;
