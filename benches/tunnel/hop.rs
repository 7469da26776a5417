//! One HTTP/2 connection, and a service that passes calls on over one.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use octopus_argo_core::http2;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::backend::SERVICE;

pub type Failure = Box<dyn Error + Send + Sync>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection, with the settings that the product's own have.
#[derive(Clone)]
pub struct Hop {
    sender: SendRequest<Body>,
    _tasks: Arc<JoinSet<()>>,
}

impl Hop {
    /// Connects in plain text, as a proxy or a gateway does to what is behind it.
    pub async fn behind(to: SocketAddr) -> Result<Self, Failure> {
        let windows = (http2::BACKEND_STREAM_WINDOW, http2::BACKEND_CONNECTION_WINDOW);
        Self::handshake(plain(to).await?, windows).await
    }

    /// Connects, with TLS where a certificate to trust is given.
    pub async fn connect(
        to: SocketAddr,
        trust: Option<&CertificateDer<'static>>,
        stream_window: u32,
    ) -> Result<Self, Failure> {
        let socket = plain(to).await?;
        let windows = (stream_window, http2::CONNECTION_WINDOW);
        let Some(certificate) = trust else {
            return Self::handshake(socket, windows).await;
        };
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        Self::handshake(stream, windows).await
    }

    async fn handshake<I>(stream: I, (stream_window, connection_window): (u32, u32)) -> Result<Self, Failure>
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .adaptive_window(false)
            .initial_stream_window_size(stream_window)
            .initial_connection_window_size(connection_window)
            .max_frame_size(http2::MAX_FRAME_SIZE)
            .max_header_list_size(http2::MAX_HEADER_LIST_SIZE)
            .max_send_buf_size(http2::MAX_SEND_BUFFER)
            .max_concurrent_reset_streams(http2::MAX_RESET_STREAMS)
            .max_local_error_reset_streams(http2::MAX_RESET_STREAMS);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // A connection that ends fails the calls, which say so.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            _tasks: Arc::new(tasks),
        })
    }
}

async fn plain(to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpStream::connect(to).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

impl Service<Request<Body>> for Hop {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Boxed<Result<Response<Incoming>, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// Passes calls on to a connection: what a reverse proxy does, and what the gateway does behind the tunnel. Both are
/// this very service.
#[derive(Clone)]
pub struct Forward(pub Hop);

impl Forward {
    fn forward(&self, request: Request<Body>) -> Boxed<Result<Response<Body>, Infallible>> {
        let mut hop = self.0.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let mut uri = http::uri::Parts::default();
            uri.scheme = Some(http::uri::Scheme::HTTP);
            uri.authority = Some(http::uri::Authority::from_static("backend"));
            uri.path_and_query = parts.uri.path_and_query().cloned();
            parts.uri = Uri::from_parts(uri).unwrap_or_default();
            let answer = hop.call(Request::from_parts(parts, body)).await;
            Ok(answer.map_or_else(
                |error| Status::from_error(error.into()).into_http(),
                |response| response.map(Body::new),
            ))
        })
    }
}

/// The reverse proxy.
impl Service<Request<Incoming>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        self.forward(request.map(Body::new))
    }
}

/// The gateway's service.
impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.forward(request)
    }
}

impl NamedService for Forward {
    const NAME: &'static str = SERVICE;
}

/// A message of that many bytes.
pub fn message(size: usize) -> Bytes {
    (0..size).map(|index| (index % 251) as u8).collect()
}
