//! The session itself: what each frame and each wish does.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::call::{Call, Piece};
use super::config::Config;
use super::end::{EndCause, Execution};
use super::event::{CloseReason, Event, GoodbyeReason};
use super::handshake::{self, InstanceId, SessionId};
use super::liveness::{Liveness, Verdict};
use super::numbering::Numbering;
use super::outbox::{self, Outbox};
use super::{CallEnd, CallId, Code, Metadata, Request, Room};
use crate::v1::frame::Body;
use crate::v1::{self, Packet};

/// Why a call could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The handshake is not complete, or the session is over.
    #[error("the session is not established")]
    NotEstablished,
    /// The session takes no further calls.
    #[error("the session takes no further calls")]
    Draining,
    /// As many calls are open as the other side allows.
    #[error("{limit} calls are open, as many as the gateway allows")]
    #[non_exhaustive]
    TooManyCalls {
        /// How many it allows.
        limit: u32,
    },
    /// The metadata are larger than the other side allows.
    #[error("the metadata have {size} bytes, and the gateway allows {limit}")]
    #[non_exhaustive]
    MetadataTooLarge {
        /// Their size, in bytes: keys, values and 32 for each pair.
        size: usize,
        /// What it allows.
        limit: u32,
    },
    /// A gRPC path begins with a slash and has another.
    #[error("not a gRPC path: it has to be `/service/method`")]
    Path,
}

/// The call is over, or was opened by the side whose wish this is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call is over")]
#[non_exhaustive]
pub struct UnknownCall;

impl UnknownCall {
    #[cfg(feature = "link")]
    pub(crate) const fn new() -> Self {
        Self
    }
}

/// One side of a session. See the [module](super) for how it is driven.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) role: Role,
    pub(super) phase: Phase,
    pub(super) calls: HashMap<u64, Call>,
    pub(super) deadlines: BTreeSet<(Instant, u64)>,
    /// The highest call number that was used.
    pub(super) last_call: u64,
    /// The highest call number that both sides know. Behind `last_call` while opens wait for a packet.
    pub(super) last_announced: u64,
    pub(super) peer_limits: v1::Limits,
    pub(super) outbox: Outbox,
    pub(super) numbering: Numbering,
    pub(super) liveness: Liveness,
    pub(super) events: VecDeque<Event>,
    pub(super) draining_here: bool,
    pub(super) draining_there: bool,
    pub(super) told_drained: bool,
}

#[derive(Debug)]
pub(super) enum Role {
    /// Says Hello, and answers calls.
    Gateway,
    /// Says Welcome with this number, and opens calls.
    Server(SessionId),
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Until the other side's part of the handshake is there.
    Handshake {
        deadline: Instant,
    },
    Established,
    /// A goodbye is to be sent, and nothing else any more.
    Leaving(v1::Goodbye),
    Over,
}

impl Session {
    /// The gateway's side. Its first packet is the Hello.
    #[must_use]
    pub fn gateway(config: Config, instance: InstanceId, now: Instant) -> Self {
        let hello = handshake::hello(&config, instance);
        let mut session = Self::new(config, Role::Gateway, now);
        session.outbox.push_unnumbered(Body::Hello(hello));
        session
    }

    /// The server's side. It waits for a Hello.
    #[must_use]
    pub fn server(config: Config, id: SessionId, now: Instant) -> Self {
        Self::new(config, Role::Server(id), now)
    }

    fn new(config: Config, role: Role, now: Instant) -> Self {
        Self {
            role,
            phase: Phase::Handshake {
                deadline: now + config.handshake_timeout,
            },
            calls: HashMap::new(),
            deadlines: BTreeSet::new(),
            last_call: 0,
            last_announced: 0,
            peer_limits: v1::Limits::default(),
            outbox: Outbox::default(),
            numbering: Numbering::default(),
            liveness: Liveness::new(config.heartbeat, config.dead_after, now),
            events: VecDeque::new(),
            draining_here: false,
            draining_there: false,
            told_drained: false,
            config,
        }
    }

    /// How many calls are open.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether calls can be opened or answered.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established)
    }

    /// Whether the session is over and has nothing to send any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// What the last answered heartbeat took.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.liveness.round_trip()
    }

    /// The next thing that happened. To be asked until there is none, after every other method.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::tick`] is to be called, unless something else happens before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Handshake { deadline } => Some(deadline),
            Phase::Established => {
                let call = self.deadlines.first().map(|(deadline, _)| *deadline);
                let liveness = Some(self.liveness.deadline());
                [call, self.numbering.deadline(), liveness]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Phase::Leaving(_) | Phase::Over => None,
        }
    }

    /// Does what is due by `now`.
    pub fn tick(&mut self, now: Instant) {
        if let Phase::Handshake { deadline } = self.phase {
            if now >= deadline {
                self.leave(GoodbyeReason::HandshakeTimeout, "");
            }
            return;
        }
        if !self.is_established() {
            return;
        }
        while let Some(&(deadline, call)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.end_call(call, EndCause::Deadline);
        }
        self.numbering.tick(now);
        match self.liveness.check(now) {
            Verdict::Fine => {}
            Verdict::Ask(id) => self.outbox.push_unnumbered(Body::Ping(v1::Ping { id })),
            Verdict::Dead => self.leave(GoodbyeReason::Silence, ""),
        }
    }

    // ---- What the user wants.

    /// Opens a call. Only a server does.
    ///
    /// # Errors
    /// [`OpenError`] says what stands against it; nothing was sent then.
    pub fn open(&mut self, request: Request, now: Instant) -> Result<CallId, OpenError> {
        if !self.is_established() || !matches!(self.role, Role::Server(_)) {
            return Err(OpenError::NotEstablished);
        }
        if self.draining_here || self.draining_there {
            return Err(OpenError::Draining);
        }
        if !is_grpc_path(&request.path) {
            return Err(OpenError::Path);
        }
        let limit = or_default(self.peer_limits.max_calls, Config::MAX_CALLS);
        if self.calls.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(OpenError::TooManyCalls { limit });
        }
        let (size, limit) = (
            metadata_size(&request.metadata),
            or_default(self.peer_limits.max_metadata_bytes, Config::MAX_METADATA),
        );
        if size > usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(OpenError::MetadataTooLarge { size, limit });
        }
        self.last_call += 1;
        let id = self.last_call;
        let deadline = request.timeout.and_then(|timeout| now.checked_add(timeout));
        self.insert(id, true, deadline);
        self.outbox.push_control(Body::Open(v1::Open {
            call: id,
            path: request.path,
            metadata: request.metadata,
            timeout_ns: request
                .timeout
                .map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)),
        }));
        Ok(CallId(id))
    }

    /// Sends a piece of the body, cut into frames as credit allows.
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over, or its body was ended here.
    pub fn send(&mut self, call: CallId, payload: Bytes) -> Result<Room, UnknownCall> {
        self.push(call, Piece::Data(payload))
    }

    /// Ends the request body of a call that this side opened.
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over, or its body was ended before, or was opened by the other side.
    pub fn half_close(&mut self, call: CallId) -> Result<(), UnknownCall> {
        let _ = self.push(call, Piece::HalfClose)?;
        if let Some(call) = self.calls.get_mut(&call.0) {
            call.finished = true;
        }
        Ok(())
    }

    /// Sends the response headers of a call that the other side opened. Headers that are larger than it allows end the
    /// call instead, with `RESOURCE_EXHAUSTED`, and are an error here.
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over, or was opened by this side.
    pub fn head(&mut self, call: CallId, metadata: Vec<Metadata>) -> Result<(), UnknownCall> {
        let limit = self.peer_metadata_limit();
        if metadata_size(&metadata) > limit {
            let message =
                format!("the response headers are larger than the {limit} bytes that the caller allows");
            self.end(call, CallEnd::new(Code::RESOURCE_EXHAUSTED, message))?;
            return Err(UnknownCall);
        }
        self.push(call, Piece::Head(metadata)).map(drop_room)
    }

    /// Ends a call that the other side opened, behind everything that was sent on it. Of an end that is larger than the
    /// other side allows, details and trailers are left out and the message is cut: the code always arrives.
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over, or was opened by this side.
    pub fn end(&mut self, call: CallId, end: CallEnd) -> Result<(), UnknownCall> {
        let end = end.fitted(self.peer_metadata_limit());
        let _ = self.push(call, Piece::End(end.into()))?;
        if let Some(call) = self.calls.get_mut(&call.0) {
            call.finished = true;
        }
        Ok(())
    }

    /// Gives a call up that this side opened. It has no further events. Does nothing for a call that is over.
    pub fn cancel(&mut self, call: CallId) {
        if self.calls.get(&call.0).is_some_and(|call| call.mine) {
            self.remove(call.0);
            self.outbox
                .push_control(Body::Cancel(v1::Cancel { call: call.0 }));
        }
    }

    /// Says that a piece of a body with this many bytes has been used, which makes room for more.
    ///
    /// To be called once for each [`Event::Data`]. Does nothing for a call that is over.
    pub fn taken(&mut self, call: CallId, payload: usize) {
        let Some(state) = self.calls.get_mut(&call.0) else {
            return;
        };
        let grant = state.receive.taken(payload);
        if let Some(bytes) = grant.filter(|_| !state.body_complete) {
            self.outbox
                .push_control(Body::Credit(v1::Credit { call: call.0, bytes }));
        }
    }

    /// Takes no further calls, and tells the other side so. [`Event::Drained`] follows when the last one is over.
    pub fn drain(&mut self, reason: GoodbyeReason) {
        if self.is_established() && !self.draining_here {
            self.draining_here = true;
            self.outbox.push_control(Body::Drain(v1::Drain {
                reason: reason.to_wire(),
            }));
            self.note_drained();
        }
    }

    /// Ends the session. Every call ends; the goodbye is the last packet.
    pub fn leave(&mut self, reason: GoodbyeReason, message: &str) {
        self.leave_for(reason, message, Duration::ZERO);
    }

    /// As [`Session::leave`], asking the other side not to come back sooner than this.
    pub fn leave_for(&mut self, reason: GoodbyeReason, message: &str, retry_after: Duration) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
            return;
        }
        self.phase = Phase::Leaving(v1::Goodbye {
            reason: reason.to_wire(),
            message: message.to_owned(),
            retry_after_ms: u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX),
        });
        self.end_all(|execution| EndCause::EndedHere { reason, execution });
        self.events.push_back(Event::Closed(CloseReason::Ended(reason)));
    }

    /// The connection is gone. Every call ends.
    pub fn lost(&mut self) {
        match self.phase {
            Phase::Over => {}
            Phase::Leaving(_) => self.phase = Phase::Over,
            Phase::Handshake { .. } | Phase::Established => {
                self.phase = Phase::Over;
                self.end_all(EndCause::Lost);
                self.events.push_back(Event::Closed(CloseReason::Lost));
            }
        }
    }

    // ---- What is to be sent.

    /// The next packet, if there is anything to send.
    ///
    /// Packets are made when they are asked for, so that control frames overtake what waits: ask only when the
    /// connection can take one.
    pub fn next_packet(&mut self, now: Instant) -> Option<Packet> {
        match &mut self.phase {
            Phase::Over => return None,
            Phase::Leaving(goodbye) => {
                let goodbye = std::mem::take(goodbye);
                self.phase = Phase::Over;
                let refused_hello = self.numbering.ack();
                return Some(packet(0, refused_hello, vec![Body::Goodbye(goodbye)]));
            }
            Phase::Handshake { .. } | Phase::Established => {}
        }
        let mut bodies = Vec::new();
        while let Some(body) = self.outbox.next_unnumbered() {
            bodies.push(body);
        }
        if !bodies.is_empty() {
            return Some(packet(0, self.numbering.ack(), bodies));
        }
        if !self.is_established() {
            return None;
        }
        self.fill(&mut bodies);
        if !bodies.is_empty() {
            let seq = self.numbering.next();
            return Some(packet(seq, self.numbering.ack(), bodies));
        }
        self.numbering
            .ack_is_due(now)
            .then(|| packet(0, self.numbering.ack(), bodies))
    }

    /// Takes what is to be sent next, up to a packet full.
    fn fill(&mut self, bodies: &mut Vec<Body>) {
        let mut size = 0;
        while size < outbox::PACKET_TARGET {
            let Some(body) = self.outbox.next_control() else {
                break;
            };
            if let Body::Open(open) = &body {
                self.last_announced = open.call;
                if let Some(call) = self.calls.get_mut(&open.call) {
                    call.announced = true;
                    if call.is_sendable() {
                        self.outbox.queue(open.call);
                    }
                }
            }
            size += outbox::size(&body);
            bodies.push(body);
        }
        while size < outbox::PACKET_TARGET {
            let Some(id) = self.outbox.next_turn() else { break };
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            // An Open that waits for its packet has to come before what follows it.
            if !call.announced {
                continue;
            }
            let Some((body, room_again)) = call.next_frame(id) else {
                continue;
            };
            if call.is_sendable() {
                self.outbox.queue(id);
            }
            size += outbox::size(&body);
            let ended = matches!(body, Body::End(_));
            bodies.push(body);
            if room_again {
                self.events.push_back(Event::Writable { call: CallId(id) });
            }
            if ended {
                self.remove(id);
            }
        }
    }

    // ---- Calls.

    pub(super) fn insert(&mut self, id: u64, mine: bool, deadline: Option<Instant>) {
        let send = u64::from(or_default(
            self.peer_limits.initial_credit,
            Config::INITIAL_CREDIT,
        ));
        let receive = self.config.effective_credit();
        self.calls.insert(id, Call::new(mine, send, receive, deadline));
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
    }

    /// Forgets a call. What its end tells the user has to be told before, because [`Event::Drained`] may follow.
    pub(super) fn remove(&mut self, id: u64) {
        if let Some(call) = self.calls.remove(&id) {
            if let Some(deadline) = call.deadline {
                self.deadlines.remove(&(deadline, id));
            }
            self.note_drained();
        }
    }

    fn push(&mut self, call: CallId, piece: Piece) -> Result<Room, UnknownCall> {
        let state = self
            .calls
            .get_mut(&call.0)
            .filter(|call| !call.finished && call.may_send(&piece))
            .ok_or(UnknownCall)?;
        let room = state.push(piece);
        if state.is_sendable() {
            self.outbox.queue(call.0);
        }
        Ok(room)
    }

    fn peer_metadata_limit(&self) -> usize {
        let limit = or_default(self.peer_limits.max_metadata_bytes, Config::MAX_METADATA);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Ends one call on both sides for a reason that is not its service's; the session goes on.
    pub(super) fn end_call(&mut self, id: u64, cause: EndCause) {
        let end = CallEnd::by_tunnel(cause);
        let mine = self.calls.get(&id).is_some_and(|call| call.mine);
        let call = CallId(id);
        if mine {
            self.outbox.push_control(Body::Cancel(v1::Cancel { call: id }));
            self.events.push_back(Event::Ended { call, end });
        } else {
            self.outbox.push_control(Body::End(end.into_wire(id)));
            self.events.push_back(Event::Cancelled { call });
        }
        self.remove(id);
    }

    /// Ends every call, because the session does.
    pub(super) fn end_all(&mut self, cause: impl Fn(Execution) -> EndCause) {
        self.outbox.clear();
        self.deadlines.clear();
        let mut calls: Vec<(u64, Call)> = self.calls.drain().collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        for (id, state) in calls {
            let call = CallId(id);
            let execution = if state.announced {
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
    }

    fn note_drained(&mut self) {
        if self.draining_here && self.calls.is_empty() && !self.told_drained && self.is_established() {
            self.told_drained = true;
            self.events.push_back(Event::Drained);
        }
    }
}

fn drop_room(_: Room) {}

fn packet(seq: u64, ack: u64, bodies: Vec<Body>) -> Packet {
    let frames = bodies
        .into_iter()
        .map(|body| v1::Frame {
            must_understand: true,
            body: Some(body),
        })
        .collect();
    Packet { seq, ack, frames }
}

fn or_default(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}

/// Keys, values and 32 for each pair, as HTTP/2 counts header lists.
pub(super) fn metadata_size(metadata: &[Metadata]) -> usize {
    metadata
        .iter()
        .map(|pair| pair.key.len() + pair.value.len() + 32)
        .sum()
}

/// `/service/method`, neither empty.
pub(super) fn is_grpc_path(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(service, method)| !service.is_empty() && !method.is_empty() && !method.contains('/'))
}
