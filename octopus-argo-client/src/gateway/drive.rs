//! A connection at work, until it ends or another one takes over.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_proto::link::{Link, Notice};
use octopus_argo_proto::session::{Attachment, CloseReason, GoodbyeReason, Peer, ResumeRefusal};
use octopus_argo_proto::v1::Packet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::arm::{self, Arm};
use super::health::Health;
use super::rotation::Rotation;
use super::run::{Outcome, draining};
use super::{GatewayEvent, GatewayState, Interruption, Shared};
use crate::connection::{Config, ConnectError};

/// How long a connection has to have carried the session for the next attempt to come soon again: one that is cut as soon
/// as it stands is no success.
const WORKED: Duration = Duration::from_secs(1);

/// Or how many bytes have to have arrived, here or there: behind a proxy with a tiny limit, coming back soon is what helps.
const WORKED_BYTES: u64 = 64 << 10;

/// How long to wait with another rotation after one that failed.
const ROTATE_AGAIN: Duration = Duration::from_secs(5);

/// How long the server may take to close its side after a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a connection needs to work.
pub(super) struct Drive<'a> {
    pub(super) link: &'a Link,
    pub(super) config: &'a Config,
    pub(super) rotation: Rotation,
    pub(super) jitter: f64,
    pub(super) shared: &'a Shared,
    /// The handles are gone, or their patience is over: what is left to be said is the goodbye.
    pub(super) stopping: &'a CancellationToken,
}

pub(super) enum Driven {
    /// This connection carries the session now.
    Moved(Box<Arm>),
    Over(Outcome),
}

type Another<'a> = Pin<Box<dyn Future<Output = Option<Result<Arm, ConnectError>>> + Send + 'a>>;

/// The connection that is to take over.
enum Next<'a> {
    None,
    Connecting(Another<'a>),
    /// Its hello is out.
    Joining(Box<Arm>),
}

impl Drive<'_> {
    /// Moves packets until the connection or the session is over, or another connection has taken over. Also says whether
    /// the connection worked.
    pub(super) async fn run(self, arm: Arm, health: &mut Health) -> (Driven, bool) {
        let Arm {
            via,
            mut incoming,
            connection,
            odometer,
        } = arm;
        let mut unwell = pin!(health.watch(&connection, self.shared));
        // A server that is about to go may say so: that is no outage.
        let mut checking = true;
        let mut state = self.shared.state.subscribe();
        let mut refused = None;
        // Where nothing else is seen to end the connection, the session has given it up.
        let mut how = Interruption::Silence;
        let (mut told_to_drain, mut told_to_leave) = (false, false);
        let mut rotates = true;
        let mut rotate_not_before = Instant::now();
        let mut next = Next::None;
        let mut work = Work::new(self.link);
        let driven = loop {
            tokio::select! {
                biased;
                notice = self.link.notice() => match notice {
                    Notice::Established(peer) => {
                        self.established(peer);
                        work.begin();
                    }
                    Notice::Resumed => {
                        self.resumed();
                        work.begin();
                    }
                    Notice::ResumeRefused(refusal) => self.begins_anew(refusal),
                    Notice::Draining(reason) => {
                        checking = false;
                        rotates = false;
                        self.shared.tell(GatewayEvent::Draining { reason });
                    }
                    Notice::Drained => {
                        self.shared.tell(GatewayEvent::Drained);
                        self.link.leave(GoodbyeReason::Shutdown, "the gateway is shutting down");
                    }
                    Notice::Closed(reason) => {
                        self.disconnected();
                        // The goodbye still has to go out: until the server has closed its side.
                        if matches!(reason, CloseReason::Ended(_)) {
                            let rest = async { while let Ok(Some(_)) = incoming.next().await {} };
                            let _ = tokio::time::timeout(GOODBYE, rest).await;
                        }
                        break Driven::Over(match refused {
                            Some(error) => Outcome::Failed(error),
                            None => Outcome::Closed(reason),
                        });
                    }
                    _ => {}
                },
                // Behind the notices, so that what they tell is told before the connection is left.
                () = self.link.unused(via) => break self.leave(next, how).await,
                () = self.stopping.cancelled(), if !told_to_leave => {
                    told_to_leave = true;
                    self.link.leave(GoodbyeReason::Shutdown, "the gateway is shutting down");
                }
                () = draining(&mut state), if !told_to_drain => {
                    told_to_drain = true;
                    checking = false;
                    rotates = false;
                    if self.link.is_established() {
                        self.link.drain(GoodbyeReason::Shutdown);
                    } else {
                        self.link.leave(GoodbyeReason::Shutdown, "");
                    }
                }
                error = &mut unwell, if checking => {
                    checking = false;
                    self.shared.failed(&error);
                    self.link.detach(via);
                    how = Interruption::Unhealthy { source: error };
                }
                packet = incoming.next() => match packet {
                    Ok(Some(packet)) => {
                        let bytes = size(&packet);
                        work.received += bytes;
                        odometer.received(bytes);
                        self.link.receive(via, packet);
                    }
                    Err(_) if incoming.is_malformed() => {
                        self.link.leave(GoodbyeReason::ProtocolError, "what was sent is no packet");
                    }
                    end => (refused, how) = self.ended(via, end.err()),
                },
                () = due(&odometer, rotate_not_before), if rotates && matches!(next, Next::None) => {
                    tracing::debug!("the connection is being replaced");
                    let another = arm::another(self.config, self.link, self.rotation, self.jitter);
                    next = Next::Connecting(Box::pin(another));
                }
                progress = next.progress() => {
                    next = self.proceed(progress);
                    if matches!(next, Next::None) {
                        rotate_not_before = Instant::now() + ROTATE_AGAIN;
                    }
                }
            }
        };
        (driven, work.is_success(self.link))
    }

    /// The next step of the connection that is to take over.
    fn proceed<'a>(&self, progress: Progress) -> Next<'a> {
        match progress {
            Progress::Arm(Some(Ok(arm))) => Next::Joining(Box::new(arm)),
            Progress::Packet(arm, Ok(Some(packet))) => {
                self.link.receive(arm.via, packet);
                Next::Joining(arm)
            }
            Progress::Arm(Some(Err(error))) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the connection was not replaced"
                );
                Next::None
            }
            Progress::Packet(arm, _) => {
                self.link.detach(arm.via);
                Next::None
            }
            Progress::Arm(None) => Next::None,
        }
    }

    /// The stream was ended: in good order, or with an error, by a cut or by the server where it refuses the gateway.
    fn ended(&self, via: Attachment, status: Option<Status>) -> (Option<ConnectError>, Interruption) {
        let refused = status.as_ref().and_then(ConnectError::refusal);
        if refused.is_some() {
            self.link.lost();
        } else {
            self.link.detach(via);
        }
        let how = status.map_or(Interruption::Closed, |status| Interruption::Cut {
            source: Arc::new(status),
        });
        (refused, how)
    }

    /// The session uses this connection no longer: another one carries it, or none.
    async fn leave(&self, next: Next<'_>, how: Interruption) -> Driven {
        let arm = match next {
            Next::None => None,
            Next::Joining(arm) => Some(arm),
            // The server ends the old stream when the new one says hello, and that may be seen first.
            Next::Connecting(another) => self
                .stopping
                .run_until_cancelled(another)
                .await
                .flatten()
                .and_then(Result::ok)
                .map(Box::new),
        };
        if let Some(arm) = arm.filter(|arm| self.link.uses(arm.via)) {
            return Driven::Moved(arm);
        }
        self.disconnected();
        Driven::Over(Outcome::Interrupted(how))
    }

    fn established(&self, peer: Peer) {
        tracing::info!(peer.software = %peer.software, peer.version = %peer.version, "connected");
        self.connected();
        self.shared.tell(GatewayEvent::Connected(peer));
    }

    fn resumed(&self) {
        tracing::info!("resumed");
        self.connected();
        self.shared.tell(GatewayEvent::Resumed);
    }

    fn begins_anew(&self, refusal: ResumeRefusal) {
        tracing::info!(
            error = &refusal as &dyn std::error::Error,
            "the session was not resumed"
        );
        self.shared.tell(GatewayEvent::ResumeRefused(refusal));
    }

    fn connected(&self) {
        self.shared.connected();
        self.shared.state.send_if_modified(|state| {
            let connecting = *state == GatewayState::Connecting;
            if connecting {
                *state = GatewayState::Connected;
            }
            connecting
        });
    }

    fn disconnected(&self) {
        self.shared.state.send_if_modified(|state| {
            let connected = *state == GatewayState::Connected;
            if connected {
                *state = GatewayState::Connecting;
            }
            connected
        });
    }
}

enum Progress {
    Arm(Option<Result<Arm, ConnectError>>),
    Packet(Box<Arm>, Result<Option<Packet>, Status>),
}

impl Next<'_> {
    /// Waits for the next step; for ever where there is nothing to wait for.
    ///
    /// Cancel-safe: what it waits for stays where it is until it is there.
    async fn progress(&mut self) -> Progress {
        match self {
            Self::None => std::future::pending().await,
            Self::Connecting(another) => {
                let arm = another.await;
                *self = Self::None;
                Progress::Arm(arm)
            }
            Self::Joining(arm) => {
                let packet = arm.incoming.next().await;
                match std::mem::replace(self, Self::None) {
                    Self::Joining(arm) => Progress::Packet(arm, packet),
                    // It was just that.
                    _ => std::future::pending().await,
                }
            }
        }
    }
}

/// Whether a connection has carried the session for long enough to count as one that works.
struct Work {
    since: Option<Instant>,
    received: u64,
    /// What had been acknowledged before.
    acknowledged: u64,
}

impl Work {
    fn new(link: &Link) -> Self {
        Self {
            since: None,
            received: 0,
            acknowledged: link.acknowledged_bytes(),
        }
    }

    fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_success(&self, link: &Link) -> bool {
        // What was sent only proves something once it has arrived; most of that is told by the connection that follows.
        let sent = link.acknowledged_bytes().saturating_sub(self.acknowledged);
        let carried = sent.max(self.received);
        self.since
            .is_some_and(|since| since.elapsed() >= WORKED || carried >= WORKED_BYTES)
    }
}

async fn due(odometer: &super::rotation::Odometer, not_before: Instant) {
    odometer.due().await;
    tokio::time::sleep_until(not_before).await;
}

/// About how many bytes a packet has.
fn size(packet: &Packet) -> u64 {
    use octopus_argo_proto::v1::frame::Body;

    const FRAME: usize = 16;
    let frames = packet.frames.iter().map(|frame| match &frame.body {
        Some(Body::Data(data)) => data.payload.len() + FRAME,
        _ => FRAME,
    });
    frames.sum::<usize>() as u64
}
