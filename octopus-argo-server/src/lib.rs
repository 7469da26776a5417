//! A service to mount in your own server. Listener, TLS and database are yours, or optional helpers of ours.
//!
//! Gateways dial in and keep one stream open; this crate answers it, keeps a replica of every gateway's applications,
//! and gives each gateway as a [`Gateway`], over which any tonic client calls Argo CD as if it were next door.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use octopus_argo_core::Scope;
//! use octopus_argo_server::{MemoryStore, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new(Arc::new(MemoryStore::default()));
//! let everything = server.services(); // or `tunnel()` and `health()`, on any tonic or axum router
//! # let _ = everything;
//!
//! let scope = Scope::from_texts("payments", "staging", None)?;
//! let fleet = server.fleet().await?;
//! for (view, resolution) in fleet.resolve(&scope).filter(|(_, resolution)| resolution.is_match()) {
//!     println!("{} on {}", resolution.name(), view.instance.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The gateway's end is `octopus-argo-client`; what is on the wire is `octopus-argo-proto`.
//!
//! # Cancel safety
//!
//! A future is called cancel-safe here if it may be dropped at any time: nothing is lost but its own work, nothing
//! keeps running, and it may be started again.
//!
//! # Features
//!
//! - `listen`: the module `listen`, a helper that serves a router with TLS. On by default.
//! - `registration`: the module `registration`, the REST calls that register gateways, as an axum router. Off by default.
//! - `sqlite`: `SqliteStore`, instances in a file. Off by default; it needs a C compiler.
//! - `postgres`: `PostgresStore`, instances in Postgres. Off by default.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod id;
pub use id::{EnvironmentId, GatewayId, IdError, InstanceId, TenantId};

mod token;
pub use token::{GatewayToken, RandomnessError, TokenHash};

mod web_ui;
pub use web_ui::{WebUiAddress, WebUiError};

mod instance;
pub use instance::{
    CredentialState, GatewayFacts, HealthReport, Installation, Instance, InstanceName, NameError, Space,
};

mod store;
pub use store::{
    Deleted, InstanceChange, InstancePage, InstanceQuery, InstanceStore, MemoryStore, Observation,
    Registered, Registration, StoreError, TokenChoice,
};

#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;

mod server;
pub use server::Server;

mod instances;
pub use instances::{Enrolment, Instances, Overlap};

mod tunnel;
pub use tunnel::TunnelService;

mod health;
pub use health::{HealthService, HealthStream};

mod services;
pub use services::Services;

mod handle;
pub use handle::Gateway;

mod body;
pub use body::TunnelBody;

mod error;
pub use error::{TunnelError, TunnelErrorKind};

mod fleet;
pub use fleet::{Fleet, InstanceView};

mod event;
pub use event::{Connection, ServerEvent};

mod stats;
pub use stats::ServerStats;

mod watch;
pub use watch::{CallSummary, Hook};

mod admission;
mod follow;
mod housekeeping;
mod line;
mod registry;
mod replica;
mod scopes;
mod version;

pub use replica::ArgoCd;

#[cfg(feature = "listen")]
pub mod listen;

#[cfg(feature = "registration")]
pub mod registration;
