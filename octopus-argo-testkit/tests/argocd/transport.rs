//! Sockets: limits, shutdown, restart, TLS.

use std::fmt::Write as _;

use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_testkit::argocd::{Access, StartError};
use tokio::net::TcpStream;
use tonic::Code;

use super::*;

#[tokio::test]
async fn too_large_an_answer_is_code_8() {
    let sim = builder()
        .without_authentication()
        .message_limit(600)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let status = soon(client.list(ApplicationQuery::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .starts_with("grpc: trying to send message larger than max ("),
        "{status}"
    );
    assert!(status.message().ends_with(" vs. 600)"), "{status}");
    assert!(
        soon(client.get(named("api"))).await.is_ok(),
        "one application fits"
    );

    let mut events = soon(client.watch(named("api"))).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/api");
    sim.fleet()
        .annotate(&app("api"), "filler", Some(&"x".repeat(600)))
        .unwrap();
    let status = soon(events.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let (_sim, mut client) = reader().await;
    // The client's own timer stops at the first headers; what ends the stream is the server.
    let mut request = Request::new(named("api"));
    request.set_timeout(Duration::from_secs(1));
    let mut events = soon(client.watch(request)).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/api");
    let ended = soon(events.message()).await.map(drop);
    assert_status(ended, Code::DeadlineExceeded, "context deadline exceeded");
}

#[tokio::test]
async fn shutdown_cuts_what_is_left_after_the_grace() {
    let (sim, mut client) = reader().await;
    let mut events = soon(client.watch(named("api"))).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/api");
    let address = sim.address();
    let stopped = soon(sim.shutdown(Duration::from_millis(1))).await;
    assert!(soon(events.message()).await.is_err(), "cut, not ended");
    assert!(soon(TcpStream::connect(address)).await.is_err(), "nobody listens");
    drop(stopped);
}

#[tokio::test]
async fn shutdown_of_an_idle_server_needs_no_grace() {
    let (sim, mut client) = reader().await;
    soon(client.get(named("api"))).await.unwrap();
    soon(sim.shutdown(Duration::from_secs(3600))).await;
}

#[tokio::test]
async fn dropping_ends_streams_and_frees_the_port() {
    let (sim, mut client) = reader().await;
    let mut events = soon(client.watch(named("api"))).await.unwrap().into_inner();
    assert_eq!(next(&mut events).await, "ADDED argocd/api");
    let address = sim.address();
    drop(sim);
    assert!(soon(events.message()).await.is_err());
    // The accept loop has gone by the time that the connections have; a new server can have the address.
    let again = builder().address(address).start().await.unwrap();
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn a_restart_keeps_address_applications_and_tokens() {
    let (sim, mut client) = reader().await;
    sim.fleet().annotate(&app("api"), "round", Some("1")).unwrap();
    let address = sim.address();
    let stopped = soon(sim.shutdown(Duration::ZERO)).await;
    assert_eq!(
        soon(client.get(named("api"))).await.unwrap_err().code(),
        Code::Unavailable
    );
    stopped.fleet().annotate(&app("api"), "round", Some("2")).unwrap();
    let sim = stopped.start().await.unwrap();
    assert_eq!(sim.address(), address);
    let api = soon(client.get(named("api"))).await.unwrap().into_inner();
    assert_eq!(
        api.metadata.unwrap().annotations["round"],
        "2",
        "the same channel, connected anew"
    );
}

#[tokio::test]
async fn an_address_in_use_is_said() {
    let sim = builder().start().await.unwrap();
    let error = builder().address(sim.address()).start().await.unwrap_err();
    assert!(matches!(&error, StartError::Bind { .. }));
    assert_eq!(
        error.to_string(),
        format!("could not listen on {}", sim.address())
    );
}

#[tokio::test]
async fn futures_and_handles_can_be_sent() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let sim = sendable(builder().start()).await.unwrap();
    sendable((sim.fleet().clone(), sim.accounts().clone()));
    let stopped = sendable(sim.shutdown(Duration::ZERO)).await;
    sendable(sendable(stopped.start()).await.unwrap());
}

#[tokio::test]
async fn nothing_printable_shows_a_token() {
    let configured = builder().token("very-secret", Access::new("gateway"));
    let mut shown = format!("{configured:?}");
    let sim = configured.start().await.unwrap();
    write!(shown, "{sim:?} {:?} {:?}", sim.accounts(), sim.fleet()).unwrap();
    sim.accounts().revoke("very-secret");
    let mut client = client_with(&sim, &[("token", "very-secret")]).await;
    shown += &soon(client.get(named("api"))).await.unwrap_err().to_string();
    assert!(!shown.contains("secret"), "{shown}");
}

#[cfg(feature = "tls")]
mod tls {
    use std::sync::Arc;

    use octopus_argo_testkit::argocd::{Alpn, ArgoCdVersion};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    use tonic::transport::{Certificate, ClientTlsConfig};

    use super::*;

    async fn tls_sim(version: ArgoCdVersion) -> ArgoCdSim {
        let builder = builder().without_authentication().version(version);
        builder.self_signed_tls().start().await.unwrap()
    }

    /// What ALPN chooses for a client that offers this.
    async fn negotiated(sim: &ArgoCdSim, offered: &[&str]) -> Option<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(sim.certificate_der().unwrap().to_vec()))
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = offered
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        let stream = soon(TcpStream::connect(sim.address())).await.unwrap();
        let name = ServerName::try_from("argocd-server.argocd.svc").unwrap();
        let stream = soon(TlsConnector::from(Arc::new(config)).connect(name, stream))
            .await
            .unwrap();
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_certificate_connects() {
        let sim = tls_sim(ArgoCdVersion::V3_5).await;
        let trusting = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(sim.certificate_pem().unwrap()))
            .domain_name("argocd-server");
        let endpoint = Endpoint::new(sim.uri()).unwrap().tls_config(trusting).unwrap();
        let mut client = ApplicationServiceClient::new(soon(endpoint.connect()).await.unwrap());
        assert!(soon(client.get(named("api"))).await.is_ok());

        let stranger = ClientTlsConfig::new().domain_name("argocd-server");
        let endpoint = Endpoint::new(sim.uri()).unwrap().tls_config(stranger).unwrap();
        assert!(soon(endpoint.connect()).await.is_err());
    }

    #[tokio::test]
    async fn alpn_prefers_http_1_and_old_servers_have_none() {
        for version in [ArgoCdVersion::V2_14, ArgoCdVersion::V3_0, ArgoCdVersion::V3_5] {
            let sim = tls_sim(version).await;
            assert_eq!(
                negotiated(&sim, &["h2", "http/1.1"]).await.as_deref(),
                Some(&b"http/1.1"[..])
            );
            assert_eq!(negotiated(&sim, &["h2"]).await.as_deref(), Some(&b"h2"[..]));
            assert_eq!(negotiated(&sim, &[]).await, None);
        }
        let sim = tls_sim(ArgoCdVersion::V2_8).await;
        assert_eq!(negotiated(&sim, &["h2"]).await, None);
    }

    #[tokio::test]
    async fn alpn_can_be_set_against_the_version() {
        for (version, alpn, expected) in [
            (ArgoCdVersion::V2_8, Alpn::ServerOrder, Some(&b"http/1.1"[..])),
            (ArgoCdVersion::V3_5, Alpn::None, None),
        ] {
            let builder = builder().without_authentication().version(version);
            let sim = builder.self_signed_tls().alpn(alpn).start().await.unwrap();
            assert_eq!(negotiated(&sim, &["h2", "http/1.1"]).await.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn http2_works_where_no_protocol_was_agreed() {
        let sim = tls_sim(ArgoCdVersion::V2_8).await;
        let config = |assume| {
            ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(sim.certificate_pem().unwrap()))
                .assume_http2(assume)
        };
        let endpoint = Endpoint::new(sim.uri())
            .unwrap()
            .tls_config(config(true))
            .unwrap();
        let mut client = ApplicationServiceClient::new(soon(endpoint.connect()).await.unwrap());
        assert!(soon(client.get(named("api"))).await.is_ok());
        let endpoint = Endpoint::new(sim.uri())
            .unwrap()
            .tls_config(config(false))
            .unwrap();
        assert!(
            soon(endpoint.connect()).await.is_err(),
            "a client that insists on ALPN fails"
        );
    }

    #[tokio::test]
    async fn a_restart_keeps_the_certificate() {
        let sim = tls_sim(ArgoCdVersion::V3_5).await;
        let before = sim.certificate_pem().map(str::to_owned);
        let sim = sim.shutdown(Duration::ZERO).await.start().await.unwrap();
        assert_eq!(sim.certificate_pem(), before.as_deref());
    }

    #[tokio::test]
    async fn plain_text_to_a_tls_port_is_cut() {
        let sim = tls_sim(ArgoCdVersion::V3_5).await;
        let plain = Endpoint::new(format!("http://{}", sim.address())).unwrap();
        let refused = match soon(plain.connect()).await {
            Err(_) => true,
            Ok(channel) => soon(ApplicationServiceClient::new(channel).get(named("api")))
                .await
                .is_err(),
        };
        assert!(refused);
    }
}
