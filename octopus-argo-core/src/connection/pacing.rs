//! How long to wait before a subscriber is started again.

use std::time::Duration;

/// How much of a delay to wait, for many clients not to come back at the same moment. The randomness is the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// All of it.
    #[default]
    None,
    /// A part of it: 0 is nothing, [`u32::MAX`] is (nearly) all. Pass a random number, and the delay is spread evenly.
    Full(u32),
}

/// Delays that double from restart to restart, and begin again after a message has come through.
///
/// A connection alone does not reset them: a peer that accepts and then fails would be called at full speed.
///
/// Rule: Octopus Kubernetes monitor, `internal/commands`; jitter is ours. Cases: `vectors/connection.json`.
///
/// ```
/// use octopus_argo_core::connection::{Jitter, Pacing};
/// use std::time::Duration;
///
/// let mut pacing = Pacing::SUBSCRIBER;
/// assert_eq!(pacing.next_delay(Jitter::None), Duration::from_secs(2));
/// assert_eq!(pacing.next_delay(Jitter::None), Duration::from_secs(4));
/// assert_eq!(pacing.next_delay(Jitter::Full(u32::MAX / 2)).as_secs(), 3);
/// pacing.message_received();
/// assert_eq!(pacing.next_delay(Jitter::None), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    first: Duration,
    longest: Duration,
    floor: Duration,
    restarts: u32,
}

impl Pacing {
    /// The delays of Octopus's subscribers: 2 s, 4 s, 8 s and so on up to 180 s.
    pub const SUBSCRIBER: Self = Self::new(Duration::from_secs(2), Duration::from_secs(180));

    /// Delays that begin at `first` and end at `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            floor: Duration::ZERO,
            restarts: 0,
        }
    }

    /// However much jitter takes off, wait at least so long. Default: zero. Restart 0 still does not wait.
    #[must_use]
    pub const fn at_least(mut self, floor: Duration) -> Self {
        self.floor = floor;
        self
    }

    /// The delay before restart number `restart`, counted from 1, without jitter. Before that nothing waits.
    #[must_use]
    pub fn delay(&self, restart: u32) -> Duration {
        let Some(doublings) = restart.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings);
        factor
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.longest, |delay| delay.min(self.longest))
    }

    /// Counts one more restart and says how long to wait before it.
    pub fn next_delay(&mut self, jitter: Jitter) -> Duration {
        self.restarts = self.restarts.saturating_add(1);
        let delay = self.delay(self.restarts);
        let jittered = match jitter {
            Jitter::None => delay,
            Jitter::Full(part) => delay.mul_f64(f64::from(part) / f64::from(u32::MAX)),
        };
        jittered.max(self.floor)
    }

    /// A message came through: the next restart waits as the first one did.
    pub const fn message_received(&mut self) {
        self.restarts = 0;
    }

    /// Restarts since the last message.
    #[must_use]
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_delays() {
        let delays: Vec<_> = (0..=10).map(|n| Pacing::SUBSCRIBER.delay(n).as_secs()).collect();
        assert_eq!(delays, [0, 2, 4, 8, 16, 32, 64, 128, 180, 180, 180]);
        assert_eq!(Pacing::SUBSCRIBER.delay(u32::MAX).as_secs(), 180);
    }

    proptest! {
        #[test]
        fn jitter_only_shortens_and_never_below_the_floor(part: u32, restarts in 0_u32..80) {
            let mut plain = Pacing::SUBSCRIBER.at_least(Duration::from_millis(100));
            let mut jittered = plain;
            for _ in 0..=restarts {
                let delay = plain.next_delay(Jitter::None);
                let shorter = jittered.next_delay(Jitter::Full(part));
                prop_assert!(shorter <= delay && shorter >= Duration::from_millis(100));
            }
        }
    }
}
