//! The applications that the simulated server has, and how they change.

mod changes;
mod clusters;
mod details;
mod logs;
mod object;
mod operation;
mod projects;
mod reconcile;
mod record;
mod resources;
mod tree;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octopus_argo_core::ApplicationName;
use serde_json::Value;
use tokio::sync::watch as signal;

pub use changes::ChangeError;
pub(super) use clusters::ClusterObject;
pub(super) use logs::{Entry, Filter, LogQuery, PodLogs};
pub(super) use operation::Refused;
pub use operation::SyncWindow;
pub(super) use projects::Allowed;
pub(super) use record::{Encoded, Record};
pub(super) use resources::{Id, base64};
pub(super) use tree::{TreeError, TreeEvent};
pub(super) use watch::{Event, EventKind};

use super::clock::Clock;
use super::{Encoding, Faults};

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
    /// Counts changes of applications and trees, for those who wait for one.
    changed: signal::Sender<u64>,
    clock: Clock,
    namespace: String,
    watch_buffer: usize,
    encoding: Encoding,
    faults: Faults,
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
    trees: BTreeMap<ApplicationName, tree::Tree>,
    resources: BTreeMap<ApplicationName, Vec<resources::Resource>>,
    details: BTreeMap<ApplicationName, details::Details>,
    clusters: Vec<ClusterObject>,
    projects: projects::Projects,
    sync_window: SyncWindow,
    /// Operations that no controller has seen.
    new_operations: BTreeSet<ApplicationName>,
    /// Refreshes likewise.
    new_refreshes: BTreeSet<ApplicationName>,
}

impl Fleet {
    pub(super) fn new(
        clock: Clock,
        namespace: String,
        watch_buffer: usize,
        encoding: Encoding,
        faults: Faults,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                logs_changed: signal::Sender::new(0),
                changed: signal::Sender::new(0),
                clock,
                namespace,
                watch_buffer,
                encoding,
                faults,
            }),
        }
    }

    /// The application as it is now, with everything that the server has added to its manifest.
    #[must_use]
    pub fn manifest(&self, name: &ApplicationName) -> Option<Value> {
        let record = self.record(&self.full_name(name))?;
        Some(record.json())
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

    pub(super) fn encoding(&self) -> Encoding {
        self.shared.encoding
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.shared.faults
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

    /// Every application by namespace and name.
    pub(super) fn by_name(&self) -> Vec<Record> {
        self.state().applications.values().cloned().collect()
    }

    /// Every application by namespace and name, and the version of the whole.
    pub(super) fn snapshot(&self) -> (Vec<Record>, u64) {
        let state = self.state();
        (state.applications.values().cloned().collect(), state.version)
    }

    /// Resolves when something has changed since the last look.
    pub(super) fn changes(&self) -> signal::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn signal_changes(&self) {
        self.shared.changed.send_modify(|changes| *changes += 1);
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
