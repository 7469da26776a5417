//! Argo CD, networks and their failures, simulated in your test's own process.
//!
//! Empty so far. This crate will hold a simulated Argo CD API server on a real socket, in-memory and simulated networks,
//! and a relay that delays, throttles and cuts connections.
