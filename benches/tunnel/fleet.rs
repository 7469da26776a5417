//! Many gateways that do nothing: what they cost the server, and how they come back to it.
//!
//! The gateways run in a process of their own, so that what this process holds is the server's.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::tls::Tls;
use octopus_argo_client::{ArgoCd, Gateway};
use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::{GatewayId, Instance, MemoryStore, Server, ServerEvent};
use octopus_argo_testkit::argocd::{Access, ArgoCdSim, Manifest};
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;

use crate::cpu;
use crate::hop::Failure;
use crate::paths::credential;

/// The argument with which this program runs the gateways.
pub const GATEWAYS: &str = "gateways";

/// Gateways that are connected before memory is first looked at, so that what is there once is not counted.
const BEFORE: usize = 50;

/// How long memory has to come to rest.
const REST: Duration = Duration::from_secs(2);

/// How long the server is away, before the gateways come back. Long enough for all of them to try as seldom as they do.
const AWAY: Duration = Duration::from_secs(10);

/// Everything has to be there after this time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server, and gateways in another process.
struct Fleet {
    identity: Identity,
    store: Arc<MemoryStore>,
    server: Server,
    serving: Serving,
    child: Child,
    orders: ChildStdin,
    gateways: usize,
}

impl Fleet {
    async fn start() -> Result<Self, Failure> {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (chain, private) = (key.cert.pem(), key.signing_key.serialize_pem());
        let identity = Identity::from_pem(chain.as_bytes(), private.as_bytes())?;
        let store = Arc::new(MemoryStore::default());
        let (server, serving) = serve(&identity, &store, ([127, 0, 0, 1], 0).into()).await?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(GATEWAYS)
            .arg(serving.local_addr().to_string())
            .arg(identity.thumbprint().to_string())
            .stdin(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().ok_or("no standard input")?;
        Ok(Self {
            identity,
            store,
            server,
            serving,
            child,
            orders,
            gateways: 0,
        })
    }

    /// Starts more gateways, and waits until all their applications are known.
    async fn grow(&mut self, gateways: usize) -> Result<(), Failure> {
        let mut waiting = Waiting::new(&self.server, gateways);
        for number in self.gateways..self.gateways + gateways {
            let (id, credentials) = credential(&self.store, number)?;
            let instance = format!("ArgoCDGateways-{}", number + 1);
            let name = format!("bench-{}", number + 1);
            self.store
                .put(Instance::new(instance.parse()?, name.parse()?, id.clone()));
            writeln!(self.orders, "{id} {}", credentials.token().expose())?;
        }
        self.orders.flush()?;
        self.gateways += gateways;
        waiting.all().await?;
        Ok(())
    }

    /// Takes the server away and brings it back; the times from its return until each inventory is complete, sorted.
    async fn restart(&mut self) -> Result<Vec<Duration>, Failure> {
        let address = self.serving.local_addr();
        let (server, serving) = serve(&self.identity, &self.store, ([127, 0, 0, 1], 0).into()).await?;
        drop((
            std::mem::replace(&mut self.server, server),
            std::mem::replace(&mut self.serving, serving),
        ));
        tokio::time::sleep(AWAY).await;
        (self.server, self.serving) = serve(&self.identity, &self.store, address).await?;
        Waiting::new(&self.server, self.gateways).all().await
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn serve(
    identity: &Identity,
    store: &Arc<MemoryStore>,
    address: SocketAddr,
) -> Result<(Server, Serving), Failure> {
    let listener = TcpListener::bind(address).await?;
    let server = Server::new(store.clone());
    let serving = Listen::tls(identity)?.serve(listener, server.services())?;
    Ok((server, serving))
}

/// Those whose inventory is not complete yet.
struct Waiting {
    since: Instant,
    gateways: usize,
    events: tokio::sync::broadcast::Receiver<ServerEvent>,
}

impl Waiting {
    fn new(server: &Server, gateways: usize) -> Self {
        Self {
            since: Instant::now(),
            gateways,
            events: server.events(),
        }
    }

    async fn all(&mut self) -> Result<Vec<Duration>, Failure> {
        let mut complete: HashMap<GatewayId, Duration> = HashMap::new();
        let all = async {
            while complete.len() < self.gateways {
                match self.events.recv().await {
                    Ok(ServerEvent::InventoryComplete { gateway, .. }) => {
                        complete.entry(gateway).or_insert_with(|| self.since.elapsed());
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Err("events were missed"),
                    Err(RecvError::Closed) => return Err("the server has ended"),
                }
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, all).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(why.into()),
            Err(_) => {
                let missing = self.gateways - complete.len();
                return Err(format!("{missing} of {} gateways did not come", self.gateways).into());
            }
        }
        let mut times: Vec<Duration> = complete.into_values().collect();
        times.sort_unstable();
        Ok(times)
    }
}

/// What the server holds for each gateway that is connected over TLS and does nothing, in KiB of resident memory.
pub async fn idle(gateways: usize) -> Result<Option<f64>, Failure> {
    let mut fleet = Fleet::start().await?;
    fleet.grow(BEFORE).await?;
    tokio::time::sleep(REST).await;
    let before = cpu::resident_kib();
    fleet.grow(gateways).await?;
    tokio::time::sleep(REST).await;
    let after = cpu::resident_kib();
    Ok(before
        .zip(after)
        .map(|(before, after)| (after - before) / gateways as f64))
}

/// How long until all gateways are back and known after a restart of the server: median, 99th percentile, last.
pub async fn storm(gateways: usize) -> Result<[f64; 3], Failure> {
    let mut fleet = Fleet::start().await?;
    fleet.grow(gateways).await?;
    let times = fleet.restart().await?;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64();
    Ok([at(0.5), at(0.99), at(1.0)])
}

/// What the gateways show Argo CD.
const TOKEN: &str = "e30.e30.bench";

/// The other process: a gateway for each line of standard input, until that ends.
pub async fn gateways(address: &str, thumbprint: &str) -> Result<(), Failure> {
    let manifests = "
metadata: {name: web, annotations: {argo.octopus.com/project: shop, argo.octopus.com/environment: staging}}
spec: {project: shop, source: {repoURL: https://git.example.test/web.git, path: deploy}}
---
metadata: {name: api}
spec: {project: shop, source: {repoURL: https://git.example.test/api.git, path: deploy}}
";
    let sim = ArgoCdSim::builder()
        .token(TOKEN, Access::read_and_sync("gateway"))
        .applications(Manifest::parse_all(manifests)?)
        .start()
        .await?;
    let tls = Tls::pinned(thumbprint.parse::<octopus_argo_core::Thumbprint>()?);
    let (lines, mut orders) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            // The program is about to end if nobody listens.
            let _ = lines.send(line);
        }
    });
    let mut gateways = Vec::new();
    while let Some(line) = orders.recv().await {
        let (id, token) = line.split_once(' ').ok_or("not a gateway")?;
        let config = Config::new(
            address.parse()?,
            &tls,
            Credentials::new(id.parse()?, token.parse()?),
        )?;
        let argo_cd = ArgoCd::danger_plaintext(&sim.address().to_string(), TOKEN.into())?;
        gateways.push(Gateway::builder(config).argo_cd(argo_cd).start()?);
    }
    Ok(())
}
