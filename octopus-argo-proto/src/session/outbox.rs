//! What is sent next: what is not numbered, then control frames, then credit, then the calls in turn.

use std::collections::VecDeque;

use crate::v1;
use crate::v1::Pong;
use crate::v1::frame::Body;

/// A packet is full when its payloads reach this many bytes. Small frames of many calls go out together.
pub(super) const PACKET_TARGET: usize = 64 << 10;

/// What may stand in a packet beside a full data frame.
pub(super) const PACKET_SLACK: usize = 1 << 10;

/// The most control frames that may wait. Each call has a few at a time; a side that opens and cancels without reading
/// what comes back has more.
const MAX_CONTROL: usize = 8192;

/// Everything that waits, but for the bodies, which their calls hold.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Handshakes, pings, pongs: sent without a number, before all else.
    unnumbered: VecDeque<Body>,
    control: VecDeque<Control>,
    /// The calls to which credit is owed. Each stands here at most once.
    credits: VecDeque<u64>,
    /// The calls with something to send. Each stands here at most once.
    turns: VecDeque<u64>,
}

/// A frame that overtakes all bodies.
#[derive(Debug)]
pub(super) enum Control {
    /// The call holds what it was asked for with, until it is sent.
    Open(u64),
    Cancel(u64),
    /// Of a call that is not open any more.
    End(Box<v1::End>),
    Drain(v1::Drain),
}

impl Outbox {
    pub(super) fn push_unnumbered(&mut self, body: Body) {
        self.unnumbered.push_back(body);
    }

    /// Answers the latest ping. An answer that was not sent yet is replaced: who pings without reading costs one frame.
    pub(super) fn push_pong(&mut self, id: u64) {
        let waiting = self.unnumbered.iter_mut().find_map(|body| match body {
            Body::Pong(pong) => Some(pong),
            _ => None,
        });
        match waiting {
            Some(pong) => pong.id = id,
            None => self.unnumbered.push_back(Body::Pong(Pong { id })),
        }
    }

    /// Whether more control frames wait than a side that reads ever leaves waiting.
    pub(super) fn is_flooded(&self) -> bool {
        self.control.len() > MAX_CONTROL
    }

    pub(super) fn push_control(&mut self, control: Control) {
        self.control.push_back(control);
    }

    /// The other side is not to hear of a call that it has not heard of yet. There are at most as many as may be open.
    pub(super) fn withdraw(&mut self, call: u64) {
        self.control
            .retain(|control| !matches!(control, Control::Open(id) if *id == call));
    }

    /// Puts a call at the end of those to which credit is owed. The caller knows that it is not there.
    pub(super) fn owe(&mut self, call: u64) {
        self.credits.push_back(call);
    }

    /// Puts a call at the end of the turns. The caller knows that it is not there.
    pub(super) fn queue(&mut self, call: u64) {
        self.turns.push_back(call);
    }

    /// Gives a call, whose turn was cut short by the end of a packet, the next one too.
    pub(super) fn queue_first(&mut self, call: u64) {
        self.turns.push_front(call);
    }

    pub(super) fn has_unnumbered(&self) -> bool {
        !self.unnumbered.is_empty()
    }

    /// Whether something waits that overtakes bodies.
    pub(super) fn has_urgent(&self) -> bool {
        !(self.control.is_empty() && self.credits.is_empty())
    }

    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(super) fn next_unnumbered(&mut self) -> Option<Body> {
        self.unnumbered.pop_front()
    }

    pub(super) fn peek_control(&self) -> Option<&Control> {
        self.control.front()
    }

    pub(super) fn next_control(&mut self) -> Option<Control> {
        self.control.pop_front()
    }

    pub(super) fn next_credit(&mut self) -> Option<u64> {
        self.credits.pop_front()
    }

    /// The call whose turn it is. It has to be queued again for another turn.
    pub(super) fn next_turn(&mut self) -> Option<u64> {
        self.turns.pop_front()
    }

    /// The connection is another one: what was to go over the old one without a number has lost its sense.
    pub(super) fn forget_unnumbered(&mut self) {
        self.unnumbered.clear();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// About how many bytes metadata add to their packet.
pub(super) fn metadata_len(metadata: &[v1::Metadata]) -> usize {
    metadata
        .iter()
        .map(|pair| pair.key.len() + pair.value.len() + FRAME)
        .sum()
}

/// About how many bytes a frame adds to its packet.
pub(super) fn size(body: &Body) -> usize {
    FRAME
        + match body {
            Body::Data(data) => data.payload.len(),
            Body::Open(open) => open.path.len() + metadata_len(&open.metadata),
            Body::Head(head) => metadata_len(&head.metadata),
            Body::End(end) => end_len(end),
            _ => 0,
        }
}

pub(super) fn end_len(end: &v1::End) -> usize {
    end.message.len() + end.details.len() + metadata_len(&end.trailers)
}

const FRAME: usize = 16;
