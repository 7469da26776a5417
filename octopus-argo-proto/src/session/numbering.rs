//! The numbers of packets that arrive, and when to acknowledge them.

use std::time::{Duration, Instant};

/// Acknowledge at the latest after this many bytes.
const ACK_BYTES: usize = 256 << 10;

/// Acknowledge at the latest after this long.
const ACK_DELAY: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Numbering {
    received: u64,
    unacknowledged_bytes: usize,
    ack_due: Option<Instant>,
    /// The delay is over; what is missing is a packet.
    overdue: bool,
    /// How many packets came again since the last that was new.
    repeated: u32,
}

/// What a packet's number says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// To be taken: the next one, or one without a number.
    Next,
    /// It was here before.
    Again,
    /// It was here before, as so many others that nobody can have kept them all.
    Flood,
    /// Something before it is missing.
    Gap,
}

/// More packets are not sent again in a row: a replay buffer of the default size holds fewer, even of empty ones.
const MOST_REPEATED: u32 = 100_000;

impl Numbering {
    pub(super) fn arrived(&mut self, seq: u64, bytes: usize, now: Instant) -> Arrival {
        if seq == 0 {
            return Arrival::Next;
        }
        if seq <= self.received {
            // The other side does not know that it is here.
            self.overdue = true;
            self.repeated += 1;
            return if self.repeated > MOST_REPEATED {
                Arrival::Flood
            } else {
                Arrival::Again
            };
        }
        if seq - self.received != 1 {
            return Arrival::Gap;
        }
        self.received = seq;
        self.repeated = 0;
        self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_add(bytes);
        if !self.overdue {
            self.ack_due.get_or_insert(now + ACK_DELAY);
        }
        Arrival::Next
    }

    /// Up to where everything has arrived.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The acknowledgement for a packet that is sent now.
    pub(super) fn ack(&mut self) -> u64 {
        self.unacknowledged_bytes = 0;
        self.ack_due = None;
        self.overdue = false;
        self.received
    }

    /// Whether an acknowledgement is to be sent even if nothing else is.
    pub(super) fn ack_is_due(&self, now: Instant) -> bool {
        self.unacknowledged_bytes >= ACK_BYTES || self.overdue || self.ack_due.is_some_and(|due| now >= due)
    }

    /// Notes that the delay is over, so that nobody has to be woken for it again: a connection that is full may take no
    /// packet for a long time.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.ack_due.take_if(|due| now >= *due).is_some() {
            self.overdue = true;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ack_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_each_number_once_and_in_order() {
        let now = Instant::now();
        let mut numbering = Numbering::default();
        assert_eq!(numbering.arrived(0, 1, now), Arrival::Next);
        assert_eq!(numbering.arrived(1, 1, now), Arrival::Next);
        assert_eq!(numbering.arrived(1, 1, now), Arrival::Again);
        assert_eq!(numbering.arrived(3, 1, now), Arrival::Gap);
        assert_eq!(numbering.arrived(u64::MAX, 1, now), Arrival::Gap);
        assert_eq!(numbering.arrived(2, 1, now), Arrival::Next);
        assert_eq!(numbering.received(), 2);
    }

    #[test]
    fn acknowledges_after_a_while_or_a_lot() {
        let now = Instant::now();
        let mut numbering = Numbering::default();
        assert!(!numbering.ack_is_due(now));
        assert_eq!(numbering.arrived(1, 10, now), Arrival::Next);
        assert!(!numbering.ack_is_due(now));
        assert!(numbering.ack_is_due(now + ACK_DELAY));
        assert_eq!(numbering.ack(), 1);
        assert!(!numbering.ack_is_due(now + ACK_DELAY));
        assert_eq!(numbering.arrived(2, ACK_BYTES, now), Arrival::Next);
        assert!(numbering.ack_is_due(now));
    }

    #[test]
    fn what_comes_again_is_acknowledged_again() {
        let now = Instant::now();
        let mut numbering = Numbering::default();
        assert_eq!(numbering.arrived(1, 1, now), Arrival::Next);
        let _ = numbering.ack();
        assert_eq!(numbering.arrived(1, 1, now), Arrival::Again);
        assert!(numbering.ack_is_due(now));
    }
}
