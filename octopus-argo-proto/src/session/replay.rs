//! What was sent and not acknowledged, kept to be sent again over another connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::FRAME_COST;
use super::outgoing::{Frames, Outgoing};

/// The largest packet that [`Session::next_packet`](super::Session::next_packet) makes: 64 KiB, a little that is urgent,
/// and the heads of frames.
pub(super) const LARGEST_PACKET: u64 = 68 << 10;

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
    /// One packet whose acknowledgement tells the time.
    timed: Option<(u64, Instant)>,
    /// Since when nothing was acknowledged although something could be.
    waiting_since: Option<Instant>,
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
        Outgoing::new(self.last, ack, frames)
    }

    /// Whether packets are to go out again.
    pub(super) fn has_again(&self) -> bool {
        self.sent < self.kept.len()
    }

    /// The next packet to go out again, after a [`Replay::rewind`].
    pub(super) fn again(&mut self, ack: u64) -> Option<Outgoing> {
        let kept = self.kept.get(self.sent)?;
        self.sent += 1;
        Some(Outgoing::new(kept.seq, ack, kept.frames.clone()))
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
                self.sent = self.sent.saturating_sub(1);
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
        self.sent = 0;
        self.waiting_since = (!self.kept.is_empty()).then_some(now);
        Ok(())
    }
}

fn cost(frames: &Frames) -> u64 {
    frames.len() as u64 + FRAME_COST
}

#[cfg(test)]
mod tests {
    use super::super::outgoing::Encoder;
    use super::*;
    use crate::v1::frame::Body;
    use crate::v1::{Data, HalfClose};

    fn frames(call: u64) -> Frames {
        let mut encoder = Encoder::default();
        encoder.push(Body::HalfClose(HalfClose { call }));
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

    #[test]
    fn urgent_frames_have_room_for_longer() {
        let now = Instant::now();
        let mut replay = Replay::new(512 << 10);
        let mut encoder = Encoder::default();
        let mut seen = vec![replay.room()];
        while replay.room() != Room::None {
            let payload = vec![0; 64 << 10].into();
            encoder.push(Body::Data(Data { call: 1, payload }));
            replay.push(encoder.take(), 0, now);
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
