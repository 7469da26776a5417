//! The simulated world: a host with the server and those who call through it, and hosts with gateways.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::dial::{BoxStream, Dial, DialError};
use octopus_argo_client::{GatewayEvent, GatewayStats, Rotation, Router};
use octopus_argo_core::ServerAddress;
use octopus_argo_server::{Gateway, GatewayId, GatewayToken, MemoryStore, Server, ServerEvent};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::probe::Probe;

/// The name of the server's host.
pub(crate) const SERVER: &str = "server";

const PORT: u16 = 8443;

/// How many seeds a scenario has, unless the environment says otherwise.
const SEEDS: u64 = 2;

/// No scenario takes longer, by its own clock.
const LONGEST: Duration = Duration::from_secs(1200);

/// How often who waits looks.
const LOOK: Duration = Duration::from_millis(5);

/// Runs a scenario with one seed after the other.
pub(crate) fn with_seeds(scenario: impl Fn(World) + std::panic::RefUnwindSafe) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is a number")),
        )
    };
    let seeds = match number("OCTOPUS_ARGO_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OCTOPUS_ARGO_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| scenario(World::new(seed)));
        assert!(ran.is_ok(), "replay with OCTOPUS_ARGO_SEED={seed}");
    }
}

/// What the network does by itself.
pub(crate) struct Weather {
    /// How long a message is under way, at least and at most.
    pub(crate) latency: (Duration, Duration),
    pub(crate) tick: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency: (Duration::from_millis(1), Duration::from_millis(20)),
            tick: Duration::from_millis(1),
        }
    }
}

/// A simulation that is being set up.
pub(crate) struct World {
    pub(crate) seed: u64,
    sim: turmoil::Sim<'static>,
    store: Arc<MemoryStore>,
    orders: Orders,
}

impl World {
    fn new(seed: u64) -> Self {
        Self::with(seed, &Weather::default())
    }

    fn with(seed: u64, weather: &Weather) -> Self {
        let sim = turmoil::Builder::new()
            .rng_seed(seed)
            .enable_random_order()
            .simulation_duration(LONGEST)
            .tick_duration(weather.tick)
            .min_message_latency(weather.latency.0)
            .max_message_latency(weather.latency.1)
            // In segments, and as many may wait to be accepted.
            .tcp_capacity(1024)
            .build();
        Self {
            seed,
            sim,
            store: Arc::default(),
            orders: Orders::default(),
        }
    }

    /// The same seed in other weather.
    pub(crate) fn in_weather(self, weather: &Weather) -> Self {
        Self::with(self.seed, weather)
    }

    /// A number below `limit`, another one for each `purpose`.
    pub(crate) fn pick(&self, purpose: u64, limit: u64) -> u64 {
        // The finisher of splitmix64: near seeds give numbers that are far apart.
        let mut number =
            self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 29)) % limit
    }

    /// A host with a gateway, which is begun anew as often as the host is.
    pub(crate) fn gateway(&mut self, name: &'static str) -> Witness {
        self.gateways(name, 1).remove(0)
    }

    /// The same, and it replaces its connections.
    pub(crate) fn rotating_gateway(&mut self, name: &'static str, rotation: Rotation) -> Witness {
        self.hosts(name, 1, rotation).remove(0)
    }

    /// A host with that many gateways.
    pub(crate) fn gateways(&mut self, name: &'static str, count: usize) -> Vec<Witness> {
        self.hosts(name, count, Rotation::never())
    }

    fn hosts(&mut self, name: &'static str, count: usize, rotation: Rotation) -> Vec<Witness> {
        let here: Vec<(Witness, Credentials)> = (0..count)
            .map(|number| {
                let id: GatewayId = format!("{name}-{number}").parse().unwrap();
                let token = GatewayToken::generate().unwrap();
                self.store.set_credential(&id, &token);
                let credentials = Credentials::new(
                    id.as_str().parse().unwrap(),
                    token.secret().expose_secret().parse().unwrap(),
                );
                (Witness::new(id), credentials.danger_allow_plaintext())
            })
            .collect();
        let witnesses = here.iter().map(|(witness, _)| witness.clone()).collect();
        let seed = self.seed;
        self.sim.host(name, move || {
            let here = here.clone();
            async move {
                let mut running = JoinSet::new();
                for (number, (witness, credentials)) in here.into_iter().enumerate() {
                    let address = format!("{SERVER}:{PORT}").parse().unwrap();
                    let config = Config::danger_plaintext(address, credentials).dial(Simulated);
                    running.spawn(witness.run(config, rotation, seed.wrapping_add(number as u64)));
                }
                while let Some(ended) = running.join_next().await {
                    ended?;
                }
                Ok(())
            }
        });
        witnesses
    }

    /// The host with the server, on which `script` is played: anew, with a higher number, each time the host is.
    pub(crate) fn script<F, Fut>(&mut self, script: F)
    where
        F: Fn(Scene) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let (store, orders) = (self.store.clone(), self.orders.clone());
        let runs = std::cell::Cell::new(0);
        self.sim.host(SERVER, move || {
            let server = Server::new(store.clone());
            let events = Heard(server.events());
            let scene = Scene {
                run: runs.replace(runs.get() + 1),
                server: server.clone(),
                events,
                orders: orders.clone(),
            };
            let played = script(scene);
            async move {
                let mut serving = JoinSet::new();
                let (accepted, incoming) = mpsc::channel(1);
                serving.spawn(accept(accepted));
                let routes = tonic::transport::Server::builder()
                    .add_service(server.tunnel())
                    .add_service(server.health());
                serving.spawn(async move {
                    routes
                        .serve_with_incoming(ReceiverStream::new(incoming))
                        .await
                        .unwrap();
                });
                drop(server);
                played.await;
                Ok(())
            }
        });
    }

    /// Runs until the script has said that it is over.
    pub(crate) fn run(mut self) {
        loop {
            self.sim.step().unwrap();
            for order in self.orders.take() {
                match order {
                    Order::Crash(host) => self.sim.crash(host),
                    Order::Begin(host) => self.sim.bounce(host),
                    Order::End => return,
                }
            }
        }
    }
}

/// What a script has to do with.
pub(crate) struct Scene {
    /// How often the host was begun before.
    pub(crate) run: usize,
    pub(crate) server: Server,
    pub(crate) events: Heard,
    pub(crate) orders: Orders,
}

impl Scene {
    /// A gateway's handle, once it is connected.
    pub(crate) async fn connected(&self, witness: &Witness) -> Gateway {
        let gateway = self.server.gateway(&witness.id);
        until(60, || gateway.is_online()).await;
        gateway
    }

    /// Ends the simulation, after making sure that the calls that were made have left nothing behind, at either end. These
    /// gateways are there.
    pub(crate) async fn end(self, witnesses: &[&Witness]) {
        let kept = || {
            let stats = self.server.stats();
            let calls = (stats.open_calls, stats.held_calls, stats.waiting_calls);
            let gateways: Vec<_> = witnesses.iter().map(|witness| witness.stats()).collect();
            (stats.sessions, calls, stats.buffered_bytes, gateways)
        };
        let nothing = (
            witnesses.len(),
            (0, 0, 0),
            0,
            vec![GatewayStats::default(); witnesses.len()],
        );
        let settled = tokio::time::timeout(Duration::from_secs(60), async {
            while kept() != nothing {
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(settled.await.is_ok(), "{:?} is left, not {nothing:?}", kept());
        self.orders.give(Order::End);
        std::future::pending().await
    }
}

/// What only the outside can do to a host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Its process ends where it stands. The network still says so.
    Crash(&'static str),
    Begin(&'static str),
    /// The simulation is over.
    End,
}

#[derive(Clone, Default)]
pub(crate) struct Orders(Arc<Mutex<VecDeque<Order>>>);

impl Orders {
    pub(crate) fn give(&self, order: Order) {
        self.0.lock().unwrap().push_back(order);
    }

    /// Its power goes: nobody hears of it.
    pub(crate) async fn fail(&self, host: &'static str) {
        turmoil::partition(host, SERVER);
        self.give(Order::Crash(host));
        tokio::time::sleep(Duration::from_secs(1)).await;
        turmoil::repair(host, SERVER);
    }

    fn take(&self) -> VecDeque<Order> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// What the server tells.
pub(crate) struct Heard(broadcast::Receiver<ServerEvent>);

impl Heard {
    /// The next event that `pick` makes something of, within that many seconds.
    pub(crate) async fn until<R>(&mut self, seconds: u64, pick: impl Fn(&ServerEvent) -> Option<R>) -> R {
        let mut others = Vec::new();
        let found = async {
            loop {
                let event = self.0.recv().await.unwrap();
                if let Some(found) = pick(&event) {
                    return found;
                }
                others.push(event);
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(seconds), found).await;
        found.unwrap_or_else(|_| panic!("only other events came: {others:#?}"))
    }

    /// Those that are there.
    pub(crate) fn so_far(&mut self) -> Vec<ServerEvent> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    /// Takes those that are there, none of which may be such a one.
    #[track_caller]
    pub(crate) fn none_so_far(&mut self, such: impl Fn(&ServerEvent) -> Option<()>) {
        let events = self.so_far();
        assert!(!events.iter().any(|event| such(event).is_some()), "{events:?}");
    }
}

pub(crate) fn interrupted(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Interrupted { .. }).then_some(())
}

pub(crate) fn resumed(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Resumed { .. }).then_some(())
}

pub(crate) fn connected(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Connected { .. }).then_some(())
}

pub(crate) fn disconnected(event: &ServerEvent) -> Option<()> {
    matches!(event, ServerEvent::Disconnected { .. }).then_some(())
}

/// What is seen of a gateway from outside its host.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) id: GatewayId,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    events: Vec<GatewayEvent>,
    /// What its service has told.
    told: Vec<String>,
    begun: usize,
    jump: Option<Duration>,
    drift: Option<Duration>,
    gateway: Option<octopus_argo_client::Gateway>,
}

impl Witness {
    fn new(id: GatewayId) -> Self {
        Self {
            id,
            seen: Arc::default(),
        }
    }

    /// A gateway, for as long as it is polled.
    async fn run(self, config: Config, rotation: Rotation, seed: u64) {
        let (probe, mut told) = Probe::new();
        let begun = {
            let mut known = self.seen.lock().unwrap();
            known.begun += 1;
            known.begun
        };
        let gateway = octopus_argo_client::Gateway::builder(config)
            .services(Router::default().with(probe))
            .rotation(rotation)
            .seed(seed.wrapping_add(begun as u64 * 1000))
            .start()
            .unwrap();
        let mut events = gateway.events();
        self.seen.lock().unwrap().gateway = Some(gateway);
        loop {
            tokio::select! {
                Ok(event) = events.recv() => self.seen.lock().unwrap().events.push(event),
                Some(word) = told.recv() => self.seen.lock().unwrap().told.push(word),
                () = tokio::time::sleep(Duration::from_millis(50)) => self.move_clock().await,
            }
        }
    }

    async fn move_clock(&self) {
        let (jump, drift) = {
            let mut known = self.seen.lock().unwrap();
            (known.jump.take(), known.drift)
        };
        if let Some(time) = jump.or(drift) {
            tokio::time::advance(time).await;
        }
    }

    /// What the gateway holds.
    fn stats(&self) -> GatewayStats {
        let seen = self.seen.lock().unwrap();
        seen.gateway.as_ref().unwrap().stats()
    }

    /// The gateway's clock goes on by this, all at once, as after a sleep of its machine.
    pub(crate) fn jump(&self, time: Duration) {
        self.seen.lock().unwrap().jump = Some(time);
    }

    /// The gateway's clock goes on by this much more in each 50 ms.
    pub(crate) fn drift(&self, time: Duration) {
        self.seen.lock().unwrap().drift = Some(time);
    }

    /// How often the gateway has told something like this since [`Witness::forget`].
    pub(crate) fn count(&self, pick: impl Fn(&GatewayEvent) -> bool) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.events.iter().filter(|event| pick(event)).count()
    }

    /// Whether the gateway has told something like this since [`Witness::forget`].
    pub(crate) fn saw(&self, pick: impl Fn(&GatewayEvent) -> bool) -> bool {
        self.seen.lock().unwrap().events.iter().any(pick)
    }

    /// Everything that the gateway has told.
    pub(crate) fn events(&self) -> String {
        format!("{:#?}", self.seen.lock().unwrap().events)
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().events.clear();
    }

    /// How many calls of the service are over.
    pub(crate) fn over(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.told.iter().filter(|told| *told == "over").count()
    }
}

/// Waits until something is so, within that many simulated seconds.
pub(crate) async fn until(seconds: u64, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(seconds), waited).await;
    assert!(waited.is_ok(), "it did not become so within {seconds} s");
}

/// Time of the simulation, which no clock of a host has a say in.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap()
}

pub(crate) fn since(moment: Duration) -> Duration {
    now().saturating_sub(moment)
}

pub(crate) async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Dials over the simulated network.
#[derive(Debug)]
struct Simulated;

#[async_trait::async_trait]
impl Dial for Simulated {
    async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError> {
        let to = (address.host().to_string(), address.port());
        let stream = turmoil::net::TcpStream::connect(to).await;
        Ok(Box::new(stream.map_err(DialError::other)?))
    }
}

async fn accept(accepted: mpsc::Sender<io::Result<Stream>>) {
    let listener = turmoil::net::TcpListener::bind(("0.0.0.0", PORT)).await.unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        if accepted.send(Ok(Stream(stream))).await.is_err() {
            return;
        }
    }
}

/// A stream that tonic takes.
struct Stream(turmoil::net::TcpStream);

impl Connected for Stream {
    type ConnectInfo = Option<SocketAddr>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.0.peer_addr().ok()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
