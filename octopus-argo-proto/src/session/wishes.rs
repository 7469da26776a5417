//! What the user of a session wants.

use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::call::Piece;
use super::config::Config;
use super::credit::cost;
use super::end::EndCause;
use super::event::{CloseReason, Event, GoodbyeReason};
use super::machine::{Phase, Role, Session, is_grpc_path, metadata_size, or_default};
use super::numbering::Numbering;
use super::outbox::Control;
use super::{CallEnd, CallId, Code, Metadata, Request, Room};
use crate::v1;

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
    /// As many calls are open as both sides allow.
    #[error("{limit} calls are open, as many as are allowed")]
    #[non_exhaustive]
    TooManyCalls {
        /// How many are allowed.
        limit: u32,
    },
    /// Calls that are over left so much unread that the session's budget has no room for another one.
    #[error("too much of earlier answers has not been read")]
    OverBudget,
    /// The metadata are larger than the other side allows.
    #[error("the metadata have {size} bytes, and the gateway allows {limit}")]
    #[non_exhaustive]
    MetadataTooLarge {
        /// Their size, in bytes: keys, values and 32 for each pair.
        size: usize,
        /// What it allows.
        limit: u32,
    },
    /// A gRPC path begins with a slash and has another. It has at most 4 KiB.
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

impl Session {
    /// Opens a call. Only a server does. Without a connection it goes out when the gateway has come back.
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
        let limit = or_default(self.peer_limits.max_calls, Config::MAX_CALLS).min(self.config.max_calls);
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
        if !self.budget.admit() {
            return Err(OpenError::OverBudget);
        }
        self.last_call += 1;
        let id = self.last_call;
        let deadline = request.timeout.and_then(|timeout| now.checked_add(timeout));
        let open = v1::Open {
            call: id,
            path: request.path,
            metadata: request.metadata,
            // What is left of it is known when it is sent.
            timeout_ns: request.timeout.map(nanos),
        };
        self.outbox.push_control(Control::Open(id));
        self.insert(id, Some(Box::new(open)), deadline, now);
        Ok(self.id(id))
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
        self.finish(call);
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
        let _ = self.push(call, Piece::End(Box::new(end.into_wire(call.number))))?;
        self.finish(call);
        Ok(())
    }

    /// Gives a call up that this side opened. It has no further events. Does nothing for a call that is over.
    pub fn cancel(&mut self, call: CallId) {
        let Some(id) = self.number(call) else { return };
        if let Some(state) = self.calls.get(&id).filter(|call| call.mine) {
            let announced = state.unannounced.is_none();
            self.remove(id);
            self.cancel_there(id, announced);
        }
    }

    /// Says that a piece of a body with this many bytes has been used, which makes room for more.
    ///
    /// To be called once for each [`Event::Data`], also when the call is over by then: until it is, the bytes count.
    pub fn taken(&mut self, call: CallId, payload: usize, now: Instant) {
        self.used(call, cost(payload), now);
    }

    /// Says that nobody will use what arrived on a call and was not [`taken`](Session::taken), nor what arrives on it from
    /// now on: the other side may send on as if it were read.
    pub fn ignore(&mut self, call: CallId, now: Instant) {
        if let Some(state) = self.number(call).and_then(|id| self.calls.get_mut(&id)) {
            state.ignored = true;
            let untaken = state.receive.untaken();
            self.used(call, untaken, now);
        } else if let Some(left) = self.left.remove(&call) {
            self.budget.taken(left);
            self.untaken -= left;
        }
    }

    fn used(&mut self, call: CallId, cost: u64, now: Instant) {
        let growth = self.growth();
        if let Some(id) = self.number(call)
            && let Some(state) = self.calls.get_mut(&id)
        {
            self.untaken -= cost.min(state.receive.untaken());
            let grant = state.receive.taken(cost, growth, &mut self.budget, now);
            if !state.body_complete {
                self.owe(id, grant);
            }
        } else if let Some(left) = self.left.get_mut(&call) {
            let cost = cost.min(*left);
            *left -= cost;
            if *left == 0 {
                self.left.remove(&call);
            }
            self.budget.taken(cost);
            self.untaken -= cost;
        }
    }

    /// Takes no further calls, and tells the other side so. [`Event::Drained`] follows when the last one is over.
    pub fn drain(&mut self, reason: GoodbyeReason) {
        if self.is_established() && !self.draining_here {
            self.draining_here = true;
            self.outbox.push_control(Control::Drain(v1::Drain {
                reason: reason.to_wire(),
            }));
            self.note_drained();
        }
    }

    /// Ends the session. Every call ends; the goodbye is the last packet. Without a connection, a server's goodbye waits for
    /// the gateway to come back, until the session is dropped; a gateway's is not said.
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
        if self.attachments.current.is_none() {
            // Over a connection that is not welcomed yet nothing is acknowledged: its session may be another.
            self.numbering = Numbering::default();
        }
        if self.attachments.settle_for().is_none() && matches!(self.role, Role::Gateway(_)) {
            self.phase = Phase::Over;
        }
        self.events.push_back(Event::Closed(CloseReason::Ended(reason)));
    }

    fn push(&mut self, call: CallId, piece: Piece) -> Result<Room, UnknownCall> {
        let id = self.number(call).ok_or(UnknownCall)?;
        let state = self
            .calls
            .get_mut(&id)
            .filter(|call| !call.finished && call.may_send(&piece))
            .ok_or(UnknownCall)?;
        let room = state.push(piece);
        self.queue(id);
        Ok(room)
    }

    fn finish(&mut self, call: CallId) {
        if let Some(state) = self.calls.get_mut(&call.number) {
            state.finished = true;
        }
    }

    fn peer_metadata_limit(&self) -> usize {
        let limit = or_default(self.peer_limits.max_metadata_bytes, Config::MAX_METADATA);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn drop_room(_: Room) {}
