//! Argo CD projects.

use std::collections::{BTreeMap, BTreeSet};

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::v1alpha1::{AppProject, SyncWindow};
use serde_json::{Value, json};

use super::{Fleet, Record};
use crate::argocd::access::glob;
use crate::argocd::manifest::{self, ManifestError};

/// Projects that were given, and those that were taken away.
#[derive(Debug, Default)]
pub(super) struct Projects {
    given: BTreeMap<String, AppProject>,
    removed: BTreeSet<String>,
}

/// Whether an application's project takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::argocd) enum Allowed {
    Yes,
    No,
}

impl Fleet {
    /// Adds a project, or replaces one: an `AppProject` in JSON. Its roles and windows are answered; of its rules only
    /// `sourceNamespaces` is applied, to applications outside the control plane's namespace.
    ///
    /// Projects need not be given: one that an application names is there, and takes every application.
    ///
    /// # Errors
    /// [`ManifestError::Nameless`] and [`ManifestError::WrongType`].
    pub fn set_project(&self, json: &Value) -> Result<(), ManifestError> {
        let mut wire = manifest::project(json, self.encoding())?;
        let metadata = wire.metadata.get_or_insert_default();
        let name = metadata
            .name
            .clone()
            .filter(|name| !name.is_empty())
            .ok_or(ManifestError::Nameless)?;
        if metadata.namespace().is_empty() {
            metadata.namespace = Some(self.namespace().to_owned());
        }
        let mut state = self.state();
        state.version += 1;
        metadata.resource_version = Some(state.version.to_string());
        state.projects.removed.remove(&name);
        state.projects.given.insert(name, wire);
        Ok(())
    }

    /// Removes a project, even one that applications name: calls about those answer code 3 since 2.14.
    pub fn remove_project(&self, name: &str) {
        let mut state = self.state();
        state.projects.given.remove(name);
        state.projects.removed.insert(name.to_owned());
    }

    /// Whether the application's project exists and takes it.
    ///
    /// Rule: Argo CD `server/application/application.go` (`getAppEnforceRBAC`), `AppProject.IsAppNamespacePermitted`.
    pub(in crate::argocd) fn project_takes(&self, record: &Record) -> Allowed {
        let state = self.state();
        if state.projects.removed.contains(record.project()) {
            return Allowed::No;
        }
        let namespace = record.name().namespace().unwrap_or_default();
        let Some(project) = state.projects.given.get(record.project()) else {
            return Allowed::Yes;
        };
        let mut patterns = project.spec.iter().flat_map(|spec| &spec.source_namespaces);
        if namespace == self.namespace() || patterns.any(|pattern| glob(pattern, namespace)) {
            Allowed::Yes
        } else {
            Allowed::No
        }
    }

    /// Every project by name: those given, those that applications name, and `default`.
    pub(in crate::argocd) fn projects(&self) -> Vec<(String, AppProject)> {
        let state = self.state();
        let mut names: BTreeSet<&str> = state.applications.values().map(Record::project).collect();
        names.insert("default");
        names.extend(state.projects.given.keys().map(String::as_str));
        names
            .into_iter()
            .filter(|name| !state.projects.removed.contains(*name))
            .map(|name| {
                let given = state.projects.given.get(name).cloned();
                (name.to_owned(), given.unwrap_or_else(|| self.implied(name)))
            })
            .collect()
    }

    pub(in crate::argocd) fn project(&self, name: &str) -> Option<AppProject> {
        self.projects()
            .into_iter()
            .find(|(found, _)| found == name)
            .map(|(_, project)| project)
    }

    /// The windows of the application's project that mean it.
    pub(in crate::argocd) fn windows(&self, record: &Record) -> Vec<SyncWindow> {
        let state = self.state();
        let project = state.projects.given.get(record.project());
        let windows = project
            .and_then(|project| project.spec.as_ref())
            .map(|spec| &spec.sync_windows);
        let application = record.application();
        let destination = application
            .spec
            .and_then(|spec| spec.destination)
            .unwrap_or_default();
        let means = |patterns: &[String], text: &str| patterns.iter().any(|pattern| glob(pattern, text));
        let windows = windows.into_iter().flatten().filter(|window| {
            means(&window.applications, record.name().name())
                || means(&window.namespaces, destination.namespace())
                || means(&window.clusters, destination.server())
        });
        windows.cloned().collect()
    }

    /// A project that takes everything, as `default` does.
    fn implied(&self, name: &str) -> AppProject {
        let json = json!({
            "metadata": {
                "name": name,
                "namespace": self.namespace(),
                "uid": super::object::uid(&ApplicationName::new(Some("appprojects"), name)),
            },
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"server": "*", "namespace": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
                "sourceNamespaces": ["*"],
            },
        });
        // The simulator's own text is well-formed.
        manifest::project(&json, self.encoding()).unwrap_or_default()
    }
}
