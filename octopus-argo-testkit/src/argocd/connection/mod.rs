//! From a socket to requests: sorting, TLS, and what happens on a connection beneath HTTP.

mod frames;
mod http1;
mod listen;
mod shim;
mod sort;
mod strikes;
mod traffic;

pub use strikes::KeepAlive;
pub use traffic::Traffic;

pub(super) use listen::{Listener, Security};
