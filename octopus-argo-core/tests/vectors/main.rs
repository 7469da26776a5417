//! The vectors of the repository against this crate, one test a file. `OCTOPUS_ARGO_VECTORS` names another folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands, in helpers too"
)]

mod loader;
mod owners;

mod connection;
mod health;
mod resource;
mod scoping;
mod scoping_model;
mod setup;
mod sync;
// Label filters are regular expressions.
#[cfg(feature = "regex")]
mod verification;
