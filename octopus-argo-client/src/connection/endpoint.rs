//! A server, and the way to it: dialling, TLS, HTTP/2. What is said on the connection is not its concern.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::tls::Verification;
use octopus_argo_core::{Host, ServerAddress, Thumbprint};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::channel::{self, Http2};
use super::{ConnectError, Http2Error};
use crate::dial::{BoxStream, Dial, DialError, TcpDial};
use crate::tls::{ALPN_H2, Tls, TlsConfigError, TlsError, thumbprint};

/// Where to connect to, and how the server has to prove who it is.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) server: ServerAddress,
    pub(super) tls: Option<TlsSetup>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) dial_timeout: Duration,
    pub(super) handshake_timeout: Duration,
    pub(super) peer: Peer,
}

/// What is at the other end, where that makes a difference to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// An Octopus server: it offers `h2`, and wants pings on an idle connection.
    Octopus,
    /// An Argo CD server: up to 2.13 it offers no protocol at all, and yet speaks HTTP/2; it ends a connection for pings
    /// while nothing is called, and answers none before the first call.
    ArgoCd,
}

#[derive(Clone)]
pub(super) struct TlsSetup {
    verification: Verification,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
}

impl Endpoint {
    pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
    pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    pub(crate) fn new(server: ServerAddress, tls: Option<&Tls>, peer: Peer) -> Result<Self, TlsConfigError> {
        let setup = match tls {
            Some(tls) => Some(TlsSetup {
                verification: tls.verification(),
                config: Arc::new(tls.client_config()?),
                name: server_name(&server),
            }),
            None => None,
        };
        Ok(Self {
            tls: setup,
            ..Self::danger_plaintext(server, peer)
        })
    }

    pub(crate) fn danger_plaintext(server: ServerAddress, peer: Peer) -> Self {
        Self {
            server,
            tls: None,
            dial: Arc::new(TcpDial::new()),
            dial_timeout: Self::DIAL_TIMEOUT,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
            peer,
        }
    }

    pub(crate) fn verification(&self) -> Verification {
        self.tls
            .as_ref()
            .map_or(Verification::Plaintext, |tls| tls.verification)
    }

    pub(crate) fn uses_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The same server without any proof of who it is. Nothing secret may be sent to it.
    pub(crate) fn danger_unverified(&self, config: Arc<rustls::ClientConfig>) -> Self {
        let tls = TlsSetup {
            verification: Verification::default(),
            config,
            name: server_name(&self.server),
        };
        Self {
            tls: Some(tls),
            ..self.clone()
        }
    }

    /// The same server without TLS.
    pub(crate) fn without_tls(&self) -> Self {
        Self {
            tls: None,
            ..self.clone()
        }
    }

    /// Connects once. Each stage has its limit.
    pub(crate) async fn connect(&self) -> Result<Http2, ConnectError> {
        let address = || self.server.clone();
        let stream = self.open().await.map_err(|source| ConnectError::Dial {
            address: address(),
            source,
        })?;
        let secured = self.secure(stream, None).await;
        let (stream, certificate) = secured.map_err(|source| ConnectError::Tls {
            address: address(),
            source,
        })?;
        let begun = self.begin(stream, certificate).await;
        begun.map_err(|source| ConnectError::Http2 {
            address: address(),
            source,
        })
    }

    /// The first stage: a byte stream.
    pub(crate) async fn open(&self) -> Result<BoxStream, DialError> {
        let limit = self.dial_timeout;
        limited(
            limit,
            self.dial.dial(&self.server),
            DialError::Timeout { after: limit },
        )
        .await
    }

    /// The second: TLS, where it is configured, and the certificate that was shown. It is checked by `clock`, or by the
    /// system's.
    pub(crate) async fn secure(
        &self,
        stream: BoxStream,
        clock: Option<Arc<dyn TimeProvider>>,
    ) -> Result<(BoxStream, Option<Thumbprint>), TlsError> {
        let Some(tls) = &self.tls else {
            return Ok((stream, None));
        };
        let mut config = tls.config.clone();
        if let Some(clock) = clock {
            Arc::make_mut(&mut config).time_provider = clock;
        }
        let limit = self.handshake_timeout;
        let handshake = TlsConnector::from(config).connect(tls.name.clone(), stream);
        let handshake = async { handshake.await.map_err(TlsError::from_io) };
        let stream = limited(limit, handshake, TlsError::Timeout { after: limit }).await?;
        // A server without ALPN is let through by rustls.
        match (stream.get_ref().1.alpn_protocol(), self.peer) {
            (Some(ALPN_H2), _) | (None, Peer::ArgoCd) => {}
            _ => return Err(TlsError::NoHttp2),
        }
        let certificate = leaf(&stream).map(|der| thumbprint(der));
        Ok((Box::new(stream), certificate))
    }

    /// The third: HTTP/2.
    pub(crate) async fn begin(
        &self,
        stream: BoxStream,
        certificate: Option<Thumbprint>,
    ) -> Result<Http2, Http2Error> {
        let http2 = channel::handshake(stream, self, certificate);
        let limit = self.handshake_timeout;
        limited(limit, http2, Http2Error::Timeout { after: limit }).await
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("server", &self.server)
            .field("verification", &self.verification())
            .field("dial", &self.dial)
            .field("dial_timeout", &self.dial_timeout)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

fn leaf(stream: &TlsStream<BoxStream>) -> Option<&CertificateDer<'static>> {
    stream.get_ref().1.peer_certificates().and_then(<[_]>::first)
}

async fn limited<T, E>(limit: Duration, work: impl Future<Output = Result<T, E>>, late: E) -> Result<T, E> {
    timeout(limit, work).await.unwrap_or(Err(late))
}

#[expect(
    clippy::expect_used,
    reason = "a server address holds only letters, digits, hyphens, underscores and dots"
)]
fn server_name(server: &ServerAddress) -> ServerName<'static> {
    match server.host() {
        Host::Ip(ip) => ServerName::from(*ip),
        host => ServerName::try_from(host.to_string()).expect("a host name is a DNS name"),
    }
}
