//! The bytes between a gateway and a server. Everything here is versioned; nothing here connects.
//!
//! Empty so far. This crate will hold the `.proto` files of the tunnel, of the inventory and of the part of Argo CD's
//! API that we call, the generated code for them, the conversions between wire types and the types of
//! `octopus-argo-core`, and the session protocol as a state machine without I/O.
