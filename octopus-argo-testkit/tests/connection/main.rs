//! Client and server over real sockets on loopback, with certificates made for each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod support;

mod diagnosis;
mod end;
mod ends;
mod plain;
mod secure;
mod wire;
