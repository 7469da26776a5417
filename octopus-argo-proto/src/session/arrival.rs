//! What arrives: what each frame of the other side does.

use std::time::{Duration, Instant};

use super::attachment::Attachment;
use super::call::Call;
use super::config::{FULL_FRAME, MAX_CHUNK};
use super::credit::cost;
use super::end::EndCause;
use super::event::{CloseReason, Event, GoodbyeReason};
use super::handshake;
use super::machine::{Phase, Role, Session, is_grpc_path, metadata_size};
use super::numbering::Arrival;
use super::outbox::{self, Control};
use super::{CallEnd, Code};
use crate::v1::frame::Body;
use crate::v1::{self, Packet};

/// A rule of the session that was broken, and the words for it.
type Breach = (GoodbyeReason, &'static str);

impl Session {
    /// Takes a packet of the other side that arrived over the connection `via`. One that arrives over a connection that is
    /// no longer used is discarded: it comes again over the one that is.
    pub fn receive(&mut self, via: Attachment, packet: Packet, now: Instant) {
        if !self.uses(via) || matches!(self.phase, Phase::Leaving(_)) {
            return;
        }
        let joining = self.attachments.is_joining(via);
        if !joining && !self.is_next(&packet, now) {
            return;
        }
        for frame in packet.frames {
            let done = match frame.body {
                Some(Body::Welcome(welcome)) if self.attachments.is_joining(via) => {
                    self.welcomed(via, welcome, now)
                }
                Some(Body::Goodbye(goodbye)) => {
                    self.goodbye(&goodbye);
                    Ok(())
                }
                Some(_) if self.attachments.is_joining(via) => Err(EXPECTED_HANDSHAKE),
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

    /// Notes what a packet's number and acknowledgement say; false if its frames are not to be taken.
    fn is_next(&mut self, packet: &Packet, now: Instant) -> bool {
        self.liveness.heard(now);
        let bytes = packet
            .frames
            .iter()
            .filter_map(|frame| frame.body.as_ref())
            .map(outbox::size)
            .sum();
        let arrival = match self.replay.acknowledged(packet.ack, now) {
            Ok(sample) => {
                if let Some(sample) = sample {
                    self.round_trip.add(sample, now);
                }
                self.numbering.arrived(packet.seq, bytes, now)
            }
            Err(_) => Arrival::Gap,
        };
        match arrival {
            Arrival::Next => return true,
            Arrival::Again => {}
            Arrival::Flood => self.leave(
                GoodbyeReason::ProtocolError,
                "the same packets come again and again",
            ),
            Arrival::Gap => self.leave(
                GoodbyeReason::ProtocolError,
                "the packet's number or acknowledgement is impossible",
            ),
        }
        false
    }

    fn take(&mut self, body: Body, seq: u64, now: Instant) -> Result<(), Breach> {
        match body {
            Body::Hello(hello) => return self.hello(hello, now),
            Body::Welcome(_) => {
                return Err((GoodbyeReason::ProtocolError, "a welcome is not expected here"));
            }
            _ if !self.is_established() => return Err(EXPECTED_HANDSHAKE),
            Body::Ping(ping) => {
                self.outbox.push_pong(ping.id);
                return Ok(());
            }
            Body::Pong(pong) => {
                if let Some(took) = self.liveness.answered(pong.id, now) {
                    self.heartbeat = Some(took);
                    self.round_trip.add(took, now);
                }
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
            Body::Data(data) => self.data_arrived(data, now),
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

    fn hello(&mut self, hello: v1::Hello, now: Instant) -> Result<(), Breach> {
        let (&Role::Server(id), Phase::Handshake { .. }) = (&self.role, &self.phase) else {
            return Err((GoodbyeReason::ProtocolError, "a hello is not expected here"));
        };
        let limits = acceptable(hello.limits)?;
        let greeted = handshake::greet(id, hello)?;
        // Who asks for what nobody here knows of is told so.
        let refusal = match self.refusal {
            None if greeted.wanted_to_resume => Some(match self.resumption {
                Some(_) => super::ResumeRefusal::UnknownSession,
                None => super::ResumeRefusal::NotSupported,
            }),
            refusal => refusal,
        };
        let resumption = self.resumption.as_ref();
        let welcome = handshake::welcome(&self.config, greeted.revision, id, resumption, refusal);
        self.outbox.push_unnumbered(Body::Welcome(welcome));
        self.peer_instance = Some(greeted.instance);
        self.peer_revision = greeted.revision;
        self.establish(limits, greeted.peer, now);
        Ok(())
    }

    pub(super) fn establish(&mut self, limits: v1::Limits, peer: super::Peer, now: Instant) {
        self.peer_limits = limits;
        self.phase = Phase::Attached;
        self.liveness.begin(now);
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
        if !matches!(self.role, Role::Gateway(_)) {
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
        } else if !self.budget.admit() {
            Some(CallEnd::by_tunnel(EndCause::PeerLimit))
        } else {
            None
        };
        if let Some(end) = refusal {
            let end = Box::new(end.into_wire(open.call));
            self.outbox.push_control(Control::End(end));
            return Ok(());
        }
        let timeout = open.timeout_ns.map(Duration::from_nanos);
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        self.insert(open.call, None, deadline, now);
        let (call, path, metadata) = (self.id(open.call), open.path, open.metadata);
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
        let call = self.id(head.call);
        self.events.push_back(Event::Head {
            call,
            metadata: head.metadata,
        });
        Ok(())
    }

    fn data_arrived(&mut self, data: v1::Data, now: Instant) -> Result<(), Breach> {
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
        let ignored = call.ignored;
        self.untaken += cost(data.payload.len());
        let call = self.id(data.call);
        if ignored {
            self.taken(call, data.payload.len(), now);
        } else {
            self.events.push_back(Event::Data {
                call,
                payload: data.payload,
            });
        }
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
        let call = self.id(id);
        self.events.push_back(Event::HalfClosed { call });
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
        let call = self.id(id);
        self.events.push_back(Event::Ended {
            call,
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
        let call = self.id(id);
        self.events.push_back(Event::Cancelled { call });
        self.remove(id);
        Ok(())
    }

    fn credited(&mut self, credit: v1::Credit) -> Result<(), Breach> {
        let Some(call) = self.known(credit.call)? else {
            return Ok(());
        };
        call.grant(credit.bytes);
        self.queue(credit.call);
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

const EXPECTED_HANDSHAKE: Breach = (GoodbyeReason::ProtocolError, "expected the handshake first");

/// The limits of the other side. With less credit than one full frame costs, bodies would wait for ever.
pub(super) fn acceptable(limits: Option<v1::Limits>) -> Result<v1::Limits, Breach> {
    let limits = limits.unwrap_or_default();
    let credit = u64::from(limits.initial_credit);
    if credit != 0 && credit < FULL_FRAME {
        return Err((
            GoodbyeReason::ProtocolError,
            "the initial credit is less than one frame",
        ));
    }
    Ok(limits)
}
