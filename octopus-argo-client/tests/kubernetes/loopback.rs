//! The client of this crate against a socket: TLS by the configuration, and by nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use octopus_argo_client::kubernetes::{ClientError, DiscoverError, Discovery, Kind, client};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::cluster::{Cluster, stock};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// Serves the cluster on a loopback socket, for clients with a certificate of the authority and the token `t0ken`.
async fn serve(cluster: Cluster, authority: &Authority, tasks: &mut JoinSet<()>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (certificate, key) = authority.issue("localhost");
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone().into()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, cluster) = (acceptor.clone(), cluster.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else {
                    return;
                };
                let answer = service_fn(move |request: Request<Incoming>| {
                    let authorized = request
                        .headers()
                        .get("authorization")
                        .is_some_and(|value| value == "Bearer t0ken");
                    let (status, body) = if authorized {
                        cluster.handle(request.method(), request.uri())
                    } else {
                        (http::StatusCode::UNAUTHORIZED, String::new())
                    };
                    let response = Response::builder()
                        .status(status)
                        .body(Full::new(Bytes::from(body)))
                        .unwrap();
                    std::future::ready(Ok::<_, std::convert::Infallible>(response))
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    address
}

/// As kubeconfig has it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let value = group
            .iter()
            .fold(0_usize, |value, byte| value << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[value >> (18 - 6 * place) & 63]);
            text.push(if place <= group.len() { digit } else { '=' });
        }
    }
    text
}

#[tokio::test]
async fn a_cluster_is_reached_with_its_own_authority_a_certificate_and_a_token() {
    let mut tasks = JoinSet::new();
    let authority = Authority::new();
    let address = serve(stock(), &authority, &mut tasks).await;
    let (certificate, key) = authority.issue("somebody");
    let mut config = kube::Config::new(format!("https://localhost:{}", address.port()).parse().unwrap());
    config.root_cert = Some(vec![authority.der.clone()]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path.to_str().unwrap().to_owned())
    };
    config.auth_info.client_certificate = file("client.pem", certificate.pem());
    config.auth_info.client_key = file("client.key", key.serialize_pem());
    config.auth_info.token = Some("t0ken".to_owned().into());

    let found = bounded(Discovery::new(client(&config).unwrap()).find())
        .await
        .unwrap();
    assert_eq!(found[0].name, "argocd-server");

    // The same from a kubeconfig that holds everything.
    let mut inline = config.clone();
    (inline.auth_info.client_certificate, inline.auth_info.client_key) = (None, None);
    inline.auth_info.client_certificate_data = Some(base64(certificate.pem().as_bytes()));
    inline.auth_info.client_key_data = Some(base64(key.serialize_pem().as_bytes()).into());
    bounded(Discovery::new(client(&inline).unwrap()).find())
        .await
        .unwrap();

    // Another token, no certificate, another authority, another name.
    let kind = |config: kube::Config| async move {
        match bounded(Discovery::new(client(&config).unwrap()).find()).await {
            Err(DiscoverError::Request(error)) => error.kind,
            other => panic!("{other:?}"),
        }
    };
    let mut other = config.clone();
    other.auth_info.token = Some("other".to_owned().into());
    assert!(matches!(kind(other).await, Kind::Unauthorized));
    let mut other = config.clone();
    (other.auth_info.client_certificate, other.auth_info.client_key) = (None, None);
    assert!(matches!(kind(other).await, Kind::Unreachable { .. }));
    let mut other = config.clone();
    other.root_cert = Some(vec![Authority::new().der]);
    assert!(matches!(kind(other.clone()).await, Kind::Unreachable { .. }));
    other.accept_invalid_certs = true;
    bounded(Discovery::new(client(&other).unwrap()).find())
        .await
        .unwrap();
    let mut other = config.clone();
    other.tls_server_name = Some("elsewhere.example.com".into());
    assert!(matches!(kind(other).await, Kind::Unreachable { .. }));

    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "the process is left alone"
    );
    tasks.shutdown().await;
}

#[tokio::test]
async fn configurations_that_cannot_work_are_refused() {
    let config = || kube::Config::new("https://localhost:1".parse().unwrap());
    let refused = |config: kube::Config| client(&config).map(|_| ()).unwrap_err();
    let mut proxied = config();
    proxied.proxy_url = Some("http://proxy.example.com".parse().unwrap());
    assert!(matches!(refused(proxied), ClientError::Proxy));
    let mut broken = config();
    broken.root_cert = Some(vec![b"nonsense".to_vec()]);
    assert!(matches!(refused(broken), ClientError::Roots { .. }));
    let mut none = config();
    none.root_cert = Some(Vec::new());
    assert!(matches!(refused(none), ClientError::NoRoots));
    let mut identity = config();
    identity.root_cert = Some(vec![Authority::new().der]);
    identity.auth_info.client_certificate_data = Some("!".into());
    identity.auth_info.client_key_data = Some("hunter2".to_owned().into());
    let error = refused(identity);
    assert!(matches!(error, ClientError::Identity { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let mut name = config();
    name.root_cert = Some(vec![Authority::new().der]);
    name.tls_server_name = Some("a b".into());
    assert!(matches!(refused(name), ClientError::ServerName));
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("the server answers")
}
