//! Gateways and a server under real tonic and hyper, on a network and clocks that are simulated: what happens there in an
//! hour takes seconds here.
//!
//! `OCTOPUS_ARGO_SEED=17 cargo test -p octopus-argo-testkit --all-features --test turmoil` replays one seed, and
//! `OCTOPUS_ARGO_SEEDS=100` runs that many. The seed decides how long messages are under way, who runs first, and how long
//! gateways wait; the choices of tokio's `select!` and the order of hash maps are not in its hands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod call;
mod clocks;
mod crash;
mod crowd;
mod partition;
#[path = "../conformance/probe.rs"]
mod probe;
mod readers;
mod rotation;
mod world;
