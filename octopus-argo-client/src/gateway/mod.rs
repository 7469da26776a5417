//! The gateway: one tunnel, kept open.

mod arm;
mod backoff;
mod connected;
mod drive;
mod event;
mod health;
mod hook;
mod rotation;
mod run;
mod stats;
mod tunnel;

pub(crate) use backoff::Backoff;
pub use connected::NotConnectedError;
pub use hook::{CallSummary, Hook};
pub(crate) use hook::{Meter, Watched};
pub use stats::GatewayStats;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use octopus_argo_core::connection::KeepAliveConfig;
use octopus_argo_proto::link::Link;
use octopus_argo_proto::session::{Config as SessionConfig, InstanceId};
use octopus_argo_proto::v1::inventory_server::InventoryServer;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use rotation::Rotation;

pub use event::{ArgoCdProblem, ArgoCdState, GatewayEvent, GatewayState, Interruption, Stopped};

use crate::argocd::ArgoCd;
use crate::connection::{Config as ConnectionConfig, ConnectError};
use crate::forward::{Forwarder, Policy};
use crate::inventory::{self, InventoryService, Table};
use crate::router::Router;

/// How many events a slow listener may be behind before it misses some.
const EVENTS: usize = 256;

/// What a gateway is to be. [`GatewayBuilder::start`] makes it run.
#[derive(Debug)]
pub struct GatewayBuilder {
    connection: ConnectionConfig,
    argo_cd: Option<ArgoCd>,
    policy: Policy,
    router: Router,
    session: SessionConfig,
    health: Option<KeepAliveConfig>,
    rotation: Rotation,
    seed: Option<u64>,
    hook: Option<Arc<dyn Hook>>,
}

impl GatewayBuilder {
    /// The Argo CD that the gateway runs beside: its calls are forwarded, its applications told to the server.
    #[must_use]
    pub fn argo_cd(mut self, argo_cd: ArgoCd) -> Self {
        self.argo_cd = Some(argo_cd);
        self
    }

    /// Which of Argo CD's calls the server may make. Default: [`Policy::read_only`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Services of your own that the server can call, beside those that are built in.
    #[must_use]
    pub fn services(mut self, router: Router) -> Self {
        self.router = router;
        self
    }

    /// Limits and times of the session.
    #[must_use]
    pub fn session(mut self, config: SessionConfig) -> Self {
        self.session = config;
        self
    }

    /// When the server is asked for its health, and how long an outage may last. Default: every 30 s, and for ever.
    ///
    /// When a check fails the connection is given up and made anew, name look-up and credentials included; see
    /// [`GatewayEvent::Down`]. [`KeepAliveConfig::from_settings`] takes the settings of Octopus's own chart, which give up
    /// after 5 minutes.
    #[must_use]
    pub fn health_checks(mut self, config: KeepAliveConfig) -> Self {
        self.health = Some(config);
        self
    }

    /// When the connection is replaced before something on the way cuts it. Default: never; a connection that is cut is
    /// replaced then.
    #[must_use]
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// Is told of everything that happens, calls included: for metrics and audit logs. Default: nobody.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Where the length of waits comes from that are random so that not everybody comes at once. For simulations that are to
    /// be repeated. Default: the operating system.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Asks for no health: for a server that has no `grpc.health.v1`. The heartbeat of the tunnel stays.
    #[must_use]
    pub fn without_health_checks(mut self) -> Self {
        self.health = None;
        self
    }

    /// Begins to connect. The gateway runs until it is shut down, dropped, or stopped by something that only a person
    /// can mend.
    ///
    /// # Errors
    /// [`StartError`]: the operating system has no randomness for the number of this process.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(self) -> Result<Gateway, StartError> {
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|_| StartError)?;
        let (instance, seed) = random.split_at(16);
        let mut process = [0; 16];
        process.copy_from_slice(instance);
        let mut number = [0; 8];
        number.copy_from_slice(seed);
        let seed = self.seed.unwrap_or_else(|| u64::from_le_bytes(number));

        let stopping = CancellationToken::new();
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            events: broadcast::channel(EVENTS).0,
            state: watch::channel(GatewayState::Connecting).0,
            argo_cd: watch::channel(ArgoCdState::Unknown).0,
            stopped: watch::channel(None).0,
            failure: Mutex::new(None),
            link: Mutex::new(None),
            hook: self.hook,
        });
        let mut router = self.router;
        if let Some(argo_cd) = self.argo_cd {
            let table = Arc::new(Table::default());
            router = router.with(InventoryServer::new(InventoryService::new(table.clone())));
            Forwarder::new(&argo_cd, self.policy).mount(&mut router);
            let feed = inventory::feed(argo_cd, table, shared.clone(), seed);
            tasks.spawn(stopping.clone().run_until_cancelled_owned(feed));
        }
        let run = run::Run {
            connection: self.connection,
            session: self.session,
            router,
            instance: InstanceId::from_bytes(process),
            backoff: Backoff::new(seed),
            health: self.health,
            rotation: self.rotation,
            shared: shared.clone(),
            stopping: stopping.clone(),
        };
        tasks.spawn(run.run());
        tasks.close();
        Ok(Gateway {
            shared,
            tasks,
            _ends: Arc::new(stopping.clone().drop_guard()),
            stopping,
        })
    }
}

/// Why a gateway could not begin: the operating system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system has no randomness to give")]
#[non_exhaustive]
pub struct StartError;

/// A running gateway. Cloning shares it; when the last clone is dropped, everything that it started ends.
///
/// ```no_run
/// use octopus_argo_client::connection::Config;
/// use octopus_argo_client::{Gateway, GatewayEvent};
///
/// # async fn example(config: Config) -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = Gateway::builder(config).start()?;
/// let mut events = gateway.events();
/// while let Ok(event) = events.recv().await {
///     println!("{event}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    _ends: Arc<DropGuard>,
}

impl Gateway {
    /// A gateway that connects in this way.
    #[must_use]
    pub fn builder(connection: ConnectionConfig) -> GatewayBuilder {
        let session = SessionConfig::default().software(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        GatewayBuilder {
            connection,
            argo_cd: None,
            policy: Policy::read_only(),
            router: Router::default(),
            session,
            health: Some(KeepAliveConfig::default()),
            rotation: Rotation::never(),
            seed: None,
            hook: None,
        }
    }

    /// What happens from now on. A listener that is more than 256 events behind misses some, and is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<GatewayEvent> {
        self.shared.events.subscribe()
    }

    /// Whether the tunnel is open.
    #[must_use]
    pub fn state(&self) -> GatewayState {
        self.shared.state.borrow().clone()
    }

    /// How it is with Argo CD.
    #[must_use]
    pub fn argo_cd(&self) -> ArgoCdState {
        self.shared.argo_cd.borrow().clone()
    }

    /// Waits until the gateway has stopped by itself or was shut down, and says why.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn stopped(&self) -> Stopped {
        let mut stopped = self.shared.stopped.subscribe();
        match stopped.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(Stopped::ShutDown),
            Err(_) => Stopped::ShutDown,
        }
    }

    /// Ends in good order: the server is told, calls may go on for `grace`, and the gateway has stopped when this returns.
    /// When the grace runs out, calls end and the server sees the connection go.
    ///
    /// # Cancel safety
    /// Not safe: once begun, a dropped shutdown leaves calls that have no end running until the last clone is dropped.
    pub async fn shutdown(&self, grace: Duration) {
        // One that stopped by itself stays so.
        self.shared.state.send_if_modified(|state| {
            let runs = *state != GatewayState::Stopped;
            if runs {
                *state = GatewayState::Draining;
            }
            runs
        });
        let drained = tokio::time::timeout(grace, self.tasks.wait());
        if drained.await.is_err() {
            self.stopping.cancel();
            self.tasks.wait().await;
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// What the parts of a gateway tell the outside.
pub(crate) struct Shared {
    events: broadcast::Sender<GatewayEvent>,
    state: watch::Sender<GatewayState>,
    argo_cd: watch::Sender<ArgoCdState>,
    stopped: watch::Sender<Option<Stopped>>,
    /// Why there was no tunnel last, while there is none.
    failure: Mutex<Option<ConnectError>>,
    /// The session, while there is one.
    link: Mutex<Option<Link>>,
    hook: Option<Arc<dyn Hook>>,
}

impl Shared {
    pub(crate) fn tell(&self, event: GatewayEvent) {
        if let Some(hook) = &self.hook {
            hook.event(&event);
        }
        // Nobody listening is not an error.
        let _ = self.events.send(event);
    }

    /// There is another session.
    fn begin(&self, link: &Link) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
    }

    /// The session is over.
    fn end(&self) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Why there is no tunnel.
    fn failed(&self, error: &ConnectError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// There is a tunnel.
    fn connected(&self) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn last_failure(&self) -> Option<ConnectError> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How it is with Argo CD now; told only when it changes.
    pub(crate) fn argo_cd(&self, state: ArgoCdState) {
        let changed = self.argo_cd.send_if_modified(|before| {
            let changed = *before != state;
            before.clone_from(&state);
            changed
        });
        if changed {
            self.tell(GatewayEvent::ArgoCd(state));
        }
    }
}
