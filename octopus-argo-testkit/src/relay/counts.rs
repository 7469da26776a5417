//! What has gone through a relay.

use tokio::sync::watch;

use super::faults::Direction;

/// What has gone through a [`Relay`](super::Relay) since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Those of them that are open now.
    pub open: u64,
    /// Those that the relay has reset, by order or by a limit, and those of which an end has failed.
    pub cut: u64,
    /// Bytes that were passed on from who connected.
    pub up: u64,
    /// Bytes that were passed on to who connected.
    pub down: u64,
    /// HTTP/2 PING frames that were swallowed.
    pub pings: u64,
    /// Whether the port accepts connections. Behind [`Faults::refuse`](super::Faults::refuse) by a moment.
    pub listening: bool,
}

/// Counts, and tells who waits for a number.
#[derive(Debug)]
pub(super) struct Tally(watch::Sender<Counts>);

impl Tally {
    pub(super) fn new() -> Self {
        let counts = Counts {
            listening: true,
            ..Counts::default()
        };
        Self(watch::channel(counts).0)
    }

    pub(super) fn now(&self) -> Counts {
        *self.0.borrow()
    }

    pub(super) async fn until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.0.subscribe();
        // The sender is here, so it cannot be gone.
        let found = counts.wait_for(wanted).await.map(|counts| *counts);
        found.unwrap_or_default()
    }

    pub(super) fn opened(&self) {
        self.0.send_modify(|counts| {
            counts.connections += 1;
            counts.open += 1;
        });
    }

    pub(super) fn closed(&self, cut: bool) {
        self.0.send_modify(|counts| {
            counts.open -= 1;
            counts.cut += u64::from(cut);
        });
    }

    pub(super) fn passed(&self, direction: Direction, bytes: u64) {
        self.0.send_modify(|counts| match direction {
            Direction::Up => counts.up += bytes,
            Direction::Down => counts.down += bytes,
        });
    }

    pub(super) fn swallowed(&self, pings: u64) {
        if pings > 0 {
            self.0.send_modify(|counts| counts.pings += pings);
        }
    }

    pub(super) fn listening(&self, listening: bool) {
        self.0.send_modify(|counts| counts.listening = listening);
    }
}
