//! Registration from end to end on loopback: the client registers a gateway over TLS at the mounted router, and the gateway
//! connects with what it got. At trace level, nothing secret is told on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use octopus_argo_client::Gateway;
use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::registration::{
    Client, Deleted, InstallError, ModifyRequest, NameFilter, Registered, Registration, RegistrationError,
    TokenChoice,
};
use octopus_argo_client::tls::{Roots, Tls};
use octopus_argo_core::{ServerAddress, SpaceId, Thumbprint};
use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::registration::{Grant, MemoryAccess, Registrar};
use octopus_argo_server::{InstanceQuery, MemoryStore, Server, ServerEvent, Space};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const KEY: &str = "API-NOBODYMAYSEETHIS";
const WIZARD: &str = "a-wizard-token-that-nobody-may-see";

/// A server with the tunnel on one port and registration on another, both with TLS.
struct Octopus {
    server: Server,
    tunnel: Serving,
    rest: Serving,
    thumbprint: Thumbprint,
    roots: Roots,
}

impl Octopus {
    async fn start() -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = key.cert.pem();
        let identity =
            Identity::from_pem(pem.as_bytes(), key.signing_key.serialize_pem().as_bytes()).unwrap();
        let server = Server::new(Arc::new(MemoryStore::default()));
        let second = Space::new("Spaces-2".parse().unwrap(), "Second");
        server.instances().put_space(second).await.unwrap();
        let access = MemoryAccess::default();
        access.grant(&KEY.parse().unwrap(), Grant::new("installer"));
        access.grant(&WIZARD.parse().unwrap(), Grant::new("wizard"));
        let router = Registrar::new(&server, access)
            .certificate(identity.thumbprint())
            .router();
        let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tunnel, rest) = (listen().await, listen().await);
        let tunnel = Listen::tls(&identity)
            .unwrap()
            .serve(tunnel, server.tunnel())
            .unwrap();
        let rest = Listen::tls(&identity).unwrap().serve(rest, router).unwrap();
        Self {
            server,
            tunnel,
            rest,
            thumbprint: identity.thumbprint(),
            roots: Roots::empty().with_pem(pem.as_bytes()).unwrap(),
        }
    }

    fn client(&self, credential: &str) -> Client {
        let address = format!("https://localhost:{}", self.rest.local_addr().port());
        Client::new(
            &address,
            &Tls::host_name(self.roots.clone()),
            credential.parse().unwrap(),
        )
        .unwrap()
    }

    /// A gateway that connects with what registration gave.
    fn gateway(&self, credentials: &Credentials, thumbprint: &str) -> Gateway {
        let address: ServerAddress = self.tunnel.local_addr().to_string().parse().unwrap();
        let pin: Thumbprint = thumbprint.parse().unwrap();
        let config = Config::new(address, &Tls::pinned(pin), credentials.clone()).unwrap();
        Gateway::builder(config).start().unwrap()
    }

    async fn stored(&self) -> usize {
        let page = self
            .server
            .instances()
            .list(&InstanceQuery::default())
            .await
            .unwrap();
        page.instances.len()
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    let waited = tokio::time::timeout(Duration::from_secs(60), future).await;
    waited.expect("nothing came in time")
}

/// Waits for the first event that is as wanted.
async fn until(events: &mut broadcast::Receiver<ServerEvent>, wanted: fn(&ServerEvent) -> bool) {
    soon(async { while !wanted(&events.recv().await.unwrap()) {} }).await;
}

fn connected(event: &ServerEvent) -> bool {
    matches!(event, ServerEvent::Connected { .. })
}

fn refused(event: &ServerEvent) -> bool {
    matches!(event, ServerEvent::Refused { .. })
}

fn credentials(registered: &Registered) -> Credentials {
    registered.credentials().unwrap().unwrap()
}

#[tokio::test]
async fn a_gateway_registers_connects_and_lives_in_two_spaces() {
    let log = Everything::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let octopus = Octopus::start().await;
    let mut events = octopus.server.events();
    let client = octopus.client(KEY);
    let (one, two): (SpaceId, SpaceId) = (SpaceId::default(), "Spaces-2".parse().unwrap());

    // It registers, and connects with what it got.
    let eu = Registration::new(one.clone(), "EU")
        .unwrap()
        .environments(["production"]);
    let first = client.register(&eu).await.unwrap();
    let thumbprint = first.thumbprint.clone().unwrap();
    assert_eq!(thumbprint, octopus.thumbprint.to_string());
    let gateway = octopus.gateway(&credentials(&first), &thumbprint);
    until(&mut events, connected).await;

    // Health, for whoever asks, with the other kind of credential.
    let id = &first.records[0].id;
    let task = octopus.client(WIZARD).check_health(&one, id).await.unwrap();
    assert!(!task.id.is_empty() && !task.state.is_empty(), "{task:?}");
    assert!(!task.error_message.unwrap_or_default().contains("not established"));

    // A second space: it keeps its token, and stays connected.
    let second = client.add_space(&one, id, two.clone()).await.unwrap();
    assert!(second.token.is_none());
    assert_eq!(second.client_id, first.client_id);
    let record = client.read(&two, &second.records[0].id).await.unwrap();
    assert_eq!(
        (record.name.as_str(), record.client_id.as_str()),
        ("EU", first.client_id.as_str())
    );
    let other = octopus.gateway(&credentials(&first), &thumbprint);
    until(&mut events, connected).await;
    other.shutdown(Duration::ZERO).await;
    gateway.shutdown(Duration::ZERO).await;

    // Registered there again without keeping the token: the old one admits nobody, the new one does.
    assert_eq!(
        client.delete(&two, &second.records[0].id).await.unwrap(),
        Deleted::Now
    );
    let client_id = first.client_id.parse().unwrap();
    let anew = eu
        .clone()
        .in_space(two.clone())
        .client_id(client_id)
        .token(TokenChoice::Renew);
    let renewed = client.register(&anew).await.unwrap();
    let old = octopus.gateway(&credentials(&first), &thumbprint);
    until(&mut events, refused).await;
    old.shutdown(Duration::ZERO).await;
    let new = octopus.gateway(&credentials(&renewed), &thumbprint);
    until(&mut events, connected).await;

    the_record_is_looked_after(&octopus, &client, id, &log).await;
    what_fails_leaves_nothing(&octopus, &client).await;

    // With the last record the credential ends, and the gateway is sent away.
    assert_eq!(client.delete(&one, id).await.unwrap(), Deleted::Now);
    assert_eq!(
        client.delete(&two, &renewed.records[0].id).await.unwrap(),
        Deleted::Now
    );
    assert_eq!(
        client.delete(&two, &renewed.records[0].id).await.unwrap(),
        Deleted::Before
    );
    until(&mut events, |event| {
        matches!(event, ServerEvent::Disconnected { .. })
    })
    .await;
    new.shutdown(Duration::ZERO).await;

    log.show(&(&client, &first, &renewed, first.secret(), &octopus.server));
    let text = log.0.lock().unwrap().clone();
    for known in [
        "TRACE h2::",
        "octopus_argo_client::registration",
        "octopus_argo_server::registration",
        "/api/Spaces-2/argocdgateways",
    ] {
        assert!(
            text.contains(known),
            "a control, {known}: nothing was captured there"
        );
    }
    let tokens = [&first, &renewed].map(|registered| registered.token.clone().unwrap());
    for secret in tokens
        .iter()
        .map(ExposeSecret::expose_secret)
        .chain([KEY, WIZARD])
    {
        let at = text.lines().find(|line| line.contains(secret));
        assert!(at.is_none(), "a secret: {}", at.unwrap_or_default());
    }
}

/// A record is read, changed and listed; a name that is taken is told of.
async fn the_record_is_looked_after(octopus: &Octopus, client: &Client, id: &str, log: &Everything) {
    let one = SpaceId::default();
    let record = client.read(&one, id).await.unwrap();
    assert_eq!(record.environment_ids, ["production"]);
    let mut change = ModifyRequest::unchanged(&record);
    change.name = Some("EU West".to_owned());
    change.web_ui_uri = Some("https://argo.example.test".to_owned());
    assert_eq!(client.modify(&one, id, &change).await.unwrap().name, "EU West");
    let again = Registration::new(one.clone(), "eu west").unwrap();
    let error = client.register(&again).await.unwrap_err();
    assert!(matches!(error, RegistrationError::NameTaken { .. }), "{error:?}");
    log.show(&error);
    assert_eq!(client.find(&one, "eu WEST").await.unwrap().unwrap().id, id);
    assert_eq!(
        client
            .summaries(&one, NameFilter::Part("none"))
            .await
            .unwrap()
            .total_count,
        0
    );
    assert_eq!(octopus.stored().await, 2);
}

async fn what_fails_leaves_nothing(octopus: &Octopus, client: &Client) {
    // An installation that fails leaves nothing behind.
    let before = octopus.stored().await;
    let us = Registration::new(SpaceId::default(), "US").unwrap();
    let error = client
        .register_then(&us, |_| async { Err::<(), _>(std::fmt::Error) })
        .await
        .unwrap_err();
    assert!(
        matches!(&error, InstallError::Install { leftovers, .. } if leftovers.is_empty()),
        "{error:?}"
    );
    assert_eq!(octopus.stored().await, before);
    // Nor does one of several spaces that refuses.
    let error = client
        .register_in_spaces(&us, ["Spaces-9".parse().unwrap()])
        .await
        .unwrap_err();
    assert!(
        matches!(error.source, RegistrationError::NotFound { .. }),
        "{error:?}"
    );
    assert_eq!(octopus.stored().await, before);

    // A wrong key, and a name that the certificate is not for.
    let error = octopus.client("API-WRONG").register(&us).await.unwrap_err();
    assert!(
        matches!(error, RegistrationError::Unauthenticated { .. }),
        "{error:?}"
    );
    let address = format!("https://{}", octopus.rest.local_addr());
    let tls = Tls::host_name(octopus.roots.clone());
    let elsewhere = Client::new(&address, &tls, KEY.parse().unwrap()).unwrap();
    let error = elsewhere.register(&us).await.unwrap_err();
    assert!(matches!(error, RegistrationError::Tls { .. }), "{error:?}");
}

/// Writes down everything that any crate tells, at every level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn show(&self, what: &impl Debug) {
        let _ = writeln!(self.0.lock().unwrap(), "DEBUG {what:?}\n{what:#?}");
    }

    fn note(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line<'_>)) {
        let mut text = self.0.lock().unwrap();
        let _ = write!(text, "{} {}", metadata.level(), metadata.target());
        record(&mut Line(&mut text));
        text.push('\n');
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, " {}={value} {value:?}", field.name());
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.note(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
