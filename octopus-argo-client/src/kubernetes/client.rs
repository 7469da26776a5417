//! A `kube` client whose TLS is named explicitly.
//!
//! `kube`'s own TLS takes the process-wide provider of rustls, or sets it. Here it is `ring`, and the process is left
//! alone, as everywhere in this crate.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::dial::BoxStream;

/// Why a configuration of `kube` cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The certificate authorities cannot be used.
    #[error("the cluster's certificate authority cannot be used")]
    #[non_exhaustive]
    Roots {
        /// Why.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// No certificate authority is trusted: none is configured, and the system has none or may not be asked.
    #[error("no certificate authority is configured for the cluster")]
    NoRoots,
    /// The client's certificate and key cannot be used.
    #[error("the client certificate or its key cannot be used")]
    #[non_exhaustive]
    Identity {
        /// Why. It holds no part of the key.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The credentials cannot be used.
    #[error("the credentials for the cluster cannot be used")]
    #[non_exhaustive]
    Credentials {
        /// Why.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A proxy is configured. Make a `kube::Client` that goes through it and give that to
    /// [`Discovery`](super::Discovery).
    #[error("the cluster is behind a proxy, which this client does not use")]
    Proxy,
    /// The name to check the certificate against is none.
    #[error("tls-server-name is no host name")]
    ServerName,
}

/// A client for the cluster that `config` describes: TLS by `ring`, roots and host name checked, HTTP/1.1, a token or a
/// client certificate. Must be called within a runtime of tokio, whose tasks then hold the connections.
///
/// It reads the files that `config` names, and runs its credential plugin, if there is one: both block. A plugin that
/// answers with a certificate instead of a token is not supported.
///
/// # Errors
/// [`ClientError`].
pub fn client(config: &Config) -> Result<Client, ClientError> {
    if config.proxy_url.is_some() {
        return Err(ClientError::Proxy);
    }
    let connector = Connector {
        tls: Arc::new(tls(config)?),
        server_name: match &config.tls_server_name {
            Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| ClientError::ServerName)?),
            None => None,
        },
    };
    let http = Http(HttpClient::builder(TokioExecutor::new()).build(connector));
    let credentials = |source: kube::Error| ClientError::Credentials {
        source: Arc::new(source),
    };
    let headers = config.extra_headers_layer().map_err(credentials)?;
    let base = config.base_uri_layer();
    let namespace = config.default_namespace.clone();
    Ok(match config.auth_layer().map_err(credentials)? {
        Some(authenticate) => Client::new(base.layer(authenticate.layer(headers.layer(http))), namespace),
        None => Client::new(base.layer(headers.layer(http)), namespace),
    })
}

fn tls(config: &Config) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let roots_error = |source: rustls::Error| ClientError::Roots {
        source: Arc::new(source),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(roots_error)?;
    let builder = if config.accept_invalid_certs {
        let unchecked = Unchecked { algorithms };
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(unchecked))
    } else if config.cluster_url.scheme_str() == Some("http") {
        builder.with_root_certificates(RootCertStore::empty())
    } else {
        builder.with_root_certificates(roots(config)?)
    };
    let identity_error = |source: BoxError| ClientError::Identity {
        source: source.into(),
    };
    match identity(config).map_err(identity_error)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|source| identity_error(source.into())),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn roots(config: &Config) -> Result<RootCertStore, ClientError> {
    let mut store = RootCertStore::empty();
    match &config.root_cert {
        Some(certificates) => {
            for der in certificates {
                store
                    .add(CertificateDer::from(der.clone()))
                    .map_err(|source| ClientError::Roots {
                        source: Arc::new(source),
                    })?;
            }
        }
        #[cfg(feature = "native-roots")]
        None => store.extend(crate::tls::Roots::system().store().roots.iter().cloned()),
        #[cfg(not(feature = "native-roots"))]
        None => {}
    }
    if store.is_empty() {
        return Err(ClientError::NoRoots);
    }
    Ok(store)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Certificate and key of the client, from the configuration or from the files that it names.
fn identity(config: &Config) -> Result<Option<Identity>, BoxError> {
    let auth = &config.auth_info;
    let read = |data: Option<&str>, path: Option<&String>| match (data, path) {
        (Some(data), _) => from_base64(data).map(Some),
        (None, Some(path)) => Ok(Some(std::fs::read(path)?)),
        (None, None) => Ok::<_, BoxError>(None),
    };
    let certificate = read(
        auth.client_certificate_data.as_deref(),
        auth.client_certificate.as_ref(),
    )?;
    let key = auth.client_key_data.as_ref().map(ExposeSecret::expose_secret);
    let key = read(key, auth.client_key.as_ref())?;
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Ok(None);
    };
    let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>()?;
    Ok(Some((chain, PrivateKeyDer::from_pem_slice(&key)?)))
}

/// The bytes of a base64 text. A PEM section is just that between two lines, and there is a reader for those.
fn from_base64(text: &str) -> Result<Vec<u8>, BoxError> {
    let text: String = text.split_whitespace().collect();
    let section = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    Ok(CertificateDer::from_pem_slice(section.as_bytes())?.to_vec())
}

/// `insecure-skip-tls-verify` of a kubeconfig. Signatures of the handshake are verified all the same.
#[derive(Debug)]
struct Unchecked {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// hyper's client with the error that the layers of `kube` want.
#[derive(Clone)]
struct Http(HttpClient<Connector, Body>);

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Request<Body>> for Http {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = self.0.request(request);
        Box::pin(async { response.await.map_err(BoxError::from) })
    }
}

/// Opens TCP, and TLS where the address says https.
#[derive(Clone)]
struct Connector {
    tls: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(&uri)).await;
            connected
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map(TokioIo::new)
        })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> io::Result<Stream> {
        let host = uri
            .host()
            .ok_or_else(|| io::Error::other("the cluster's address has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let tls = uri.scheme_str() != Some("http");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        if !tls {
            return Ok(Stream(Box::new(socket)));
        }
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, socket)
            .await?;
        Ok(Stream(Box::new(stream)))
    }
}

/// A stream of bytes that hyper may keep for more requests.
struct Stream(BoxStream);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Look-up, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
