//! What the router is made from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use octopus_argo_core::Thumbprint;

use super::{Access, Directory, HealthCheck, LinkCheck, routes};
use crate::{Instances, Server};

/// Answers registration calls for a [`Server`]. Make a router of it, and mount that.
#[derive(Clone)]
pub struct Registrar {
    pub(super) instances: Instances,
    pub(super) access: Arc<dyn Access>,
    pub(super) directory: Option<Arc<dyn Directory>>,
    pub(super) health: Arc<dyn HealthCheck>,
    pub(super) certificate: Option<Thumbprint>,
    pub(super) max_body: usize,
    pub(super) body_timeout: Duration,
    tasks: Arc<AtomicU64>,
}

impl Registrar {
    /// The largest body if nothing else is said: 64 KiB. A registration is well below 1 KiB.
    pub const MAX_BODY: usize = 64 * 1024;

    /// How long a body may take to arrive if nothing else is said: 30 s.
    pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

    /// How long a health check may take: 20 s.
    pub const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

    /// Calls about the records of `server`, by whom `access` lets.
    #[must_use]
    pub fn new(server: &Server, access: impl Access) -> Self {
        Self {
            instances: server.instances(),
            access: Arc::new(access),
            directory: None,
            health: Arc::new(LinkCheck::new(server)),
            certificate: None,
            max_body: Self::MAX_BODY,
            body_timeout: Self::BODY_TIMEOUT,
            tasks: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Reports this thumbprint as that of the certificate which gateways see: `listen::Identity` knows it. Without it
    /// none is reported, which is right where TLS ends in front of the server.
    #[must_use]
    pub fn certificate(mut self, thumbprint: Thumbprint) -> Self {
        self.certificate = Some(thumbprint);
        self
    }

    /// Knows environments and tenants by name, slug and id, and refuses others. Without it every one is taken as given.
    #[must_use]
    pub fn directory(mut self, directory: impl Directory) -> Self {
        self.directory = Some(Arc::new(directory));
        self
    }

    /// Checks health in another way than [`LinkCheck`].
    #[must_use]
    pub fn health_check(mut self, check: impl HealthCheck) -> Self {
        self.health = Arc::new(check);
        self
    }

    /// Refuses larger bodies, in bytes. Default: [`MAX_BODY`](Self::MAX_BODY).
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Gives bodies so long to arrive. Default: [`BODY_TIMEOUT`](Self::BODY_TIMEOUT).
    #[must_use]
    pub fn body_timeout(mut self, time: Duration) -> Self {
        self.body_timeout = time;
        self
    }

    /// The router, to be served or merged into another. It has no fallback of its own.
    pub fn router(self) -> Router {
        routes::router(self)
    }

    pub(super) fn next_task(&self) -> u64 {
        self.tasks.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar")
            .field("certificate", &self.certificate)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}
