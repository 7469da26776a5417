//! How long it takes to the other side and back.

use std::time::{Duration, Instant};

/// Over how long the best sample counts.
const MEMORY: Duration = Duration::from_secs(10);

/// The best of the recent samples: answers to heartbeats, handshakes, and acknowledgements. Those may be held back for a
/// while, so that a single one tells little; nothing is sent only to measure.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    this: Option<Duration>,
    last: Option<Duration>,
    turns_at: Option<Instant>,
}

impl RoundTrip {
    pub(super) fn add(&mut self, sample: Duration, now: Instant) {
        if self.turns_at.is_none_or(|at| now >= at) {
            self.last = self.this.take();
            self.turns_at = Some(now + MEMORY);
        }
        self.this = Some(self.this.map_or(sample, |this| this.min(sample)));
    }

    pub(super) fn best(&self) -> Option<Duration> {
        match (self.this, self.last) {
            (Some(this), Some(last)) => Some(this.min(last)),
            (this, last) => this.or(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_counts_until_it_is_old() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.best(), None);
        round_trip.add(ms(5), now);
        round_trip.add(ms(55), now);
        assert_eq!(round_trip.best(), Some(ms(5)));
        round_trip.add(ms(9), now + MEMORY);
        assert_eq!(round_trip.best(), Some(ms(5)));
        round_trip.add(ms(9), now + 2 * MEMORY);
        assert_eq!(round_trip.best(), Some(ms(9)));
    }
}
