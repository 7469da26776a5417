//! The session of a gateway and who answers its calls, over all its connections.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_proto::link::{Link, Notice};
use octopus_argo_proto::session::{Attachment, CloseReason, Config, InstanceId, Session};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Hook, Shared, Watched};
use crate::answer::answer;
use crate::router::Router;

/// A session. Its calls go on while there is no connection; dropping it ends them.
pub(super) struct Tunnel {
    link: Link,
    serving: JoinSet<()>,
}

impl Tunnel {
    /// A session that is to be opened over its first connection.
    pub(super) fn begin(
        config: Config,
        instance: InstanceId,
        router: &Router,
        shared: &Arc<Shared>,
    ) -> (Self, Attachment) {
        let session = Session::gateway(config, instance, Instant::now().into_std());
        let link = Link::new(session, || Instant::now().into_std());
        let mut serving = JoinSet::new();
        shared.begin(&link);
        serving.spawn(serve(link.clone(), router.clone(), shared.hook.clone()).in_current_span());
        (Self { link, serving }, Attachment::FIRST)
    }

    /// The same session over another connection; `None` if it is over by now.
    pub(super) fn come_back(self) -> Option<(Self, Attachment)> {
        let via = self.link.attach()?;
        Some((self, via))
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Why the session is over. Waits until it is.
    pub(super) async fn reason(&self) -> CloseReason {
        loop {
            if let Notice::Closed(reason) = self.link.notice().await {
                return reason;
            }
        }
    }

    /// Waits until every call of a session that is over has ended.
    pub(super) async fn finish(mut self) {
        while self.serving.join_next().await.is_some() {}
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // Whoever holds a call of this session learns that it is over.
        self.link.lost();
    }
}

/// Keeps the time of the session, and lets the router answer its calls, until it is over.
async fn serve(link: Link, router: Router, hook: Option<Arc<dyn Hook>>) {
    let mut calls = JoinSet::new();
    let mut timeout = link.next_timeout();
    let mut timer = pin!(tokio::time::sleep_until(due(timeout)));
    loop {
        tokio::select! {
            biased;
            () = link.closed() => break,
            () = &mut timer => {
                link.tick();
                timeout = link.next_timeout();
                timer.as_mut().reset(due(timeout));
            }
            () = link.timeout_changed(timeout) => {
                timeout = link.next_timeout();
                timer.as_mut().reset(due(timeout));
            }
            Some(call) = link.accept() => {
                // Here and not as they end: one more task to wake for each call would be as much as the call itself.
                while calls.try_join_next().is_some() {}
                let span = tracing::debug_span!("call", rpc.path = %call.path);
                let watched = Watched::start(hook.as_ref(), &call.path);
                calls.spawn(answer(call, router.clone(), watched).instrument(span));
            }
        }
    }
    calls.shutdown().await;
}

/// When a timer is to fire. One that waits for nothing fires now and then, which does no harm.
fn due(timeout: Option<std::time::Instant>) -> Instant {
    timeout.map_or_else(|| Instant::now() + NOTHING_DUE, Into::into)
}

const NOTHING_DUE: Duration = Duration::from_secs(3600);
