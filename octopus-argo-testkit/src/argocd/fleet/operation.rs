//! The life of an operation: accepted, running, ended.

use std::collections::BTreeSet;

use octopus_argo_core::ApplicationName;
use octopus_argo_core::health::OperationPhase;
use serde_json::{Value, json};

use super::object::set;
use super::{ChangeError, EventKind, Fleet, Record};

/// Whether sync windows allow syncs now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncWindow {
    /// Syncs may start.
    #[default]
    Open,
    /// Every sync is answered with code 7, even for those with the right to sync.
    Blocked,
}

/// Why an operation was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::argocd) enum Refused {
    Gone,
    InProgress,
}

impl Fleet {
    /// Opens or blocks the sync windows of all applications.
    pub fn set_sync_window(&self, window: SyncWindow) {
        self.state().sync_window = window;
    }

    /// Lets the controller pick up the operation that a Sync call has asked for: the phase becomes `Running`. Watch
    /// streams see `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`], and [`ChangeError::NoOperation`] where none was asked for.
    pub fn begin_sync(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        self.with_operation(name, |json| begin(json, &self.clock().now().whole_seconds()))
    }

    /// Lets the controller end the operation in this phase, and begin it first where [`Fleet::begin_sync`] has not:
    /// `operation` is removed, `status.operationState` tells the outcome. After `Succeeded` the application is `Synced`
    /// and its history has one entry more, unless the operation was a dry run. An operation that is being terminated ends
    /// as `Failed`, whatever is asked for. Watch streams see one `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`], and [`ChangeError::NoOperation`] where none was asked for.
    pub fn complete_sync(&self, name: &ApplicationName, phase: &OperationPhase) -> Result<(), ChangeError> {
        self.with_operation(name, |json| {
            let now = self.clock().now().whole_seconds();
            begin(json, &now);
            end(json, phase, &now);
        })
    }

    pub(in crate::argocd) fn sync_window(&self) -> SyncWindow {
        self.state().sync_window
    }

    /// Accepts an operation: `operation` is set and `status.operationState` cleared, as the answer of Sync shows.
    ///
    /// Rule: Argo CD `server/application/application.go` and `util/argo/argo.go` (`SetAppOperation`).
    pub(in crate::argocd) fn set_operation(
        &self,
        name: &ApplicationName,
        operation: Value,
    ) -> Result<Record, Refused> {
        let mut state = self.state();
        let record = state.applications.get(name).ok_or(Refused::Gone)?;
        if !record.json()["operation"].is_null() {
            return Err(Refused::InProgress);
        }
        let manifest = record.manifest().amended(|json| {
            json["operation"] = operation;
            set(json, &["status"], "operationState", None);
        });
        state.new_operations.insert(name.clone());
        Ok(self.store(&mut state, manifest, EventKind::Modified))
    }

    /// Marks the running operation to be ended: the phase becomes `Terminating`.
    ///
    /// Rule: Argo CD `server/application/application.go` (`TerminateOperation`).
    pub(in crate::argocd) fn terminate_operation(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        let mut running = true;
        self.edit_if(name, |json| {
            running = json["operation"].is_object() && json["status"]["operationState"].is_object();
            if running {
                set(
                    json,
                    &["status", "operationState"],
                    "phase",
                    Some("Terminating".into()),
                );
            }
            running
        })?;
        if running {
            Ok(())
        } else {
            Err(ChangeError::NoOperation {
                name: self.full_name(name),
            })
        }
    }

    /// Operations that no controller has seen before.
    pub(in crate::argocd) fn take_operations(&self) -> BTreeSet<ApplicationName> {
        std::mem::take(&mut self.state().new_operations)
    }

    fn with_operation(
        &self,
        name: &ApplicationName,
        change: impl FnOnce(&mut Value),
    ) -> Result<(), ChangeError> {
        let mut asked_for = true;
        let changed = self.edit_if(name, |json| {
            asked_for = json["operation"].is_object();
            if asked_for {
                change(json);
            }
            asked_for
        });
        match changed {
            Ok(()) if !asked_for => Err(ChangeError::NoOperation {
                name: self.full_name(name),
            }),
            other => other,
        }
    }
}

/// Starts the operation, unless it runs already. A state that has ended is that of an older one.
fn begin(json: &mut Value, now: &str) {
    let state = &json["status"]["operationState"];
    if state.is_object() && state["finishedAt"].is_null() {
        return; // It runs, or is being terminated.
    }
    let state = json!({"operation": json["operation"], "phase": "Running", "startedAt": now});
    set(json, &["status"], "operationState", Some(state));
}

fn end(json: &mut Value, phase: &OperationPhase, now: &str) {
    let terminated = json["status"]["operationState"]["phase"] == "Terminating";
    let phase = if terminated {
        &OperationPhase::Failed
    } else {
        phase
    };
    let operation = json["operation"].take();
    set(json, &[], "operation", None);

    let sync = &operation["sync"];
    let mut result = json!({});
    let mut status = json!({"status": "Synced"});
    let mut history = json!({
        "id": next_history_id(json),
        "deployedAt": now,
        "deployStartedAt": json["status"]["operationState"]["startedAt"],
        "initiatedBy": operation["initiatedBy"],
    });
    for key in ["revision", "revisions", "source", "sources"] {
        if sync[key].is_null() {
            continue;
        }
        result[key] = sync[key].clone();
        history[key] = sync[key].clone();
        if key.starts_with("revision") {
            status[key] = sync[key].clone();
        }
    }

    let succeeded = *phase == OperationPhase::Succeeded;
    let message = if succeeded {
        "successfully synced (all tasks run)"
    } else if terminated {
        "Operation terminated"
    } else {
        "one or more objects failed to apply"
    };
    let path = ["status", "operationState"];
    set(json, &path, "phase", Some(phase.as_str().into()));
    set(json, &path, "message", Some(message.into()));
    set(json, &path, "finishedAt", Some(now.into()));
    set(json, &path, "syncResult", Some(result));
    if !succeeded || sync["dryRun"] == true {
        return;
    }
    for (key, value) in status.as_object().into_iter().flatten() {
        set(json, &["status", "sync"], key, Some(value.clone()));
    }
    let limit = json["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(HISTORY);
    let mut entries = json["status"]["history"].as_array().cloned().unwrap_or_default();
    entries.push(history);
    let surplus = entries
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    entries.drain(..surplus);
    set(json, &["status"], "history", Some(entries.into()));
}

/// How many history entries an application keeps where it does not say.
///
/// Rule: Argo CD `common/common.go` (`RevisionHistoryLimit`).
const HISTORY: u64 = 10;

fn next_history_id(json: &Value) -> i64 {
    let last = json["status"]["history"]
        .as_array()
        .and_then(|entries| entries.last());
    last.and_then(|entry| entry["id"].as_i64()).map_or(0, |id| id + 1)
}
