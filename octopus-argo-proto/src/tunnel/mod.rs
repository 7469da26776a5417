//! The tunnel's one call over HTTP/2, `octopus.argo.v1.Tunnel/Open`, without copying what it carries.
//!
//! It is the gRPC that tonic's generated code speaks, byte for byte, and either end may be that. What differs is the way
//! between a session's [`Outgoing`](crate::session::Outgoing) packets and the frames of HTTP/2:
//!
//! | direction | copies of a payload |
//! |-----------|---------------------|
//! | out       | none up to the connection's own buffer: a payload is a piece of the body by itself. Below 2 KiB one, to its neighbours |
//! | in        | none where a payload lies within one DATA frame, as ours send it; one where a proxy cut it otherwise |
//!
//! [`open`] is the gateway's end; a server reads [`Incoming`] and answers with a [`PacketBody`].

mod client;
mod incoming;
mod packet_body;

pub use client::open;
pub use incoming::Incoming;
pub use packet_body::PacketBody;

/// The gRPC path of the tunnel.
pub const PATH: &str = "/octopus.argo.v1.Tunnel/Open";

/// The name of its service, for whoever routes by it.
pub const SERVICE: &str = "octopus.argo.v1.Tunnel";

/// A gRPC message's prefix: whether it is compressed, and its length in four bytes.
const PREFIX: usize = 5;
