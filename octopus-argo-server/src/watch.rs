//! What is told of calls through the tunnel, to whoever wants to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::{GatewayId, ServerEvent};

/// Is told what happens, in the task where it happens: it must be quick and must not block.
///
/// For metrics and audit logs, which must not miss anything. Who may miss something listens to
/// [`Server::events`](crate::Server::events).
///
/// ```
/// use octopus_argo_server::{CallSummary, Hook};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Hook for Log {
///     fn call_ended(&self, call: &CallSummary) {
///         println!("{} {}: {:?} after {:?}", call.gateway, call.path, call.code, call.took);
///     }
/// }
/// ```
pub trait Hook: std::fmt::Debug + Send + Sync {
    /// Something happened to a gateway.
    fn event(&self, event: &ServerEvent) {
        let _ = event;
    }

    /// A call goes into the tunnel.
    fn call_started(&self, gateway: &GatewayId, path: &str) {
        let _ = (gateway, path);
    }

    /// A call that went into the tunnel is over: its caller has read its end, or given it up.
    fn call_ended(&self, call: &CallSummary) {
        let _ = call;
    }
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSummary {
    /// Whose.
    pub gateway: GatewayId,
    /// The gRPC path, `/package.Service/Method`.
    pub path: String,
    /// How it ended; `None` where the caller gave it up.
    pub code: Option<Code>,
    /// How long it was, from its place in the tunnel on.
    pub took: Duration,
    /// Bytes of its request's body: gRPC messages with their prefixes.
    pub sent: u64,
    /// Bytes of its response's body that the caller took.
    pub received: u64,
}

/// Counts a call, where somebody wants to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    hook: Arc<dyn Hook>,
    gateway: GatewayId,
    path: String,
    since: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    /// The number of the code, or [`NO_CODE`].
    code: AtomicU64,
}

const NO_CODE: u64 = u64::MAX;

impl Meter {
    pub(crate) fn start(hook: Option<&Arc<dyn Hook>>, gateway: &GatewayId, path: &str) -> Self {
        Self(hook.map(|hook| {
            hook.call_started(gateway, path);
            Arc::new(Inner {
                hook: hook.clone(),
                gateway: gateway.clone(),
                path: path.to_owned(),
                since: Instant::now(),
                sent: AtomicU64::new(0),
                received: AtomicU64::new(0),
                code: AtomicU64::new(NO_CODE),
            })
        }))
    }

    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(inner) = &self.0 {
            inner.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        if let Some(inner) = &self.0 {
            inner.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn ended(&self, code: u32) {
        if let Some(inner) = &self.0 {
            inner.code.store(code.into(), Ordering::Relaxed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let code = match self.code.load(Ordering::Relaxed) {
            NO_CODE => None,
            number => Some(Code::from_i32(i32::try_from(number).unwrap_or(i32::MAX))),
        };
        self.hook.call_ended(&CallSummary {
            gateway: self.gateway.clone(),
            path: std::mem::take(&mut self.path),
            code,
            took: self.since.elapsed(),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        });
    }
}
