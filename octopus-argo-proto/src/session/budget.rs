//! The budget of a session: who may hold how much of what arrives.

/// What is promised to calls, and what is left for those that could use more.
///
/// Counted are the windows of the open calls, and what ended calls left untaken. Of the rest, a guaranteed window is set
/// aside for every call that may still be opened; only what remains then can be lent.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    guaranteed: u64,
    max_calls: u64,
    calls: u64,
    /// Windows of open calls, and what ended ones left untaken.
    promised: u64,
    /// Somebody wanted more than there was, since the last time that something came back.
    short: bool,
}

impl Budget {
    pub(super) fn new(limit: u64, guaranteed: u64, max_calls: u32) -> Self {
        Self {
            limit,
            guaranteed,
            max_calls: max_calls.into(),
            calls: 0,
            promised: 0,
            short: false,
        }
    }

    /// Sets a guaranteed window aside for another call; false where ended calls left so much untaken that there is none.
    #[must_use]
    pub(super) fn admit(&mut self) -> bool {
        let fits = self.promised.saturating_add(self.guaranteed) <= self.limit;
        if fits {
            self.calls += 1;
            self.promised += self.guaranteed;
        }
        self.short |= !fits;
        fits
    }

    /// Lends up to this much to a call's window.
    pub(super) fn lend(&mut self, wanted: u64) -> u64 {
        let lent = wanted.min(self.left());
        self.promised += lent;
        self.short |= lent < wanted;
        lent
    }

    /// A window got smaller by this much.
    pub(super) fn give_back(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// A call with this window is over, and left this much of it untaken.
    pub(super) fn end(&mut self, window: u64, untaken: u64) {
        self.calls = self.calls.saturating_sub(1);
        self.promised = self.promised.saturating_sub(window).saturating_add(untaken);
        self.short = false;
    }

    /// What an ended call had left untaken was taken.
    pub(super) fn taken(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// The window to which a call has to come down, if others want what it has.
    pub(super) fn fair_share(&self) -> Option<u64> {
        self.short
            .then(|| (self.limit / self.calls.max(1)).max(self.guaranteed))
    }

    fn left(&self) -> u64 {
        let aside = self.max_calls.saturating_sub(self.calls) * self.guaranteed;
        self.limit.saturating_sub(self.promised).saturating_sub(aside)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_lent_leaves_every_other_call_its_guarantee() {
        let mut budget = Budget::new(1_000, 100, 5);
        assert!(budget.admit());
        assert_eq!(budget.lend(300), 300);
        assert_eq!(budget.fair_share(), None);
        assert_eq!(budget.lend(300), 200);
        assert_eq!(budget.fair_share(), Some(1_000));
        for _ in 0..4 {
            assert!(budget.admit());
        }
        assert_eq!(budget.lend(1), 0);
        assert_eq!(budget.fair_share(), Some(200));
        budget.end(600, 0);
        assert_eq!(budget.fair_share(), None);
        assert_eq!(budget.lend(1_000), 500);
    }

    #[test]
    fn what_ended_calls_left_stands_against_new_ones() {
        let mut budget = Budget::new(200, 100, 2);
        assert!(budget.admit());
        budget.end(100, 100);
        assert!(budget.admit());
        budget.end(100, 50);
        assert!(!budget.admit());
        budget.taken(50);
        assert!(budget.admit());
    }

    proptest! {
        #[test]
        fn never_promises_more_than_it_has(steps in proptest::collection::vec((0..4_u8, 0_u64..500), 1..300)) {
            let mut budget = Budget::new(1_000, 100, 5);
            let (mut windows, mut left) = (Vec::new(), 0);
            for (what, amount) in steps {
                match what {
                    0 if windows.len() < 5 && budget.admit() => windows.push(100),
                    1 => if let Some(window) = windows.last_mut() { *window += budget.lend(amount) },
                    2 => if let Some(window) = windows.pop() {
                        let untaken = amount.min(window);
                        budget.end(window, untaken);
                        left += untaken;
                    },
                    3 => {
                        let taken = amount.min(left);
                        budget.taken(taken);
                        left -= taken;
                    }
                    _ => {}
                }
                let promised: u64 = windows.iter().sum::<u64>() + left;
                prop_assert_eq!(promised, budget.promised);
                prop_assert!(promised <= 1_000);
            }
        }
    }
}
