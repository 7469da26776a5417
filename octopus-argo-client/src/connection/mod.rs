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

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_layer::Layer as _;

use crate::credentials::AuthenticateLayer;
use crate::dial::{BoxStream, DialError};
use crate::tls::{ALPN_H2, TlsError, thumbprint};

mod config;
pub use config::Config;
use config::TlsSetup;

mod error;
pub use error::{ConnectError, Http2Error};

mod call;
pub use call::{CallError, ResponseBody, ResponseFuture};

mod channel;
pub use channel::{Closed, Connection};

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
    let address = &config.server;
    let stream = dial(config).await.map_err(|source| ConnectError::Dial {
        address: address.clone(),
        source,
    })?;
    let (stream, certificate) = if let Some(tls) = &config.tls {
        let stream = secure(tls, config.handshake_timeout, stream)
            .await
            .map_err(|source| ConnectError::Tls {
                address: address.clone(),
                source,
            })?;
        let certificate = leaf(&stream).map(|der| thumbprint(der));
        (Box::new(stream) as BoxStream, certificate)
    } else {
        (stream, None)
    };
    let http2 = channel::handshake(stream, config, certificate);
    let limit = config.handshake_timeout;
    let http2 = limited(limit, http2, Http2Error::Timeout { after: limit })
        .await
        .map_err(|source| ConnectError::Http2 {
            address: address.clone(),
            source,
        })?;
    Ok(Connection::new(AuthenticateLayer::new(&credentials).layer(http2)))
}

async fn dial(config: &Config) -> Result<BoxStream, DialError> {
    let limit = config.dial_timeout;
    limited(
        limit,
        config.dial.dial(&config.server),
        DialError::Timeout { after: limit },
    )
    .await
}

async fn secure(
    tls: &TlsSetup,
    limit: Duration,
    stream: BoxStream,
) -> Result<TlsStream<BoxStream>, TlsError> {
    let handshake = TlsConnector::from(tls.config.clone()).connect(tls.name.clone(), stream);
    let handshake = async { handshake.await.map_err(TlsError::from_io) };
    let stream = limited(limit, handshake, TlsError::Timeout { after: limit }).await?;
    // A server without ALPN is let through by rustls.
    if stream.get_ref().1.alpn_protocol() == Some(ALPN_H2) {
        Ok(stream)
    } else {
        Err(TlsError::NoHttp2)
    }
}

fn leaf(stream: &TlsStream<BoxStream>) -> Option<&CertificateDer<'static>> {
    stream.get_ref().1.peer_certificates().and_then(<[_]>::first)
}

async fn limited<T, E>(limit: Duration, work: impl Future<Output = Result<T, E>>, late: E) -> Result<T, E> {
    timeout(limit, work).await.unwrap_or(Err(late))
}
