//! Health checks: when they are due, and what follows from them.

use std::time::Duration;

use octopus_argo_core::connection::{AfterProbe, KeepAlive, KeepAliveConfig, LinkEvent, Next, ProbeOutcome};
use tokio::time::{Instant, sleep_until};

use super::{GatewayEvent, Shared, Stopped};
use crate::connection::{ConnectError, Connection, check_health};

/// Drives core's machine over all connections of a gateway: it asks, and tells [`GatewayEvent::Down`] and
/// [`GatewayEvent::Up`].
///
/// One thing is ours: after a failure the new connection is asked as soon as it stands, and not one interval later, so
/// that a server that moved is found at once. Further failures then wait as the machine says.
pub(super) struct Health {
    /// None where checks are switched off.
    machine: Option<KeepAlive>,
    origin: Instant,
    gave_up: Option<Stopped>,
}

impl Health {
    pub(super) fn new(config: Option<KeepAliveConfig>) -> Self {
        Self {
            machine: config.map(|config| KeepAlive::new(config, Duration::ZERO)),
            origin: Instant::now(),
            gave_up: None,
        }
    }

    /// Whether a check has failed and none has succeeded since.
    pub(super) fn is_down(&self) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|machine| machine.down_since().is_some())
    }

    /// Set once an outage has lasted too long.
    pub(super) fn gave_up(&self) -> Option<Stopped> {
        self.gave_up.clone()
    }

    /// How long it is until the next check.
    pub(super) fn next_in(&self) -> Duration {
        self.next_at()
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Waits for the next check; for ever if there is none.
    pub(super) async fn due(&self) {
        match self.next_at() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Asks whenever it is due. It ends with the first failure.
    ///
    /// Cancel-safe: a check that was dropped is made up for.
    pub(super) async fn watch(&mut self, connection: &Connection, shared: &Shared) -> ConnectError {
        loop {
            self.due().await;
            if let Err(error) = self.check(connection, shared).await {
                return error;
            }
        }
    }

    /// Asks now.
    pub(super) async fn check(
        &mut self,
        connection: &Connection,
        shared: &Shared,
    ) -> Result<(), ConnectError> {
        let result = check_health(connection).await;
        let outcome = result
            .as_ref()
            .map_or_else(crate::connection::HealthError::outcome, |()| {
                ProbeOutcome::Serving
            });
        let result = result.map_err(|source| ConnectError::Unhealthy { source });
        self.note(outcome, result.as_ref().err(), shared);
        result
    }

    /// No connection stands because of `error`. If a check is due, it has failed.
    pub(super) fn not_connected(&mut self, error: &ConnectError, shared: &Shared) {
        if self.next_at().is_some_and(|at| at <= Instant::now()) {
            self.note(ProbeOutcome::Failed, Some(error), shared);
        }
    }

    fn note(&mut self, outcome: ProbeOutcome, error: Option<&ConnectError>, shared: &Shared) {
        let now = self.origin.elapsed();
        let Some(machine) = &mut self.machine else {
            return;
        };
        let since = machine.down_since();
        let AfterProbe { event, next, .. } = machine.probed(outcome, now);
        let outage = now.saturating_sub(machine.down_since().or(since).unwrap_or(now));
        match (event, error) {
            (Some(LinkEvent::Up), _) => {
                tracing::info!(?outage, "health check succeeded - the link is up again");
                shared.tell(GatewayEvent::Up { outage });
            }
            (Some(LinkEvent::Down), Some(error)) => {
                // The first words are those of Octopus's own gateway, which people search for.
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "Health check failed - cancelling subscribers"
                );
                shared.tell(GatewayEvent::Down { error: error.clone() });
            }
            _ => {}
        }
        if let (Next::GiveUp, Some(error)) = (next, error) {
            self.gave_up.get_or_insert_with(|| Stopped::GaveUp {
                outage,
                source: error.clone(),
            });
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let next = self.machine.as_ref()?.next_probe_at()?;
        self.origin.checked_add(next)
    }
}
