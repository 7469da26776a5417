//! Time that a thread spends on a processor.
//!
//! On a shared machine the time of day measures the neighbours: with twenty programs on two processors it showed eight
//! times what an edit takes. What they take from caches and memory is in this time all the same.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment, as the processor's time of this thread counts it.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Duration);

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs()))
    }

    /// What has been spent since, by the same thread.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
