//! Whether the other side still lives.

use std::time::{Duration, Instant};

/// Asks after some silence, and gives up after more.
#[derive(Debug)]
pub(super) struct Liveness {
    ask_after: Duration,
    dead_after: Duration,
    heard: Instant,
    asked: Option<Asked>,
    next_id: u64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u64,
    at: Instant,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Send a ping with this number.
    Ask(u64),
    Dead,
}

impl Liveness {
    pub(super) fn new(ask_after: Duration, dead_after: Duration, now: Instant) -> Self {
        Self {
            ask_after,
            dead_after,
            heard: now,
            asked: None,
            next_id: 1,
        }
    }

    /// Something arrived, whatever it is.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Whether anything was heard after this.
    pub(super) fn is_heard_since(&self, since: Option<Instant>) -> bool {
        since.is_some_and(|since| self.heard > since)
    }

    /// There is a new connection, of which nothing is known yet.
    pub(super) fn begin(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// The answer to a ping arrived; how long it took. An answer that was not asked for last tells nothing.
    pub(super) fn answered(&mut self, id: u64, now: Instant) -> Option<Duration> {
        let asked = self.asked.take_if(|asked| asked.id == id)?;
        Some(now.saturating_duration_since(asked.at))
    }

    /// When [`Liveness::check`] has something new to say.
    pub(super) fn deadline(&self) -> Instant {
        match self.waiting() {
            Some(asked) => asked.at + self.patience(),
            None => self.heard + self.ask_after,
        }
    }

    pub(super) fn check(&mut self, now: Instant) -> Verdict {
        // Only a ping that stays unanswered proves anything: after a suspension everything looks silent.
        match self.waiting() {
            Some(asked) if now >= asked.at + self.patience() => Verdict::Dead,
            Some(_) => Verdict::Fine,
            None if now < self.heard + self.ask_after => Verdict::Fine,
            None => {
                let id = self.next_id;
                self.next_id += 1;
                self.asked = Some(Asked { id, at: now });
                Verdict::Ask(id)
            }
        }
    }

    /// The ping that nothing has been heard since.
    fn waiting(&self) -> Option<Asked> {
        self.asked.filter(|asked| asked.at >= self.heard)
    }

    /// How long a ping may stay unanswered.
    fn patience(&self) -> Duration {
        self.dead_after.saturating_sub(self.ask_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn asks_once_and_gives_up() {
        let start = Instant::now();
        let mut liveness = Liveness::new(10 * S, 25 * S, start);
        assert_eq!(liveness.check(start + 9 * S), Verdict::Fine);
        assert_eq!(liveness.deadline(), start + 10 * S);
        assert_eq!(liveness.check(start + 10 * S), Verdict::Ask(1));
        assert_eq!(liveness.check(start + 11 * S), Verdict::Fine);
        assert_eq!(liveness.deadline(), start + 25 * S);
        assert_eq!(liveness.check(start + 25 * S), Verdict::Dead);
    }

    #[test]
    fn after_a_suspension_it_asks_first() {
        let start = Instant::now();
        let mut liveness = Liveness::new(10 * S, 25 * S, start);
        assert_eq!(liveness.check(start + 3600 * S), Verdict::Ask(1));
        assert_eq!(liveness.check(start + 3614 * S), Verdict::Fine);
        assert_eq!(liveness.check(start + 3615 * S), Verdict::Dead);
    }

    #[test]
    fn a_new_connection_has_all_the_time() {
        let start = Instant::now();
        let mut liveness = Liveness::new(10 * S, 25 * S, start);
        assert_eq!(liveness.check(start + 10 * S), Verdict::Ask(1));
        liveness.begin(start + 20 * S);
        assert_eq!(liveness.check(start + 29 * S), Verdict::Fine);
        assert_eq!(liveness.check(start + 30 * S), Verdict::Ask(2));
        assert_eq!(
            liveness.answered(1, start + 31 * S),
            None,
            "asked over the old one"
        );
    }

    #[test]
    fn an_answer_measures_the_round_trip_and_starts_anew() {
        let start = Instant::now();
        let mut liveness = Liveness::new(10 * S, 25 * S, start);
        assert_eq!(liveness.check(start + 10 * S), Verdict::Ask(1));
        liveness.heard(start + 12 * S);
        assert_eq!(liveness.answered(7, start + 12 * S), None);
        assert_eq!(liveness.answered(1, start + 12 * S), Some(2 * S));
        assert_eq!(liveness.check(start + 22 * S), Verdict::Ask(2));
    }
}
