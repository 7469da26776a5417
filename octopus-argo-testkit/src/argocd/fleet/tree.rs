//! Trees of resources, and the cache that holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::v1alpha1::{
    Application, ApplicationTree, HealthStatus, ResourceNode, ResourceRef, ResourceStatus,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{ChangeError, Encoded, Fleet, Record, State};
use crate::argocd::manifest::{self, ManifestError};

/// What the cache holds for an application, and who listens.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Given by the test; without one it is made from the application's resources.
    explicit: Option<Arc<ApplicationTree>>,
    /// It is not in the cache until the next reconciliation.
    missing: bool,
    listeners: Vec<mpsc::Sender<TreeEvent>>,
}

#[derive(Clone, Debug)]
pub(in crate::argocd) enum TreeEvent {
    Tree(Arc<ApplicationTree>),
    /// The application was deleted, and its key in the cache with it.
    Gone,
}

/// Why there is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::argocd) enum TreeError {
    Gone,
    /// It is not in the cache: it comes with a reconciliation.
    Missing,
    /// It is not in the cache, and will not come because of these conditions.
    Conditions(String),
}

/// More than a test lets pile up.
const LISTENER: usize = 1000;

impl Fleet {
    /// Sets the application's tree of resources, in the JSON of Argo CD: `nodes`, `orphanedNodes`, `hosts`. The resource
    /// that a node stands for is flat in it: `kind`, `name`, `namespace`, `group`, `version`, `uid`. A node without `uid`,
    /// `resourceVersion` and `createdAt` is a managed resource that does not exist yet.
    ///
    /// Who calls `WatchResourceTree` receives it. Watch streams do not learn of it, as with real Argo CD: a change of a
    /// child's health does not touch the Application. Without this call the tree is made from `status.resources`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`], and [`ChangeError::Details`] for what is no tree.
    pub fn set_tree(&self, name: &ApplicationName, tree: &Value) -> Result<(), ChangeError> {
        let tree = manifest::tree(tree, self.encoding()).map_err(|source| self.not_details(name, source))?;
        self.with_record(name, |state, record| {
            let entry = state.trees.entry(record.name().clone()).or_default();
            entry.explicit = Some(Arc::new(tree));
            entry.missing = false;
            let record = record.refilled();
            state.applications.insert(record.name().clone(), record.clone());
            state.tell_tree(&record, self);
        })
    }

    /// Lets the controller write the tree again, changed or not. Who calls `WatchResourceTree` receives it.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn notify_tree(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        self.with_record(name, |state, record| state.tell_tree(record, self))
    }

    /// Takes the application's tree and managed resources out of the cache, as happens an hour after the last
    /// reconciliation. `ResourceTree` and `ManagedResources` then ask for a refresh and wait for it; where the
    /// application has a `ComparisonError` or an `InvalidSpecError` they answer code 2 with its text.
    ///
    /// The default controller refreshes at once; with [`Controller::refresh_manually`](crate::argocd::Controller) they
    /// wait for [`Fleet::reconcile`].
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn forget_tree(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        self.with_record(name, |state, record| {
            state.trees.entry(record.name().clone()).or_default().missing = true;
        })
    }

    pub(super) fn not_details(&self, name: &ApplicationName, source: ManifestError) -> ChangeError {
        ChangeError::Details {
            name: self.full_name(name),
            source,
        }
    }

    /// Runs with the application, which must exist, and then tells those who wait for changes.
    pub(super) fn with_record<T>(
        &self,
        name: &ApplicationName,
        run: impl FnOnce(&mut State, &Record) -> T,
    ) -> Result<T, ChangeError> {
        let name = self.full_name(name);
        let mut state = self.state();
        let Some(record) = state.applications.get(&name).cloned() else {
            return Err(ChangeError::NoSuchApplication { name });
        };
        let result = run(&mut state, &record);
        drop(state);
        self.signal_changes();
        Ok(result)
    }

    /// What the cache holds now.
    pub(in crate::argocd) fn tree(&self, name: &ApplicationName) -> Result<Arc<ApplicationTree>, TreeError> {
        let state = self.state();
        let record = state.applications.get(name).ok_or(TreeError::Gone)?;
        if state.trees.get(name).is_some_and(|tree| tree.missing) {
            return Err(match conditions(&record.application()) {
                text if text.is_empty() => TreeError::Missing,
                text => TreeError::Conditions(text),
            });
        }
        Ok(state.tree(record, self))
    }

    /// The tree that there is, in the cache or not.
    pub(in crate::argocd) fn live_tree(&self, record: &Record) -> Arc<ApplicationTree> {
        self.state().tree(record, self)
    }

    /// Later trees, not the one of now.
    pub(in crate::argocd) fn listen_to_tree(&self, name: &ApplicationName) -> mpsc::Receiver<TreeEvent> {
        let (sender, receiver) = mpsc::channel(LISTENER);
        let mut state = self.state();
        state
            .trees
            .entry(name.clone())
            .or_default()
            .listeners
            .push(sender);
        receiver
    }

    /// The bytes of an application with the health of its resources.
    pub(in crate::argocd) fn filled(&self, record: &Record) -> Encoded {
        let tree = {
            let state = self.state();
            let entry = state.trees.get(record.name());
            entry.and_then(|entry| entry.explicit.clone())
        };
        record.filled(tree.as_deref())
    }
}

impl State {
    pub(super) fn explicit_tree(&self, name: &ApplicationName) -> Option<&ApplicationTree> {
        self.trees.get(name)?.explicit.as_deref()
    }

    fn tree(&self, record: &Record, fleet: &Fleet) -> Arc<ApplicationTree> {
        let entry = self.trees.get(record.name());
        if let Some(tree) = entry.and_then(|entry| entry.explicit.clone()) {
            return tree;
        }
        let mut tree = derived(&record.manifest().to_wire(fleet.encoding()));
        let id = |node: &ResourceNode| {
            let id = node.resource_ref.clone().unwrap_or_default();
            (id.group, id.kind, id.namespace, id.name)
        };
        for node in self.resource_nodes(record) {
            if !tree.nodes.iter().any(|known| id(known) == id(&node)) {
                tree.nodes.push(node);
            }
        }
        Arc::new(tree)
    }

    /// A reconciliation writes the tree.
    pub(super) fn tell_tree(&mut self, record: &Record, fleet: &Fleet) {
        let Some(entry) = self.trees.get_mut(record.name()) else {
            return; // Nobody has ever asked for it.
        };
        entry.missing = false;
        if entry.listeners.is_empty() {
            return;
        }
        let event = TreeEvent::Tree(self.tree(record, fleet));
        if let Some(entry) = self.trees.get_mut(record.name()) {
            entry.listeners.retain(|listener| {
                let told = listener.try_send(event.clone());
                !matches!(told, Err(mpsc::error::TrySendError::Closed(_)))
            });
        }
    }

    pub(super) fn remove_tree(&mut self, name: &ApplicationName) {
        for listener in self
            .trees
            .remove(name)
            .into_iter()
            .flat_map(|tree| tree.listeners)
        {
            // Who is gone, or full, learns of the end by the channel's.
            let _ = listener.try_send(TreeEvent::Gone);
        }
    }
}

/// The conditions that keep an application from having a tree, as text.
///
/// Rule: Argo CD `server/application/application.go` (`getCachedAppState`), `util/argo/argo.go` (`FormatAppConditions`).
fn conditions(application: &Application) -> String {
    let status = application.status.as_ref();
    let found = status.into_iter().flat_map(|status| &status.conditions);
    let texts: Vec<String> = found
        .filter(|condition| matches!(condition.r#type(), "ComparisonError" | "InvalidSpecError"))
        .map(|condition| format!("{}: {}", condition.r#type(), condition.message()))
        .collect();
    texts.join(";")
}

/// A tree of an application's managed resources alone.
fn derived(application: &Application) -> ApplicationTree {
    let status = application.status.as_ref();
    let resources = status.into_iter().flat_map(|status| &status.resources);
    ApplicationTree {
        nodes: resources.filter(|resource| !resource.hook()).map(node).collect(),
        ..ApplicationTree::default()
    }
}

fn node(resource: &ResourceStatus) -> ResourceNode {
    let missing = resource
        .health
        .as_ref()
        .is_some_and(|health| health.status() == "Missing");
    let name = format!(
        "{}/{}/{}/{}",
        resource.group(),
        resource.kind(),
        resource.namespace(),
        resource.name()
    );
    let uid = if missing {
        String::new()
    } else {
        super::object::uid(&ApplicationName::new(None, &name))
    };
    ResourceNode {
        resource_ref: Some(ResourceRef {
            group: resource.group.clone(),
            version: resource.version.clone(),
            kind: resource.kind.clone(),
            namespace: resource.namespace.clone(),
            name: resource.name.clone(),
            uid: Some(uid),
        }),
        resource_version: Some(if missing { String::new() } else { "1".to_owned() }),
        health: resource.health.clone(),
        ..ResourceNode::default()
    }
}

/// Fills in the health of resources from the tree. One that the tree has and the cluster has not is `Missing`.
pub(super) fn fill(application: &mut Application, tree: &ApplicationTree) {
    let key = |group: &str, kind: &str, namespace: &str, name: &str| {
        [group, kind, namespace, name].map(str::to_owned)
    };
    let known: BTreeMap<_, _> = tree
        .nodes
        .iter()
        .filter_map(|node| {
            let id = node.resource_ref.as_ref()?;
            let health = node.health.clone().or_else(|| absent(node, id))?;
            Some((key(id.group(), id.kind(), id.namespace(), id.name()), health))
        })
        .collect();
    let resources = application
        .status
        .iter_mut()
        .flat_map(|status| &mut status.resources);
    for resource in resources {
        let key = key(
            resource.group(),
            resource.kind(),
            resource.namespace(),
            resource.name(),
        );
        resource.health = known.get(&key).cloned();
    }
}

fn absent(node: &ResourceNode, id: &ResourceRef) -> Option<HealthStatus> {
    let absent = id.uid().is_empty() && node.resource_version().is_empty() && node.created_at.is_none();
    absent.then(|| HealthStatus {
        status: Some("Missing".to_owned()),
        message: Some("Resource has not been created".to_owned()),
        last_transition_time: None,
    })
}
