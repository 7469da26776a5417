//! Connecting, and connecting again.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::connection::KeepAliveConfig;
use octopus_argo_proto::session::{CloseReason, Config as SessionConfig, GoodbyeReason, InstanceId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::arm::{self, Arm};
use super::backoff::Backoff;
use super::drive::{Drive, Driven};
use super::health::Health;
use super::rotation::Rotation;
use super::tunnel::Tunnel;
use super::{GatewayEvent, GatewayState, Interruption, Shared, Stopped};
use crate::connection::{self, Config, ConnectError, Connection};
use crate::router::Router;

/// How long a gateway stays away after another process came with its credential: whichever of two is wrong, they must
/// not throw each other out all day.
const AFTER_SUPERSEDED: Duration = Duration::from_secs(60);

pub(super) struct Run {
    pub(super) connection: Config,
    pub(super) session: SessionConfig,
    pub(super) router: Router,
    pub(super) instance: InstanceId,
    pub(super) backoff: Backoff,
    /// None where health checks are switched off.
    pub(super) health: Option<KeepAliveConfig>,
    pub(super) rotation: Rotation,
    pub(super) shared: Arc<Shared>,
    pub(super) stopping: CancellationToken,
}

/// How one attempt ended.
pub(super) enum Outcome {
    /// No tunnel was opened.
    Failed(ConnectError),
    /// The session is over.
    Closed(CloseReason),
    /// The connection is gone, and the session waits for another one.
    Interrupted(Interruption),
}

/// The gateway is being shut down, or dropped.
const STOPPED: Outcome = Outcome::Closed(CloseReason::Ended(GoodbyeReason::Shutdown));

impl Run {
    /// Runs until nothing more can be done.
    pub(super) async fn run(mut self) {
        let span = tracing::info_span!("gateway", server = %self.connection.server().authority());
        let stopped = self.attempts().instrument(span).await;
        self.shared.end();
        self.shared.state.send_replace(GatewayState::Stopped);
        self.shared.tell(GatewayEvent::Stopped(stopped.clone()));
        self.shared.stopped.send_replace(Some(stopped));
        // The other tasks have nothing to do any more.
        self.stopping.cancel();
    }

    async fn attempts(&mut self) -> Stopped {
        let mut health = Health::new(self.health);
        let mut tunnel = None;
        loop {
            if self.is_draining() {
                return Stopped::ShutDown;
            }
            let outcome = self.attempt(&mut tunnel, &mut health).await;
            if self.is_draining() || self.stopping.is_cancelled() {
                return Stopped::ShutDown;
            }
            let unreachable = match &outcome {
                Outcome::Failed(error) => error.is_unreachable().then(|| error.clone()),
                Outcome::Closed(_) | Outcome::Interrupted(_) => None,
            };
            let wait = match self.next_wait(outcome, &mut health) {
                ControlFlow::Break(stopped) => return stopped,
                ControlFlow::Continue(wait) => wait,
            };
            let mut state = self.shared.state.subscribe();
            let mut waited = pin!(tokio::time::sleep(wait));
            loop {
                tokio::select! {
                    biased;
                    () = self.stopping.cancelled() => return Stopped::ShutDown,
                    () = draining(&mut state) => return Stopped::ShutDown,
                    () = &mut waited => break,
                    () = health.due(), if unreachable.is_some() => {
                        if let Some(error) = &unreachable {
                            health.not_connected(error, &self.shared);
                        }
                        if let Some(stopped) = health.gave_up() {
                            return stopped;
                        }
                    }
                }
            }
        }
    }

    fn is_draining(&self) -> bool {
        *self.shared.state.borrow() == GatewayState::Draining
    }

    /// Whether to try again, and when.
    fn next_wait(&mut self, outcome: Outcome, health: &mut Health) -> ControlFlow<Stopped, Duration> {
        if let Outcome::Failed(error) = &outcome
            && error.is_unreachable()
        {
            health.not_connected(error, &self.shared);
        }
        if let Some(stopped) = health.gave_up() {
            return ControlFlow::Break(stopped);
        }
        match outcome {
            Outcome::Failed(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "not connected");
                self.shared.failed(&error);
                if !error.is_retryable() {
                    return ControlFlow::Break(Stopped::Connect(error));
                }
                let retry_in = match &error {
                    // A server that is there and not well is asked again when that is due.
                    ConnectError::Unhealthy { .. } => health.next_in(),
                    _ => self.backoff.next(),
                };
                self.shared.tell(GatewayEvent::ConnectFailed { error, retry_in });
                ControlFlow::Continue(retry_in)
            }
            Outcome::Interrupted(how) => {
                let retry_in = self.backoff.next();
                tracing::info!(
                    error = &how as &dyn std::error::Error,
                    ?retry_in,
                    "the connection was lost"
                );
                self.shared.tell(GatewayEvent::Interrupted { how, retry_in });
                ControlFlow::Continue(retry_in)
            }
            Outcome::Closed(reason) => {
                tracing::info!(error = &reason as &dyn std::error::Error, "disconnected");
                let (asked, goodbye) = match &reason {
                    CloseReason::Goodbye {
                        reason, retry_after, ..
                    } => (*retry_after, Some(*reason)),
                    _ => (Duration::ZERO, None),
                };
                if let Some(reason) = goodbye.filter(|reason| !reason.is_retryable()) {
                    return ControlFlow::Break(Stopped::SentAway { reason });
                }
                let least = match goodbye {
                    Some(GoodbyeReason::Superseded) => AFTER_SUPERSEDED.max(asked),
                    _ => asked,
                };
                let retry_in = least + self.backoff.next();
                if goodbye == Some(GoodbyeReason::Superseded) {
                    self.shared.tell(GatewayEvent::Superseded);
                }
                self.shared.tell(GatewayEvent::Disconnected { reason, retry_in });
                ControlFlow::Continue(retry_in)
            }
        }
    }

    /// Tells of a session that ended while there was no connection.
    async fn note_end(&self, tunnel: &mut Option<Tunnel>) {
        let Some(over) = tunnel.take_if(|tunnel| tunnel.link().is_closed()) else {
            return;
        };
        let reason = over.reason().await;
        over.finish().await;
        self.shared.end();
        tracing::info!(error = &reason as &dyn std::error::Error, "the session is over");
        self.shared.tell(GatewayEvent::Disconnected {
            reason,
            retry_in: Duration::ZERO,
        });
    }

    /// Connects once, and keeps the session going for as long as a connection holds.
    async fn attempt(&mut self, tunnel: &mut Option<Tunnel>, health: &mut Health) -> Outcome {
        let stopping = self.stopping.clone();
        let connected = stopping.run_until_cancelled(self.connect(health)).await;
        let connection = match connected {
            Some(Ok(connection)) => connection,
            Some(Err(error)) => return Outcome::Failed(error),
            None => return STOPPED,
        };
        self.note_end(tunnel).await;
        let before = tunnel.take();
        let (current, via) = match before.and_then(Tunnel::come_back) {
            Some(ready) => ready,
            None => Tunnel::begin(self.session.clone(), self.instance, &self.router, &self.shared),
        };
        let link = current.link().clone();
        let odometer = self.rotation.begin(self.backoff.fraction());
        let mut state = self.shared.state.subscribe();
        let opened = tokio::select! {
            opened = arm::open(&link, via, connection, odometer) => opened,
            () = draining(&mut state) => return STOPPED,
            () = stopping.cancelled() => return STOPPED,
        };
        let outcome = match opened {
            Ok(arm) => self.drive(&current, arm, health).await,
            Err(error) => Outcome::Failed(error),
        };
        if link.is_closed() {
            current.finish().await;
            self.shared.end();
        } else {
            *tunnel = Some(current);
        }
        outcome
    }

    /// Connects, and asks for the server's health where that is in doubt.
    async fn connect(&self, health: &mut Health) -> Result<Connection, ConnectError> {
        let connection = connection::connect(&self.connection).await?;
        if health.is_down() {
            health.check(&connection, &self.shared).await?;
        }
        Ok(connection)
    }

    /// Lets one connection after the other carry the session, while each takes over from the one before it.
    async fn drive(&mut self, tunnel: &Tunnel, mut arm: Arm, health: &mut Health) -> Outcome {
        loop {
            let drive = Drive {
                link: tunnel.link(),
                config: &self.connection,
                rotation: self.rotation,
                jitter: self.backoff.fraction(),
                shared: &self.shared,
                stopping: &self.stopping,
            };
            let (driven, worked) = drive.run(arm, health).await;
            if worked {
                self.backoff.reset();
            }
            match driven {
                Driven::Moved(next) => arm = *next,
                Driven::Over(outcome) => return outcome,
            }
        }
    }
}

/// Waits until the gateway is being shut down. The guard of the state must not live on: it would block everyone else.
pub(super) async fn draining(state: &mut watch::Receiver<GatewayState>) {
    let _ = state
        .wait_for(|state| *state == GatewayState::Draining)
        .await
        .map(drop);
}
