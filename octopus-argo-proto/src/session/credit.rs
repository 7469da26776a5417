//! Credit: how much may be sent on a call, and when more is granted.

use std::time::{Duration, Instant};

use super::budget::Budget;
use super::config::FRAME_COST;

/// Credit goes back when an eighth of the window is owed: waiting for half of it halves the throughput of long links, and
/// answering every frame costs a packet each.
const PORTION: u64 = 8;

/// And at the latest when this many bytes are owed: an eighth of a large window would leave too much of it unused. As much
/// as is acknowledged at once, so that one packet does both.
const LARGEST_PORTION: u64 = 256 << 10;

/// A shorter round trip counts as this one when windows grow. Between near neighbours it is not the way that takes time
/// but the tasks that wait for their turn, and a busy machine needs a larger window than the best round trip tells of.
pub(super) const SHORTEST_TRIP: Duration = Duration::from_millis(1);

/// What a data frame of this payload costs.
pub(super) fn cost(payload: usize) -> u64 {
    (payload as u64).saturating_add(FRAME_COST)
}

/// The sender's half: what may still be sent.
#[derive(Debug)]
pub(super) struct SendCredit(u64);

impl SendCredit {
    pub(super) fn new(initial: u64) -> Self {
        Self(initial)
    }

    /// The most payload that the next frame may carry; `None` where it may not even be empty.
    pub(super) fn payload(&self) -> Option<usize> {
        self.0
            .checked_sub(FRAME_COST)
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    pub(super) fn spend(&mut self, payload: usize) {
        self.0 = self.0.saturating_sub(cost(payload));
    }

    pub(super) fn grant(&mut self, bytes: u64) {
        self.0 = self.0.saturating_add(bytes);
    }
}

/// How far windows grow, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub(super) initial: u64,
    pub(super) largest: u64,
    /// As far as it is known.
    pub(super) round_trip: Option<Duration>,
}

/// The receiver's half: what the other side may still send, and what is owed to it.
///
/// Always `open + untaken + owed = window`.
#[derive(Debug)]
pub(super) struct ReceiveCredit {
    window: u64,
    /// What the sender may still send, as far as it has been granted.
    open: u64,
    /// What arrived and was not taken.
    untaken: u64,
    /// What was taken by the user and not granted again yet.
    owed: u64,
    /// When the window that is being taken now was begun, and how much of it has been.
    since: Instant,
    progress: u64,
}

impl ReceiveCredit {
    pub(super) fn new(window: u64, now: Instant) -> Self {
        Self {
            window,
            open: window,
            untaken: 0,
            owed: 0,
            since: now,
            progress: 0,
        }
    }

    pub(super) fn window(&self) -> u64 {
        self.window
    }

    pub(super) fn untaken(&self) -> u64 {
        self.untaken
    }

    /// Counts a frame that arrived; false where the sender had no credit for it.
    #[must_use]
    pub(super) fn arrived(&mut self, payload: usize) -> bool {
        let cost = cost(payload);
        match self.open.checked_sub(cost) {
            Some(open) => {
                self.open = open;
                self.untaken += cost;
                true
            }
            None => false,
        }
    }

    /// Makes the window as large as calls begin with, if the budget has it; the answer is what to grant at once.
    pub(super) fn begin(&mut self, growth: Growth, budget: &mut Budget) -> u64 {
        let more = budget.lend(growth.initial.saturating_sub(self.window));
        self.window += more;
        self.open += more;
        more
    }

    /// Counts what the user took, with what its frames cost; the answer is what to grant now, or 0.
    #[must_use]
    pub(super) fn taken(&mut self, cost: u64, growth: Growth, budget: &mut Budget, now: Instant) -> u64 {
        let cost = cost.min(self.untaken);
        self.untaken -= cost;
        self.owed += cost;
        self.progress += cost;
        if self.window < growth.initial {
            let more = budget.lend(growth.initial - self.window);
            self.window += more;
            self.owed += more;
        } else if self.progress >= self.window {
            let took = now.saturating_duration_since(self.since);
            if growth.round_trip.is_some_and(|round_trip| took < 2 * round_trip) {
                let wanted = self.window.min(growth.largest.saturating_sub(self.window));
                let more = budget.lend(wanted);
                self.window += more;
                self.owed += more;
            }
            self.progress = 0;
            self.since = now;
        }
        if let Some(share) = budget.fair_share() {
            let less = self.owed.min(self.window.saturating_sub(share));
            self.window -= less;
            self.owed -= less;
            budget.give_back(less);
        }
        if self.owed < (self.window / PORTION).min(LARGEST_PORTION) {
            return 0;
        }
        let grant = std::mem::take(&mut self.owed);
        self.open += grant;
        grant
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn growth(initial: u64, round_trip: Option<Duration>) -> Growth {
        Growth {
            initial,
            largest: 400_000,
            round_trip,
        }
    }

    fn budget() -> Budget {
        let mut budget = Budget::new(10_000_000, 100_000, 10);
        assert!(budget.admit());
        budget
    }

    #[test]
    fn an_empty_frame_is_not_free() {
        let mut credit = SendCredit::new(2 * FRAME_COST);
        assert_eq!(credit.payload(), Some(64));
        credit.spend(0);
        credit.spend(0);
        assert_eq!(credit.payload(), None);
    }

    /// Takes a whole window in this time, and says how large the next one is.
    fn after_a_window_in(time: Duration, round_trip: Option<Duration>) -> u64 {
        let (now, mut budget) = (Instant::now(), budget());
        let mut credit = ReceiveCredit::new(100_000, now);
        for _ in 0..10 {
            assert!(credit.arrived(10_000 - 64));
            let _ = credit.taken(10_000, growth(100_000, round_trip), &mut budget, now + time);
        }
        credit.window()
    }

    #[test]
    fn a_window_that_holds_the_sender_up_doubles() {
        assert_eq!(after_a_window_in(19 * MS, Some(10 * MS)), 200_000);
        assert_eq!(after_a_window_in(20 * MS, Some(10 * MS)), 100_000);
        assert_eq!(after_a_window_in(MS, None), 100_000);
    }

    #[test]
    fn a_window_never_outgrows_the_largest() {
        let (now, mut budget) = (Instant::now(), budget());
        let mut credit = ReceiveCredit::new(100_000, now);
        for _ in 0..1_000 {
            assert!(credit.arrived(10_000 - 64));
            let _ = credit.taken(10_000, growth(100_000, Some(MS)), &mut budget, now);
        }
        assert_eq!(credit.window(), 400_000);
    }

    #[test]
    fn a_window_comes_down_when_others_go_short() {
        let now = Instant::now();
        let mut budget = Budget::new(1_000_000, 100_000, 3);
        assert!(budget.admit());
        let mut credit = ReceiveCredit::new(100_000, now);
        let grow = |credit: &mut ReceiveCredit, budget: &mut Budget| {
            assert!(credit.arrived(10_000 - 64));
            let _ = credit.taken(10_000, growth(100_000, Some(MS)), budget, now);
        };
        for _ in 0..100 {
            grow(&mut credit, &mut budget);
        }
        assert_eq!(credit.window(), 400_000);
        assert!(budget.admit() && budget.admit());
        assert_eq!(budget.lend(1_000_000), 400_000, "what is left of a million");
        // Three calls: a third of a million for each.
        for _ in 0..100 {
            grow(&mut credit, &mut budget);
        }
        assert_eq!(credit.window(), 333_333);
    }

    proptest! {
        /// Both halves over a perfect wire: what is open, on its way, waiting and owed always adds up to the window,
        /// and a sender that keeps to its half is never refused.
        #[test]
        fn credit_is_conserved(window in 1_000_u64..100_000, steps in proptest::collection::vec((any::<bool>(), 0_usize..2_000, 0_u64..20), 1..200)) {
            let mut now = Instant::now();
            let mut budget = Budget::new(10 * window, window, 3);
            prop_assert!(budget.admit());
            let mut sender = SendCredit::new(window);
            let mut receiver = ReceiveCredit::new(window, now);
            let mut waiting = std::collections::VecDeque::new();
            for (send, size, millis) in steps {
                now += Duration::from_millis(millis);
                if send {
                    if let Some(most) = sender.payload() {
                        let payload = size.min(most);
                        sender.spend(payload);
                        prop_assert!(receiver.arrived(payload));
                        waiting.push_back(payload);
                    }
                } else if let Some(payload) = waiting.pop_front() {
                    let growth = Growth { initial: 2 * window, largest: 5 * window, round_trip: Some(10 * MS) };
                    sender.grant(receiver.taken(cost(payload), growth, &mut budget, now));
                }
                prop_assert_eq!(receiver.open, sender.0);
                prop_assert_eq!(receiver.open + receiver.untaken + receiver.owed, receiver.window);
                prop_assert_eq!(receiver.untaken, waiting.iter().map(|payload| cost(*payload)).sum::<u64>());
                prop_assert!(receiver.window <= 5 * window);
            }
        }
    }
}
