//! What is sent next: control frames first, then the calls in turn.

use std::collections::VecDeque;

use crate::v1::Pong;
use crate::v1::frame::Body;

/// A packet is full when its payloads reach this many bytes. Small frames of many calls go out together.
pub(super) const PACKET_TARGET: usize = 64 << 10;

/// The most control frames that may wait. Each call has a few at a time; a side that opens and cancels without reading
/// what comes back has more.
const MAX_CONTROL: usize = 8192;

/// Everything that waits, but for the bodies, which their calls hold.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Handshakes, pings, pongs: sent without a number, before all else.
    unnumbered: VecDeque<Body>,
    /// Opens, credit, cancels, drains.
    control: VecDeque<Body>,
    /// The calls with something to send. Each stands here at most once.
    turns: VecDeque<u64>,
    queued: std::collections::HashSet<u64>,
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

    pub(super) fn push_control(&mut self, body: Body) {
        self.control.push_back(body);
    }

    /// Puts a call at the end of the turns, unless it is there.
    pub(super) fn queue(&mut self, call: u64) {
        if self.queued.insert(call) {
            self.turns.push_back(call);
        }
    }

    pub(super) fn next_unnumbered(&mut self) -> Option<Body> {
        self.unnumbered.pop_front()
    }

    pub(super) fn next_control(&mut self) -> Option<Body> {
        self.control.pop_front()
    }

    /// The call whose turn it is. It has to be queued again for another turn.
    pub(super) fn next_turn(&mut self) -> Option<u64> {
        let call = self.turns.pop_front()?;
        self.queued.remove(&call);
        Some(call)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// About how many bytes a frame adds to its packet.
pub(super) fn size(body: &Body) -> usize {
    const FRAME: usize = 16;
    let pairs = |metadata: &[crate::v1::Metadata]| -> usize {
        metadata
            .iter()
            .map(|pair| pair.key.len() + pair.value.len() + FRAME)
            .sum()
    };
    FRAME
        + match body {
            Body::Data(data) => data.payload.len(),
            Body::Open(open) => open.path.len() + pairs(&open.metadata),
            Body::Head(head) => pairs(&head.metadata),
            Body::End(end) => end.message.len() + end.details.len() + pairs(&end.trailers),
            _ => 0,
        }
}
