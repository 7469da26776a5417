//! Benchmarks of the Octopus Argo SDK, and the inputs that they run on.
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]

pub mod argocd;
pub mod clock;
pub mod fleet;
pub mod health;
pub mod list;
pub mod scan;
pub mod session;
