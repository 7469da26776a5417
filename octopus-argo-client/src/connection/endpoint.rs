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
    /// How long the connection is quiet before it is pinged.
    pub(super) keep_alive: Duration,
}

/// What is at the other end, where that makes a difference to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// An Octopus server: it offers `h2`, and wants pings on an idle connection.
    Octopus,
    /// An Argo CD server: up to 2.13 it offers no protocol at all, and yet speaks HTTP/2; it ends a connection for pings
    /// while nothing is called, and answers none before the first call.
    ArgoCd,
    /// The same by gRPC-Web: over HTTP/1.1, and nothing else is offered, because it would not be answered over HTTP/2.
    ArgoCdWeb,
}

#[derive(Clone)]
pub(super) struct TlsSetup {
    /// `None` where nothing is verified.
    verification: Option<Verification>,
    config: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
}

impl Endpoint {
    pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
    pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    pub(crate) fn new(server: ServerAddress, tls: Option<&Tls>, peer: Peer) -> Result<Self, TlsConfigError> {
        let setup = match tls {
            Some(tls) => Some(TlsSetup::new(
                Some(tls.verification()),
                tls.client_config()?,
                &server,
                peer,
            )),
            None => None,
        };
        Ok(Self {
            tls: setup,
            ..Self::danger_plaintext(server, peer)
        })
    }

    /// TLS with settings that verify nothing.
    pub(crate) fn danger_trusting_anyone(
        server: ServerAddress,
        config: rustls::ClientConfig,
        peer: Peer,
    ) -> Self {
        Self {
            tls: Some(TlsSetup::new(None, config, &server, peer)),
            ..Self::danger_plaintext(server, peer)
        }
    }

    pub(crate) fn danger_plaintext(server: ServerAddress, peer: Peer) -> Self {
        Self {
            server,
            tls: None,
            dial: Arc::new(TcpDial::new()),
            dial_timeout: Self::DIAL_TIMEOUT,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT,
            peer,
            keep_alive: octopus_argo_core::http2::KEEP_ALIVE_INTERVAL,
        }
    }

    pub(crate) fn set_keep_alive(&mut self, interval: Duration) {
        self.keep_alive = interval;
    }

    pub(crate) fn set_dial(&mut self, dial: Arc<dyn Dial>) {
        self.dial = dial;
    }

    pub(crate) fn authority(&self) -> String {
        self.server.authority()
    }

    /// How the server has to prove who it is; `None` where it has not to, though there is TLS.
    pub(crate) fn verification(&self) -> Option<Verification> {
        self.tls
            .as_ref()
            .map_or(Some(Verification::Plaintext), |tls| tls.verification)
    }

    pub(crate) fn uses_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The same server without any proof of who it is. Nothing secret may be sent to it.
    pub(crate) fn danger_unverified(&self, config: Arc<rustls::ClientConfig>) -> Self {
        let tls = TlsSetup {
            verification: None,
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
        let (stream, certificate) = self.stream().await?;
        let begun = self.begin(stream, certificate).await;
        begun.map_err(|source| ConnectError::Http2 {
            address: self.server.clone(),
            source,
        })
    }

    /// The first two stages: a byte stream to a server that has proved who it is, and the certificate that it showed.
    pub(crate) async fn stream(&self) -> Result<(BoxStream, Option<Thumbprint>), ConnectError> {
        let address = || self.server.clone();
        let stream = self.open().await.map_err(|source| ConnectError::Dial {
            address: address(),
            source,
        })?;
        let secured = self.secure(stream, None).await;
        secured.map_err(|source| ConnectError::Tls {
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
            (Some(ALPN_H2), Peer::Octopus | Peer::ArgoCd)
            | (None, Peer::ArgoCd | Peer::ArgoCdWeb)
            | (Some(ALPN_HTTP_1_1), Peer::ArgoCdWeb) => {}
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

impl TlsSetup {
    fn new(
        verification: Option<Verification>,
        mut config: rustls::ClientConfig,
        server: &ServerAddress,
        peer: Peer,
    ) -> Self {
        if peer == Peer::ArgoCdWeb {
            config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
        }
        Self {
            verification,
            config: Arc::new(config),
            name: server_name(server),
        }
    }
}

const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

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
