//! What is to be sent: packets are made when they are asked for, so that what is urgent overtakes what waits.

use std::time::Instant;

use super::attachment::Attachment;
use super::config::{FRAME_COST, FULL_FRAME};
use super::event::Event;
use super::handshake;
use super::machine::{Phase, Role, Session};
use super::outbox::{self, Control, PACKET_SLACK, PACKET_TARGET};
use super::outgoing::Outgoing;
use super::replay::Room;
use super::wishes::nanos;
use crate::v1;
use crate::v1::frame::Body;

/// What a call may send in its turn, in bytes: one full data frame, or many small ones. What it leaves it has more next
/// time, while it has something to send.
const TURN: u64 = FULL_FRAME;

impl Session {
    /// The next packet to go out over the connection `via`, if there is anything to send over it.
    ///
    /// Packets are made when they are asked for, so that control frames overtake what waits: ask only when the
    /// connection can take one.
    pub fn next_packet(&mut self, via: Attachment, now: Instant) -> Option<Outgoing> {
        if self.attachments.is_joining(via) {
            return self.greeting();
        }
        if self.attachments.current != Some(via) {
            return None;
        }
        match &mut self.phase {
            Phase::Over | Phase::Detached { .. } => return None,
            Phase::Leaving(goodbye) => {
                let goodbye = std::mem::take(goodbye);
                self.phase = Phase::Over;
                self.encoder.push(Body::Goodbye(goodbye));
                return Some(self.unnumbered());
            }
            Phase::Handshake { .. } | Phase::Attached => {}
        }
        while let Some(body) = self.outbox.next_unnumbered() {
            self.encoder.push(body);
        }
        if self.encoder.len() > 0 {
            return Some(self.unnumbered());
        }
        if !matches!(self.phase, Phase::Attached) {
            return None;
        }
        let ack = self.numbering.received();
        if let Some(again) = self.replay.again(ack) {
            let _ = self.numbering.ack();
            return Some(again);
        }
        match self.replay.room() {
            Room::None => {}
            Room::Control => self.fill_with_control(now),
            Room::Data => {
                self.fill_with_control(now);
                self.fill_with_data();
            }
        }
        if self.encoder.len() > 0 {
            let frames = self.encoder.take();
            let ack = self.numbering.ack();
            return Some(self.replay.push(frames, ack, now));
        }
        self.numbering.ack_is_due(now).then(|| self.unnumbered())
    }

    /// Whether [`Session::next_packet`] may have something for one of the connections. Where it has, this is true; so who
    /// sends need be woken only then.
    #[must_use]
    pub fn wants_to_send(&self, now: Instant) -> bool {
        if self.attachments.is_to_greet() {
            return true;
        }
        if self.attachments.current.is_none() {
            return false;
        }
        match self.phase {
            Phase::Over | Phase::Detached { .. } => false,
            Phase::Leaving(_) => true,
            Phase::Handshake { .. } => self.outbox.has_unnumbered(),
            Phase::Attached => {
                self.outbox.has_unnumbered()
                    || self.replay.has_again()
                    || self.numbering.ack_is_due(now)
                    || match self.replay.room() {
                        Room::None => false,
                        Room::Control => self.outbox.has_urgent(),
                        Room::Data => self.outbox.has_urgent() || self.outbox.has_turns(),
                    }
            }
        }
    }

    /// The Hello, as the first packet of a gateway's connection.
    fn greeting(&mut self) -> Option<Outgoing> {
        let joining = self
            .attachments
            .joining
            .as_mut()
            .filter(|joining| !joining.greeted)?;
        joining.greeted = true;
        let Role::Gateway(instance) = self.role else {
            return None;
        };
        let resume = self.resumption.as_ref().filter(|_| self.is_established());
        let resume = resume.map(|resumption| (resumption, self.numbering.received()));
        let hello = handshake::hello(&self.config, instance, resume);
        self.encoder.push(Body::Hello(hello));
        Some(Outgoing::new(0, 0, self.encoder.take()))
    }

    fn unnumbered(&mut self) -> Outgoing {
        Outgoing::new(0, self.numbering.ack(), self.encoder.take())
    }

    /// Takes what overtakes bodies, up to a packet full.
    fn fill_with_control(&mut self, now: Instant) {
        while let Some(size) = self
            .outbox
            .peek_control()
            .map(|control| self.control_size(control))
        {
            if !self.fits(size) {
                return;
            }
            let Some(control) = self.outbox.next_control() else {
                return;
            };
            match control {
                Control::Open(id) => self.announce(id, now),
                Control::Cancel(call) => self.encoder.push(Body::Cancel(v1::Cancel { call })),
                Control::End(end) => self.encoder.push(Body::End(*end)),
                Control::Drain(drain) => self.encoder.push(Body::Drain(drain)),
            }
        }
        while self.encoder.len() < PACKET_TARGET
            && let Some(id) = self.outbox.next_credit()
        {
            // A call that is over needs none.
            if let Some(call) = self.calls.get_mut(&id) {
                let bytes = std::mem::take(&mut call.credit_due);
                self.encoder.push(Body::Credit(v1::Credit { call: id, bytes }));
            }
        }
    }

    /// Tells the other side of a call.
    fn announce(&mut self, id: u64, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(mut open) = call.unannounced.take() else {
            return;
        };
        if let Some(deadline) = call.deadline {
            open.timeout_ns = Some(nanos(deadline.saturating_duration_since(now)));
        }
        self.last_announced = id;
        self.encoder.push(Body::Open(*open));
        self.queue(id);
    }

    /// Takes from the calls in turn, up to a packet full.
    fn fill_with_data(&mut self) {
        while self.encoder.len() < PACKET_TARGET
            && let Some(id) = self.outbox.next_turn()
        {
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            call.queued = false;
            if !std::mem::replace(&mut call.in_turn, true) {
                call.allowance += TURN;
            }
            if !self.take_turn(id) {
                return;
            }
        }
    }

    /// Lets a call send what it may in its turn; false when the packet is full before.
    fn take_turn(&mut self, id: u64) -> bool {
        while let Some(call) = self.calls.get_mut(&id) {
            let Some(size) = call.next_size() else {
                call.in_turn = false;
                call.allowance = 0;
                return true;
            };
            let cost = size as u64 + FRAME_COST;
            if cost > call.allowance {
                call.in_turn = false;
                call.queued = true;
                self.outbox.queue(id);
                return true;
            }
            if self.encoder.len() > 0 && self.encoder.len() + size > PACKET_TARGET + PACKET_SLACK {
                call.queued = true;
                self.outbox.queue_first(id);
                return false;
            }
            call.allowance -= cost;
            let Some((body, room_again)) = call.next_frame(id) else {
                return true;
            };
            let ended = matches!(body, Body::End(_));
            self.encoder.push(body);
            if room_again {
                self.events.push_back(Event::Writable { call: self.id(id) });
            }
            if ended {
                self.remove(id);
            }
        }
        true
    }

    fn fits(&self, size: usize) -> bool {
        self.encoder.len() == 0 || self.encoder.len() + size <= PACKET_TARGET
    }

    fn control_size(&self, control: &Control) -> usize {
        match control {
            Control::Open(id) => self
                .calls
                .get(id)
                .and_then(|call| call.unannounced.as_ref())
                .map_or(0, |open| open.path.len() + outbox::metadata_len(&open.metadata)),
            Control::End(end) => outbox::end_len(end),
            Control::Cancel(_) | Control::Drain(_) => 0,
        }
    }
}
