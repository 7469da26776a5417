//! Whether the link to the server is alive, found out with probes: the current model.

use std::time::Duration;

use super::probe::{AfterProbe, LinkEvent, Next, ProbeOutcome};

/// When to probe, and when to give up. All values are positive, and the longest interval is not below the base.
///
/// ```
/// use octopus_argo_core::connection::KeepAliveConfig;
/// use std::time::Duration;
///
/// let config = KeepAliveConfig::from_settings(Duration::from_secs(15), Duration::ZERO, Duration::ZERO);
/// assert_eq!(config.interval(), Duration::from_secs(15));
/// assert_eq!(config.give_up_after(), Some(Duration::from_secs(300)));
/// assert_eq!(KeepAliveConfig::default().give_up_after(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAliveConfig {
    interval: Duration,
    max_interval: Duration,
    give_up_after: Option<Duration>,
}

impl KeepAliveConfig {
    /// Default of the interval.
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// Default of the longest interval during an outage.
    pub const MAX_INTERVAL: Duration = Duration::from_secs(120);
    /// When Octopus's own gateway gives up, and the value that a setting of zero stands for.
    pub const GIVE_UP_AFTER: Duration = Duration::from_secs(300);
    /// How long a probe may take. It does not depend on the interval.
    pub const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

    /// The meaning of three settings of the gateway's chart. Zero, which stands for anything not above zero too, means
    /// the default; the longest interval is raised to the interval.
    ///
    /// The chart's own way to switch probes off, an interval of zero, is the caller's to see to: then there is nothing
    /// to configure here.
    ///
    /// Rule: octopus-grpc, version 0.5.0 and later.
    #[must_use]
    pub fn from_settings(interval: Duration, max_interval: Duration, give_up_after: Duration) -> Self {
        let or = |value: Duration, default| if value.is_zero() { default } else { value };
        let interval = or(interval, Self::INTERVAL);
        Self {
            interval,
            max_interval: or(max_interval, Self::MAX_INTERVAL).max(interval),
            give_up_after: Some(or(give_up_after, Self::GIVE_UP_AFTER)),
        }
    }

    /// The same, but without ever giving up.
    #[must_use]
    pub const fn never_give_up(mut self) -> Self {
        self.give_up_after = None;
        self
    }

    /// From one probe to the next, while all is well.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// The longest wait during an outage.
    #[must_use]
    pub const fn max_interval(&self) -> Duration {
        self.max_interval
    }

    /// How long an outage may last, from its first failed probe; `None` for ever.
    #[must_use]
    pub const fn give_up_after(&self) -> Option<Duration> {
        self.give_up_after
    }
}

impl Default for KeepAliveConfig {
    /// The intervals of Octopus's gateway, without giving up: ending the process is no way for a library to recover.
    fn default() -> Self {
        Self {
            interval: Self::INTERVAL,
            max_interval: Self::MAX_INTERVAL,
            give_up_after: None,
        }
    }
}

/// Whether the link is alive: says when to probe, takes what came of it, and says what follows.
///
/// The first probe is due one interval after the start. The first failure brings the link [`LinkEvent::Down`], the next
/// success brings it [`LinkEvent::Up`]; the two alternate. Each failure asks for a new client and doubles the wait, up to
/// the longest interval and never past the moment of giving up. Only [`ProbeOutcome::Serving`] is a success.
///
/// It has no clock. Times are durations since an origin of the caller's choice, the same for all calls.
///
/// Rule: octopus-grpc, version 0.5.0 and later. Cases: `vectors/health-rollup.json`, `vectors/connection.json`.
///
/// ```
/// use octopus_argo_core::connection::{KeepAlive, KeepAliveConfig, LinkEvent, Next, ProbeOutcome};
/// use std::time::Duration;
///
/// let mut link = KeepAlive::new(KeepAliveConfig::default(), Duration::ZERO);
/// assert_eq!(link.next_probe_at(), Some(Duration::from_secs(30)));
/// let after = link.probed(ProbeOutcome::NotServing, Duration::from_secs(30));
/// assert_eq!((after.event, after.next), (Some(LinkEvent::Down), Next::RebuildClient));
/// assert_eq!(link.next_probe_at(), Some(Duration::from_secs(90)));
/// ```
#[derive(Clone, Debug)]
pub struct KeepAlive {
    config: KeepAliveConfig,
    interval: Duration,
    next: Option<Duration>,
    first_failure: Option<Duration>,
}

impl KeepAlive {
    /// A link that is up at `now`.
    #[must_use]
    pub fn new(config: KeepAliveConfig, now: Duration) -> Self {
        Self {
            interval: config.interval,
            next: Some(now.saturating_add(config.interval)),
            first_failure: None,
            config,
        }
    }

    /// When the next probe is due; `None` once it has given up.
    #[must_use]
    pub const fn next_probe_at(&self) -> Option<Duration> {
        self.next
    }

    /// Since when the link has been down, if it is.
    #[must_use]
    pub const fn down_since(&self) -> Option<Duration> {
        self.first_failure
    }

    /// Takes in that a probe ended so at `now`. After giving up nothing matters any more.
    pub fn probed(&mut self, outcome: ProbeOutcome, now: Duration) -> AfterProbe {
        if self.next.is_none() {
            return AfterProbe::nothing(Next::GiveUp);
        }
        if outcome == ProbeOutcome::Serving {
            self.interval = self.config.interval;
            self.next = Some(now.saturating_add(self.interval));
            let event = self.first_failure.take().map(|_| LinkEvent::Up);
            return AfterProbe {
                event,
                next: Next::Wait,
            };
        }
        let event = self.first_failure.is_none().then_some(LinkEvent::Down);
        let first_failure = *self.first_failure.get_or_insert(now);
        let left = self.config.give_up_after.map(|limit| {
            let elapsed = now.saturating_sub(first_failure);
            limit.saturating_sub(elapsed)
        });
        if left.is_some_and(|left| left.is_zero()) {
            self.next = None;
            return AfterProbe {
                event,
                next: Next::GiveUp,
            };
        }
        self.interval = self
            .interval
            .saturating_mul(2)
            .min(self.config.max_interval)
            .min(left.unwrap_or(Duration::MAX));
        self.next = Some(now.saturating_add(self.interval));
        AfterProbe {
            event,
            next: Next::RebuildClient,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_server_that_never_answers_is_given_up_after_four_probes() {
        let zero = Duration::ZERO;
        let mut link = KeepAlive::new(KeepAliveConfig::from_settings(zero, zero, zero), zero);
        let mut probes = Vec::new();
        while let Some(at) = link.next_probe_at() {
            probes.push(at.as_secs());
            link.probed(ProbeOutcome::Failed, at);
        }
        assert_eq!(probes, [30, 90, 210, 330]);
    }

    proptest! {
        #[test]
        fn down_and_up_alternate_and_no_wait_goes_past_giving_up(
            settings in (0_u64..300, 0_u64..300, 0_u64..900),
            probes in proptest::collection::vec((any::<bool>(), 0_u64..20), 0..60),
        ) {
            let seconds = Duration::from_secs;
            let config =
                KeepAliveConfig::from_settings(seconds(settings.0), seconds(settings.1), seconds(settings.2));
            let limit = config.give_up_after().unwrap();
            let mut link = KeepAlive::new(config, Duration::ZERO);
            let mut events = Vec::new();
            let mut ended = false;
            for (serving, took) in probes {
                let Some(at) = link.next_probe_at() else {
                    ended = true;
                    break;
                };
                let outcome = if serving { ProbeOutcome::Serving } else { ProbeOutcome::Failed };
                let now = at + seconds(took);
                events.extend(link.probed(outcome, now).event);
                if let (Some(next), Some(since)) = (link.next_probe_at(), link.down_since()) {
                    prop_assert!(next <= since + limit && next > now);
                }
            }
            for (number, event) in events.iter().enumerate() {
                prop_assert_eq!(*event, if number % 2 == 0 { LinkEvent::Down } else { LinkEvent::Up });
            }
            if ended {
                prop_assert_eq!(link.probed(ProbeOutcome::Serving, Duration::MAX).event, None);
            }
        }
    }
}
