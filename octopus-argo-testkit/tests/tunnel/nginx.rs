//! The tunnel through nginx: as Debian ships it, and as `docs/operators.md` says to set it.
//!
//! Runs where there is an nginx: on the path, or where `OCTOPUS_ARGO_NGINX` says, as in `.ci/run`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use octopus_argo_client::{Gateway, GatewayEvent, Rotation};
use octopus_argo_core::connection::KeepAliveConfig;
use octopus_argo_proto::session::Config as SessionConfig;
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use crate::echo::{echo, message, payload};
use crate::support::{Events, GATEWAY, Octopus, connected, soon};

/// What `docs/operators.md` says.
const TUNED: &str = "
    client_max_body_size 0;
    client_body_timeout 1h;
    grpc_read_timeout 1h;
    grpc_send_timeout 1h;
    keepalive_requests 1000000;
    keepalive_time 24h;
";

/// An nginx in front of a server. It is killed when this is dropped.
struct Nginx {
    address: SocketAddr,
    folder: tempfile::TempDir,
    _child: Child,
}

impl Nginx {
    /// Passes on to `octopus`, whose certificate it shows, with these settings beside its defaults.
    async fn start(program: &Path, octopus: &Octopus, settings: &str) -> Self {
        // It cannot be told to choose a port, so a few are tried.
        for _ in 0..5 {
            if let Some(nginx) = Self::try_start(program, octopus, settings).await {
                return nginx;
            }
        }
        panic!("nginx does not start");
    }

    async fn try_start(program: &Path, octopus: &Octopus, settings: &str) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let certificate = file("cert.pem", octopus.certificate_pem());
        let key = file("key.pem", octopus.key_pem());
        let server = octopus.serving.local_addr();
        // One process, so that there is one to end.
        let mut text =
            String::from("daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log info;\n");
        text.push_str("events {}\nhttp {\naccess_log access.log;\n");
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            writeln!(text, "{kind}_temp_path {kind};").unwrap();
        }
        write!(
            text,
            "server {{
                listen {address} ssl http2;
                ssl_certificate {certificate};
                ssl_certificate_key {key};
                {settings}
                location / {{ grpc_pass grpcs://{server}; }}
            }}\n}}\n"
        )
        .unwrap();
        let config = file("nginx.conf", &text);
        let mut child = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .args(["-c", &config, "-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listens = soon(async {
            loop {
                if TcpStream::connect(address).await.is_ok() {
                    return child.try_wait().unwrap().is_none();
                }
                if child.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
        });
        let listens = listens.await;
        let nginx = Self {
            address,
            folder,
            _child: child,
        };
        if !listens {
            let said = std::fs::read_to_string(nginx.folder.path().join("error.log")).unwrap_or_default();
            assert!(said.contains("Address already in use"), "{said}");
        }
        listens.then_some(nginx)
    }

    /// What it has written down as an error.
    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap()
    }
}

/// Where it is, or loudly nothing.
fn nginx() -> Option<PathBuf> {
    let named = std::env::var_os("OCTOPUS_ARGO_NGINX").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into()])
            .map(|folder| folder.join("nginx"))
            .find(|program| program.is_file())
    });
    if found.is_none() {
        // Not `eprintln`, of which nothing is seen when a test passes.
        let said = b"\nSKIPPED: there is no nginx, so the tunnel was not run through one\n";
        std::io::stderr().write_all(said).unwrap();
    }
    found
}

struct Fixture {
    octopus: Octopus,
    nginx: Nginx,
    _gateway: Gateway,
    events: Events<GatewayEvent>,
}

impl Fixture {
    async fn start(
        settings: &str,
        session: SessionConfig,
        build: impl FnOnce(octopus_argo_client::GatewayBuilder) -> octopus_argo_client::GatewayBuilder,
    ) -> Option<Self> {
        let program = nginx()?;
        let octopus = Octopus::start_with(session.clone()).await;
        let nginx = Nginx::start(&program, &octopus, settings).await;
        let mut server = octopus.events();
        let config = octopus.config_at(nginx.address, &octopus.credential(GATEWAY, "ArgoCDGateways-1"));
        let builder = Gateway::builder(config).services(echo().0).session(session);
        let gateway = build(builder).start().unwrap();
        let mut events = Events::new(gateway.events());
        server.until(connected).await;
        events
            .until(|event| matches!(event, GatewayEvent::Connected(_)).then_some(()))
            .await;
        Some(Self {
            octopus,
            nginx,
            _gateway: gateway,
            events,
        })
    }

    /// Sends that many megabytes, and takes them back.
    async fn megabytes(&self, count: u8) {
        let mut client = TunnelClient::new(self.octopus.gateway()).max_decoding_message_size(16 << 20);
        let messages: Vec<Packet> = (0..count).map(|byte| message(vec![byte; 1_000_000])).collect();
        let request = Request::new(tokio_stream::iter(messages));
        let mut answers = soon(client.open(request)).await.unwrap().into_inner();
        for byte in 0..count {
            let answer = soon(answers.message()).await.unwrap().unwrap();
            assert!(payload(&answer) == vec![byte; 1_000_000], "message {byte}");
        }
        assert!(soon(answers.message()).await.unwrap().is_none());
    }

    /// The names of what the gateway has told since the last time.
    fn told(&mut self) -> Vec<String> {
        let name = |event: GatewayEvent| {
            let text = format!("{event:?}");
            text.split([' ', '(']).next().unwrap().to_owned()
        };
        self.events.so_far().into_iter().map(name).collect()
    }
}

/// A call that echoes what it is sent, one message at a time.
struct Conversation {
    to: mpsc::Sender<Packet>,
    from: Streaming<Packet>,
}

impl Conversation {
    async fn begin(octopus: &Octopus) -> Self {
        let (to, messages) = mpsc::channel(4);
        let mut client = TunnelClient::new(octopus.gateway());
        let answer = soon(client.open(Request::new(ReceiverStream::new(messages)))).await;
        Self {
            to,
            from: answer.unwrap().into_inner(),
        }
    }

    async fn goes_on(&mut self, size: usize) {
        soon(self.to.send(message(vec![7; size]))).await.unwrap();
        let answer = soon(self.from.message()).await.unwrap().unwrap();
        assert_eq!(payload(&answer).len(), size);
    }
}

/// The limit of 1 MiB for a request's body counts all that a gateway sends over one connection. Calls do not notice.
#[tokio::test(crate = "crate::checked")]
async fn as_it_comes_nginx_cuts_the_stream_and_no_call() {
    let Some(mut fixture) = Fixture::start("", SessionConfig::default(), |builder| builder).await else {
        return;
    };
    let mut talk = Conversation::begin(&fixture.octopus).await;
    talk.goes_on(100).await;
    fixture.megabytes(8).await;
    talk.goes_on(100).await;
    let told = fixture.told();
    assert!(told.iter().any(|name| name == "Interrupted"), "{told:?}");
    assert!(
        !told.iter().any(|name| name == "Disconnected" || name == "Down"),
        "{told:?}"
    );
    let errors = fixture.nginx.errors();
    assert!(errors.contains("too large"), "{errors}");
}

#[tokio::test(crate = "crate::checked")]
async fn tuned_nginx_cuts_nothing() {
    let Some(mut fixture) = Fixture::start(TUNED, SessionConfig::default(), |builder| builder).await else {
        return;
    };
    fixture.megabytes(32).await;
    let told = fixture.told();
    assert!(told.is_empty(), "{told:?}");
}

/// Where nginx is somebody else's: connections are replaced before its limit of size is met.
#[tokio::test(crate = "crate::checked")]
async fn rotation_stays_below_the_limit_of_size() {
    let rotates = |builder: octopus_argo_client::GatewayBuilder| {
        builder.rotation(Rotation::never().after_bytes(512 << 10))
    };
    let Some(mut fixture) = Fixture::start("", SessionConfig::default(), rotates).await else {
        return;
    };
    let mut talk = Conversation::begin(&fixture.octopus).await;
    let mut told = Vec::new();
    // A megabyte a second: rotations keep a distance of 100 ms, and a new connection takes its time too.
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for _ in 0..500 {
        pace.tick().await;
        talk.goes_on(5000).await;
        told.extend(fixture.told());
    }
    let rotations = told.iter().filter(|name| *name == "Resumed").count();
    assert!(rotations >= 3 && told.len() == rotations, "{told:?}");
    let errors = fixture.nginx.errors();
    assert!(!errors.contains("too large"), "{errors}");
}

/// Both sides say something after half of nginx's patience at the latest, though nothing is called.
#[tokio::test(crate = "crate::checked")]
async fn the_heartbeat_stays_below_the_limits_of_silence() {
    const IMPATIENT: &str = "client_body_timeout 2s; grpc_read_timeout 2s; grpc_send_timeout 2s;";
    let quick = SessionConfig::default().heartbeat(Duration::from_millis(500), Duration::from_secs(10));
    let Some(mut fixture) = Fixture::start(IMPATIENT, quick, |builder| builder).await else {
        return;
    };
    let silence = tokio::time::timeout(
        Duration::from_secs(7),
        fixture
            .events
            .until(|event| matches!(event, GatewayEvent::Interrupted { .. }).then_some(())),
    );
    assert!(silence.await.is_err(), "{}", fixture.nginx.errors());

    // With a heartbeat after 10 s of silence it is cut, and a call does not notice.
    let slow = Fixture::start(IMPATIENT, SessionConfig::default(), |builder| builder).await;
    let mut fixture = slow.unwrap();
    let mut talk = Conversation::begin(&fixture.octopus).await;
    talk.goes_on(100).await;
    fixture
        .events
        .until(|event| matches!(event, GatewayEvent::Interrupted { .. }).then_some(()))
        .await;
    talk.goes_on(100).await;
}

/// After so many requests, or an hour, nginx takes no more on a connection, and those of a tunnel are its health checks.
#[tokio::test(crate = "crate::checked")]
async fn a_connection_with_its_last_request_is_replaced_and_no_call_is_cut() {
    let often = Duration::from_millis(200);
    let often = KeepAliveConfig::from_settings(often, often, often).never_give_up();
    let checks = |builder: octopus_argo_client::GatewayBuilder| builder.health_checks(often);
    let fixture = Fixture::start("keepalive_requests 4;", SessionConfig::default(), checks).await;
    let Some(mut fixture) = fixture else { return };
    let mut talk = Conversation::begin(&fixture.octopus).await;
    let mut told = Vec::new();
    while told.iter().filter(|name| *name == "Resumed").count() < 3 {
        talk.goes_on(100).await;
        told.extend(fixture.told());
    }
    talk.goes_on(100).await;
    assert!(!told.iter().any(|name| name == "Disconnected"), "{told:?}");
}
