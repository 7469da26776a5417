//! A listener at work, and how it ends.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::Instrument as _;

use super::Listen;
use super::accept::Acceptor;

/// A listener at work. Dropping it ends everything at once; [`shutdown`](Self::shutdown) lets calls finish.
#[derive(Debug)]
#[must_use = "dropping it ends the listener and its connections"]
pub struct Serving {
    local_addr: SocketAddr,
    tasks: Tasks,
    _guard: DropGuard,
}

impl Serving {
    pub(super) fn start<S, B>(listen: Listen, listener: TcpListener, service: S) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let local_addr = listener.local_addr()?;
        let tasks = Tasks::default();
        let guard = tasks.abort.clone().drop_guard();
        let acceptor = Acceptor::new(listen, tasks.clone(), service);
        tasks.spawn(async move { acceptor.run(listener).await });
        Ok(Self {
            local_addr,
            tasks,
            _guard: guard,
        })
    }

    /// The address it listens on, with the port that the system chose if the listener was bound to port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops listening, tells every client to open no further calls, and waits for those under way; at most `grace`,
    /// then it ends what is left. When it returns, nothing of it runs any more.
    ///
    /// # Cancel safety
    /// Cancel-safe: dropped early, it ends everything at once.
    pub async fn shutdown(self, grace: Duration) -> Ended {
        self.tasks.drain.cancel();
        self.tasks.tracker.close();
        let in_time = tokio::time::timeout(grace, self.tasks.tracker.wait())
            .await
            .is_ok();
        self.tasks.abort.cancel();
        self.tasks.tracker.wait().await;
        if in_time { Ended::Drained } else { Ended::Aborted }
    }
}

/// How [`Serving::shutdown`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Every call had finished.
    Drained,
    /// The grace was over, and what was left was cut.
    Aborted,
}

/// All tasks of one listener: its own, one for each connection, and those that hyper starts for calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks {
    /// Stop accepting, finish what is under way.
    pub(super) drain: CancellationToken,
    abort: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        // Each layer of futures around it would hold room for it twice: itself, and as its argument.
        let future = Box::pin(future);
        self.tracker.spawn(
            async move {
                abort.run_until_cancelled_owned(future).await;
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
