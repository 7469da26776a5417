//! The session itself: what it holds, and what time does to it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::attachment::{Attachments, ResumeRefusal, Resumption};
use super::budget::Budget;
use super::call::{Call, Calls};
use super::config::Config;
use super::credit::{self, Growth, ReceiveCredit};
use super::end::{EndCause, Execution};
use super::event::{Event, GoodbyeReason};
use super::handshake::{InstanceId, SessionId};
use super::liveness::{Liveness, Verdict};
use super::numbering::Numbering;
use super::outbox::{Control, Outbox};
use super::outgoing::Encoder;
use super::replay::Replay;
use super::round_trip::RoundTrip;
use super::{CallEnd, CallId, Metadata};
use crate::v1;
use crate::v1::frame::Body;

/// One side of a session. See the [module](super) for how it is driven.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) role: Role,
    pub(super) phase: Phase,
    pub(super) attachments: Attachments,
    /// What is needed to go on after a cut; `None`: a cut ends the session.
    pub(super) resumption: Option<Resumption>,
    /// Why this session was begun instead of going on with another.
    pub(super) refusal: Option<ResumeRefusal>,
    pub(super) peer_limits: v1::Limits,
    pub(super) peer_instance: Option<InstanceId>,
    pub(super) peer_revision: u32,
    /// How many sessions this machine has had before.
    pub(super) epoch: u32,
    pub(super) calls: Calls,
    pub(super) deadlines: BTreeSet<(Instant, u64)>,
    /// The highest call number that was used.
    pub(super) last_call: u64,
    /// The highest call number that both sides know. Behind `last_call` while opens wait for a packet.
    pub(super) last_announced: u64,
    pub(super) budget: Budget,
    /// What calls that are over left untaken.
    pub(super) left: HashMap<CallId, u64>,
    /// What arrived and was not taken, of all calls, with what its frames cost.
    pub(super) untaken: u64,
    pub(super) outbox: Outbox,
    pub(super) encoder: Encoder,
    pub(super) replay: Replay,
    pub(super) numbering: Numbering,
    pub(super) liveness: Liveness,
    pub(super) heartbeat: Option<Duration>,
    pub(super) round_trip: RoundTrip,
    pub(super) events: VecDeque<Event>,
    pub(super) draining_here: bool,
    pub(super) draining_there: bool,
    pub(super) told_drained: bool,
}

#[derive(Debug)]
pub(super) enum Role {
    /// Says Hello, and answers calls.
    Gateway(InstanceId),
    /// Says Welcome with this number, and opens calls.
    Server(SessionId),
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Until the other side's part of the first handshake is there.
    Handshake {
        deadline: Instant,
    },
    /// There is a connection.
    Attached,
    /// There is none, and the gateway may come back.
    Detached {
        until: Instant,
    },
    /// A goodbye is to be sent, and nothing else any more.
    Leaving(v1::Goodbye),
    Over,
}

impl Session {
    /// The gateway's side. Its first packet, over [`Attachment::FIRST`](super::Attachment::FIRST), is the Hello.
    #[must_use]
    pub fn gateway(config: Config, instance: InstanceId, now: Instant) -> Self {
        let mut session = Self::new(config, Role::Gateway(instance), now);
        session.attachments.join(now, session.config.handshake_timeout);
        session
    }

    /// The server's side. It waits for a Hello over [`Attachment::FIRST`](super::Attachment::FIRST). A cut ends it, unless it is made
    /// [`resumable`](Session::resumable).
    #[must_use]
    pub fn server(config: Config, id: SessionId, now: Instant) -> Self {
        let mut session = Self::new(config, Role::Server(id), now);
        session.attachments.current = Some(session.attachments.next());
        session
    }

    fn new(config: Config, role: Role, now: Instant) -> Self {
        Self {
            role,
            phase: Phase::Handshake {
                deadline: now + config.handshake_timeout,
            },
            attachments: Attachments::new(),
            resumption: None,
            refusal: None,
            peer_limits: v1::Limits::default(),
            peer_instance: None,
            peer_revision: 0,
            epoch: 0,
            calls: Calls::default(),
            deadlines: BTreeSet::new(),
            last_call: 0,
            last_announced: 0,
            budget: Budget::new(config.receive_budget(), config.guaranteed(), config.max_calls),
            left: HashMap::new(),
            untaken: 0,
            outbox: Outbox::default(),
            encoder: Encoder::default(),
            replay: Replay::new(config.replay()),
            numbering: Numbering::default(),
            liveness: Liveness::new(config.heartbeat, config.dead_after, now),
            heartbeat: None,
            round_trip: RoundTrip::default(),
            events: VecDeque::new(),
            draining_here: false,
            draining_there: false,
            told_drained: false,
            config,
        }
    }

    /// Forgets the session before, of which every call has ended. What was not taken of them still counts.
    pub(super) fn reset(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.resumption = None;
        self.last_call = 0;
        self.last_announced = 0;
        self.replay = Replay::new(self.config.replay());
        self.numbering = Numbering::default();
        self.draining_here = false;
        self.draining_there = false;
        self.told_drained = false;
    }

    /// How many calls are open.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether calls can be opened or answered, also while the session waits for the gateway to come back.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Attached | Phase::Detached { .. })
    }

    /// Whether the session is over and has nothing to send any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// How long the way to the other side and back takes: as the last answered heartbeat says, or before there was one,
    /// the quickest acknowledgement.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.heartbeat.or_else(|| self.round_trip.best())
    }

    /// How much is held, in bytes: what arrived and was not taken, with what its frames cost, and what was sent and not
    /// acknowledged. Never more than [`Config::session_budget`].
    #[must_use]
    pub fn buffered_bytes(&self) -> u64 {
        self.untaken.saturating_add(self.replay.bytes())
    }

    /// How much the other side has acknowledged since the session began, in bytes as [`Session::buffered_bytes`] counts them.
    #[must_use]
    pub fn acknowledged_bytes(&self) -> u64 {
        self.replay.arrived()
    }

    /// The next thing that happened. To be asked until there is none, after every other method.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::tick`] is to be called, unless something else happens before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let call = self.deadlines.first().map(|(deadline, _)| *deadline);
        let own = match self.phase {
            Phase::Handshake { deadline } => return Some(deadline),
            Phase::Leaving(_) | Phase::Over => return None,
            Phase::Attached => {
                let liveness = self.liveness.deadline();
                self.numbering
                    .deadline()
                    .map_or(liveness, |ack| ack.min(liveness))
            }
            Phase::Detached { until } => until,
        };
        [Some(own), call, self.attachments.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due by `now`.
    pub fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::Handshake { deadline } if now >= deadline => {
                return self.leave(GoodbyeReason::HandshakeTimeout, "");
            }
            Phase::Detached { until } if now >= until => return self.lost(),
            Phase::Handshake { .. } | Phase::Leaving(_) | Phase::Over => return,
            Phase::Attached | Phase::Detached { .. } => {}
        }
        if self
            .attachments
            .deadline()
            .is_some_and(|deadline| now >= deadline)
        {
            self.attachments.joining = None;
        }
        while let Some(&(deadline, call)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.end_call(call, EndCause::Deadline);
        }
        if !matches!(self.phase, Phase::Attached) {
            return;
        }
        self.numbering.tick(now);
        if self
            .acknowledgement_deadline()
            .is_some_and(|deadline| now >= deadline)
        {
            return self.unacknowledged(now);
        }
        match self.liveness.check(now) {
            Verdict::Fine => {}
            Verdict::Ask(id) => self.outbox.push_unnumbered(Body::Ping(v1::Ping { id })),
            // The connection is dead; the session need not be.
            Verdict::Dead if self.resumption.is_some() => self.unattached(now),
            Verdict::Dead => self.leave(GoodbyeReason::Silence, ""),
        }
    }

    /// By when the other side has to acknowledge something.
    fn acknowledgement_deadline(&self) -> Option<Instant> {
        let since = self.replay.waiting_since()?;
        since.checked_add(self.config.dead_after)
    }

    /// The other side has acknowledged nothing for as long as one that is silent is taken for dead. One that was heard of
    /// when half of that had passed breaks a rule, and would be sent nothing for ever; otherwise it is just gone.
    fn unacknowledged(&mut self, now: Instant) {
        let half = self
            .replay
            .waiting_since()
            .map(|since| since + self.config.dead_after / 2);
        if self.liveness.is_heard_since(half) {
            self.leave(GoodbyeReason::LimitExceeded, "nothing is acknowledged");
        } else if self.resumption.is_some() {
            self.unattached(now);
        } else {
            self.leave(GoodbyeReason::Silence, "");
        }
    }

    // ---- Calls.

    /// Adds a call, for which the budget has room.
    pub(super) fn insert(
        &mut self,
        id: u64,
        open: Option<Box<v1::Open>>,
        deadline: Option<Instant>,
        now: Instant,
    ) {
        let send = match self.peer_limits.initial_credit {
            0 => super::config::FULL_FRAME,
            credit => credit.into(),
        };
        let mine = open.is_some();
        let mut receive = ReceiveCredit::new(self.config.guaranteed(), now);
        // An answer may be large, and waits for nothing here; most requests are small.
        let grant = if mine {
            receive.begin(self.growth(), &mut self.budget)
        } else {
            0
        };
        self.calls
            .insert(id, Call::new(open, mine, send, receive, deadline));
        self.owe(id, grant);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
    }

    pub(super) fn growth(&self) -> Growth {
        Growth {
            initial: self.config.initial(),
            largest: self.config.largest(),
            round_trip: self.round_trip.best().map(|best| best.max(credit::SHORTEST_TRIP)),
        }
    }

    /// Grants more credit with the next packet.
    pub(super) fn owe(&mut self, id: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        if let Some(call) = self.calls.get_mut(&id) {
            if call.credit_due == 0 {
                self.outbox.owe(id);
            }
            call.credit_due += bytes;
        }
    }

    /// Puts a call into the turns if it has something to send.
    pub(super) fn queue(&mut self, id: u64) {
        if let Some(call) = self.calls.get_mut(&id).filter(|call| call.wants_turn()) {
            call.queued = true;
            self.outbox.queue(id);
        }
    }

    /// Forgets a call. What its end tells the user has to be told before, because [`Event::Drained`] may follow.
    pub(super) fn remove(&mut self, id: u64) {
        if let Some(call) = self.calls.remove(&id) {
            self.settle(id, &call);
            self.note_drained();
        }
    }

    /// A call is over: its window is free again, but for what was not taken.
    fn settle(&mut self, id: u64, call: &Call) {
        if let Some(deadline) = call.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        let untaken = call.receive.untaken();
        self.budget.end(call.receive.window(), untaken);
        if untaken > 0 {
            self.left.insert(self.id(id), untaken);
        }
    }

    pub(super) fn id(&self, number: u64) -> CallId {
        CallId {
            epoch: self.epoch,
            number,
        }
    }

    /// The number of a call of this session; `None` for one of a session before.
    pub(super) fn number(&self, call: CallId) -> Option<u64> {
        (call.epoch == self.epoch).then_some(call.number)
    }

    /// Ends one call on both sides for a reason that is not its service's; the session goes on.
    pub(super) fn end_call(&mut self, id: u64, cause: EndCause) {
        let Some(call) = self.calls.get(&id) else { return };
        let (mine, announced) = (call.mine, call.unannounced.is_none());
        let (end, call) = (CallEnd::by_tunnel(cause), self.id(id));
        if mine {
            self.cancel_there(id, announced);
            self.events.push_back(Event::Ended { call, end });
        } else {
            self.outbox
                .push_control(Control::End(Box::new(end.into_wire(id))));
            self.events.push_back(Event::Cancelled { call });
        }
        self.remove(id);
    }

    /// Tells the other side that a call of this side is over, if it has heard of it.
    pub(super) fn cancel_there(&mut self, id: u64, announced: bool) {
        if announced {
            self.outbox.push_control(Control::Cancel(id));
        } else {
            self.outbox.withdraw(id);
        }
    }

    /// Ends every call, because the session does.
    pub(super) fn end_all(&mut self, cause: impl Fn(Execution) -> EndCause) {
        self.outbox.clear();
        let mut calls: Vec<(u64, Call)> = self.calls.drain().collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        for (id, state) in calls {
            self.settle(id, &state);
            let call = self.id(id);
            let execution = if state.unannounced.is_none() {
                Execution::Possible
            } else {
                Execution::NotSent
            };
            self.events.push_back(if state.mine {
                Event::Ended {
                    call,
                    end: CallEnd::by_tunnel(cause(execution)),
                }
            } else {
                Event::Cancelled { call }
            });
        }
        // Nothing will go out again.
        self.replay = Replay::new(self.config.replay());
    }

    pub(super) fn note_drained(&mut self) {
        if self.draining_here && self.calls.is_empty() && !self.told_drained && self.is_established() {
            self.told_drained = true;
            self.events.push_back(Event::Drained);
        }
    }
}

pub(super) fn or_default(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}

/// Keys, values and 32 for each pair, as HTTP/2 counts header lists.
pub(super) fn metadata_size(metadata: &[Metadata]) -> usize {
    metadata
        .iter()
        .map(|pair| pair.key.len() + pair.value.len() + 32)
        .sum()
}

/// The longest path, in bytes. Method names are written by people; this is for those who send what is none.
const LONGEST_PATH: usize = 4 << 10;

/// `/service/method`, neither empty.
pub(super) fn is_grpc_path(path: &str) -> bool {
    path.strip_prefix('/')
        .filter(|rest| rest.len() < LONGEST_PATH)
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(service, method)| !service.is_empty() && !method.is_empty() && !method.contains('/'))
}
