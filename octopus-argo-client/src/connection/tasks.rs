//! Tasks that belong to one connection and end with it.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Where hyper runs the parts of a connection. Cancelling ends them all; `wait` knows when they have ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks {
    pub(super) cancel: CancellationToken,
    pub(super) tracker: TaskTracker,
}

impl Tasks {
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(
            async move {
                cancel.run_until_cancelled_owned(future).await;
            }
            .in_current_span(),
        );
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}
