//! The vectors that this crate owns. `OCTOPUS_ARGO_VECTORS` names another folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a test may fail where it stands, in helpers too; the loader is shared, and not all of it is used here"
)]

#[path = "../../../octopus-argo-core/tests/vectors/loader.rs"]
mod loader;
#[path = "../../../octopus-argo-core/tests/vectors/owners.rs"]
mod owners;

mod connection;
