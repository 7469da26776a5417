//! What arrives: what each frame of the other side does.

use std::time::{Duration, Instant};

use super::call::Call;
use super::config::MAX_CHUNK;
use super::credit::cost;
use super::end::EndCause;
use super::event::{CloseReason, Event, GoodbyeReason};
use super::handshake;
use super::machine::{Phase, Role, Session, is_grpc_path, metadata_size};
use super::numbering::Arrival;
use super::{CallEnd, CallId, Code, outbox};
use crate::v1::frame::Body;
use crate::v1::{self, Packet};

/// A rule of the session that was broken, and the words for it.
type Breach = (GoodbyeReason, &'static str);

impl Session {
    /// Takes a packet of the other side.
    pub fn receive(&mut self, packet: Packet, now: Instant) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
            return;
        }
        self.liveness.heard(now);
        let bytes = packet
            .frames
            .iter()
            .filter_map(|frame| frame.body.as_ref())
            .map(outbox::size)
            .sum();
        match self.numbering.arrived(packet.seq, packet.ack, bytes, now) {
            Arrival::Next => {}
            Arrival::Again => return,
            Arrival::Impossible => {
                self.leave(
                    GoodbyeReason::ProtocolError,
                    "the packet's number or acknowledgement is impossible",
                );
                return;
            }
        }
        for frame in packet.frames {
            let done = match frame.body {
                Some(body) => self.take(body, packet.seq, now),
                None if frame.must_understand => Err((
                    GoodbyeReason::Incompatible,
                    "a frame that has to be understood is not known here",
                )),
                None => Ok(()),
            };
            if let Err((reason, message)) = done {
                self.leave(reason, message);
            }
            if self.outbox.is_flooded() {
                self.leave(GoodbyeReason::LimitExceeded, "more is asked for than is read");
            }
            if matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
                return;
            }
        }
    }

    fn take(&mut self, body: Body, seq: u64, now: Instant) -> Result<(), Breach> {
        match body {
            Body::Goodbye(goodbye) => {
                self.goodbye(&goodbye);
                return Ok(());
            }
            Body::Hello(hello) => return self.hello(hello),
            Body::Welcome(welcome) => return self.welcome(welcome),
            _ if !self.is_established() => {
                return Err((GoodbyeReason::ProtocolError, "expected the handshake first"));
            }
            Body::Ping(ping) => {
                self.outbox.push_pong(ping.id);
                return Ok(());
            }
            Body::Pong(pong) => {
                self.liveness.answered(pong.id, now);
                return Ok(());
            }
            _ => {}
        }
        if seq == 0 {
            return Err((
                GoodbyeReason::ProtocolError,
                "frames of calls belong into numbered packets",
            ));
        }
        match body {
            Body::Open(open) => self.opened(open, now),
            Body::Head(head) => self.head_arrived(head),
            Body::Data(data) => self.data_arrived(data),
            Body::HalfClose(close) => self.half_closed(close.call),
            Body::End(end) => self.ended(end),
            Body::Cancel(cancel) => self.cancelled(cancel.call),
            Body::Credit(credit) => self.credited(credit),
            Body::Drain(drain) => {
                self.draining_there = true;
                self.events
                    .push_back(Event::Draining(GoodbyeReason::from_wire(drain.reason)));
                Ok(())
            }
            Body::Hello(_) | Body::Welcome(_) | Body::Ping(_) | Body::Pong(_) | Body::Goodbye(_) => Ok(()),
        }
    }

    fn hello(&mut self, hello: v1::Hello) -> Result<(), Breach> {
        let (&Role::Server(id), Phase::Handshake { .. }) = (&self.role, &self.phase) else {
            return Err((GoodbyeReason::ProtocolError, "a hello is not expected here"));
        };
        let limits = acceptable(hello.limits)?;
        let (welcome, peer) = handshake::answer(&self.config, id, hello)?;
        self.outbox.push_unnumbered(Body::Welcome(welcome));
        self.establish(limits, peer);
        Ok(())
    }

    fn welcome(&mut self, welcome: v1::Welcome) -> Result<(), Breach> {
        if !matches!(
            (&self.role, &self.phase),
            (Role::Gateway, Phase::Handshake { .. })
        ) {
            return Err((GoodbyeReason::ProtocolError, "a welcome is not expected here"));
        }
        let limits = acceptable(welcome.limits)?;
        let peer = handshake::accept(welcome)?;
        self.establish(limits, peer);
        Ok(())
    }

    fn establish(&mut self, limits: v1::Limits, peer: super::Peer) {
        self.peer_limits = limits;
        self.phase = Phase::Established;
        self.events.push_back(Event::Established(peer));
    }

    fn goodbye(&mut self, goodbye: &v1::Goodbye) {
        let reason = GoodbyeReason::from_wire(goodbye.reason);
        self.phase = Phase::Over;
        self.end_all(|execution| EndCause::Goodbye { reason, execution });
        self.events.push_back(Event::Closed(CloseReason::Goodbye {
            reason,
            message: goodbye
                .message
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
            retry_after: Duration::from_millis(goodbye.retry_after_ms.into()),
        }));
    }

    fn opened(&mut self, open: v1::Open, now: Instant) -> Result<(), Breach> {
        if !matches!(self.role, Role::Gateway) {
            return Err((GoodbyeReason::ProtocolError, "only the server opens calls"));
        }
        if open.call <= self.last_call {
            return Err((GoodbyeReason::ProtocolError, "call numbers count up"));
        }
        self.last_call = open.call;
        self.last_announced = open.call;
        let refusal = if self.draining_here {
            Some(CallEnd::by_tunnel(EndCause::Draining))
        } else if self.calls.len() >= usize::try_from(self.config.max_calls).unwrap_or(usize::MAX) {
            Some(CallEnd::by_tunnel(EndCause::PeerLimit))
        } else if metadata_size(&open.metadata)
            > usize::try_from(self.config.max_metadata).unwrap_or(usize::MAX)
        {
            Some(CallEnd {
                cause: Some(EndCause::PeerLimit),
                ..CallEnd::new(Code::RESOURCE_EXHAUSTED, "the metadata are too large")
            })
        } else if !is_grpc_path(&open.path) {
            Some(CallEnd {
                cause: Some(EndCause::Breach),
                ..CallEnd::new(Code::UNIMPLEMENTED, "not a gRPC path")
            })
        } else {
            None
        };
        if let Some(end) = refusal {
            self.outbox.push_control(Body::End(end.into_wire(open.call)));
            return Ok(());
        }
        let timeout = open.timeout_ns.map(Duration::from_nanos);
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        self.insert(open.call, false, deadline);
        let (call, path, metadata) = (CallId(open.call), open.path, open.metadata);
        self.events.push_back(Event::Opened {
            call,
            path,
            metadata,
            timeout,
        });
        Ok(())
    }

    fn head_arrived(&mut self, head: v1::Head) -> Result<(), Breach> {
        let limit = usize::try_from(self.config.max_metadata).unwrap_or(usize::MAX);
        let Some(call) = self.known(head.call)? else {
            return Ok(());
        };
        if !call.mine || call.head_seen || metadata_size(&head.metadata) > limit {
            self.end_call(head.call, EndCause::Breach);
            return Ok(());
        }
        call.head_seen = true;
        self.events.push_back(Event::Head {
            call: CallId(head.call),
            metadata: head.metadata,
        });
        Ok(())
    }

    fn data_arrived(&mut self, data: v1::Data) -> Result<(), Breach> {
        let Some(call) = self.known(data.call)? else {
            return Ok(());
        };
        let in_order = if call.mine {
            call.head_seen
        } else {
            !call.body_complete
        };
        if !in_order || data.payload.len() > MAX_CHUNK || !call.receive.arrived(data.payload.len()) {
            self.end_call(data.call, EndCause::Breach);
            return Ok(());
        }
        self.events.push_back(Event::Data {
            call: CallId(data.call),
            payload: data.payload,
        });
        Ok(())
    }

    fn half_closed(&mut self, id: u64) -> Result<(), Breach> {
        let Some(call) = self.known(id)? else {
            return Ok(());
        };
        if call.mine || call.body_complete {
            self.end_call(id, EndCause::Breach);
            return Ok(());
        }
        call.body_complete = true;
        self.events.push_back(Event::HalfClosed { call: CallId(id) });
        Ok(())
    }

    fn ended(&mut self, end: v1::End) -> Result<(), Breach> {
        let id = end.call;
        let limit = usize::try_from(self.config.max_metadata).unwrap_or(usize::MAX);
        let Some(call) = self.known(id)? else {
            return Ok(());
        };
        if !call.mine || metadata_size(&end.trailers) + end.message.len() + end.details.len() > limit {
            self.end_call(id, EndCause::Breach);
            return Ok(());
        }
        self.events.push_back(Event::Ended {
            call: CallId(id),
            end: CallEnd::from_wire(end),
        });
        self.remove(id);
        Ok(())
    }

    fn cancelled(&mut self, id: u64) -> Result<(), Breach> {
        let Some(call) = self.known(id)? else {
            return Ok(());
        };
        if call.mine {
            self.end_call(id, EndCause::Breach);
            return Ok(());
        }
        self.events.push_back(Event::Cancelled { call: CallId(id) });
        self.remove(id);
        Ok(())
    }

    fn credited(&mut self, credit: v1::Credit) -> Result<(), Breach> {
        let Some(call) = self.known(credit.call)? else {
            return Ok(());
        };
        call.grant(credit.bytes);
        if call.is_sendable() {
            self.outbox.queue(credit.call);
        }
        Ok(())
    }

    /// The call with this number; `None` for one that is over, whose last frames may still be on their way.
    fn known(&mut self, id: u64) -> Result<Option<&mut Call>, Breach> {
        if id == 0 || id > self.last_announced {
            return Err((
                GoodbyeReason::ProtocolError,
                "a frame for a call that was never opened",
            ));
        }
        Ok(self.calls.get_mut(&id))
    }
}

/// The limits of the other side. With less credit than one full frame costs, bodies would wait for ever.
fn acceptable(limits: Option<v1::Limits>) -> Result<v1::Limits, Breach> {
    let limits = limits.unwrap_or_default();
    let credit = u64::from(limits.initial_credit);
    if credit != 0 && credit < cost(MAX_CHUNK) {
        return Err((
            GoodbyeReason::ProtocolError,
            "the initial credit is less than one frame",
        ));
    }
    Ok(limits)
}
