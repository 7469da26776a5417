//! Keeps one tunnel open from inside a cluster to an Octopus server. It never listens.
//!
//! Empty so far. This crate will hold the gateway's end: dialling and authenticating, the registration client, the
//! driver of the tunnel, the transport to Argo CD, the inventory feed and the forwarder of allowed calls.
