//! What the controller does with an application, and who waits for it.

use std::collections::BTreeSet;
use std::ops::Bound;

use octopus_argo_core::ApplicationName;
use serde_json::Value;

use super::object::set;
use super::{ChangeError, Fleet};

/// Its presence asks the controller for a reconciliation.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/application_annotations.go` (`AnnotationKeyRefresh`).
pub(in crate::argocd) const REFRESH: &str = "argocd.argoproj.io/refresh";

impl Fleet {
    /// Reconciles the application: the annotation that asks for a refresh is removed, `status.reconciledAt` is now, the
    /// tree and the managed resources are in the cache again. Calls that wait for a refresh end. Watch streams see
    /// `MODIFIED`, listeners to the tree receive it, changed or not.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn reconcile(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        let now = self.clock().now().whole_seconds();
        self.edit(name, |json| {
            if json["metadata"]["annotations"][REFRESH].is_string() {
                set(json, &["metadata", "annotations"], REFRESH, None);
            }
            set(json, &["status"], "reconciledAt", Some(now.into()));
        })?;
        self.with_record(name, |state, record| state.tell_tree(record, self))
    }

    /// Whether somebody waits for a refresh of this application: the annotation is set.
    #[must_use]
    pub fn is_refreshing(&self, name: &ApplicationName) -> bool {
        let record = self.record(&self.full_name(name));
        record.is_some_and(|record| is_refreshing(&record.json()))
    }

    /// Asks the controller for a refresh, as the call does: `hard`, or anything else for a normal one.
    pub(in crate::argocd) fn ask_for_refresh(&self, name: &ApplicationName, kind: &str) {
        let kind = if kind == "hard" { "hard" } else { "normal" };
        // An application that is gone has nothing to refresh.
        if self.annotate(name, REFRESH, Some(kind)).is_ok() {
            self.state().new_refreshes.insert(name.clone());
            self.signal_changes();
        }
    }

    /// Refreshes that were asked for and that no controller has seen before.
    pub(in crate::argocd) fn take_refreshes(&self) -> BTreeSet<ApplicationName> {
        std::mem::take(&mut self.state().new_refreshes)
    }

    pub(in crate::argocd) fn first_name(&self) -> Option<ApplicationName> {
        self.state().applications.keys().next().cloned()
    }

    pub(in crate::argocd) fn name_after(&self, name: &ApplicationName) -> Option<ApplicationName> {
        let state = self.state();
        let mut later = state
            .applications
            .range((Bound::Excluded(name), Bound::Unbounded));
        later.next().map(|(name, _)| name.clone())
    }

    /// Waits until no refresh is asked for any more, or the application is gone.
    pub(in crate::argocd) async fn refreshed(&self, name: &ApplicationName) {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            if !self.is_refreshing(name) {
                return;
            }
            // The sender lives as long as the fleet.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

fn is_refreshing(json: &Value) -> bool {
    json["metadata"]["annotations"][REFRESH].is_string()
}
