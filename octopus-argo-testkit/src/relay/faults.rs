//! What a relay does to connections.

use std::num::NonZeroU64;
use std::time::Duration;

/// Which way bytes go through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// From who connected to where the relay forwards: from the gateway to the server.
    Up,
    /// Back.
    Down,
}

/// What a [`Relay`](super::Relay) does to the connections through it. Nothing, at first.
///
/// ```
/// use std::time::Duration;
///
/// use octopus_argo_testkit::relay::{Faults, Way};
///
/// // A round trip of 20 ms and 10 MB/s down, and every connection is cut after 1 MiB.
/// let way = Way::clear().delay(Duration::from_millis(10));
/// let faults = Faults::none()
///     .up(way)
///     .down(way.rate(10_000_000))
///     .cut_after_bytes(1 << 20);
/// # let _ = faults;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub(super) up: Way,
    pub(super) down: Way,
    pub(super) entrance: Entrance,
    pub(super) cut_after_bytes: Option<u64>,
    pub(super) cut_after: Option<Duration>,
}

/// What happens to who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Entrance {
    #[default]
    Open,
    Silent,
    Refused,
}

impl Faults {
    /// Everything passes as it comes.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            up: Way::clear(),
            down: Way::clear(),
            entrance: Entrance::Open,
            cut_after_bytes: None,
            cut_after: None,
        }
    }

    /// What happens to bytes that go up.
    #[must_use]
    pub const fn up(mut self, way: Way) -> Self {
        self.up = way;
        self
    }

    /// What happens to bytes that go down.
    #[must_use]
    pub const fn down(mut self, way: Way) -> Self {
        self.down = way;
        self
    }

    /// What happens to bytes in both directions.
    #[must_use]
    pub const fn both(self, way: Way) -> Self {
        self.up(way).down(way)
    }

    /// Resets each connection when this many bytes have passed through it, in both directions together. Not one more
    /// passes. A connection that is beyond this already is reset with the next byte.
    #[must_use]
    pub const fn cut_after_bytes(mut self, bytes: u64) -> Self {
        self.cut_after_bytes = Some(bytes);
        self
    }

    /// Resets each connection when it is this old.
    #[must_use]
    pub const fn cut_after(mut self, age: Duration) -> Self {
        self.cut_after = Some(age);
        self
    }

    /// Accepts connections and does nothing with them: nothing is read, and nothing is answered. When this is taken
    /// back, those that still wait are forwarded. Connections that are forwarded already go on.
    #[must_use]
    pub const fn silent(mut self) -> Self {
        self.entrance = Entrance::Silent;
        self
    }

    /// Refuses connections, as a port does on which nobody listens. Those that are there go on.
    #[must_use]
    pub const fn refuse(mut self) -> Self {
        self.entrance = Entrance::Refused;
        self
    }

    pub(super) const fn way(&self, direction: Direction) -> Way {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }
}

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub(super) delay: Duration,
    pub(super) rate: Option<NonZeroU64>,
    pub(super) holds_last_byte: bool,
    pub(super) swallows_pings: bool,
    pub(super) stalls: bool,
}

impl Way {
    /// Everything passes as it comes.
    #[must_use]
    pub const fn clear() -> Self {
        Self {
            delay: Duration::ZERO,
            rate: None,
            holds_last_byte: false,
            swallows_pings: false,
            stalls: false,
        }
    }

    /// Bytes come out this much later than they came in. The runtime's timer rounds up to a millisecond.
    ///
    /// At most [`Relay::MAX_HELD`](super::Relay::MAX_HELD) bytes are under way, so more than that in one delay is
    /// slowed down. Opening and closing a connection is not delayed.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// At most this many bytes pass in a second, evenly. 0 lets nothing pass, as [`Way::stall`] does.
    #[must_use]
    pub const fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = NonZeroU64::new(bytes_per_second);
        self.stalls |= bytes_per_second == 0;
        self
    }

    /// The last byte that has come waits until another comes, or the end: whoever waits for a whole message waits for
    /// ever.
    #[must_use]
    pub const fn hold_last_byte(mut self) -> Self {
        self.holds_last_byte = true;
        self
    }

    /// HTTP/2 PING frames, and the answers to them, do not pass. Only where HTTP/2 is spoken without TLS: whatever else
    /// goes through unchanged.
    #[must_use]
    pub const fn swallow_pings(mut self) -> Self {
        self.swallows_pings = true;
        self
    }

    /// Nothing passes, and neither end is told: a peer that is half open.
    #[must_use]
    pub const fn stall(mut self) -> Self {
        self.stalls = true;
        self
    }
}
