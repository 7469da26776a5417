//! What the lock of a [`Link`](super::Link) guards.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;
use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::Notice;
use crate::session::{Attachment, CallEnd, CallId, CloseReason, Code, Event, Metadata, Session};

pub(super) struct State {
    pub(super) session: Session,
    slots: HashMap<CallId, Slot>,
    pub(super) incoming: VecDeque<Opened>,
    notices: VecDeque<Notice>,
    closed: Option<CloseReason>,
    /// What the timer waits for.
    pub(super) armed: Option<Instant>,
    /// Who is to hear of calls that were given up or answered here.
    pub(super) aborted: Vec<Waker>,
    /// The connections that the session used when this was last settled.
    in_use: [Option<Attachment>; 2],
    /// Who sends, one for each connection: as a rule one, and two while one takes over from another.
    senders: Vec<Waker>,
    /// Who waits for a connection to be used no longer.
    pub(super) movers: Vec<Waker>,
    pub(super) timer: Option<Waker>,
    pub(super) acceptor: Option<Waker>,
    pub(super) watcher: Option<Waker>,
}

/// A call that the other side opened and nobody has accepted yet.
pub(super) struct Opened {
    pub(super) call: CallId,
    pub(super) path: String,
    pub(super) metadata: Vec<Metadata>,
    pub(super) timeout: Option<Duration>,
}

/// What has come for a call and has not been fetched.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, which another event tells"
)]
pub(super) struct Slot {
    pub(super) head: Option<Vec<Metadata>>,
    pub(super) data: VecDeque<Bytes>,
    /// No more data will come.
    pub(super) complete: bool,
    /// The call of the other side was over before its body was complete.
    pub(super) cut: bool,
    pub(super) end: Option<CallEnd>,
    /// The call is over: nothing can be sent on it.
    pub(super) over: bool,
    pub(super) full: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    halves_gone: u8,
}

impl State {
    pub(super) fn new(session: Session) -> Self {
        Self {
            in_use: session.in_use(),
            session,
            slots: HashMap::new(),
            incoming: VecDeque::new(),
            notices: VecDeque::new(),
            closed: None,
            armed: None,
            aborted: Vec::new(),
            senders: Vec::new(),
            movers: Vec::new(),
            timer: None,
            acceptor: None,
            watcher: None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn next_notice(&mut self) -> Option<Notice> {
        self.notices
            .pop_front()
            .or_else(|| self.closed.clone().map(Notice::Closed))
    }

    pub(super) fn add_slot(&mut self, call: CallId) {
        self.slots.insert(call, Slot::default());
    }

    pub(super) fn held_calls(&self) -> usize {
        self.slots.len()
    }

    /// What has come for a call whose halves are not both gone.
    pub(super) fn slot(&mut self, call: CallId) -> Option<&mut Slot> {
        self.slots.get_mut(&call)
    }

    /// Nobody reads a call any more. One that was opened here is given up, and whoever still sends on it is told: it would
    /// wait for ever otherwise, since the session has no more to say of the call. Of one of the other side, the rest is
    /// dropped as it comes, so that its sender is not held up.
    pub(super) fn reader_gone(&mut self, call: CallId, mine: bool, now: Instant) {
        if mine {
            self.session.cancel(call);
        }
        self.session.ignore(call, now);
        if let Some(slot) = self.slots.get_mut(&call) {
            slot.data.clear();
            if mine {
                slot.over = true;
                self.aborted.extend(slot.writer.take());
            }
        }
        self.half_gone(call);
    }

    /// One of the two halves of a call is gone.
    pub(super) fn half_gone(&mut self, call: CallId) {
        if let Some(slot) = self.slots.get_mut(&call) {
            slot.halves_gone += 1;
            if slot.halves_gone == 2 {
                self.slots.remove(&call);
            }
        }
    }

    /// Cancels a call that was opened here; whoever reads it is told.
    pub(super) fn abort(&mut self, call: CallId) {
        self.session.cancel(call);
        if let Some(slot) = self.slots.get_mut(&call).filter(|slot| !slot.over) {
            slot.over = true;
            slot.complete = true;
            slot.end = Some(CallEnd::new(
                Code::CANCELLED,
                "the request could not be completed",
            ));
            self.aborted.extend(slot.reader.take());
        }
    }

    /// A call of the other side was answered. Nothing more is read of it, and who still does is told.
    pub(super) fn answered(&mut self, call: CallId) {
        if let Some(slot) = self.slots.get_mut(&call).filter(|slot| !slot.complete) {
            slot.cut = true;
            slot.complete = true;
            self.aborted.extend(slot.reader.take());
        }
    }

    /// Brings events to those they concern, and collects whom to wake.
    pub(super) fn settle(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        self.settle_but_for_sender(now, wakers);
        if self.session.wants_to_send(now) {
            wakers.append(&mut self.senders);
        }
    }

    /// Wakes the sender of a connection when there may be something to send.
    pub(super) fn wait_to_send(&mut self, waker: &Waker) {
        add(&mut self.senders, waker);
    }

    /// Wakes whoever waits for the session to leave a connection, or to be over.
    pub(super) fn wait_to_move(&mut self, waker: &Waker) {
        add(&mut self.movers, waker);
    }

    /// The same, without waking the sender.
    pub(super) fn settle_but_for_sender(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        while let Some(event) = self.session.next_event() {
            self.note(event, now, wakers);
        }
        wakers.append(&mut self.aborted);
        let in_use = self.session.in_use();
        if in_use != self.in_use {
            // Another connection carries the session, or none: who sends over the old one has to hear of it.
            self.in_use = in_use;
            wakers.append(&mut self.senders);
            wakers.append(&mut self.movers);
        }
        if self.is_earlier_than(self.armed) {
            wakers.extend(self.timer.take());
        }
    }

    /// Whether something is due before this moment. What is due later than a timer waits for is seen when it has come:
    /// with each packet the times move, mostly to later ones, and setting a timer anew costs more than the packet.
    pub(super) fn is_earlier_than(&self, moment: Option<Instant>) -> bool {
        let next = self.session.next_timeout();
        next.is_some_and(|next| moment.is_none_or(|moment| next < moment))
    }

    fn note(&mut self, event: Event, now: Instant, wakers: &mut Vec<Waker>) {
        match event {
            Event::Opened {
                call,
                path,
                metadata,
                timeout,
            } => {
                self.slots.insert(call, Slot::default());
                self.incoming.push_back(Opened {
                    call,
                    path,
                    metadata,
                    timeout,
                });
                wakers.extend(self.acceptor.take());
            }
            Event::Head { call, metadata } => {
                if let Some(slot) = self.slots.get_mut(&call) {
                    slot.head = Some(metadata);
                    wakers.extend(slot.reader.take());
                }
            }
            Event::Data { call, payload } => {
                if let Some(slot) = self.slots.get_mut(&call).filter(|slot| !slot.complete) {
                    slot.data.push_back(payload);
                    wakers.extend(slot.reader.take());
                } else {
                    self.session.taken(call, payload.len(), now);
                }
            }
            Event::HalfClosed { call } => {
                if let Some(slot) = self.slots.get_mut(&call) {
                    slot.complete = true;
                    wakers.extend(slot.reader.take());
                }
            }
            Event::Ended { call, end } => self.finish(call, Some(end), wakers),
            Event::Cancelled { call } => {
                let before = self.incoming.len();
                self.incoming.retain(|opened| opened.call != call);
                if self.incoming.len() < before {
                    // Nobody has its halves, so nobody would remove it later.
                    self.slots.remove(&call);
                    self.session.ignore(call, now);
                } else {
                    self.finish(call, None, wakers);
                }
            }
            Event::Writable { call } => {
                if let Some(slot) = self.slots.get_mut(&call) {
                    slot.full = false;
                    wakers.extend(slot.writer.take());
                }
            }
            Event::Established(peer) => self.tell(Notice::Established(peer), wakers),
            Event::Detached { until } => self.tell(Notice::Detached { until }, wakers),
            Event::Resumed => self.tell(Notice::Resumed, wakers),
            Event::ResumeRefused(refusal) => self.tell(Notice::ResumeRefused(refusal), wakers),
            Event::Draining(reason) => self.tell(Notice::Draining(reason), wakers),
            Event::Drained => self.tell(Notice::Drained, wakers),
            Event::Closed(reason) => {
                self.closed = Some(reason);
                wakers.append(&mut self.movers);
                wakers.extend(self.watcher.take());
                wakers.extend(self.acceptor.take());
            }
        }
    }

    fn tell(&mut self, notice: Notice, wakers: &mut Vec<Waker>) {
        self.notices.push_back(notice);
        wakers.append(&mut self.movers);
        wakers.extend(self.watcher.take());
    }

    fn finish(&mut self, call: CallId, end: Option<CallEnd>, wakers: &mut Vec<Waker>) {
        if let Some(slot) = self.slots.get_mut(&call) {
            slot.cut |= end.is_none() && !slot.complete;
            slot.complete = true;
            slot.over = true;
            slot.end = end;
            wakers.extend(slot.reader.take());
            wakers.extend(slot.writer.take());
        }
    }
}

fn add(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Attachment, Config, InstanceId, Request, SessionId};
    use crate::v1::Packet;

    #[test]
    fn a_call_that_is_cancelled_before_it_is_accepted_leaves_nothing() {
        let now = Instant::now();
        let mut gateway = Session::gateway(Config::default(), InstanceId::from_bytes([1; 16]), now);
        let mut server = Session::server(Config::default(), SessionId::from_bytes([2; 16]), now);
        let via = Attachment::FIRST;
        let hello = gateway.next_packet(via, now).unwrap();
        server.receive(via, Packet::from(&hello), now);
        let mut state = State::new(gateway);
        let mut exchange = |server: &mut Session| {
            while let Some(packet) = server.next_packet(via, now) {
                state.session.receive(via, Packet::from(&packet), now);
            }
            state.settle(now, &mut Vec::new());
            (state.slots.len(), state.incoming.len())
        };
        exchange(&mut server);
        let call = server.open(Request::new("/a.B/C"), now).unwrap();
        assert_eq!(exchange(&mut server), (1, 1));
        server.cancel(call);
        assert_eq!(exchange(&mut server), (0, 0));
    }
}
