//! The messages of the tunnel and of the inventory, as `proto/octopus/argo/v1/` defines them.

pub use crate::generated::octopus::octopus::argo::v1::*;
