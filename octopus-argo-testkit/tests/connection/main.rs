//! Client and server over real sockets on loopback, with certificates made for each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod support;

mod end;
mod plain;
mod secure;
mod wire;
