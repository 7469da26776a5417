//! Syncing, and waiting until it is done.

use std::time::Duration;

use octopus_argo_core::health::OperationPhase;
use octopus_argo_core::health::argocd::OperationState;
use octopus_argo_core::health::verify::{Conditions, Look, Observed, Seen, Step, Verdict, Verification};
use tokio::time::{Instant, sleep_until};

use super::applications::{Fetched, Watch};
use super::{Api, ApiError, Channel, Filter, SyncRequest};

/// How often the application is looked at even if nothing tells of a change.
const LOOK: Duration = Duration::from_secs(10);

/// How long to wait before the next look when Argo CD is not reached, and before it is watched again.
const PAUSE: Duration = Duration::from_secs(2);

/// How a sync that was waited for came out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Synced {
    /// What the verification says.
    pub verdict: Verdict,
    /// The operation as it was last seen; `None` where it never began.
    pub operation: Option<OperationState>,
    /// The application as it was last seen.
    pub last: Option<Fetched>,
}

/// Why a sync was not carried through.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncFailure {
    /// It was not begun.
    #[error("the sync was not begun")]
    #[non_exhaustive]
    NotBegun {
        /// Why.
        source: ApiError,
    },
    /// It was begun, and could not be looked at any more. It goes on.
    #[error("the sync was begun, and cannot be watched")]
    #[non_exhaustive]
    Lost {
        /// Why.
        source: ApiError,
    },
}

impl<S: Channel> Api<S> {
    /// Begins a sync and waits until the conditions hold, or their time is up.
    ///
    /// What is judged is the state after this very operation: not what was there before, which may be Healthy too, and not
    /// what Argo CD has not compared since. An operation that fails fails the verification at once. While Argo CD is not
    /// reached only the clock counts, so a restart does not matter.
    ///
    /// Give the request an [`info`](SyncRequest::info) of your own if others may sync the same application meanwhile: only
    /// then is their operation told from this one.
    ///
    /// # Errors
    /// [`SyncFailure`]. A verdict is no error, whatever it says.
    ///
    /// # Cancel safety
    /// The sync goes on; only the waiting ends.
    pub async fn sync_and_wait(
        &self,
        request: &SyncRequest,
        conditions: Conditions,
    ) -> Result<Synced, SyncFailure> {
        let begun = Instant::now();
        let accepted = Box::pin(self.sync(request))
            .await
            .map_err(|source| SyncFailure::NotBegun { source })?;
        let mut waiting = Waiting {
            request,
            accepted: accepted.version,
            run: Verification::new(Ok(conditions), Duration::ZERO),
            operation: None,
            last: None,
        };
        let mut watch = Some(self.watch(&Filter::default().name(request.target().name())));
        loop {
            let looked = Box::pin(self.get(request.target())).await;
            let now = begun.elapsed();
            let reached = looked.is_ok();
            let step = match looked {
                Ok(fetched) => waiting.look(fetched, now),
                Err(error) if error.is_retryable() => waiting.run.observe(Seen::Unreachable, now),
                Err(source) => return Err(SyncFailure::Lost { source }),
            };
            if let Step::Done(verdict) = step {
                return Ok(Synced {
                    verdict,
                    operation: waiting.operation,
                    last: waiting.last,
                });
            }
            let pause = if reached { LOOK } else { PAUSE };
            let next = waiting
                .run
                .deadline()
                .map_or(pause, |deadline| deadline.saturating_sub(now).min(pause));
            tokio::select! {
                () = sleep_until(Instant::now() + next) => {}
                () = changed(watch.as_mut()), if reached => {}
            }
            if watch.as_ref().is_none_or(Watch::is_over) {
                watch = reached.then(|| self.watch(&Filter::default().name(request.target().name())));
            }
        }
    }
}

/// Waits for news of the application, or pauses when there can be none. Events are hints only: they may be lost.
async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => {
            if !matches!(watch.next().await, Ok(Some(_))) {
                tokio::time::sleep(PAUSE).await;
            }
        }
        None => std::future::pending().await,
    }
}

struct Waiting<'a> {
    request: &'a SyncRequest,
    /// The version at which the operation was accepted.
    accepted: u64,
    run: Verification,
    operation: Option<OperationState>,
    last: Option<Fetched>,
}

impl Waiting<'_> {
    fn look(&mut self, fetched: Fetched, now: Duration) -> Step {
        let ours = fetched
            .detail
            .operation
            .as_ref()
            .filter(|state| self.is_ours(state));
        let over = ours.is_some_and(OperationState::is_over)
            && fetched.version >= self.accepted
            && fetched.detail.requested.is_none();
        if let Some(state) = ours {
            self.operation = Some(state.clone());
        }
        let failed = ours.filter(|state| {
            over && matches!(state.phase, Some(OperationPhase::Failed | OperationPhase::Error))
        });
        let step = if let Some(state) = failed {
            let message = state.message.as_deref().unwrap_or("the operation failed");
            self.run.observe(Seen::Fatal(message), now)
        } else {
            let mut observed = Observed::from(&fetched.application);
            observed.operation_unsettled = !over || fetched.detail.is_unsettled();
            self.run.observe(Seen::Applications(&[observed]), now)
        };
        self.last = Some(fetched);
        step
    }

    /// Whether an operation is the one that was asked for. Without an information of its own any that Argo CD shows after
    /// it was accepted counts: accepting one clears the state of the last.
    fn is_ours(&self, state: &OperationState) -> bool {
        self.request.infos().all(|(name, value)| {
            let mut infos = state.request.infos.iter();
            infos.any(|(a, b)| &**a == name && &**b == value)
        })
    }
}

impl Synced {
    /// What was in the way at the end, if the verdict has a look.
    #[must_use]
    pub const fn look(&self) -> Option<&Look> {
        self.verdict.look.as_ref()
    }
}
