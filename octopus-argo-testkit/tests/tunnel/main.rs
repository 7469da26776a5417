//! The whole tunnel on loopback: a server, gateways and a simulated Argo CD, through the public API. One module a
//! subject; each waits for events, never for time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod checked;
mod echo;
mod ending;
mod errors;
mod fencing;
mod handle;
mod health;
mod hooks;
mod instances;
mod inventory;
mod nginx;
mod places;
mod policy;
mod python;
mod resume;
mod secrets;
mod support;
