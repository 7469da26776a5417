//! The same calls directly and through the tunnel, compared outcome by outcome.
//!
//! `direct` is what everybody has: tonic's channel and tonic's server. `tunnel` calls the very same service in the gateway
//! itself, and `behind` calls it behind the gateway, over a connection as Argo CD has one. What differs stands in
//! [`outcome::DIFFERENCES`], each with its reason; a difference that is listed and not seen fails as well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod call;
mod cancels;
mod cuts;
mod ends;
mod errors;
mod ground;
mod kinds;
mod metadata;
mod outcome;
mod probe;
