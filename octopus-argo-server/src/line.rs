//! Waiting for a place among the calls of a gateway.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use octopus_argo_proto::session::OpenError;
use tokio::sync::{Mutex as Turnstile, Notify};
use tokio::time::Instant;

use crate::{GatewayId, TunnelError};

/// How long a call waits that has no deadline.
pub(crate) const WITHOUT_DEADLINE: Duration = Duration::from_secs(10);

/// How often who waits looks again by itself: a call may be over on the wire before its caller has read its end, and
/// a gateway may be gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The line in which calls stand while a gateway has as many as it allows. First come, first served.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Only the first in the line looks for places; the others wait for their turn here.
    turnstile: Turnstile<()>,
    waiting: AtomicUsize,
    freed: Notify,
}

impl Line {
    /// Opens a call, when there is a place for it; until `deadline` at most.
    pub(crate) async fn admit<T>(
        self: &Arc<Self>,
        deadline: Instant,
        mut open: impl FnMut() -> Attempt<T>,
    ) -> Result<(T, Place), TunnelError> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            match open() {
                Attempt::Full(_) => {}
                Attempt::Done(result) => return self.placed(result),
            }
        }
        let _in_line = Standing::new(&self.waiting);
        let turn = tokio::time::timeout_at(deadline, self.turnstile.lock());
        let Ok(_turn) = turn.await else {
            // Asked once more, because only that tells what stands in the way.
            return match open() {
                Attempt::Full(error) => Err(error),
                Attempt::Done(result) => self.placed(result),
            };
        };
        loop {
            let freed = self.freed.notified();
            match open() {
                Attempt::Full(error) if Instant::now() >= deadline => return Err(error),
                Attempt::Full(_) => {}
                Attempt::Done(result) => return self.placed(result),
            }
            let until = deadline.min(Instant::now() + LOOK_AGAIN);
            // Whether there is a place is seen by asking.
            let _ = tokio::time::timeout_at(until, freed).await;
        }
    }

    fn placed<T>(self: &Arc<Self>, result: Result<T, TunnelError>) -> Result<(T, Place), TunnelError> {
        result.map(|opened| (opened, Place(self.clone())))
    }
}

/// What came of trying to open a call.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    /// There is no place now. The error is for who does not wait.
    Full(TunnelError),
    /// It is open, or waiting would not help.
    Done(Result<T, TunnelError>),
}

impl<T> From<Result<T, OpenError>> for Attempt<T> {
    fn from(result: Result<T, OpenError>) -> Self {
        match result {
            Ok(opened) => Self::Done(Ok(opened)),
            Err(error @ OpenError::TooManyCalls { .. }) => Self::Full(TunnelError::open(error)),
            Err(error) => Self::Done(Err(TunnelError::open(error))),
        }
    }
}

/// The place of a call. To be dropped after the call's reader.
#[derive(Debug)]
pub(crate) struct Place(Arc<Line>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            self.0.freed.notify_one();
        }
    }
}

/// Counts who waits, for as long as they do.
struct Standing<'a>(&'a AtomicUsize);

impl<'a> Standing<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The line of each gateway for which there is a handle.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<HashMap<GatewayId, Weak<Line>>>);

impl Lines {
    /// How many calls wait in all of them.
    pub(crate) fn waiting(&self) -> usize {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = lines.values().filter_map(Weak::upgrade);
        lines.map(|line| line.waiting.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn of(&self, gateway: &GatewayId) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(gateway).and_then(Weak::upgrade) {
            return line;
        }
        lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Line::default());
        lines.insert(gateway.clone(), Arc::downgrade(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    use crate::TunnelErrorKind;

    /// The error is none that a session gives, so that it is known again.
    fn full() -> Attempt<()> {
        Attempt::Full(TunnelError::offline(Some(Duration::from_secs(77))))
    }

    fn is_full<T>(result: Result<T, TunnelError>) -> bool {
        matches!(
            result.map(drop).unwrap_err().kind(),
            TunnelErrorKind::Offline { .. }
        )
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_in_line_for_places() {
        let line = Arc::new(Line::default());
        let free = Cell::new(2);
        let take = || {
            let left = free.get();
            if left == 0 {
                return full();
            }
            free.set(left - 1);
            Attempt::Done(Ok(()))
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let ((), first) = line.admit(deadline, take).await.unwrap();
        let ((), second) = line.admit(deadline, take).await.unwrap();
        let order = Cell::new(Vec::new());
        let waits = async |name: &'static str| {
            let ((), place) = line.admit(deadline, take).await.unwrap();
            let mut names = order.take();
            names.push(name);
            order.set(names);
            place
        };
        let frees = async {
            for place in [first, second] {
                tokio::time::sleep(Duration::from_millis(10)).await;
                free.set(free.get() + 1);
                drop(place);
            }
        };
        let before = Instant::now();
        let (third, fourth, ()) = tokio::join!(waits("third"), waits("fourth"), frees);
        assert_eq!(order.take(), ["third", "fourth"]);
        assert!(before.elapsed() < LOOK_AGAIN, "they were told");
        drop((third, fourth));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_waiting() {
        let line = Arc::new(Line::default());
        let before = Instant::now();
        let limit = Duration::from_millis(1234);
        let wait = || line.admit(before + limit, full);
        let (one, other) = tokio::join!(wait(), wait());
        assert!(is_full(one) && is_full(other));
        let took = before.elapsed();
        assert!(took >= limit && took < limit + LOOK_AGAIN, "{took:?}");
        assert_eq!(line.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_ends_the_waiting_at_once() {
        let line = Arc::new(Line::default());
        let gone = Attempt::Done(Err(TunnelError::offline(None)));
        let mut answers = vec![gone, full(), full()];
        let deadline = Instant::now() + Duration::from_secs(60);
        let error = line.admit(deadline, || answers.pop().unwrap()).await.unwrap_err();
        assert_eq!(*error.kind(), TunnelErrorKind::NeverConnected);
    }

    #[test]
    fn a_line_is_shared_and_forgotten() {
        let lines = Lines::default();
        let (one, other): (GatewayId, GatewayId) = ("one".parse().unwrap(), "other".parse().unwrap());
        let first = lines.of(&one);
        assert!(Arc::ptr_eq(&first, &lines.of(&one)));
        drop(first);
        lines.of(&other);
        assert_eq!(lines.0.lock().unwrap().len(), 1);
    }
}
