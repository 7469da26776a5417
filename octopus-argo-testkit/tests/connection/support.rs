//! Authorities, servers and clients for the tests.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use octopus_argo_client::connection::{CallError, Config, ConnectError, Connection, connect};
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::dial::{BoxStream, Dial, DialError, TcpDial};
use octopus_argo_client::tls::{Roots, Tls, TlsError};
use octopus_argo_server::listen::{Identity, Listen, Peer, Serving};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic_health::pb::health_client::HealthClient;
use tower_service::Service;

pub(crate) const HOST: &str = "octopus.example.test";
pub(crate) const TOKEN: &str = "gw-token-that-nobody-may-see";

/// Every test is cut after ten seconds.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), test)
        .await
        .expect("the test took too long")
}

/// A certificate authority of one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // Each its own name: otherwise a verifier would try one for the other, and find a bad signature.
        let name = format!("{:02x?}", key.public_key_raw());
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::empty().with_pem(self.pem.as_bytes()).unwrap()
    }

    /// For a server that is not ours.
    pub(crate) fn certificate_and_key(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }

    pub(crate) fn identity(&self) -> Leaf {
        self.identity_with(|_| {})
    }

    pub(crate) fn identity_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity =
            Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        Leaf {
            identity,
            public_key: key.subject_public_key_info(),
        }
    }
}

/// A server's certificate and key.
pub(crate) struct Leaf {
    pub(crate) identity: Identity,
    pub(crate) public_key: Vec<u8>,
}

/// What a server saw of the calls it got.
pub(crate) type Seen = Arc<Mutex<Vec<(HeaderMap, Peer)>>>;

/// A health service, and beside it a note of each request.
#[derive(Clone)]
struct Noting<S> {
    inner: S,
    seen: Seen,
}

impl<S, B> Service<Request<B>> for Noting<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let peer = *request.extensions().get::<Peer>().unwrap();
        self.seen.lock().unwrap().push((request.headers().clone(), peer));
        self.inner.call(request)
    }
}

/// Serves health on loopback.
pub(crate) async fn serve(listen: Listen) -> (Serving, Seen) {
    let seen = Seen::default();
    let (_, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = listen
        .serve(
            listener,
            Noting {
                inner: health,
                seen: seen.clone(),
            },
        )
        .unwrap();
    (serving, seen)
}

pub(crate) async fn serve_tls(leaf: &Leaf) -> Serving {
    serve(Listen::tls(&leaf.identity).unwrap()).await.0
}

/// Goes to one socket, whatever the address says, so that any host name can be dialled.
#[derive(Debug)]
pub(crate) struct Detour(pub(crate) SocketAddr);

#[async_trait::async_trait]
impl Dial for Detour {
    async fn dial(&self, _: &octopus_argo_core::ServerAddress) -> Result<BoxStream, DialError> {
        TcpDial::new().dial(&self.0.to_string().parse().unwrap()).await
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("c1".parse().unwrap(), TOKEN.parse().unwrap())
}

pub(crate) fn config(to: SocketAddr, host: &str, tls: &Tls) -> Config {
    Config::new(host.parse().unwrap(), tls, credentials())
        .unwrap()
        .dial(Detour(to))
}

pub(crate) fn plain_config(to: SocketAddr) -> Config {
    Config::danger_plaintext(HOST.parse().unwrap(), credentials().danger_allow_plaintext()).dial(Detour(to))
}

/// Connects to `to` under the name `host`. An error has been searched for the token.
pub(crate) async fn attempt(to: SocketAddr, host: &str, tls: &Tls) -> Result<Connection, ConnectError> {
    let result = connect(&config(to, host, tls)).await;
    if let Err(error) = &result {
        assert!(!chain(error).contains(TOKEN));
        assert!(!format!("{error:?}").contains(TOKEN));
    }
    result
}

pub(crate) async fn tls_error(to: SocketAddr, host: &str, tls: &Tls) -> TlsError {
    match attempt(to, host, tls).await.unwrap_err() {
        error @ ConnectError::Tls { .. } => {
            let ConnectError::Tls { source, .. } = error.clone() else {
                unreachable!()
            };
            assert_eq!(error.is_retryable(), source.is_retryable());
            source
        }
        other => panic!("not about TLS: {other:?}"),
    }
}

/// An error and its sources, as a log shows them.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Asks the server for its health.
pub(crate) async fn check(connection: &Connection) -> Result<i32, tonic::Status> {
    let answer = HealthClient::new(connection.clone())
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await?;
    Ok(answer.into_inner().status)
}

/// The error below gRPC that a status came from.
pub(crate) fn below(status: &tonic::Status) -> Option<&CallError> {
    status.source()?.downcast_ref()
}

/// Hands the first socket that comes to `serve`. Whatever it starts ends with the test's runtime.
pub(crate) async fn accept_one<F>(
    serve: impl FnOnce(tokio::net::TcpStream) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the test's runtime owns it, and ends with the test"
    )]
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    address
}
