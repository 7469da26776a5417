//! Whether the link to the server is alive, found out with probes: the older model, which counts failures.

use std::time::Duration;

use super::probe::{AfterProbe, LinkEvent, Next, ProbeOutcome};

/// The older model: a fixed rhythm, and giving up at a number of failures in a row.
///
/// No client is rebuilt and nothing backs off. A probe may take one interval. The link is down from the first failure
/// and up from the next success; the failure that reaches the limit gives up.
///
/// It has no clock. Times are durations since an origin of the caller's choice, the same for all calls.
///
/// Rule: octopus-grpc before 0.5.0, chart values `keepAlive.*`. Cases: `vectors/connection.json`.
///
/// ```
/// use octopus_argo_core::connection::{LegacyKeepAlive, Next, ProbeOutcome};
/// use std::time::Duration;
///
/// let mut link = LegacyKeepAlive::new(Duration::from_secs(1), 2, Duration::ZERO);
/// assert_eq!(link.probed(ProbeOutcome::Failed, Duration::from_secs(1)).next, Next::Wait);
/// assert_eq!(link.probed(ProbeOutcome::Failed, Duration::from_secs(2)).next, Next::GiveUp);
/// ```
#[derive(Clone, Debug)]
pub struct LegacyKeepAlive {
    interval: Duration,
    max_failures: u32,
    failures: u32,
    next: Option<Duration>,
}

impl LegacyKeepAlive {
    /// Default of the interval.
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// Default of the number of failures in a row at which it gives up.
    pub const MAX_FAILURES: u32 = 10;

    /// A link that is up at `now`. Zero means the default for either setting.
    #[must_use]
    pub fn new(interval: Duration, max_failures: u32, now: Duration) -> Self {
        let interval = if interval.is_zero() {
            Self::INTERVAL
        } else {
            interval
        };
        Self {
            interval,
            max_failures: if max_failures == 0 {
                Self::MAX_FAILURES
            } else {
                max_failures
            },
            failures: 0,
            next: Some(now.saturating_add(interval)),
        }
    }

    /// From one probe to the next, and how long a probe may take.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// The number of failures in a row at which it gives up.
    #[must_use]
    pub const fn max_failures(&self) -> u32 {
        self.max_failures
    }

    /// Failures in a row so far.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next probe is due; `None` once it has given up.
    #[must_use]
    pub const fn next_probe_at(&self) -> Option<Duration> {
        self.next
    }

    /// Takes in that a probe ended so at `now`. After giving up nothing matters any more.
    pub fn probed(&mut self, outcome: ProbeOutcome, now: Duration) -> AfterProbe {
        let Some(due) = self.next else {
            return AfterProbe::nothing(Next::GiveUp);
        };
        // A ticker keeps its rhythm: after a slow probe the next is due at once, and further ones are dropped.
        let mut next = due.saturating_add(self.interval);
        if next.saturating_add(self.interval) <= now {
            next = now;
        }
        self.next = Some(next);
        if outcome == ProbeOutcome::Serving {
            let was_down = std::mem::take(&mut self.failures) > 0;
            return AfterProbe {
                event: was_down.then_some(LinkEvent::Up),
                next: Next::Wait,
            };
        }
        self.failures = self.failures.saturating_add(1);
        let event = (self.failures == 1).then_some(LinkEvent::Down);
        if self.failures >= self.max_failures {
            self.next = None;
            return AfterProbe {
                event,
                next: Next::GiveUp,
            };
        }
        AfterProbe {
            event,
            next: Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_failure_may_be_both_down_and_the_end() {
        let mut link = LegacyKeepAlive::new(Duration::from_secs(1), 1, Duration::ZERO);
        let after = link.probed(ProbeOutcome::Failed, Duration::from_secs(1));
        assert_eq!((after.event, after.next), (Some(LinkEvent::Down), Next::GiveUp));
        assert_eq!(link.next_probe_at(), None);
    }

    proptest! {
        #[test]
        fn down_and_up_alternate_and_it_gives_up_at_the_limit(
            max in 0_u32..5,
            probes in proptest::collection::vec(any::<bool>(), 0..60),
        ) {
            let mut link = LegacyKeepAlive::new(Duration::from_secs(1), max, Duration::ZERO);
            let mut expected = LinkEvent::Down;
            for serving in probes {
                let Some(at) = link.next_probe_at() else { break };
                let outcome = if serving { ProbeOutcome::Serving } else { ProbeOutcome::NotServing };
                let after = link.probed(outcome, at);
                if let Some(event) = after.event {
                    prop_assert_eq!(event, expected);
                    expected = if event == LinkEvent::Down { LinkEvent::Up } else { LinkEvent::Down };
                }
                prop_assert_eq!(after.next == Next::GiveUp, link.failures() == link.max_failures());
            }
        }
    }
}
