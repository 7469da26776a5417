//! Connecting, and connecting again.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::connection::KeepAliveConfig;
use octopus_argo_proto::link::{Link, Notice};
use octopus_argo_proto::session::{
    CloseReason, Config as SessionConfig, GoodbyeReason, InstanceId, MAX_PACKET, Session,
};
use octopus_argo_proto::v1::Packet;
use octopus_argo_proto::v1::tunnel_client::TunnelClient;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::Instrument as _;

use super::backoff::Backoff;
use super::health::Health;
use super::{GatewayEvent, GatewayState, Shared, Stopped};
use crate::answer::answer;
use crate::connection::{self, Config, ConnectError, Connection};
use crate::router::Router;

/// How long a gateway stays away after another process came with its credential: whichever of two is wrong, they must
/// not throw each other out all day.
const AFTER_SUPERSEDED: Duration = Duration::from_secs(60);

/// How long a tunnel has to have been open for the next attempt to come soon again.
const LASTED: Duration = Duration::from_secs(10);

pub(super) struct Run {
    pub(super) connection: Config,
    pub(super) session: SessionConfig,
    pub(super) router: Router,
    pub(super) instance: InstanceId,
    pub(super) backoff: Backoff,
    /// None where health checks are switched off.
    pub(super) health: Option<KeepAliveConfig>,
    pub(super) shared: Arc<Shared>,
    pub(super) stopping: CancellationToken,
}

/// How one attempt ended.
enum Outcome {
    /// No tunnel was opened.
    Failed(ConnectError),
    /// A tunnel was open.
    Closed(CloseReason),
}

impl Run {
    /// Runs until nothing more can be done.
    pub(super) async fn run(mut self) {
        let span = tracing::info_span!("gateway", server = %self.connection.server().authority());
        let stopped = self.attempts().instrument(span).await;
        self.shared.state.send_replace(GatewayState::Stopped);
        self.shared.tell(GatewayEvent::Stopped(stopped.clone()));
        self.shared.stopped.send_replace(Some(stopped));
        // The other tasks have nothing to do any more.
        self.stopping.cancel();
    }

    async fn attempts(&mut self) -> Stopped {
        let mut health = Health::new(self.health);
        loop {
            if self.is_draining() {
                return Stopped::ShutDown;
            }
            let stopping = self.stopping.clone();
            let Some(outcome) = stopping.run_until_cancelled(self.attempt(&mut health)).await else {
                return Stopped::ShutDown;
            };
            if self.is_draining() {
                return Stopped::ShutDown;
            }
            let unreachable = match &outcome {
                Outcome::Failed(error) => error.is_unreachable().then(|| error.clone()),
                Outcome::Closed(_) => None,
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
                self.shared.tell(GatewayEvent::Disconnected { reason, retry_in });
                ControlFlow::Continue(retry_in)
            }
        }
    }

    /// Connects once, and keeps the tunnel for as long as it holds.
    async fn attempt(&mut self, health: &mut Health) -> Outcome {
        let connection = match connection::connect(&self.connection).await {
            Ok(connection) => connection,
            Err(error) => return Outcome::Failed(error),
        };
        if health.is_down()
            && let Err(error) = health.check(&connection, &self.shared).await
        {
            return Outcome::Failed(error);
        }
        let now = Instant::now().into_std();
        let session = Session::gateway(self.session.clone(), self.instance, now);
        let link = Link::new(session, || Instant::now().into_std());
        let mut tunnel = TunnelClient::new(connection.clone()).max_decoding_message_size(MAX_PACKET);
        let mut state = self.shared.state.subscribe();
        let opened = tokio::select! {
            opened = tokio::time::timeout(SessionConfig::HANDSHAKE_TIMEOUT, tunnel.open(link.packets())) => opened,
            () = draining(&mut state) => {
                return Outcome::Closed(CloseReason::Ended(GoodbyeReason::Shutdown));
            }
        };
        let opened =
            opened.unwrap_or_else(|_| Err(Status::deadline_exceeded("the server did not answer in time")));
        let inbound = match opened {
            Ok(response) => response.into_inner(),
            Err(status) => return Outcome::Failed(not_opened(status)),
        };
        let outcome = self.drive(&link, inbound, &connection, health).await;
        // Whoever holds a call of this link learns that it is over.
        link.lost();
        outcome
    }

    /// Moves packets, and lets the router answer calls, until the session is over.
    async fn drive(
        &mut self,
        link: &Link,
        mut inbound: Streaming<Packet>,
        connection: &Connection,
        health: &mut Health,
    ) -> Outcome {
        let shared = self.shared.clone();
        let mut unwell = pin!(health.watch(connection, &shared));
        // A server that is about to go may say so: that is no outage.
        let mut checking = true;
        let mut calls = JoinSet::new();
        let mut timeout = link.next_timeout();
        let mut state = self.shared.state.subscribe();
        let mut refused = None;
        let mut established: Option<Instant> = None;
        let mut told_to_drain = false;
        loop {
            let timer = async {
                match timeout {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                notice = link.notice() => match notice {
                    Notice::Established(peer) => {
                        tracing::info!(peer.software = %peer.software, peer.version = %peer.version, "connected");
                        established = Some(Instant::now());
                        self.shared.state.send_if_modified(|state| {
                            let connecting = *state == GatewayState::Connecting;
                            if connecting { *state = GatewayState::Connected; }
                            connecting
                        });
                        self.shared.connected();
                        self.shared.tell(GatewayEvent::Connected(peer));
                    }
                    Notice::Draining(_) => checking = false,
                    Notice::Drained => link.leave(GoodbyeReason::Shutdown, "the gateway is shutting down"),
                    Notice::Closed(reason) => {
                        self.shared.state.send_if_modified(|state| {
                            let connected = *state == GatewayState::Connected;
                            if connected { *state = GatewayState::Connecting; }
                            connected
                        });
                        // The goodbye still has to go out: until the server has closed its side.
                        if matches!(reason, CloseReason::Ended(_)) {
                            let rest = async { while let Ok(Some(_)) = inbound.message().await {} };
                            let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
                        }
                        calls.shutdown().await;
                        // A connection that is cut as soon as it stands is no success.
                        if established.is_some_and(|since| since.elapsed() >= LASTED) {
                            self.backoff.reset();
                        }
                        return match refused {
                            Some(error) => Outcome::Failed(error),
                            None => Outcome::Closed(reason),
                        };
                    }
                    _ => {}
                },
                () = draining(&mut state), if !told_to_drain => {
                    told_to_drain = true;
                    checking = false;
                    if link.is_established() {
                        link.drain(GoodbyeReason::Shutdown);
                    } else {
                        link.leave(GoodbyeReason::Shutdown, "");
                    }
                }
                error = &mut unwell, if checking => {
                    checking = false;
                    self.shared.failed(&error);
                    link.lost();
                }
                () = timer => link.tick(),
                () = link.timeout_changed(timeout) => {}
                packet = inbound.message() => match packet {
                    Ok(Some(packet)) => link.receive(packet),
                    Ok(None) => link.lost(),
                    Err(status) => {
                        refused = ConnectError::refusal(&status);
                        link.lost();
                    }
                },
                Some(call) = link.accept() => {
                    let span = tracing::debug_span!("call", rpc.path = %call.path);
                    calls.spawn(answer(call, self.router.clone()).instrument(span));
                }
                Some(_) = calls.join_next() => {}
            }
            timeout = link.next_timeout();
        }
    }
}

/// Waits until the gateway is being shut down. The guard of the state must not live on: it would block everyone else.
async fn draining(state: &mut watch::Receiver<GatewayState>) {
    let _ = state
        .wait_for(|state| *state == GatewayState::Draining)
        .await
        .map(drop);
}

/// Why the tunnel was not opened on a connection that stands.
fn not_opened(status: Status) -> ConnectError {
    ConnectError::refusal(&status).unwrap_or_else(|| ConnectError::tunnel(status))
}
