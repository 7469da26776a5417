//! A second look at a server that did not prove who it is. Nothing secret is sent on these connections.

use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::{Endpoint, ask_health};
use crate::tls::{TlsError, danger_anything};

/// What the server's clock says, asked over a connection on which nothing is verified.
pub(super) async fn server_clock(endpoint: &Endpoint) -> Option<SystemTime> {
    let unverified = endpoint.danger_unverified(Arc::new(danger_anything().ok()?));
    let stream = unverified.open().await.ok()?;
    let (stream, certificate) = unverified.secure(stream, None).await.ok()?;
    let http2 = unverified.begin(stream, certificate).await.ok()?;
    ask_health(http2).await.1
}

/// Whether a TLS handshake gets anywhere.
pub(super) async fn speaks_tls(endpoint: &Endpoint) -> bool {
    let Ok(config) = danger_anything() else {
        return false;
    };
    let unverified = endpoint.danger_unverified(Arc::new(config));
    match unverified.open().await {
        Ok(stream) => matches!(
            unverified.secure(stream, None).await,
            Ok(_) | Err(TlsError::NoHttp2)
        ),
        Err(_) => false,
    }
}

/// Whether HTTP/2 begins without TLS. No call is made.
pub(super) async fn speaks_plaintext_http2(endpoint: &Endpoint) -> bool {
    let plaintext = endpoint.without_tls();
    match plaintext.open().await {
        Ok(stream) => plaintext.begin(stream, None).await.is_ok(),
        Err(_) => false,
    }
}
