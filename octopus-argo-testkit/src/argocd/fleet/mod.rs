//! The applications that the simulated server has, and how they change.

mod changes;
mod logs;
mod object;
mod operation;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::v1alpha1;
use serde_json::Value;
use tokio::sync::watch as signal;

pub use changes::ChangeError;
pub(super) use logs::{Entry, Filter, LogQuery, PodLogs};
pub(super) use operation::Refused;
pub use operation::SyncWindow;
pub(super) use watch::{Event, EventKind};

use super::Manifest;
use super::clock::Clock;

/// The applications of the simulated server, to look at and to change while it runs. A cheap handle: clones act on the
/// same server.
///
/// Every change gives the application a new resource version and is seen by open Watch streams. A name without a
/// namespace means the control plane's namespace.
///
/// ```
/// use octopus_argo_core::{ApplicationName, health::OperationPhase};
/// use octopus_argo_testkit::argocd::{ArgoCdSim, Fleet};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = ArgoCdSim::builder().without_authentication().start().await?;
/// let fleet: Fleet = sim.fleet().clone();
/// let web = fleet.upsert("metadata: {name: web}".parse()?);
/// assert_eq!(web, ApplicationName::new(Some("argocd"), "web"));
///
/// fleet.set_logs(&web, "web-7d4b9", ["2026-05-19T09:27:22Z listening", "no time of its own"])?;
///
/// // A client has called Sync; the simulated controller moves when the test says so.
/// # fleet.edit(&web, |manifest| manifest["operation"] = serde_json::json!({"sync": {}}))?;
/// fleet.begin_sync(&web)?;
/// fleet.complete_sync(&web, &OperationPhase::Succeeded)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts changes of logs, for those who follow them.
    logs_changed: signal::Sender<u64>,
    clock: Clock,
    namespace: String,
    watch_buffer: usize,
}

#[derive(Default)]
struct State {
    applications: BTreeMap<ApplicationName, Record>,
    /// The last resource version given. One counter for all objects, as in a cluster.
    version: u64,
    subscribers: Vec<watch::Subscriber>,
    lost_events: u64,
    /// Per application, per pod.
    logs: BTreeMap<ApplicationName, BTreeMap<String, logs::PodLog>>,
    sync_window: SyncWindow,
}

/// An application and the message for it, made once per change.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) manifest: Manifest,
    pub(super) wire: Arc<v1alpha1::Application>,
    pub(super) version: u64,
}

impl Fleet {
    pub(super) fn new(clock: Clock, namespace: String, watch_buffer: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                logs_changed: signal::Sender::new(0),
                clock,
                namespace,
                watch_buffer,
            }),
        }
    }

    /// The application as it is now, with everything that the server has added to its manifest.
    #[must_use]
    pub fn manifest(&self, name: &ApplicationName) -> Option<Value> {
        let record = self.record(&self.full_name(name))?;
        Some(record.manifest.into_json())
    }

    /// The names of all applications, with their namespaces, in order.
    #[must_use]
    pub fn names(&self) -> Vec<ApplicationName> {
        self.state().applications.keys().cloned().collect()
    }

    /// How many Watch events were thrown away so far because a client did not keep up. The client is not told.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.state().lost_events
    }

    /// The control plane's namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.shared.namespace
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// `name` with a namespace.
    pub(super) fn full_name(&self, name: &ApplicationName) -> ApplicationName {
        match name.namespace() {
            Some(_) => name.clone(),
            None => ApplicationName::new(Some(self.namespace()), name.name()),
        }
    }

    /// The application with this full name.
    pub(super) fn record(&self, name: &ApplicationName) -> Option<Record> {
        self.state().applications.get(name).cloned()
    }

    /// Every application by namespace and name, and the version of the whole.
    pub(super) fn snapshot(&self) -> (Vec<Record>, u64) {
        let state = self.state();
        (state.applications.values().cloned().collect(), state.version)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and a test that has failed elsewhere should still be able to look.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Fleet")
            .field("applications", &state.applications.len())
            .field("version", &state.version)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// The project that counts for rights: an empty `spec.project` is `default`.
    pub(super) fn project(&self) -> &str {
        let spec = self.wire.spec.as_ref();
        let project = spec.and_then(|spec| spec.project.as_deref());
        project.filter(|project| !project.is_empty()).unwrap_or("default")
    }

    pub(super) fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.wire.metadata.as_ref().map(|metadata| &metadata.labels)
    }

    pub(super) fn name(&self) -> &ApplicationName {
        self.manifest.name()
    }
}
