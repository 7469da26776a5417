//! The bytes between a gateway and a server. Everything here is versioned; nothing here connects.
//!
//! This crate holds the `.proto` files, the code generated from them, and the conversions between wire types and the
//! types of `octopus-argo-core`. Connecting, authenticating and retrying are left to the client and server crates.
//!
//! | feature   | what it brings |
//! |-----------|----------------|
//! | `argocd`  | [`argocd`]: the messages of Argo CD's own gRPC API, and [`Application`] from them |
//! | `tonic`   | generated gRPC clients and servers for the messages of the other features; brings tonic, without a transport |
//! | `session` | [`session`]: the protocol of the tunnel as a state machine without I/O |
//! | `link`    | [`link`]: a session shared by tasks, for any async runtime; brings `session` |
//! | `tunnel`  | [`tunnel`]: packets as the bodies of a gRPC call, uncopied; brings `link` and `tonic` |
//! | `registration` | [`registration`]: registering gateways over REST, the bodies and the Secret |
//!
//! None is on by default; [`v1`], the messages of the tunnel and of the inventory, is always there. The `.proto` files
//! are part of the package, below `proto/`, for other languages and for extensions of your own. The generated code is committed: nothing here needs protoc or a build script.
//!
//! ```
//! # #[cfg(feature = "argocd")] {
//! use octopus_argo_core::Application;
//! use octopus_argo_proto::argocd::{k8s::meta, v1alpha1};
//! use octopus_argo_proto::prost::Message;
//!
//! // What arrives from an Argo CD server.
//! let bytes = v1alpha1::Application {
//!     metadata: Some(meta::ObjectMeta { name: Some("web".into()), ..Default::default() }),
//!     ..Default::default()
//! }
//! .encode_to_vec();
//!
//! let wire = v1alpha1::Application::decode(&*bytes)?;
//! let application = Application::try_from(wire)?;
//! assert_eq!(application.name.to_string(), "web");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Application`]: octopus_argo_core::Application
#![cfg_attr(
    not(feature = "argocd"),
    doc = "\n[`argocd`]: # \"needs the feature `argocd`\""
)]
#![cfg_attr(
    not(feature = "session"),
    doc = "\n[`session`]: # \"needs the feature `session`\""
)]
#![cfg_attr(not(feature = "link"), doc = "\n[`link`]: # \"needs the feature `link`\"")]
#![cfg_attr(
    not(feature = "tunnel"),
    doc = "\n[`tunnel`]: # \"needs the feature `tunnel`\""
)]
#![cfg_attr(
    not(feature = "registration"),
    doc = "\n[`registration`]: # \"needs the feature `registration`\""
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Written by tests/generated.rs. Its shape is that of the packages; the modules below give it readable names.
#[rustfmt::skip]
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::use_self,
    clippy::exhaustive_structs,
    clippy::exhaustive_enums,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    rustdoc::all,
    reason = "generated code: prost and tonic decide how it looks, and the .proto files document it"
)]
mod generated;

pub mod v1;

pub mod inventory;

#[cfg(feature = "session")]
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
pub mod session;

#[cfg(feature = "link")]
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
pub mod link;

#[cfg(feature = "tunnel")]
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
pub mod tunnel;

#[cfg(feature = "argocd")]
pub mod argocd;

#[cfg(feature = "registration")]
pub mod registration;

#[cfg(feature = "tonic")]
pub mod http_status;

#[cfg(feature = "tonic")]
mod watch;

#[cfg(feature = "tonic")]
pub use watch::watch;

mod secret;

pub use prost;
#[cfg(feature = "tonic")]
pub use tonic;
