//! Which Octopus project, environment and tenant an Argo CD application belongs to, and how healthy it is.
//!
//! Octopus Deploy finds the Argo CD applications that a deployment touches by annotations on them:
//! `argo.octopus.com/project`, `argo.octopus.com/environment` and `argo.octopus.com/tenant`. This crate reads
//! applications, compares them with a deployment's [`Scope`], and says for every source of every application whether
//! it is touched, or all the reasons why not.
//!
//! ```
//! use octopus_argo_core::{Application, Scope};
//!
//! let application = Application::from_json(
//!     br#"{
//!         "kind": "Application",
//!         "metadata": {"name": "shop", "annotations": {
//!             "argo.octopus.com/project.web": "shop",
//!             "argo.octopus.com/environment.web": "production"
//!         }},
//!         "spec": {"sources": [
//!             {"name": "web", "repoURL": "https://git.example.test/web.git", "path": "deploy"},
//!             {"repoURL": "https://git.example.test/db.git", "path": "deploy"}
//!         ]}
//!     }"#,
//! )?;
//! let scope = Scope::new("shop".parse()?, "staging".parse()?);
//! for source in application.resolve(&scope).sources() {
//!     for reason in source.reasons() {
//!         println!("source {} is left alone: {reason}", source.index());
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It does no I/O, knows no async runtime and no clock: bytes and times come in as arguments. What speaks to Argo CD
//! and to Octopus is in the sibling crates `octopus-argo-client` and `octopus-argo-server`.
//!
//! Where to go next: [`read`] for whole fleets, [`scope`] for explanations and plans, [`lint`] for checks without a
//! deployment, [`index`] for fleets of any size, [`annotation`] for the keys, [`health`] for how healthy all of it is,
//! [`connection`] for keeping a link alive, [`tls`] for when a server is trusted, [`setup`] for what a gateway needs to be
//! set up, [`helm`] for installing it.
//!
//! # Features
//!
//! - `yaml`: reads YAML as well as JSON, through `serde-saphyr` with budgets. Off by default.
//! - `json-patch`: compares patched files with their recorded patches, to tell Git drift. Off by default.
//! - `regex`: label filters of a verification. Off by default.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod open_enum;
mod scalar;

mod slug;
pub use slug::{EnvironmentSlug, ProjectSlug, SlugError, SpaceId, TenantSlug, same_slug};

mod name;
pub use name::{ApplicationName, DEFAULT_NAMESPACE, Uid, UidError};

pub mod annotation;

mod application;
pub use application::{
    Annotations, Application, ApplicationSet, Condition, Destination, Helm, Operation, Source, SourceName,
    SourceType, Sources, Status,
};

pub mod read;

pub mod scope;
pub use scope::{Resolution, Scope, ScopeError};

pub mod lint;

pub mod index;

pub mod health;

mod address;
pub use address::{AddressError, DEFAULT_GRPC_PORT, Host, ServerAddress};

mod thumbprint;
pub use thumbprint::{KeyPin, Thumbprint, ThumbprintError};

pub mod tls;

pub mod http2;

pub mod connection;

pub mod setup;

pub mod helm;
