//! What was sent and not acknowledged, kept to be sent again over another connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::FRAME_COST;
use super::outgoing::{Frames, Outgoing};

/// The largest packet that [`Session::next_packet`](super::Session::next_packet) makes: 64 KiB, a little that is urgent,
/// and the heads of frames.
pub(super) const LARGEST_PACKET: u64 = 68 << 10;

/// What may be out over a connection that carries a resumed session before the first acknowledgement comes over it, in
/// bytes: more than what the other side acknowledges at the latest, so that nothing waits for its delay.
///
/// Something that cuts every connection after some bytes drops what is on its way. Where both sides sent all they keep at
/// once, the limit would be reached before either has read a packet, and the session would be cut for ever.
const OPENING: u64 = 5 * LARGEST_PACKET;

/// What does not count for it, in bytes.
const HARDLY: u64 = 4 << 10;

/// The numbered packets that the other side may not have, in order.
///
/// Nothing is dropped before it is acknowledged: when there is no room, nothing is sent.
#[derive(Debug)]
pub(super) struct Replay {
    limit: u64,
    kept: VecDeque<Kept>,
    bytes: u64,
    /// How much has arrived, in bytes.
    arrived: u64,
    /// The number of the last packet that was made.
    last: u64,
    /// How many of those that are kept have gone out over this connection.
    sent: usize,
    /// How many bytes these have.
    out: u64,
    /// None before the first resume: there, only the buffer counts.
    opening: Option<Opening>,
    /// One packet whose acknowledgement tells the time.
    timed: Option<(u64, Instant)>,
    /// Since when nothing was acknowledged although something could be.
    waiting_since: Option<Instant>,
}

/// How a connection that carries a resumed session began.
#[derive(Clone, Copy, Debug)]
struct Opening {
    /// How many bytes might be out.
    bytes: u64,
    /// How much had arrived.
    arrived: u64,
}

#[derive(Debug)]
struct Kept {
    seq: u64,
    frames: Frames,
}

/// Whether there is room for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// For any.
    Data,
    /// Only for one with frames that others wait for.
    Control,
    None,
}

/// An acknowledgement of what was never sent, or for a resume: of what is no longer here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Impossible;

impl Replay {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            kept: VecDeque::new(),
            bytes: 0,
            arrived: 0,
            last: 0,
            sent: 0,
            out: 0,
            opening: None,
            timed: None,
            waiting_since: None,
        }
    }

    /// Since when the other side owes an acknowledgement.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// How much is kept, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much was acknowledged, in bytes.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    pub(super) fn room(&self) -> Room {
        if self.sent < self.kept.len() || !self.allows(LARGEST_PACKET) {
            return Room::None;
        }
        match self.limit.saturating_sub(self.bytes) {
            left if left >= 2 * LARGEST_PACKET => Room::Data,
            left if left >= LARGEST_PACKET => Room::Control,
            _ => Room::None,
        }
    }

    /// Numbers a packet, and keeps it.
    pub(super) fn push(&mut self, frames: Frames, ack: u64, now: Instant) -> Outgoing {
        self.last += 1;
        self.bytes += cost(&frames);
        self.timed.get_or_insert((self.last, now));
        self.waiting_since.get_or_insert(now);
        self.kept.push_back(Kept {
            seq: self.last,
            frames: frames.clone(),
        });
        self.sent = self.kept.len();
        self.out += cost(&frames);
        Outgoing::new(self.last, ack, frames)
    }

    /// How many bytes may be out. It grows by what is acknowledged, until the buffer is all that counts.
    fn allowed(&self) -> u64 {
        let grown = |opening: Opening| opening.bytes.saturating_add(self.arrived - opening.arrived);
        let allowed = self.opening.map(grown);
        allowed
            .filter(|allowed| *allowed < self.limit)
            .unwrap_or(u64::MAX)
    }

    /// Whether this may be out as well. One packet beside what is hardly anything always may.
    fn allows(&self, cost: u64) -> bool {
        self.out <= HARDLY || self.out.saturating_add(cost) <= self.allowed()
    }

    /// Whether a packet is to go out again now.
    pub(super) fn has_again(&self) -> bool {
        self.next_again().is_some()
    }

    fn next_again(&self) -> Option<&Kept> {
        let next = self.kept.get(self.sent)?;
        self.allows(cost(&next.frames)).then_some(next)
    }

    /// The next packet to go out again, after a [`Replay::rewind`].
    pub(super) fn again(&mut self, ack: u64) -> Option<Outgoing> {
        let next = self.next_again()?;
        let again = Outgoing::new(next.seq, ack, next.frames.clone());
        self.out += cost(&next.frames);
        self.sent += 1;
        Some(again)
    }

    /// Forgets what has arrived; the answer is how long the acknowledgement took, now and then.
    pub(super) fn acknowledged(&mut self, ack: u64, now: Instant) -> Result<Option<Duration>, Impossible> {
        if ack > self.last {
            return Err(Impossible);
        }
        let before = self.kept.len();
        while self.kept.front().is_some_and(|kept| kept.seq <= ack) {
            if let Some(kept) = self.kept.pop_front() {
                let cost = cost(&kept.frames);
                self.bytes -= cost;
                self.arrived = self.arrived.saturating_add(cost);
                if self.sent > 0 {
                    self.sent -= 1;
                    self.out -= cost;
                }
            }
        }
        if self.kept.len() < before {
            self.waiting_since = (!self.kept.is_empty()).then_some(now);
        }
        Ok(self
            .timed
            .take_if(|(seq, _)| *seq <= ack)
            .map(|(_, at)| now.saturating_duration_since(at)))
    }

    /// Whether a side that has everything up to `received` can be brought up to date.
    pub(super) fn reaches(&self, received: u64) -> bool {
        (self.acknowledged_up_to()..=self.last).contains(&received)
    }

    /// The number of the last packet that the other side is known to have.
    pub(super) fn acknowledged_up_to(&self) -> u64 {
        self.kept.front().map_or(self.last, |kept| kept.seq - 1)
    }

    /// Makes everything behind `received` go out again.
    pub(super) fn rewind(&mut self, received: u64, now: Instant) -> Result<(), Impossible> {
        if !self.reaches(received) {
            return Err(Impossible);
        }
        // What went over the old connection says nothing of the new one.
        self.timed = None;
        self.acknowledged(received, now)?;
        let lost = std::mem::take(&mut self.out) > LARGEST_PACKET;
        self.sent = 0;
        // Where nothing of all that went out arrived, it was too much at once.
        let before = self.opening.unwrap_or(Opening {
            bytes: OPENING,
            arrived: 0,
        });
        let bytes = if self.arrived > before.arrived {
            before.bytes * 2
        } else if lost {
            before.bytes / 2
        } else {
            before.bytes
        };
        self.opening = Some(Opening {
            bytes: bytes.clamp(LARGEST_PACKET, OPENING),
            arrived: self.arrived,
        });
        self.waiting_since = (!self.kept.is_empty()).then_some(now);
        Ok(())
    }
}

fn cost(frames: &Frames) -> u64 {
    frames.len() as u64 + FRAME_COST
}

#[cfg(test)]
mod tests {
    use super::super::config::MAX_CHUNK;
    use super::super::outgoing::Encoder;
    use super::*;
    use crate::v1::frame::Body;
    use crate::v1::{Data, HalfClose};

    fn frames(call: u64) -> Frames {
        let mut encoder = Encoder::default();
        encoder.push(Body::HalfClose(HalfClose { call }));
        encoder.take()
    }

    const FULL: u64 = MAX_CHUNK as u64;

    /// A full data frame.
    fn full() -> Frames {
        let mut encoder = Encoder::default();
        let payload = vec![0; MAX_CHUNK].into();
        encoder.push(Body::Data(Data { call: 1, payload }));
        encoder.take()
    }

    fn again(replay: &mut Replay) -> Vec<u64> {
        std::iter::from_fn(|| replay.again(0))
            .map(|packet| packet.seq())
            .collect()
    }

    #[test]
    fn what_is_not_acknowledged_goes_out_again_in_order() {
        let now = Instant::now();
        let mut replay = Replay::new(1 << 20);
        for call in 1..=5 {
            assert_eq!(replay.push(frames(call), 0, now).seq(), call);
        }
        assert!(again(&mut replay).is_empty(), "nothing was lost yet");
        replay.acknowledged(2, now).unwrap();
        replay.rewind(3, now).unwrap();
        assert_eq!(again(&mut replay), [4, 5]);
        assert_eq!(replay.push(frames(6), 0, now).seq(), 6);
        replay.rewind(3, now).unwrap();
        assert_eq!(again(&mut replay), [4, 5, 6]);
        replay.acknowledged(6, now).unwrap();
        assert_eq!(replay.bytes(), 0);
    }

    #[test]
    fn what_is_gone_or_was_never_sent_cannot_be_resumed_from() {
        let now = Instant::now();
        let mut replay = Replay::new(1 << 20);
        assert!(replay.reaches(0) && !replay.reaches(1));
        for call in 1..=5 {
            replay.push(frames(call), 0, now);
        }
        replay.acknowledged(3, now).unwrap();
        assert_eq!(replay.rewind(2, now), Err(Impossible));
        assert_eq!(replay.rewind(6, now), Err(Impossible));
        assert_eq!(replay.acknowledged(6, now), Err(Impossible));
        assert_eq!(replay.rewind(5, now), Ok(()));
        assert!(again(&mut replay).is_empty());
    }

    #[test]
    fn an_acknowledgement_while_it_goes_out_again_skips_nothing() {
        let now = Instant::now();
        let mut replay = Replay::new(1 << 20);
        for call in 1..=4 {
            replay.push(frames(call), 0, now);
        }
        replay.rewind(0, now).unwrap();
        assert_eq!(replay.again(0).map(|packet| packet.seq()), Some(1));
        replay.acknowledged(2, now).unwrap();
        assert_eq!(again(&mut replay), [3, 4]);
    }

    /// Sends as much as may go out now; how many bytes that is.
    fn burst(replay: &mut Replay, now: Instant) -> u64 {
        let before = replay.out;
        while replay.again(0).is_some() {}
        while replay.room() == Room::Data {
            replay.push(full(), 0, now);
        }
        replay.out - before
    }

    #[test]
    fn a_resumed_session_begins_with_little() {
        let now = Instant::now();
        let mut replay = Replay::new(4 << 20);
        assert!(
            burst(&mut replay, now) > 3 << 20,
            "before the first cut only the buffer counts"
        );
        replay.acknowledged(1, now).unwrap();
        replay.rewind(1, now).unwrap();
        let first = burst(&mut replay, now);
        assert!(first > 256 << 10 && first <= OPENING, "{first}");
        assert!(!replay.has_again() && replay.room() == Room::None);
        // It doubles with each round trip, until the buffer is full again.
        let mut bursts = Vec::new();
        let mut acknowledged = 1;
        while replay.allowed() != u64::MAX {
            acknowledged += replay.sent as u64;
            replay.acknowledged(acknowledged, now).unwrap();
            bursts.push(burst(&mut replay, now));
        }
        assert!(bursts.is_sorted() && bursts.len() == 4, "{bursts:?}");
    }

    #[test]
    fn what_is_cut_before_it_arrives_begins_with_less() {
        let now = Instant::now();
        let mut replay = Replay::new(4 << 20);
        burst(&mut replay, now);
        let mut bursts = Vec::new();
        for _ in 0..5 {
            replay.rewind(0, now).unwrap();
            bursts.push(burst(&mut replay, now) / FULL);
        }
        assert_eq!(bursts, [2, 1, 1, 1, 1], "one packet always goes out");
        // Something arrived.
        for received in 1..3 {
            replay.rewind(received, now).unwrap();
            bursts.push(burst(&mut replay, now) / FULL);
        }
        assert_eq!(bursts[5..], [2, 5]);
        // A cut while nothing is on its way says nothing.
        replay.acknowledged(replay.last, now).unwrap();
        for _ in 0..5 {
            replay.rewind(replay.last, now).unwrap();
        }
        assert_eq!(burst(&mut replay, now) / FULL, 5);
    }

    #[test]
    fn urgent_frames_have_room_for_longer() {
        let now = Instant::now();
        let mut replay = Replay::new(512 << 10);
        let mut seen = vec![replay.room()];
        while replay.room() != Room::None {
            replay.push(full(), 0, now);
            seen.push(replay.room());
        }
        seen.dedup();
        assert_eq!(seen, [Room::Data, Room::Control, Room::None]);
        assert!(replay.bytes() <= 512 << 10);
    }

    #[test]
    fn an_acknowledgement_tells_the_time() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let mut replay = Replay::new(1 << 20);
        replay.push(frames(1), 0, now);
        replay.push(frames(2), 0, now + ms(5));
        assert_eq!(replay.acknowledged(1, now + ms(20)), Ok(Some(ms(20))));
        assert_eq!(replay.acknowledged(2, now + ms(30)), Ok(None), "one at a time");
        replay.push(frames(3), 0, now + ms(40));
        assert_eq!(replay.acknowledged(3, now + ms(50)), Ok(Some(ms(10))));
    }
}
