//! Which certificates are accepted, and what is said about the others.

use octopus_argo_client::connection::{ConnectError, Http2Error, connect};
use octopus_argo_client::tls::{Pin, Roots, Tls, TlsError};
use octopus_argo_core::{KeyPin, Thumbprint};

use crate::support::{
    Authority, HOST, TOKEN, attempt, chain, check, config, plain_config, serve, serve_tls, tls_error, within,
};

fn sha256(bytes: &[u8]) -> KeyPin {
    let hash = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .unwrap()
        .common
        .hash_provider;
    KeyPin::from_sha256(hash.hash(bytes).as_ref().try_into().unwrap())
}

fn other_thumbprint() -> Thumbprint {
    Thumbprint::from_sha1([7; 20])
}

#[tokio::test]
async fn the_right_certificate_is_accepted_and_metadata_arrive() {
    within(async {
        let authority = Authority::new();
        let leaf = authority.identity();
        let (serving, seen) = serve(octopus_argo_server::listen::Listen::tls(&leaf.identity).unwrap()).await;
        let connection = attempt(serving.local_addr(), HOST, &Tls::host_name(authority.roots()))
            .await
            .unwrap();
        assert_eq!(connection.certificate(), Some(leaf.identity.thumbprint()));
        assert_eq!(check(&connection).await.unwrap(), 1);

        let seen = seen.lock().unwrap();
        let (headers, peer) = &seen[0];
        assert_eq!(headers["client-id"], "c1");
        assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
        assert!(
            headers["user-agent"]
                .to_str()
                .unwrap()
                .starts_with("octopus-argo-client/")
        );
        assert!(peer.address.ip().is_loopback());
        assert!(
            !format!("{connection:?} {headers:?}")
                .replace(&format!("{headers:?}"), "")
                .contains(TOKEN)
        );
    })
    .await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_by_name() {
    within(async {
        let authority = Authority::new();
        let serving = serve_tls(&authority.identity()).await;
        let error = tls_error(
            serving.local_addr(),
            "other.example.test",
            &Tls::host_name(authority.roots()),
        )
        .await;
        assert_eq!(
            error.to_string(),
            format!("the certificate is for {HOST}, not for other.example.test")
        );
        assert!(!error.is_retryable());
    })
    .await;
}

#[tokio::test]
async fn validity_dates_count_both_ways() {
    within(async {
        let authority = Authority::new();
        let tls = Tls::host_name(authority.roots());
        let expired = authority.identity_with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        let serving = serve_tls(&expired).await;
        let error = tls_error(serving.local_addr(), HOST, &tls).await;
        assert!(
            matches!(error, TlsError::Expired { .. }) && !error.is_retryable(),
            "{error:?}"
        );

        let early = authority.identity_with(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1));
        let serving = serve_tls(&early).await;
        let error = tls_error(serving.local_addr(), HOST, &tls).await;
        assert!(
            matches!(error, TlsError::NotYetValid { .. }) && error.is_retryable(),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    within(async {
        let serving = serve_tls(&Authority::new().identity()).await;
        let error = tls_error(
            serving.local_addr(),
            HOST,
            &Tls::host_name(Authority::new().roots()),
        )
        .await;
        assert!(
            matches!(error, TlsError::Untrusted { .. }) && !error.is_retryable(),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_pin_is_enough_whatever_else_is_wrong() {
    within(async {
        // Unknown authority, expired, and for another host.
        let leaf =
            Authority::new().identity_with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        let serving = serve_tls(&leaf).await;
        let (thumbprint, key) = (leaf.identity.thumbprint(), sha256(&leaf.public_key));
        for tls in [
            Tls::pinned(thumbprint),
            Tls::pinned(key),
            Tls::pinned(other_thumbprint()).or_pin(thumbprint),
            Tls::pinned(other_thumbprint()).or_pin(key),
        ] {
            let connection = attempt(serving.local_addr(), "other.example.test", &tls)
                .await
                .unwrap();
            assert_eq!(check(&connection).await.unwrap(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_pin_is_refused_although_the_chain_is_good_and_both_are_shown() {
    within(async {
        let authority = Authority::new();
        let leaf = authority.identity();
        let serving = serve_tls(&leaf).await;
        let key = KeyPin::from_sha256([9; 32]);
        let error = tls_error(
            serving.local_addr(),
            HOST,
            &Tls::pinned(other_thumbprint()).or_pin(key),
        )
        .await;
        let TlsError::WrongThumbprint {
            expected,
            presented,
            source,
            ..
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(expected, &[Pin::Thumbprint(other_thumbprint()), Pin::Key(key)]);
        assert_eq!(
            (presented.thumbprint, presented.key),
            (leaf.identity.thumbprint(), sha256(&leaf.public_key))
        );
        assert!(source.is_none());
        let text = error.to_string();
        assert!(text.contains("does not match the expected thumbprint"), "{text}");
        for part in [
            other_thumbprint().to_string(),
            leaf.identity.thumbprint().to_string(),
            key.to_string(),
        ] {
            assert!(text.contains(&part), "{text}");
        }
        assert!(!error.is_retryable());
    })
    .await;
}

#[tokio::test]
async fn the_compatible_mode_takes_a_chain_or_else_the_thumbprint() {
    within(async {
        let authority = Authority::new();
        let leaf = authority.identity();
        let serving = serve_tls(&leaf).await;
        let to = serving.local_addr();

        // The thumbprint rescues an unknown authority.
        let tls = Tls::danger_compatible(leaf.identity.thumbprint(), Roots::empty());
        assert!(attempt(to, "other.example.test", &tls).await.is_ok());
        // A good chain wins over a wrong thumbprint and a wrong name.
        let tls = Tls::danger_compatible(other_thumbprint(), authority.roots());
        assert!(attempt(to, "other.example.test", &tls).await.is_ok());
        // With neither, both failures are told.
        let tls = Tls::danger_compatible(other_thumbprint(), Authority::new().roots());
        let error = tls_error(to, HOST, &tls).await;
        assert!(
            matches!(error, TlsError::WrongThumbprint { source: Some(_), .. }),
            "{error:?}"
        );
        assert!(chain(&error).contains("UnknownIssuer"), "{}", chain(&error));
    })
    .await;
}

#[tokio::test]
async fn the_cryptography_of_the_process_is_neither_read_nor_set() {
    within(async {
        let leaf = Authority::new().identity();
        let serving = serve_tls(&leaf).await;
        let tls = Tls::pinned(leaf.identity.thumbprint());
        assert!(attempt(serving.local_addr(), HOST, &tls).await.is_ok());
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
        // One that can do nothing, as another crate in the process might choose another than ours.
        let useless = rustls::crypto::CryptoProvider {
            cipher_suites: Vec::new(),
            kx_groups: Vec::new(),
            ..rustls::crypto::ring::default_provider()
        };
        useless.install_default().unwrap();
        let serving = serve_tls(&leaf).await;
        let connection = attempt(serving.local_addr(), HOST, &tls).await.unwrap();
        assert_eq!(check(&connection).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn tls_towards_plaintext_and_the_reverse_are_told_apart() {
    within(async {
        let (serving, _) = serve(octopus_argo_server::listen::Listen::danger_plaintext()).await;
        let error = tls_error(serving.local_addr(), HOST, &Tls::pinned(other_thumbprint())).await;
        assert!(
            matches!(error, TlsError::NotTls) && !error.is_retryable(),
            "{error:?}"
        );

        let serving = serve_tls(&Authority::new().identity()).await;
        let error = connect(&plain_config(serving.local_addr())).await.unwrap_err();
        assert!(
            matches!(
                error,
                ConnectError::Http2 {
                    source: Http2Error::ExpectsTls,
                    ..
                }
            ) && !error.is_retryable(),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_server_that_offers_no_http2_is_refused() {
    within(async {
        let leaf = KeyAndCertificate::new();
        for protocols in [vec![], vec![b"http/1.1".to_vec()]] {
            let to = leaf.accept_one(protocols).await;
            let error = tls_error(to, HOST, &Tls::pinned(leaf.thumbprint)).await;
            assert!(matches!(error, TlsError::NoHttp2), "{error:?}");
        }
    })
    .await;
}

#[test]
fn a_host_name_without_any_root_is_refused_before_anything_is_dialled() {
    let tls = Tls::host_name(Roots::empty());
    let error = octopus_argo_client::connection::Config::new(
        HOST.parse().unwrap(),
        &tls,
        crate::support::credentials(),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no root certificate is trusted, so that no server could be"
    );
    let config = config(([127, 0, 0, 1], 1).into(), HOST, &Tls::pinned(other_thumbprint()));
    assert!(!format!("{config:?}").contains(TOKEN));
}

/// A TLS server that is not ours.
struct KeyAndCertificate {
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    key: rcgen::KeyPair,
    thumbprint: Thumbprint,
}

impl KeyAndCertificate {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let thumbprint = octopus_argo_client::tls::thumbprint(certificate.der());
        Self {
            chain: vec![certificate.der().clone()],
            key,
            thumbprint,
        }
    }

    async fn accept_one(&self, protocols: Vec<Vec<u8>>) -> std::net::SocketAddr {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls_pki_types::PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .unwrap();
        config.alpn_protocols = protocols;
        crate::support::accept_one(move |socket| async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
            let _ = acceptor.accept(socket).await;
        })
        .await
    }
}
