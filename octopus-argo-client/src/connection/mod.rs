//! One connection to an Octopus server, in stages, each with its own errors.
//!
//! 1. The [`CredentialProvider`](crate::credentials::CredentialProvider) is asked.
//! 2. The [`Dial`](crate::dial::Dial) opens a byte stream.
//! 3. TLS: the server proves who it is ([`Tls`](crate::tls::Tls)) and agrees on HTTP/2.
//! 4. HTTP/2: the server's first frame has come, so there is no proxy or other server in its place.
//!
//! [`connect`] goes through them once. There is no reconnecting inside: a [`Connection`] that ended stays ended, says
//! why, and the next one is a new call, which looks the name up and asks for credentials again. A server that moved is
//! found only so. This is also why the connection is not a `tonic::transport::Channel`: that would dial again by itself,
//! in tasks of its own, and show a refused certificate as "transport error" and nothing else.

use tower_layer::Layer as _;

use crate::credentials::AuthenticateLayer;

mod config;
pub use config::Config;

mod endpoint;
pub(crate) use endpoint::{Endpoint, Peer};

mod error;
pub use error::{ConnectError, Http2Error};

mod health;
pub(crate) use health::ask_health;
pub use health::{HealthError, check_health};

mod call;
pub use call::{CallError, ResponseBody, ResponseFuture};

mod channel;
pub use channel::{Closed, Connection};
pub(crate) use channel::{Http2, PRODUCT};

mod stream_end;
pub use stream_end::stream_end;

mod first_frame;
mod tasks;

pub use octopus_argo_core::http2;

/// Connects once, through all stages.
///
/// The time is limited: [`Config::dial_timeout`] for dialling, and [`Config::handshake_timeout`] for TLS and for HTTP/2
/// each. The provider of credentials limits itself.
///
/// # Errors
/// [`ConnectError`], whose variants are the stages; [`ConnectError::is_retryable`] says whether to try again.
///
/// # Cancel safety
/// Cancel-safe: what was opened is closed.
pub async fn connect(config: &Config) -> Result<Connection, ConnectError> {
    let credentials = config
        .credentials
        .credentials()
        .await
        .map_err(|source| ConnectError::Credentials { source })?;
    if !config.verification().uses_tls() && !credentials.allows_plaintext() {
        return Err(ConnectError::PlaintextCredentials);
    }
    let http2 = config.endpoint.connect().await?;
    Ok(Connection::new(AuthenticateLayer::new(&credentials).layer(http2)))
}
