//! The session machine from the outside: two of them under one virtual clock, every rule on its own,
//! and random workloads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod pair;
mod rules;
mod workload;
