//! Checking a gateway's health when somebody asks.

use std::error::Error;

use async_trait::async_trait;
use octopus_argo_core::health::octopus::{ArgoProbe, Connectivity, InstanceHealth, OctopusLink};

use crate::{Connection, Instance, Server};

/// The check could not be made. This is not what a check finds: that is an [`InstanceHealth`].
#[derive(Debug, thiserror::Error)]
#[error("the health check could not be made")]
pub struct HealthCheckError(#[source] Box<dyn Error + Send + Sync>);

impl HealthCheckError {
    /// With its reason, which is logged and not sent to callers.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Checks a gateway's health, for the task `ArgoCDGatewayHealthCheck`. What it finds is stored for the gateway.
#[async_trait]
pub trait HealthCheck: Send + Sync + 'static {
    /// How the gateway of this record is. It may take up to [`Registrar::CHECK_TIMEOUT`](super::Registrar::CHECK_TIMEOUT).
    ///
    /// # Errors
    /// [`HealthCheckError`].
    ///
    /// # Cancel safety
    /// Must be cancel-safe: the future is dropped when that time is over or the caller goes away.
    async fn check(&self, instance: &Instance) -> Result<InstanceHealth, HealthCheckError>;
}

/// Looks whether the gateway is connected, and at what it says of Argo CD. It calls nothing.
#[derive(Clone, Debug)]
pub struct LinkCheck(Server);

impl LinkCheck {
    /// A look at this server.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self(server.clone())
    }
}

#[async_trait]
impl HealthCheck for LinkCheck {
    async fn check(&self, instance: &Instance) -> Result<InstanceHealth, HealthCheckError> {
        let fleet = self.0.fleet().await.map_err(HealthCheckError::new)?;
        let view = fleet
            .instances()
            .iter()
            .find(|view| view.instance.id == instance.id);
        let Some(view) = view.filter(|view| matches!(view.connection, Connection::Online { .. })) else {
            return Ok(Connectivity::Checked(OctopusLink::Down, ArgoProbe::NotTested).health());
        };
        // All applications are known: Argo CD answered, and the token may read.
        let probe = if view.complete {
            ArgoProbe::Ok
        } else {
            ArgoProbe::NotTested
        };
        Ok(Connectivity::Checked(OctopusLink::Up, probe).health())
    }
}
