//! Credit: how much may be sent on a call, and when more is granted.

use super::config::FRAME_COST;

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

/// The receiver's half: what the other side may still send, and what is owed to it.
#[derive(Debug)]
pub(super) struct ReceiveCredit {
    window: u64,
    /// What the sender may still send.
    open: u64,
    /// What was taken by the user and not granted again yet.
    owed: u64,
}

impl ReceiveCredit {
    pub(super) fn new(window: u64) -> Self {
        Self {
            window,
            open: window,
            owed: 0,
        }
    }

    /// Counts a frame that arrived; false where the sender had no credit for it.
    #[must_use]
    pub(super) fn arrived(&mut self, payload: usize) -> bool {
        match self.open.checked_sub(cost(payload)) {
            Some(open) => {
                self.open = open;
                true
            }
            None => false,
        }
    }

    /// Counts a frame that the user took; the answer is what to grant now, if anything.
    ///
    /// Credit goes back in eighths of the window: waiting for half of it halves the throughput of long links, and
    /// answering every frame costs a frame each.
    #[must_use]
    pub(super) fn taken(&mut self, payload: usize) -> Option<u64> {
        self.owed = self
            .owed
            .saturating_add(cost(payload))
            .min(self.window - self.open);
        if self.owed < self.window / 8 {
            return None;
        }
        let grant = std::mem::take(&mut self.owed);
        self.open += grant;
        Some(grant)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_frame_is_not_free() {
        let mut credit = SendCredit::new(2 * FRAME_COST);
        assert_eq!(credit.payload(), Some(64));
        credit.spend(0);
        credit.spend(0);
        assert_eq!(credit.payload(), None);
    }

    proptest! {
        /// Both halves over a perfect wire: what is open, on its way, waiting and owed always adds up to the window,
        /// and a sender that keeps to its half is never refused.
        #[test]
        fn credit_is_conserved(window in 1_000_u64..100_000, steps in proptest::collection::vec((any::<bool>(), 0_usize..2_000), 1..200)) {
            let mut sender = SendCredit::new(window);
            let mut receiver = ReceiveCredit::new(window);
            let mut waiting = std::collections::VecDeque::new();
            for (send, size) in steps {
                if send {
                    let Some(room) = sender.payload() else { continue };
                    let size = size.min(room);
                    sender.spend(size);
                    prop_assert!(receiver.arrived(size));
                    waiting.push_back(size);
                } else if let Some(size) = waiting.pop_front()
                    && let Some(grant) = receiver.taken(size) {
                        sender.grant(grant);
                    }
                let held: u64 = waiting.iter().map(|size| cost(*size)).sum();
                prop_assert_eq!(sender.0, receiver.open);
                prop_assert_eq!(receiver.open + receiver.owed + held, window);
            }
        }
    }
}
