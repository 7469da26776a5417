//! How long to wait before trying again.

use std::time::Duration;

/// Waits of random length, longer after each failure.
///
/// Each wait is drawn evenly between [`Backoff::LEAST`] and a limit that doubles up to [`Backoff::MOST`]: full jitter,
/// so that a thousand gateways do not come back to a restarted server at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    limit: Duration,
    /// A linear congruential generator: even enough to spread gateways, and nothing secret depends on it.
    state: u64,
}

impl Backoff {
    pub(crate) const LEAST: Duration = Duration::from_millis(100);
    pub(crate) const MOST: Duration = Duration::from_secs(5);

    pub(crate) fn new(seed: u64) -> Self {
        Self {
            limit: Self::LEAST * 2,
            state: seed,
        }
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let share = self.fraction();
        let wait = Self::LEAST + self.limit.saturating_sub(Self::LEAST).mul_f64(share);
        self.limit = (self.limit * 2).min(Self::MOST);
        wait
    }

    /// A number from 0 up to 1, for whatever is not to happen to many at once.
    pub(crate) fn fraction(&mut self) -> f64 {
        // Knuth's constants for 64 bits; the upper bits are the random ones.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.state >> 33).unwrap_or(0)) / f64::from(1_u32 << 31)
    }

    /// Something worked: begin anew.
    pub(crate) fn reset(&mut self) {
        self.limit = Self::LEAST * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_their_limits_and_spread() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..20).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        for seed in 0..100 {
            for wait in waits(seed) {
                assert!(wait >= Backoff::LEAST && wait <= Backoff::MOST, "{wait:?}");
            }
        }
        let late: Vec<_> = (0..100).map(|seed| waits(seed * 7919)[19]).collect();
        let mean = late.iter().sum::<Duration>() / 100;
        assert!(
            mean > Duration::from_secs(2) && mean < Duration::from_secs(3),
            "{mean:?}"
        );
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(1);
        for _ in 0..20 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= Backoff::LEAST * 2);
    }
}
