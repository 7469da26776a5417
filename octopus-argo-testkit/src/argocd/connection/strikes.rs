//! Which pings are too many.

use std::time::Duration;

use tokio::time::Instant;

/// How many pings a server bears.
///
/// Real Argo CD: [`KeepAlive::default`], and `minimum` comes from `ARGOCD_GRPC_KEEP_ALIVE_MIN`, which proxies and
/// administrators set higher. A small `minimum` with a test that pauses the clock, or a large one, provokes the end of
/// the connection without waiting.
///
/// A ping is a strike where it comes sooner after the last one than `minimum` while a call is open, or than `idle` while
/// none is. Whatever HEADERS or DATA the server sends resets the count at the next ping. One strike more than `strikes`
/// draws GOAWAY with code 11 (`ENHANCE_YOUR_CALM`) and the text `too_many_pings`, and ends the connection with every call
/// on it.
///
/// Rule: grpc-go `internal/transport/http2_server.go` (`handlePing`); Argo CD `common/common.go`
/// (`GetGRPCKeepAliveEnforcementMinimum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// Between pings while a call is open. Default: 10 s.
    pub minimum: Duration,
    /// Between pings while no call is open. Default: 2 h.
    pub idle: Duration,
    /// How many strikes are borne. Default: 2.
    pub strikes: u32,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            minimum: Duration::from_secs(10),
            idle: Duration::from_secs(2 * 60 * 60),
            strikes: 2,
        }
    }
}

impl KeepAlive {
    /// The default with this time between pings while a call is open.
    #[must_use]
    pub fn with_minimum(minimum: Duration) -> Self {
        Self {
            minimum,
            ..Self::default()
        }
    }

    /// The same with this time between pings while no call is open.
    #[must_use]
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// The same, bearing this many strikes.
    #[must_use]
    pub const fn strikes(mut self, strikes: u32) -> Self {
        self.strikes = strikes;
        self
    }
}

/// Counts one connection's pings.
#[derive(Clone, Debug)]
pub(super) struct Strikes {
    rule: KeepAlive,
    last: Option<Instant>,
    count: u32,
    reset: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Borne,
    TooMany,
}

impl Strikes {
    pub(super) const fn new(rule: KeepAlive) -> Self {
        Self {
            rule,
            last: None,
            count: 0,
            reset: false,
        }
    }

    /// The server has sent HEADERS or DATA.
    pub(super) const fn server_spoke(&mut self) {
        self.reset = true;
    }

    pub(super) fn ping(&mut self, now: Instant, idle: bool) -> Judgement {
        let last = self.last.replace(now);
        if std::mem::take(&mut self.reset) {
            self.count = 0;
            return Judgement::Borne;
        }
        let needed = if idle { self.rule.idle } else { self.rule.minimum };
        if last.is_some_and(|last| now.duration_since(last) < needed) {
            self.count += 1;
        }
        if self.count > self.rule.strikes {
            Judgement::TooMany
        } else {
            Judgement::Borne
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these pings, at seconds after the start, ends the connection.
    fn ends_at(pings: &[u64], idle: bool, spoke_first: bool) -> Option<usize> {
        let start = Instant::now();
        let mut strikes = Strikes::new(KeepAlive::default());
        if spoke_first {
            strikes.server_spoke();
        }
        pings
            .iter()
            .position(|at| strikes.ping(start + Duration::from_secs(*at), idle) == Judgement::TooMany)
    }

    #[test]
    fn the_fourth_quick_ping_is_too_many() {
        assert_eq!(ends_at(&[0, 1, 2, 3, 4], false, false), Some(3));
        assert_eq!(
            ends_at(&[0, 1, 2, 3, 4], false, true),
            Some(3),
            "the first one resets"
        );
        assert_eq!(ends_at(&[0, 10, 20, 30, 40, 50], false, false), None);
        assert_eq!(ends_at(&[0, 9, 18, 27], false, false), Some(3));
    }

    #[test]
    fn while_idle_even_slow_pings_are_too_many() {
        assert_eq!(ends_at(&[0, 11, 22, 33], true, false), Some(3));
        assert_eq!(ends_at(&[0, 7200, 14400, 21600], true, false), None);
    }

    #[test]
    fn what_the_server_sends_resets_the_count() {
        let start = Instant::now();
        let mut strikes = Strikes::new(KeepAlive::default());
        for second in 0..40 {
            if second % 3 == 0 {
                strikes.server_spoke();
            }
            let judged = strikes.ping(start + Duration::from_secs(second), false);
            assert_eq!(judged, Judgement::Borne, "second {second}");
        }
    }
}
