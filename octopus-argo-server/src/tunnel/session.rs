//! The session of a gateway, from its hello to its end, over all its connections.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::health::octopus::{ArgoProbe, Connectivity, OctopusLink};
use octopus_argo_proto::link::{Link, Notice};
use octopus_argo_proto::session::{Attachment, CloseReason, GoodbyeReason, Peer, SessionId};
use octopus_argo_proto::tunnel::Incoming;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::admission::Place;
use crate::follow::follow;
use crate::registry::Registry;
use crate::version::is_older;
use crate::{GatewayId, Installation, ServerEvent};

/// How long a goodbye may take to go out.
const GOODBYE: Duration = Duration::from_secs(1);

/// Hands what arrives over one connection to the session, until the session uses it no longer.
///
/// # Cancel safety
/// Dropped, it leaves the session waiting for what this connection would have brought.
pub(super) async fn pump(link: Link, via: Attachment, mut incoming: Incoming) {
    loop {
        tokio::select! {
            biased;
            () = link.unused(via) => return,
            () = link.closed() => {
                // A connection that takes nothing any more does not take the goodbye either.
                let _ = tokio::time::timeout(GOODBYE, link.unused(via)).await;
                return;
            }
            packet = incoming.next() => match packet {
                Ok(Some(packet)) => link.receive(via, packet),
                Ok(None) => return link.detach(via),
                Err(status) if incoming.is_malformed() => {
                    tracing::warn!(error = &status as &dyn std::error::Error, "the gateway sends what is no packet");
                    link.leave(GoodbyeReason::ProtocolError, "what was sent is no packet");
                }
                Err(status) => {
                    tracing::debug!(error = &status as &dyn std::error::Error, "a connection was cut");
                    return link.detach(via);
                }
            },
        }
    }
}

/// What keeps the time of a session, and brings what concerns it as a whole to the registry.
pub(super) struct Task {
    pub(super) gateway: GatewayId,
    pub(super) session: SessionId,
    pub(super) link: Link,
    pub(super) registry: Arc<Registry>,
    /// The gateway version that the server recommends.
    pub(super) recommended: Option<String>,
    /// Kept until the end, so that a session that drains can be ended too.
    pub(super) place: Place,
}

impl Task {
    pub(super) async fn run(self) {
        let reason = self.drive().await;
        tracing::info!(error = &reason as &dyn std::error::Error, "disconnected");
        if self.registry.detach(&self.gateway, self.session) {
            self.registry
                .sightings
                .connected(&self.gateway, Installation::default());
            let health = Connectivity::Checked(OctopusLink::Down, ArgoProbe::NotTested).health();
            self.registry
                .checked(&self.gateway, health, Installation::default());
            self.registry.tell(ServerEvent::Disconnected {
                gateway: self.gateway,
                reason,
            });
        }
    }

    /// Notes who it is, and tells if it should be newer.
    fn seen(&self, peer: &Peer) {
        let installation = Installation {
            gateway_version: Some(peer.version.clone()).filter(|version| !version.is_empty()),
            ..Installation::default()
        };
        self.registry.sightings.connected(&self.gateway, installation);
        let Some(recommended) = &self.recommended else {
            return;
        };
        if is_older(&peer.version, recommended) == Some(true) {
            tracing::info!(peer.version = %peer.version, recommended, "an older version than recommended");
            self.registry.tell(ServerEvent::Outdated {
                gateway: self.gateway.clone(),
                version: peer.version.clone(),
                recommended: recommended.clone(),
            });
        }
    }

    async fn drive(&self) -> CloseReason {
        let mut _follower: Option<AbortOnDropHandle<()>> = None;
        let (retire, mut retired) = watch::channel(None);
        let mut timeout = self.link.next_timeout();
        let mut timer = pin!(tokio::time::sleep_until(due(timeout)));
        loop {
            tokio::select! {
                biased;
                notice = self.link.notice() => match notice {
                    Notice::Established(peer) => {
                        tracing::info!(peer.software = %peer.software, peer.version = %peer.version, "connected");
                        if self.place.is_ended() {
                            continue;
                        }
                        self.registry.attach(&self.gateway, &self.link, &peer, retire.clone());
                        self.seen(&peer);
                        let follow = follow(self.gateway.clone(), self.registry.clone());
                        let task = self.registry.tasks.spawn(follow.in_current_span());
                        _follower = Some(AbortOnDropHandle::new(task));
                    }
                    Notice::Detached { .. } => {
                        tracing::info!("the connection was lost, and the gateway may come back");
                        self.registry.interrupted(&self.gateway, self.session);
                    }
                    Notice::Resumed => {
                        tracing::info!("resumed");
                        self.registry.resumed(&self.gateway, self.session);
                    }
                    Notice::Drained => {
                        let reason = retired.borrow().unwrap_or(GoodbyeReason::Shutdown);
                        self.link.leave(reason, "");
                    }
                    // The gateway goes when its calls are over, and the inventory has no end of its own.
                    Notice::Draining(_) => _follower = None,
                    Notice::Closed(reason) => return reason,
                    _ => {}
                },
                () = self.registry.stopping.cancelled() => {
                    self.link.leave(GoodbyeReason::Shutdown, "the server is shutting down");
                }
                Ok(()) = retired.changed() => {
                    // The inventory is a call without an end of its own.
                    _follower = None;
                    let reason = retired.borrow_and_update().unwrap_or(GoodbyeReason::Shutdown);
                    self.link.drain(reason);
                }
                () = &mut timer => {
                    self.link.tick();
                    timeout = self.link.next_timeout();
                    timer.as_mut().reset(due(timeout));
                }
                () = self.link.timeout_changed(timeout) => {
                    timeout = self.link.next_timeout();
                    timer.as_mut().reset(due(timeout));
                }
            }
        }
    }
}

/// When a timer is to fire. One that waits for nothing fires now and then, which does no harm.
fn due(timeout: Option<std::time::Instant>) -> tokio::time::Instant {
    timeout.map_or_else(|| tokio::time::Instant::now() + NOTHING_DUE, Into::into)
}

const NOTHING_DUE: Duration = Duration::from_secs(3600);
