//! Changes of applications.

use octopus_argo_core::ApplicationName;
use octopus_argo_core::health::{HealthStatus, SyncStatus};
use serde_json::Value;

use super::object::{complete, inherit, set};
use super::{Event, EventKind, Fleet, Record, State};
use crate::argocd::{Encoding, Faults, Manifest, ManifestError};

/// Why an application could not be changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no application of this name.
    #[error("there is no application {name}")]
    #[non_exhaustive]
    NoSuchApplication {
        /// The name, with its namespace.
        name: ApplicationName,
    },
    /// The edit gave the object another name, which Kubernetes does not allow.
    #[error("the edit would rename application {name}")]
    #[non_exhaustive]
    Renamed {
        /// The name, with its namespace.
        name: ApplicationName,
    },
    /// The changed object is no application any more.
    #[error("the change would break application {name}")]
    #[non_exhaustive]
    Manifest {
        /// The name, with its namespace.
        name: ApplicationName,
        /// What is wrong with the object.
        source: ManifestError,
    },
    /// What was to be known about the application is malformed.
    #[error("what was given for application {name} is malformed")]
    #[non_exhaustive]
    Details {
        /// The name, with its namespace.
        name: ApplicationName,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The application has no operation that could be carried on.
    #[error("application {name} has no operation under way")]
    #[non_exhaustive]
    NoOperation {
        /// The name, with its namespace.
        name: ApplicationName,
    },
}

impl Fleet {
    /// Creates the application, or replaces it. Watch streams see `ADDED` or `MODIFIED`.
    ///
    /// The server adds what a cluster adds, where the manifest leaves it out: namespace, uid, creation time,
    /// generation, and always a new resource version. A replaced application keeps uid, creation time, and, where the
    /// manifest has none, its `status` and `operation`.
    ///
    /// Returns the full name.
    pub fn upsert(&self, manifest: Manifest) -> ApplicationName {
        let name = self.full_name(manifest.name());
        let now = self.clock().now();
        let mut state = self.state();
        let before = state.applications.get(&name).map(Record::json);
        let manifest = match &before {
            Some(before) => manifest.amended(|json| inherit(json, before)),
            None => manifest,
        };
        let manifest = manifest.with_metadata(|metadata| complete(metadata, &name, before.as_ref(), now));
        let kind = match before {
            Some(_) => EventKind::Modified,
            None => EventKind::Added,
        };
        self.store(&mut state, manifest, kind);
        name
    }

    /// Sets an annotation, or removes it. Watch streams see `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn annotate(
        &self,
        name: &ApplicationName,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ChangeError> {
        self.edit(name, |json| {
            set(json, &["metadata", "annotations"], key, value.map(Value::from))
        })
    }

    /// Sets a label, or removes it. Watch streams see `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn label(&self, name: &ApplicationName, key: &str, value: Option<&str>) -> Result<(), ChangeError> {
        self.edit(name, |json| {
            set(json, &["metadata", "labels"], key, value.map(Value::from))
        })
    }

    /// Sets `status.health.status` and the time of its change. Watch streams see `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_health(&self, name: &ApplicationName, health: &HealthStatus) -> Result<(), ChangeError> {
        let now = self.clock().now().whole_seconds();
        self.edit(name, |json| {
            let path = ["status", "health"];
            set(json, &path, "status", Some(health.as_str().into()));
            set(json, &path, "lastTransitionTime", Some(now.into()));
        })
    }

    /// Sets `status.sync.status`. Watch streams see `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn set_sync(&self, name: &ApplicationName, sync: &SyncStatus) -> Result<(), ChangeError> {
        self.edit(name, |json| {
            set(json, &["status", "sync"], "status", Some(sync.as_str().into()))
        })
    }

    /// Marks the application as being deleted, as Kubernetes does while finalizers run. Watch streams see `MODIFIED`.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn begin_delete(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        let now = self.clock().now().whole_seconds();
        self.edit(name, |json| {
            set(json, &["metadata"], "deletionTimestamp", Some(now.into()))
        })
    }

    /// Removes the application. Watch streams see `DELETED` with the last state.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`].
    pub fn delete(&self, name: &ApplicationName) -> Result<(), ChangeError> {
        let name = self.full_name(name);
        let mut state = self.state();
        let Some(record) = state.applications.remove(&name) else {
            return Err(ChangeError::NoSuchApplication { name });
        };
        let record = state.versioned(record.manifest(), self.encoding());
        // A Watch fills in health at send time, when the tree is gone.
        record.filled(state.explicit_tree(&name));
        state.logs.remove(&name);
        state.resources.remove(&name);
        state.details.remove(&name);
        state.remove_tree(&name);
        let event = Event {
            kind: EventKind::Deleted,
            record,
        };
        state.notify(&event, self.faults());
        drop(state);
        self.signal_logs();
        self.signal_changes();
        Ok(())
    }

    /// Any other change of the object. Watch streams see `MODIFIED`. What `edit` does to the resource version is
    /// overwritten.
    ///
    /// # Errors
    /// [`ChangeError::NoSuchApplication`], and [`ChangeError::Renamed`] and [`ChangeError::Manifest`] where the result
    /// has another name or is no application; the application then stays as it was.
    pub fn edit(&self, name: &ApplicationName, edit: impl FnOnce(&mut Value)) -> Result<(), ChangeError> {
        self.edit_if(name, |json| {
            edit(json);
            true
        })
    }

    /// As [`Fleet::edit`], but where `edit` answers false, nothing changes.
    pub(super) fn edit_if(
        &self,
        name: &ApplicationName,
        edit: impl FnOnce(&mut Value) -> bool,
    ) -> Result<(), ChangeError> {
        let name = self.full_name(name);
        let mut state = self.state();
        let Some(record) = state.applications.get(&name) else {
            return Err(ChangeError::NoSuchApplication { name });
        };
        let mut json = record.json();
        if !edit(&mut json) {
            return Ok(());
        }
        match Manifest::try_from(json) {
            Ok(manifest) if *manifest.name() != name => Err(ChangeError::Renamed { name }),
            Ok(manifest) => {
                self.store(&mut state, manifest, EventKind::Modified);
                Ok(())
            }
            Err(source) => Err(ChangeError::Manifest { name, source }),
        }
    }
}

impl Fleet {
    /// Gives the object a new version, keeps it and tells the subscribers.
    pub(super) fn store(&self, state: &mut State, manifest: Manifest, kind: EventKind) -> Record {
        let record = state.store(manifest, kind, self.encoding(), self.faults());
        self.signal_changes();
        record
    }
}

impl State {
    fn store(&mut self, manifest: Manifest, kind: EventKind, encoding: Encoding, faults: &Faults) -> Record {
        let record = self.versioned(manifest, encoding);
        self.applications.insert(record.name().clone(), record.clone());
        let event = Event {
            kind,
            record: record.clone(),
        };
        self.notify(&event, faults);
        record
    }

    fn versioned(&mut self, manifest: Manifest, encoding: Encoding) -> Record {
        self.version += 1;
        let version = self.version;
        let manifest =
            manifest.with_metadata(|metadata| metadata["resourceVersion"] = version.to_string().into());
        Record::new(&manifest, version, encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argocd::clock::Clock;

    fn fleet() -> Fleet {
        let clock = Clock::new(|| std::time::SystemTime::UNIX_EPOCH);
        Fleet::new(
            clock,
            "argocd".to_owned(),
            1000,
            Encoding::default(),
            Faults::default(),
        )
    }

    fn web() -> Manifest {
        "metadata: {name: web}\nspec: {project: shop}\nstatus: {health: {status: Healthy}}"
            .parse()
            .unwrap()
    }

    #[test]
    fn adds_what_a_cluster_adds() {
        let fleet = fleet();
        let name = fleet.upsert(web());
        assert_eq!(name.to_string(), "argocd/web");
        let json = fleet.manifest(&name).unwrap();
        assert_eq!(json["metadata"]["creationTimestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(json["metadata"]["resourceVersion"], "1");
        let uid = json["metadata"]["uid"].as_str().unwrap();
        assert!(uid.parse::<octopus_argo_core::Uid>().is_ok(), "{uid}");
    }

    #[test]
    fn replacing_keeps_identity_and_status() {
        let fleet = fleet();
        let name = fleet.upsert(web());
        let before = fleet.manifest(&name).unwrap();
        fleet.upsert("metadata: {name: web}\nspec: {project: other}".parse().unwrap());
        let after = fleet.manifest(&name).unwrap();
        assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(after["status"], before["status"]);
        assert_eq!(after["metadata"]["generation"], 2);
        assert_eq!(after["metadata"]["resourceVersion"], "2");
    }

    #[test]
    fn a_bad_edit_changes_nothing() {
        let fleet = fleet();
        let name = fleet.upsert(web());
        let before = fleet.manifest(&name);
        let renamed = fleet.edit(&name, |json| json["metadata"]["name"] = "other".into());
        assert!(matches!(renamed, Err(ChangeError::Renamed { .. })));
        let broken = fleet.edit(&name, |json| json["spec"]["project"] = 7.into());
        assert!(matches!(broken, Err(ChangeError::Manifest { .. })));
        assert_eq!(fleet.manifest(&name), before);
    }

    #[test]
    fn a_full_buffer_drops_events_silently() {
        let fleet = fleet();
        let name = fleet.upsert(web());
        let mut subscription = fleet.subscribe();
        for round in 0..1500 {
            fleet.annotate(&name, "round", Some(&round.to_string())).unwrap();
        }
        assert_eq!(fleet.lost_events(), 500);
        let mut last = 0;
        let mut received = 0;
        while let Ok(event) = subscription.events.try_recv() {
            last = event.record.version();
            received += 1;
        }
        assert_eq!(
            (received, last),
            (1000, 1001),
            "the oldest are kept, the newest are lost"
        );
        fleet.annotate(&name, "round", None).unwrap();
        assert_eq!(subscription.events.try_recv().unwrap().record.version(), 1502);
    }
}
