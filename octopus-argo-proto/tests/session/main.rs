//! The session machine from the outside: two of them under one virtual clock, every rule on its own,
//! random workloads, and byte transcripts that have to replay for ever.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod long_links;
mod model;
mod pair;
mod rules;
mod transcripts;
mod workload;
