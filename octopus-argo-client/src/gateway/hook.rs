//! What is told of a gateway and its calls, to whoever wants to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::GatewayEvent;

/// Is told what happens, in the task where it happens: it must be quick and must not block.
///
/// For metrics and audit logs, which must not miss anything. Who may miss something listens to
/// [`Gateway::events`](crate::Gateway::events). The server's end has the same by the same names.
///
/// ```
/// use octopus_argo_client::{CallSummary, Hook};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Hook for Log {
///     fn call_ended(&self, call: &CallSummary) {
///         println!("{}: {:?} after {:?}, {} bytes", call.path, call.code, call.took, call.sent);
///     }
/// }
/// ```
pub trait Hook: std::fmt::Debug + Send + Sync {
    /// Something happened to the gateway.
    fn event(&self, event: &GatewayEvent) {
        let _ = event;
    }

    /// A call of the server came, to be answered by a service here.
    fn call_started(&self, path: &str) {
        let _ = path;
    }

    /// A call is over for this gateway: its service has ended it, the server has given it up, or the session is over.
    fn call_ended(&self, call: &CallSummary) {
        let _ = call;
    }
}

/// A call that is over, as the gateway saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSummary {
    /// The gRPC path, `/package.Service/Method`.
    pub path: String,
    /// How its service ended it; `None` where it was given up before.
    pub code: Option<Code>,
    /// How long it was, from its arrival here on.
    pub took: Duration,
    /// Bytes of its request's body that the service took: gRPC messages with their prefixes.
    pub received: u64,
    /// Bytes of its response's body that the service gave.
    pub sent: u64,
}

/// Counts a call, where somebody wants to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Option<Arc<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Meter {
    pub(crate) fn received(&self, bytes: usize) {
        if let Some(counts) = &self.0 {
            counts.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(counts) = &self.0 {
            counts.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

/// A call that goes on. Dropping it tells that it is over, whoever still holds its [`Meter`].
#[derive(Debug, Default)]
pub(crate) struct Watched(Option<Inner>);

#[derive(Debug)]
struct Inner {
    hook: Arc<dyn Hook>,
    path: String,
    since: Instant,
    counts: Arc<Counts>,
    code: Option<u32>,
}

impl Watched {
    pub(crate) fn start(hook: Option<&Arc<dyn Hook>>, path: &str) -> Self {
        Self(hook.map(|hook| {
            hook.call_started(path);
            Inner {
                hook: hook.clone(),
                path: path.to_owned(),
                since: Instant::now(),
                counts: Arc::default(),
                code: None,
            }
        }))
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter(self.0.as_ref().map(|inner| inner.counts.clone()))
    }

    /// Its service has ended it with this code.
    pub(crate) fn ended(&mut self, code: u32) {
        if let Some(inner) = &mut self.0 {
            inner.code = Some(code);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        let code = inner
            .code
            .map(|number| Code::from_i32(i32::try_from(number).unwrap_or(i32::MAX)));
        inner.hook.call_ended(&CallSummary {
            path: inner.path,
            code,
            took: inner.since.elapsed(),
            received: inner.counts.received.load(Ordering::Relaxed),
            sent: inner.counts.sent.load(Ordering::Relaxed),
        });
    }
}
