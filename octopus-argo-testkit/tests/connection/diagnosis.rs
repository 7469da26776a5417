//! A diagnosis, each of its findings provoked once.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::{CredentialProvider, Credentials, CredentialsError};
use octopus_argo_client::diagnosis::{Diagnosis, Finding, Options, Outcome, Severity, Stage, diagnose};
use octopus_argo_client::dial::{BoxStream, Dial, DialError, HttpProxy, Resolve, TcpDial};
use octopus_argo_client::tls::Tls;
use octopus_argo_client::{Gateway, GatewayEvent};
use octopus_argo_core::{ServerAddress, Thumbprint};
use octopus_argo_server::listen::{Listen, Serving};
use octopus_argo_server::{GatewayToken, MemoryStore, Server, ServerEvent, Services};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tower_service::Service;

use crate::support::{Authority, HOST, accept_one, within};

const GATEWAY: &str = "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11";

/// A server of gateways, and what one needs to get in.
struct Octopus {
    server: Server,
    credentials: Credentials,
    token: GatewayToken,
}

impl Octopus {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let token = GatewayToken::generate().unwrap();
        store.set_credential(&GATEWAY.parse().unwrap(), &token);
        let secret = token.secret().expose_secret().parse().unwrap();
        Self {
            server: Server::new(store),
            credentials: Credentials::new(GATEWAY.parse().unwrap(), secret),
            token,
        }
    }

    async fn listen<S>(&self, listen: Listen, service: S) -> Serving
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listen.serve(listener, service).unwrap()
    }

    fn config(&self, tls: &Tls) -> Config {
        Config::new(HOST.parse().unwrap(), tls, self.credentials.clone()).unwrap()
    }

    fn plaintext(&self) -> Config {
        Config::danger_plaintext(
            HOST.parse().unwrap(),
            self.credentials.clone().danger_allow_plaintext(),
        )
    }

    /// Diagnoses, and searches the result for the token.
    async fn diagnose(&self, config: &Config) -> Diagnosis {
        self.diagnose_with(config, &Options::new()).await
    }

    async fn diagnose_with(&self, config: &Config, options: &Options) -> Diagnosis {
        let diagnosis = diagnose(config, options).await;
        let text = format!("{diagnosis}\n{diagnosis:?}\n{config:?}\n{options:?}");
        assert!(!text.contains(self.token.secret().expose_secret()), "{text}");
        diagnosis
    }
}

/// Goes to one socket for each port, and refuses others. The name need not exist.
#[derive(Clone, Debug)]
struct Ports(Vec<(u16, SocketAddr)>);

#[async_trait::async_trait]
impl Dial for Ports {
    async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError> {
        let known = self.0.iter().find(|(port, _)| *port == address.port());
        // Port 1 of loopback refuses.
        let to = known.map_or_else(|| ([127, 0, 0, 1], 1).into(), |(_, to)| *to);
        TcpDial::new().dial(&to.to_string().parse().unwrap()).await
    }
}

fn at(to: SocketAddr) -> Ports {
    Ports(vec![(8443, to)])
}

fn codes(diagnosis: &Diagnosis) -> Vec<&'static str> {
    diagnosis.findings().iter().map(Finding::code).collect()
}

/// The stages that passed and failed, in short.
fn walk(diagnosis: &Diagnosis) -> String {
    let steps = diagnosis.steps().iter().map(|step| match step.outcome {
        Outcome::Passed => format!("{} ", step.stage),
        Outcome::Failed => format!("!{} ", step.stage),
        _ => String::new(),
    });
    steps.collect::<String>().trim_end().to_owned()
}

#[tokio::test]
async fn a_good_way_is_walked_to_its_end_and_disturbs_nobody() {
    within(async {
        let octopus = Octopus::new();
        let authority = Authority::new();
        let leaf = authority.identity();
        let serving = octopus
            .listen(Listen::tls(&leaf.identity).unwrap(), octopus.server.services())
            .await;
        let config = octopus
            .config(&Tls::host_name(authority.roots()))
            .dial(at(serving.local_addr()));
        let mut events = octopus.server.events();
        let gateway = Gateway::builder(config.clone()).start().unwrap();
        let mut seen = gateway.events();
        gateway.connected(Duration::from_secs(8)).await.unwrap();

        let diagnosis = octopus.diagnose(&config).await;
        assert!(
            diagnosis.is_good() && diagnosis.findings().is_empty(),
            "{diagnosis}"
        );
        assert_eq!(
            walk(&diagnosis),
            "credentials tcp tls alpn http2 authentication health tunnel"
        );
        assert_eq!(diagnosis.outcome(Stage::Idle), None);
        let text = diagnosis.to_string();
        assert!(text.contains(&leaf.identity.thumbprint().to_string()), "{text}");
        assert!(text.ends_with("nothing is wrong"), "{text}");

        // The gateway with the same credentials is where it was.
        let connection = octopus.server.connection(&GATEWAY.parse().unwrap());
        assert!(matches!(
            connection,
            octopus_argo_server::Connection::Online { .. }
        ));
        let mut ends = 0;
        while let Ok(event) = events.try_recv() {
            ends += usize::from(matches!(
                event,
                ServerEvent::Superseded { .. } | ServerEvent::Disconnected { .. }
            ));
        }
        while let Ok(event) = seen.try_recv() {
            ends += usize::from(matches!(event, GatewayEvent::Disconnected { .. }));
        }
        assert_eq!(ends, 0);
    })
    .await;
}

#[derive(Debug)]
struct Unknown;

#[async_trait::async_trait]
impl Resolve for Unknown {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    within(async {
        let octopus = Octopus::new();
        let config = octopus.plaintext().dial(TcpDial::new().resolver(Unknown));
        let diagnosis = octopus.diagnose(&config).await;
        assert_eq!(codes(&diagnosis), ["name-unknown"]);
        assert_eq!(walk(&diagnosis), "credentials !dns");
        let text = diagnosis.findings()[0].to_string();
        assert!(text.contains(HOST) && text.contains("no such name"), "{text}");

        // The proxy's name is another matter.
        let proxy = HttpProxy::new("proxy.example.test")
            .unwrap()
            .over(TcpDial::new().resolver(Unknown));
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(proxy)).await;
        let text = diagnosis.findings()[0].to_string();
        assert!(text.contains("proxy.example.test was not found"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn port_443_is_reached_and_the_gateways_port_is_not() {
    within(async {
        let octopus = Octopus::new();
        let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dial = Ports(vec![(443, web.local_addr().unwrap())]);
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(dial)).await;
        assert_eq!(codes(&diagnosis), ["unreachable", "only-port-443"]);
        assert_eq!(walk(&diagnosis), "credentials !tcp");
        assert!(diagnosis.findings()[1].advice().contains("8443"));

        let diagnosis = octopus
            .diagnose(&octopus.plaintext().dial(Ports(Vec::new())))
            .await;
        assert_eq!(codes(&diagnosis), ["unreachable"]);
    })
    .await;
}

#[tokio::test]
async fn tls_towards_plaintext_and_the_reverse() {
    within(async {
        let octopus = Octopus::new();
        let tls = Tls::pinned(Thumbprint::from_sha1([7; 20]));
        let serving = octopus
            .listen(Listen::danger_plaintext(), octopus.server.services())
            .await;
        let diagnosis = octopus
            .diagnose(&octopus.config(&tls).dial(at(serving.local_addr())))
            .await;
        assert!(
            matches!(diagnosis.findings(), [Finding::ServerIsPlaintext { http2: true }]),
            "{diagnosis}"
        );
        assert_eq!(walk(&diagnosis), "credentials tcp !tls");

        let ssh = repeat(|mut socket| async move {
            let _ = socket.write_all(b"SSH-2.0-x\r\n").await;
            let _ = socket.shutdown().await;
            let _ = socket.read(&mut [0; 512]).await;
        })
        .await;
        let diagnosis = octopus.diagnose(&octopus.config(&tls).dial(at(ssh.0))).await;
        assert!(
            matches!(
                diagnosis.findings(),
                [Finding::ServerIsPlaintext { http2: false }]
            ),
            "{diagnosis}"
        );

        let leaf = Authority::new().identity();
        let serving = octopus
            .listen(Listen::tls(&leaf.identity).unwrap(), octopus.server.services())
            .await;
        let config = octopus.plaintext().dial(at(serving.local_addr()));
        let diagnosis = octopus.diagnose(&config).await;
        assert_eq!(codes(&diagnosis), ["server-expects-tls"], "{diagnosis}");

        // One that answers plaintext with nothing at all.
        let to = serving.local_addr();
        let silent = repeat(move |mut socket| async move {
            let mut first = [0];
            if socket.peek(&mut first).await.is_ok() && first[0] == 0x16 {
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut socket, &mut server).await;
            }
        })
        .await;
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(at(silent.0))).await;
        assert_eq!(codes(&diagnosis), ["server-expects-tls"], "{diagnosis}");
    })
    .await;
}

#[tokio::test]
async fn certificates_that_prove_nothing() {
    within(async {
        let octopus = Octopus::new();
        let authority = Authority::new();
        let leaf = authority.identity();
        let serving = octopus
            .listen(Listen::tls(&leaf.identity).unwrap(), octopus.server.services())
            .await;
        let dial = at(serving.local_addr());

        let other = Thumbprint::from_sha1([7; 20]);
        let diagnosis = octopus
            .diagnose(&octopus.config(&Tls::pinned(other)).dial(dial.clone()))
            .await;
        assert_eq!(codes(&diagnosis), ["wrong-thumbprint"]);
        let text = diagnosis.findings()[0].to_string();
        assert!(
            text.contains(&other.to_string()) && text.contains(&leaf.identity.thumbprint().to_string()),
            "{text}"
        );
        assert!(
            diagnosis.findings()[0]
                .advice()
                .contains(&leaf.identity.thumbprint().to_string())
        );

        let elsewhere = Config::new(
            "other.example.test".parse().unwrap(),
            &Tls::host_name(authority.roots()),
            octopus.credentials.clone(),
        );
        let diagnosis = octopus.diagnose(&elsewhere.unwrap().dial(dial.clone())).await;
        assert_eq!(codes(&diagnosis), ["wrong-host-name"]);

        let strangers = Tls::host_name(Authority::new().roots());
        let diagnosis = octopus.diagnose(&octopus.config(&strangers).dial(dial)).await;
        assert_eq!(codes(&diagnosis), ["untrusted"]);
        assert_eq!(walk(&diagnosis), "credentials tcp !tls");

        // Expired, by a clock that is right.
        let old = authority.identity_with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        let serving = octopus
            .listen(Listen::tls(&old.identity).unwrap(), octopus.server.services())
            .await;
        let tls = Tls::host_name(authority.roots());
        let config = octopus.config(&tls).dial(at(serving.local_addr()));
        assert_eq!(codes(&octopus.diagnose(&config).await), ["expired"]);
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_from_a_certificate_that_is() {
    within(async {
        let octopus = Octopus::new();
        let authority = Authority::new();
        let soon = SystemTime::now() + Duration::from_secs(3 * 365 * 86_400);
        let leaf = authority.identity_with(|params| {
            params.not_before = (SystemTime::now() - Duration::from_secs(86_400)).into();
            params.not_after = soon.into();
        });
        let serving = octopus
            .listen(Listen::tls(&leaf.identity).unwrap(), octopus.server.services())
            .await;
        let tls = Tls::host_name(authority.roots());
        let config = octopus.config(&tls).dial(at(serving.local_addr()));

        let fast = Options::new().clock(|| SystemTime::now() + Duration::from_secs(3600));
        let diagnosis = octopus.diagnose_with(&config, &fast).await;
        let [Finding::ClockSkew { by, ahead: true }] = diagnosis.findings() else {
            panic!("{diagnosis}")
        };
        assert!((3500..3700).contains(&by.as_secs()), "{by:?}");
        assert!(diagnosis.is_good());
        assert_eq!(diagnosis.findings()[0].severity(), Severity::Warning);

        let far = Options::new().clock(move || soon + Duration::from_secs(86_400));
        assert_eq!(
            codes(&octopus.diagnose_with(&config, &far).await),
            ["expired", "clock-skew"]
        );
        let back = Options::new().clock(|| SystemTime::now() - Duration::from_secs(30 * 86_400 + 3600));
        let diagnosis = octopus.diagnose_with(&config, &back).await;
        assert_eq!(codes(&diagnosis), ["not-yet-valid", "clock-skew"]);
        let text = diagnosis.findings()[1].to_string();
        assert_eq!(text, "this machine's clock is 30 days behind the server's");
    })
    .await;
}

#[derive(Debug)]
struct Sealed;

#[async_trait::async_trait]
impl CredentialProvider for Sealed {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        Err(CredentialsError::permanent("the vault is sealed"))
    }
}

#[tokio::test]
async fn credentials_that_are_wrong_or_missing() {
    within(async {
        let octopus = Octopus::new();
        let other = Octopus::new();
        let serving = octopus
            .listen(Listen::danger_plaintext(), octopus.server.services())
            .await;
        let dial = at(serving.local_addr());
        let diagnosis = other.diagnose(&other.plaintext().dial(dial.clone())).await;
        assert_eq!(codes(&diagnosis), ["token-refused"]);
        assert_eq!(walk(&diagnosis), "credentials tcp http2 !authentication");

        let sealed = Config::danger_plaintext(HOST.parse().unwrap(), Sealed).dial(dial.clone());
        let diagnosis = octopus.diagnose(&sealed).await;
        assert_eq!(codes(&diagnosis), ["no-credentials"]);
        // The rest is worth knowing all the same.
        assert_eq!(walk(&diagnosis), "!credentials tcp http2");

        let careful = Config::danger_plaintext(HOST.parse().unwrap(), octopus.credentials.clone()).dial(dial);
        assert_eq!(
            codes(&octopus.diagnose(&careful).await),
            ["plaintext-credentials"]
        );
    })
    .await;
}

/// A proxy that opens TLS with a certificate of its own, and has no HTTP/2.
async fn opening(authority: &Authority) -> (SocketAddr, JoinSet<()>) {
    let (certificate, key) = authority.certificate_and_key();
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    repeat(move |mut socket| {
        let acceptor = acceptor.clone();
        async move {
            let mut first = [0; 7];
            if socket.peek(&mut first).await.is_ok() && &first == b"CONNECT" {
                head(&mut socket).await;
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            }
            let _ = acceptor.accept(socket).await;
        }
    })
    .await
}

/// Reads a request's head.
async fn head(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn http2_that_ends_at_a_proxy() {
    within(async {
        let octopus = Octopus::new();
        let authority = Authority::new();
        let (proxy, _tasks) = opening(&authority).await;
        let tls = Tls::host_name(authority.roots());
        let through = HttpProxy::new(&proxy.to_string()).unwrap();
        let diagnosis = octopus.diagnose(&octopus.config(&tls).dial(through)).await;
        let [Finding::NoHttp2 { proxy: Some(found) }] = diagnosis.findings() else {
            panic!("{diagnosis}")
        };
        assert_eq!(found.authority(), proxy.to_string());
        assert_eq!(walk(&diagnosis), "credentials tcp proxy tls !alpn");

        let diagnosis = octopus.diagnose(&octopus.config(&tls).dial(at(proxy))).await;
        assert!(
            matches!(diagnosis.findings(), [Finding::NoHttp2 { proxy: None }]),
            "{diagnosis}"
        );

        // Without TLS it shows in what is answered.
        let web = accept_one(|mut socket| async move {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = socket.read(&mut [0; 512]).await;
        })
        .await;
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(at(web))).await;
        assert_eq!(codes(&diagnosis), ["no-http2"]);
        assert_eq!(walk(&diagnosis), "credentials tcp !http2");
    })
    .await;
}

#[tokio::test]
async fn proxies_that_do_not_connect() {
    within(async {
        let octopus = Octopus::new();
        let (proxy, _tasks) = repeat(|mut socket| async move {
            let request = head(&mut socket).await;
            let answer: &[u8] = match request.split(' ').nth(1) {
                _ if !request.contains("Proxy-Authorization: Basic YTpi") => b"HTTP/1.1 407 Who?\r\n\r\n",
                Some(target) if target.ends_with(":443") => b"HTTP/1.1 200 OK\r\n\r\n",
                _ => b"HTTP/1.1 403 Forbidden\r\n\r\n",
            };
            let _ = socket.write_all(answer).await;
            let _ = socket.read(&mut [0; 512]).await;
        })
        .await;
        let through = HttpProxy::new(&proxy.to_string()).unwrap();
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(through.clone())).await;
        assert_eq!(codes(&diagnosis), ["proxy"]);
        assert_eq!(walk(&diagnosis), "credentials tcp !proxy");
        assert!(diagnosis.findings()[0].advice().contains("password"));

        let known = through.basic_auth("a", &"b".to_owned().into()).unwrap();
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(known)).await;
        assert_eq!(codes(&diagnosis), ["proxy", "only-port-443"]);
        let text = diagnosis.findings()[0].to_string();
        assert!(text.ends_with("the proxy answered 403 (Forbidden)"), "{text}");

        let nowhere = HttpProxy::new("127.0.0.1:1").unwrap();
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(nowhere)).await;
        assert_eq!(codes(&diagnosis), ["unreachable"]);
        assert!(diagnosis.findings()[0].to_string().contains("127.0.0.1:1"));
    })
    .await;
}

/// Services of a server without some of them.
#[derive(Clone)]
struct Without {
    services: Services,
    missing: &'static str,
    how: Missing,
}

#[derive(Clone, Copy)]
enum Missing {
    Unimplemented,
    Silent,
}

impl Service<Request<Incoming>> for Without {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if !request.uri().path().starts_with(self.missing) {
            return self.services.call(request);
        }
        match self.how {
            Missing::Unimplemented => {
                Box::pin(async { Ok(tonic::Status::unimplemented("not here").into_http()) })
            }
            Missing::Silent => Box::pin(std::future::pending()),
        }
    }
}

#[tokio::test]
async fn servers_that_lack_something() {
    within(async {
        let octopus = Octopus::new();
        for (missing, how, expected, steps) in [
            (
                "/grpc.health.v1.Health/",
                Missing::Unimplemented,
                "unhealthy",
                "credentials tcp http2 authentication !health tunnel",
            ),
            (
                "/octopus.argo.v1.Tunnel/",
                Missing::Unimplemented,
                "no-tunnel",
                "credentials tcp http2 authentication health !tunnel",
            ),
            // Something holds the stream back.
            (
                "/octopus.argo.v1.Tunnel/",
                Missing::Silent,
                "tunnel-held-up",
                "credentials tcp http2 authentication health !tunnel",
            ),
        ] {
            let services = octopus.server.services();
            let service = Without {
                services,
                missing,
                how,
            };
            let serving = octopus.listen(Listen::danger_plaintext(), service).await;
            let diagnosis = octopus
                .diagnose(&octopus.plaintext().dial(at(serving.local_addr())))
                .await;
            assert_eq!(codes(&diagnosis), [expected], "{diagnosis}");
            assert_eq!(walk(&diagnosis), steps);
        }
        let serving = octopus
            .listen(Listen::danger_plaintext(), octopus.server.services())
            .await;
        octopus.server.shutdown(Duration::ZERO).await;
        let diagnosis = octopus
            .diagnose(&octopus.plaintext().dial(at(serving.local_addr())))
            .await;
        assert_eq!(codes(&diagnosis), ["unhealthy", "tunnel-refused"], "{diagnosis}");
        assert!(
            diagnosis.findings()[0]
                .to_string()
                .ends_with("the server says NOT_SERVING")
        );
    })
    .await;
}

/// A dialler to one end of a pipe.
#[derive(Debug)]
struct Pipe(Mutex<Option<DuplexStream>>);

#[async_trait::async_trait]
impl Dial for Pipe {
    async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
        Ok(Box::new(
            self.0.lock().unwrap().take().ok_or(DialError::NoAddress)?,
        ))
    }
}

/// What is between a gateway and its server.
#[derive(Clone, Copy)]
enum Balancer {
    Transparent,
    /// Closes both sides after so many seconds.
    CutsAfter(u64),
    /// Passes nothing on after so many seconds, and says nothing.
    DropsAfter(u64),
}

/// A server behind a balancer, all in this process's memory, so that the clock may be a test's.
fn behind(octopus: &Octopus, balancer: Balancer) -> (Config, JoinSet<()>) {
    let (near, mut left) = tokio::io::duplex(64 * 1024);
    let (mut right, far) = tokio::io::duplex(64 * 1024);
    let mut tasks = JoinSet::new();
    let services = octopus.server.services();
    tasks.spawn(async move {
        let service = hyper::service::service_fn(move |request| services.clone().call(request));
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(far), service)
            .await;
    });
    tasks.spawn(async move {
        let limit = match balancer {
            Balancer::Transparent => u64::MAX >> 16,
            Balancer::CutsAfter(seconds) | Balancer::DropsAfter(seconds) => seconds,
        };
        let limit = Duration::from_secs(limit);
        let _ = tokio::time::timeout(limit, copy_bidirectional(&mut left, &mut right)).await;
        if matches!(balancer, Balancer::DropsAfter(_)) {
            std::future::pending::<()>().await;
        }
    });
    let config = octopus.plaintext().dial(Pipe(Mutex::new(Some(near))));
    (config, tasks)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_watched() {
    let octopus = Octopus::new();
    let options = Options::new().idle(Duration::from_secs(120));
    let (config, _tasks) = behind(&octopus, Balancer::Transparent);
    let diagnosis = octopus.diagnose_with(&config, &options).await;
    assert_eq!(
        diagnosis.outcome(Stage::Idle),
        Some(Outcome::Passed),
        "{diagnosis}"
    );
    assert!(diagnosis.findings().is_empty(), "{diagnosis}");

    let (config, _tasks) = behind(&octopus, Balancer::CutsAfter(60));
    let diagnosis = octopus.diagnose_with(&config, &options).await;
    let [Finding::IdleCut { after }] = diagnosis.findings() else {
        panic!("{diagnosis}")
    };
    assert!((59..=60).contains(&after.as_secs()), "{after:?}");
    assert!(diagnosis.is_good() && diagnosis.findings()[0].advice().contains("idle timeout"));

    let (config, _tasks) = behind(&octopus, Balancer::DropsAfter(50));
    let options = Options::new().idle(Duration::from_secs(60));
    let diagnosis = octopus.diagnose_with(&config, &options).await;
    assert!(
        matches!(diagnosis.findings(), [Finding::IdleDropped { after }] if after.as_secs() == 60),
        "{diagnosis}"
    );
}

#[tokio::test]
async fn a_report_reads_like_this() {
    within(async {
        let octopus = Octopus::new();
        let dial = Ports(Vec::new());
        let diagnosis = octopus.diagnose(&octopus.plaintext().dial(dial)).await;
        let text = diagnosis.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "grpc://octopus.example.test:8443");
        assert!(
            lines[1].starts_with("  ok   credentials    client id 0d5f6c1e"),
            "{text}"
        );
        assert!(
            lines[3].starts_with("  FAIL tcp            no connection to octopus.example.test:8443"),
            "{text}"
        );
        assert_eq!(lines[10], "  -    tunnel         not reached");
        assert!(
            lines[11].is_empty() || lines[11].starts_with("1. error: no connection to"),
            "{text}"
        );
        assert!(text.contains("[unreachable]\n   Check the address"), "{text}");
    })
    .await;
}

/// Serves every socket that comes.
async fn repeat<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut sockets = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            sockets.spawn(serve(socket));
        }
    });
    (address, tasks)
}
