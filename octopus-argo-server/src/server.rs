//! The server as one thing to hold.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octopus_argo_core::index::Snapshot;
use octopus_argo_proto::session::{Config, GoodbyeReason};
use tokio::sync::broadcast;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic_health::pb::health_server::HealthServer;

use crate::fleet::{Fleet, InstanceView};
use crate::handle::Gateway;
use crate::health::HealthService;
use crate::housekeeping;
use crate::instances::Instances;
use crate::registry::Registry;
use crate::services::Services;
use crate::store::{InstanceQuery, InstanceStore, StoreError};
use crate::tunnel::TunnelService;
use crate::{Connection, GatewayId, Hook, ServerEvent, ServerStats};

/// How often records are listed anew because one changed meanwhile.
const TRIES: usize = 8;

/// The server's end: it accepts gateways, knows their applications, and calls what runs behind them.
///
/// It has no listener of its own: mount [`Server::tunnel`] and [`Server::health`] on any tonic or axum router, or serve
/// [`Server::services`], which is both. Cloning shares it. When the last
/// clone is dropped, or on [`Server::shutdown`], every session and task ends.
///
/// ```
/// use std::sync::Arc;
///
/// use octopus_argo_server::{MemoryStore, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = Server::new(Arc::new(MemoryStore::default()));
/// let (tunnel, health) = (server.tunnel(), server.health());
/// // tonic::transport::Server::builder().add_service(tunnel).add_service(health) …
/// # let _ = (tunnel, health);
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    registry: Arc<Registry>,
    store: Arc<dyn InstanceStore>,
    config: Config,
    _ends: Arc<DropGuard>,
}

impl Server {
    /// A server that admits the gateways of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn InstanceStore>) -> Self {
        let config = Config::default().software(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self::with_config(store, config)
    }

    /// The same with other limits for sessions.
    #[must_use]
    pub fn with_config(store: Arc<dyn InstanceStore>, config: Config) -> Self {
        Self::build(store, config, None)
    }

    /// The same, and `hook` is told of everything that happens: for metrics and audit logs.
    #[must_use]
    pub fn with_hook(store: Arc<dyn InstanceStore>, config: Config, hook: Arc<dyn Hook>) -> Self {
        Self::build(store, config, Some(hook))
    }

    fn build(store: Arc<dyn InstanceStore>, config: Config, hook: Option<Arc<dyn Hook>>) -> Self {
        let stopping = CancellationToken::new();
        let ends = Arc::new(stopping.clone().drop_guard());
        Self {
            registry: Arc::new(Registry::new(stopping, hook)),
            store,
            config,
            _ends: ends,
        }
    }

    /// The service that gateways connect to, to be mounted on a router beside [`Server::health`]. Needs a Tokio runtime
    /// where it is called.
    #[must_use]
    pub fn tunnel(&self) -> TunnelService {
        if !self.registry.housekept.swap(true, Ordering::Relaxed) {
            let housekeeping = housekeeping::run(self.registry.clone(), self.store.clone());
            self.registry.housekeeping.spawn(housekeeping);
        }
        TunnelService::new(self.registry.clone(), self.store.clone(), self.config.clone())
    }

    /// `grpc.health.v1`, which gateways ask every 30 s: one that gets no `SERVING` takes the link for broken, and connects
    /// anew. To be mounted on the same router as [`Server::tunnel`].
    #[must_use]
    pub fn health(&self) -> HealthServer<HealthService> {
        let serving = self.registry.serving.subscribe();
        let stopping = self.registry.stopping.clone();
        HealthServer::new(HealthService::new(self.tunnel(), serving, stopping))
    }

    /// [`Server::tunnel`] and [`Server::health`] as one service, for `listen` or another listener of HTTP/2.
    #[must_use]
    pub fn services(&self) -> Services {
        Services::new(self.tunnel(), self.health())
    }

    /// A gateway, to be called like any gRPC server. It need not be connected, nor even be known, now.
    #[must_use]
    pub fn gateway(&self, id: &GatewayId) -> Gateway {
        Gateway::new(id.clone(), self.registry.clone())
    }

    /// How a gateway is connected now.
    #[must_use]
    pub fn connection(&self, id: &GatewayId) -> Connection {
        self.registry.connection(id)
    }

    /// Everything that is known now, of every instance.
    ///
    /// # Errors
    /// [`StoreError`]: the store does not say which instances there are.
    ///
    /// # Cancel safety
    /// Safe: it only reads.
    pub async fn fleet(&self) -> Result<Fleet, StoreError> {
        let view = |instance: crate::Instance| {
            let (applications, argo_cd, complete) = self.registry.replica(&instance.gateway).snapshot();
            let connection = self.registry.connection(&instance.gateway);
            InstanceView {
                instance,
                connection,
                argo_cd,
                complete,
                applications,
            }
        };
        let (records, scopes) = self.records().await?;
        Ok(Fleet::new(records.into_iter().map(view).collect(), scopes))
    }

    /// Which sources deployments touch, over all instances: [`Fleet::scopes`] without the rest of the picture, for those
    /// who ask often. What it gives stays as it is while it is held, and holds nobody up.
    ///
    /// # Errors
    /// [`StoreError`]: the store does not say which instances there are.
    ///
    /// # Cancel safety
    /// Safe: it only reads.
    pub async fn scopes(&self) -> Result<Snapshot, StoreError> {
        self.records().await.map(|(_, scopes)| scopes)
    }

    /// All records, and the index with exactly these. An embedder may have changed the store behind our back.
    async fn records(&self) -> Result<(Vec<crate::Instance>, Snapshot), StoreError> {
        let scopes = &self.registry.scopes;
        let mut records;
        let mut tries = 0;
        loop {
            let changes = scopes.changes();
            records = self.store.instances(&InstanceQuery::default()).await?.instances;
            tries += 1;
            // Changes that are made through this server are in the index already, so it is not far behind.
            if scopes.reconcile(changes, &records, &self.registry) || tries == TRIES {
                return Ok((records, scopes.snapshot()));
            }
        }
    }

    /// What it holds now. It asks each session, so not more often than a few times a second.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        ServerStats::of(&self.registry)
    }

    /// What happens from now on. A listener that is more than 1024 events behind misses some, and is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ServerEvent> {
        self.registry.subscribe()
    }

    /// The records of instances: to register, change and delete them, and to rotate and revoke what admits gateways.
    #[must_use]
    pub fn instances(&self) -> Instances {
        Instances::new(self.store.clone(), self.registry.clone())
    }

    /// Ends every session of a gateway at once, those that drain or are just beginning too, and tells the gateway that
    /// it is not wanted. Its credential stays: [`Instances::revoke`] takes it away and does this.
    pub fn revoke(&self, id: &GatewayId) {
        self.registry.admissions.end(id, GoodbyeReason::Revoked);
    }

    /// Ends in good order: gateways are told to come back later, open calls may go on for `grace`, and every task that
    /// the server started has ended when this returns.
    ///
    /// # Cancel safety
    /// Not safe: once begun it lets nobody in, and a dropped one leaves calls that have no end running until the last
    /// clone of the server is dropped.
    pub async fn shutdown(&self, grace: Duration) {
        // Nobody new is let in from here on, and who is in the handshake is sent away when it is complete.
        self.registry.tasks.close();
        self.registry.serving.send_replace(false);
        self.registry.retire_all(GoodbyeReason::Shutdown);
        let _ = tokio::time::timeout(grace, self.registry.tasks.wait()).await;
        self.registry.stopping.cancel();
        self.registry.tasks.wait().await;
        // Stores what was seen last; for 5 s at most.
        self.registry.housekeeping.close();
        self.registry.housekeeping.wait().await;
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}
