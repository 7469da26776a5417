//! A server, gateways and an Argo CD on loopback, and what waits for them.

use std::error::Error;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::dial::{BoxStream, Dial, DialError, TcpDial};
use octopus_argo_client::tls::{Roots, Tls};
use octopus_argo_client::{ArgoCd, ArgoCdState, Gateway, GatewayEvent, Router};
use octopus_argo_core::{ApplicationName, ServerAddress, Thumbprint};
use octopus_argo_proto::session::Config as SessionConfig;
use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::{
    Fleet, GatewayId, GatewayToken, Instance, InstanceView, MemoryStore, Server, ServerEvent,
};
use octopus_argo_testkit::argocd::{Access, ArgoCdSim, ArgoCdSimBuilder, Manifest};
use octopus_argo_testkit::relay::{Faults, Relay};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::checked;

pub(crate) const ARGO_CD_TOKEN: &str = "e30.e30.argo-cd-token-that-nobody-may-see";

/// The gateway that most tests have.
pub(crate) const GATEWAY: &str = "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11";

const FLEET: &str = "
metadata: {name: web, annotations: {argo.octopus.com/project: shop, argo.octopus.com/environment: staging}}
spec: {project: shop, source: {repoURL: https://git.example.test/web.git, path: deploy}}
status: {health: {status: Healthy}, sync: {status: Synced}}
---
metadata: {name: api}
spec: {project: shop, source: {repoURL: https://git.example.test/api.git, path: deploy}}
";

/// What a test waits for comes within this time, or never. The gateway waits up to 5 s before it tries again.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let waited = tokio::time::timeout(Duration::from_secs(30), future).await;
    waited.expect("nothing came in time")
}

/// The events of one side, as a test waits for them.
pub(crate) struct Events<T>(broadcast::Receiver<T>);

impl<T: Clone + Debug> Events<T> {
    pub(crate) fn new(events: broadcast::Receiver<T>) -> Self {
        Self(events)
    }

    /// The first of the following events that `pick` makes something of. Those before it are gone.
    pub(crate) async fn until<R>(&mut self, pick: impl Fn(&T) -> Option<R>) -> R {
        let mut others = Vec::new();
        let found = async {
            loop {
                let event = self.0.recv().await.expect("more events are to come");
                if let Some(found) = pick(&event) {
                    return found;
                }
                others.push(format!("{event:?}"));
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), found).await;
        found.unwrap_or_else(|_| panic!("only other events came: {others:#?}"))
    }

    /// Those that are there already.
    pub(crate) fn so_far(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A server with TLS on loopback.
pub(crate) struct Octopus {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) server: Server,
    pub(crate) serving: Serving,
    pub(crate) thumbprint: Thumbprint,
    keys: (String, String),
}

impl Octopus {
    pub(crate) async fn start() -> Self {
        Self::start_with(SessionConfig::default()).await
    }

    /// One whose sessions end with their connection.
    pub(crate) async fn start_forgetful() -> Self {
        Self::start_with(SessionConfig::default().resume_grace(Duration::ZERO)).await
    }

    pub(crate) async fn start_with(session: SessionConfig) -> Self {
        Self::start_of(Arc::default(), keys(), |store| {
            Server::with_config(store, session)
        })
        .await
    }

    /// One with a server of another kind.
    pub(crate) async fn start_as(server: impl FnOnce(Arc<MemoryStore>) -> Server) -> Self {
        Self::start_of(Arc::default(), keys(), server).await
    }

    /// Another process of the same server.
    pub(crate) async fn twin(&self) -> Self {
        Self::start_of(self.store.clone(), self.keys.clone(), |store| Server::new(store)).await
    }

    async fn start_of(
        store: Arc<MemoryStore>,
        keys: (String, String),
        server: impl FnOnce(Arc<MemoryStore>) -> Server,
    ) -> Self {
        let identity = Identity::from_pem(keys.0.as_bytes(), keys.1.as_bytes()).unwrap();
        let server = server(store.clone());
        checked::later(&server);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = Listen::tls(&identity)
            .unwrap()
            .serve(listener, server.services())
            .unwrap();
        Self {
            store,
            server,
            serving,
            thumbprint: identity.thumbprint(),
            keys,
        }
    }

    /// Registers [`GATEWAY`] in the default space, and says how it connects.
    pub(crate) fn register(&self) -> Config {
        self.config(&self.credential(GATEWAY, "ArgoCDGateways-1"))
    }

    /// Gives a gateway a credential and a record.
    pub(crate) fn credential(&self, gateway: &str, instance: &str) -> Credentials {
        let token = GatewayToken::generate().unwrap();
        self.store.set_credential(&gateway.parse().unwrap(), &token);
        let record = Instance::new(
            instance.parse().unwrap(),
            instance.parse().unwrap(),
            gateway.parse().unwrap(),
        );
        self.store.put(record);
        credentials(gateway, &token)
    }

    pub(crate) fn config(&self, credentials: &Credentials) -> Config {
        self.config_at(self.serving.local_addr(), credentials)
    }

    /// The same by way of another address.
    pub(crate) fn config_at(&self, address: SocketAddr, credentials: &Credentials) -> Config {
        let address = address.to_string().parse().unwrap();
        Config::new(address, &Tls::pinned(self.thumbprint), credentials.clone()).unwrap()
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.keys.0
    }

    pub(crate) fn key_pem(&self) -> &str {
        &self.keys.1
    }

    pub(crate) fn events(&self) -> Events<ServerEvent> {
        Events(self.server.events())
    }

    /// The handle of [`GATEWAY`].
    pub(crate) fn gateway(&self) -> octopus_argo_server::Gateway {
        self.server.gateway(&id())
    }

    /// What is known of the only instance.
    pub(crate) async fn view(&self) -> InstanceView {
        let fleet = self.server.fleet().await.unwrap();
        assert_eq!(fleet.instances().len(), 1);
        fleet.instances()[0].clone()
    }

    /// Waits until what the server knows is as wanted.
    pub(crate) async fn until(&self, events: &mut Events<ServerEvent>, wanted: impl Fn(&Fleet) -> bool) {
        while !wanted(&self.server.fleet().await.unwrap()) {
            let known = |event: &ServerEvent| {
                let changed = matches!(
                    event,
                    ServerEvent::InventoryChanged { .. } | ServerEvent::InventoryComplete { .. }
                );
                changed.then_some(())
            };
            events.until(known).await;
        }
    }
}

pub(crate) fn id() -> GatewayId {
    GATEWAY.parse().unwrap()
}

pub(crate) fn credentials(gateway: &str, token: &GatewayToken) -> Credentials {
    Credentials::new(
        gateway.parse().unwrap(),
        token.secret().expose_secret().parse().unwrap(),
    )
}

fn keys() -> (String, String) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (key.cert.pem(), key.signing_key.serialize_pem())
}

pub(crate) fn identity() -> Identity {
    let pem = keys();
    Identity::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).unwrap()
}

/// An Argo CD with TLS, two applications and the gateway's token.
pub(crate) fn argo_cd() -> ArgoCdSimBuilder {
    ArgoCdSim::builder()
        .token(ARGO_CD_TOKEN, Access::read_and_sync("gateway"))
        .applications(Manifest::parse_all(FLEET).unwrap())
        .self_signed_tls()
}

/// How the gateway reaches it.
pub(crate) fn beside(sim: &ArgoCdSim) -> ArgoCd {
    let roots = Roots::empty()
        .with_pem(sim.certificate_pem().unwrap().as_bytes())
        .unwrap();
    let address = format!("localhost:{}", sim.address().port());
    ArgoCd::new(&address, &Tls::host_name(roots), ARGO_CD_TOKEN.into()).unwrap()
}

/// Starts a gateway beside an Argo CD.
pub(crate) fn start(config: Config, argo_cd: ArgoCd) -> (Gateway, Events<GatewayEvent>) {
    let gateway = Gateway::builder(config).argo_cd(argo_cd).start().unwrap();
    let events = Events(gateway.events());
    (gateway, events)
}

/// Starts a gateway with services of the test's own, and no Argo CD.
pub(crate) fn start_with(config: Config, services: Router) -> (Gateway, Events<GatewayEvent>) {
    let gateway = Gateway::builder(config).services(services).start().unwrap();
    let events = Events(gateway.events());
    (gateway, events)
}

pub(crate) fn connected(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Connected { .. }).then_some(())
}

pub(crate) fn interrupted(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Interrupted { .. }).then_some(())
}

pub(crate) fn resumed(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Resumed { .. }).then_some(())
}

pub(crate) fn disconnected(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Disconnected { .. }).then_some(())
}

/// How many applications there are, once all are known.
pub(crate) fn complete(event: &ServerEvent) -> Option<usize> {
    match event {
        ServerEvent::InventoryComplete { applications, .. } => Some(*applications),
        _ => None,
    }
}

pub(crate) fn reachable(event: &GatewayEvent) -> Option<()> {
    matches!(event, GatewayEvent::ArgoCd(ArgoCdState::Reachable { .. })).then_some(())
}

pub(crate) fn app(name: &str) -> ApplicationName {
    ApplicationName::new(Some("argocd"), name)
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

/// Goes wherever it is told at the time, whatever the address says.
#[derive(Clone, Debug)]
pub(crate) struct Signpost(pub(crate) Arc<Mutex<SocketAddr>>);

impl Signpost {
    /// Port 1 of loopback refuses: nobody listens on ports for which root is needed and that nothing uses.
    pub(crate) fn nowhere() -> Self {
        Self(Arc::new(Mutex::new(([127, 0, 0, 1], 1).into())))
    }

    pub(crate) fn point(&self, to: SocketAddr) {
        *self.0.lock().unwrap() = to;
    }
}

#[async_trait::async_trait]
impl Dial for Signpost {
    async fn dial(&self, _: &ServerAddress) -> Result<BoxStream, DialError> {
        let to = self.0.lock().unwrap().to_string();
        TcpDial::new().dial(&to.parse().unwrap()).await
    }
}

pub(crate) const PROXY_PASSWORD: &str = "proxy-password-that-nobody-may-see";

/// An HTTP proxy that wants a password. Dropping the set ends it.
pub(crate) async fn connect_proxy() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut sockets = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            sockets.spawn(pass_on(socket));
        }
    });
    (address, tasks)
}

async fn pass_on(mut socket: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else {
            return;
        };
        request.push(byte);
    }
    let request = String::from_utf8(request).unwrap();
    // "argo:" and the password, in base64.
    if !request.contains("Basic YXJnbzpwcm94eS1wYXNzd29yZC10aGF0LW5vYm9keS1tYXktc2Vl\r\n") {
        let _ = socket
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            .await;
        return;
    }
    let mut server = TcpStream::connect(request.split(' ').nth(1).unwrap())
        .await
        .unwrap();
    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let _ = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
}

/// A relay in front of a server, so that there is a connection to cut.
pub(crate) async fn relay(octopus: &Octopus) -> Relay {
    Relay::start(octopus.serving.local_addr()).await.unwrap()
}

/// Cuts every connection, and lets none in until it is mended.
pub(crate) fn cut(relay: &Relay) {
    relay.set(Faults::none().refuse());
    relay.cut();
}

pub(crate) fn mend(relay: &Relay) {
    relay.set(Faults::none());
}
