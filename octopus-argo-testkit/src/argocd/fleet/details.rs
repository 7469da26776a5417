//! What else there is to know about an application: commits, charts, events, links.

use std::collections::BTreeMap;

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::k8s::core::EventList;
use serde_json::Value;

use super::{ChangeError, Fleet};
use crate::argocd::manifest;

#[derive(Debug, Default)]
pub(super) struct Details {
    revisions: BTreeMap<String, Value>,
    charts: BTreeMap<String, Value>,
    events: EventList,
    links: Vec<Value>,
}

impl Fleet {
    /// What `RevisionMetadata` answers for a commit: `author`, `date`, `message`, `tags`. Without it a made-up commit is
    /// answered for every text that looks like a SHA, full or shortened, unless
    /// [`Faults::refuse_revision`](crate::argocd::Faults::refuse_revision) names it.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_revision(
        &self,
        name: &ApplicationName,
        revision: &str,
        json: Value,
    ) -> Result<(), ChangeError> {
        self.with_details(name, |details| {
            details.revisions.insert(revision.to_owned(), json);
        })
    }

    /// What `RevisionChartDetails` answers for a version of a chart: `description`, `home`, `maintainers`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_chart(&self, name: &ApplicationName, version: &str, json: Value) -> Result<(), ChangeError> {
        self.with_details(name, |details| {
            details.charts.insert(version.to_owned(), json);
        })
    }

    /// What `ListResourceEvents` chooses from: `{"items": [...]}`, Kubernetes events in JSON, about the application and
    /// its resources, told apart by `involvedObject`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`], and [`ChangeError::Details`] for what is no list of events.
    pub fn set_events(&self, name: &ApplicationName, json: &Value) -> Result<(), ChangeError> {
        let events =
            manifest::events(json, self.encoding()).map_err(|source| self.not_details(name, source))?;
        self.with_details(name, |details| details.events = events)
    }

    /// What `ListLinks` answers: objects with `title`, `url`, and perhaps `description` and `iconClass`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_links(
        &self,
        name: &ApplicationName,
        links: impl IntoIterator<Item = Value>,
    ) -> Result<(), ChangeError> {
        self.with_details(name, |details| details.links = links.into_iter().collect())
    }

    pub(in crate::argocd) fn revision(&self, name: &ApplicationName, revision: &str) -> Option<Value> {
        self.state().details.get(name)?.revisions.get(revision).cloned()
    }

    pub(in crate::argocd) fn chart(&self, name: &ApplicationName, version: &str) -> Option<Value> {
        self.state().details.get(name)?.charts.get(version).cloned()
    }

    pub(in crate::argocd) fn events(&self, name: &ApplicationName) -> EventList {
        let state = self.state();
        state
            .details
            .get(name)
            .map(|details| details.events.clone())
            .unwrap_or_default()
    }

    pub(in crate::argocd) fn links(&self, name: &ApplicationName) -> Vec<Value> {
        let state = self.state();
        state
            .details
            .get(name)
            .map(|details| details.links.clone())
            .unwrap_or_default()
    }

    fn with_details(
        &self,
        name: &ApplicationName,
        change: impl FnOnce(&mut Details),
    ) -> Result<(), ChangeError> {
        self.with_record(name, |state, record| {
            change(state.details.entry(record.name().clone()).or_default());
        })
    }
}
