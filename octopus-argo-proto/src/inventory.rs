//! Core's applications as records of the inventory, and back.

use std::hash::{DefaultHasher, Hasher};

use octopus_argo_core::health::{HealthStatus, OperationPhase, SyncStatus};
use octopus_argo_core::{
    Annotations, Application, ApplicationName, Condition, Destination, Helm, Operation, Source, SourceName,
    SourceType, Sources, Status, Uid,
};
use prost::Message as _;
use prost::bytes::Bytes;

use crate::v1;

/// Why a record cannot be an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The uid is not 16 bytes long.
    #[error("the uid has {length} bytes instead of 16")]
    #[non_exhaustive]
    Uid {
        /// How many it has.
        length: usize,
    },
}

/// The uid in 16 bytes, as records and removals carry it.
///
/// # Errors
/// [`RecordError::Uid`] if it is not 16 bytes long.
pub fn uid_from_wire(bytes: &[u8]) -> Result<Uid, RecordError> {
    <[u8; 16]>::try_from(bytes)
        .map(Uid::from_bytes)
        .map_err(|_| RecordError::Uid { length: bytes.len() })
}

impl v1::ApplicationRecord {
    /// The record of an application, with its digest.
    #[must_use]
    pub fn new(uid: Uid, application: &Application) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        let mut record = Self {
            uid: Bytes::copy_from_slice(uid.as_bytes()),
            digest: 0,
            namespace: application.name.namespace().unwrap_or_default().to_owned(),
            name: application.name.name().to_owned(),
            project: text(&application.project),
            annotations: owned_pairs(application.annotations.iter()),
            labels: owned_pairs(application.labels.iter().map(|(key, value)| (&**key, &**value))),
            deleting: application.deleting,
            hydrated: application.hydrated,
            destination: Some(v1::Destination {
                server: text(&application.destination.server),
                name: text(&application.destination.name),
                namespace: text(&application.destination.namespace),
            }),
            sources: application.sources.iter().map(source_to_wire).collect(),
            shadows_single_source: application.sources.shadows_single(),
            status: application.status.as_ref().map(status_to_wire),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(&record.encode_to_vec());
        record.digest = hasher.finish();
        record
    }
}

impl TryFrom<v1::ApplicationRecord> for Application {
    type Error = RecordError;

    fn try_from(record: v1::ApplicationRecord) -> Result<Self, RecordError> {
        let uid = uid_from_wire(&record.uid)?;
        let namespace = Some(record.namespace.as_str()).filter(|text| !text.is_empty());
        let mut application = Self::new(ApplicationName::new(namespace, &record.name));
        application.uid = Some(uid);
        application.annotations = record
            .annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect::<Annotations>();
        application.labels = record
            .labels
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        application.deleting = record.deleting;
        application.hydrated = record.hydrated;
        application.project = set(record.project);
        let destination = record.destination.unwrap_or_default();
        let mut there = Destination::default();
        there.server = set(destination.server);
        there.name = set(destination.name);
        there.namespace = set(destination.namespace);
        application.destination = there;
        let sources = record.sources.into_iter().map(source_from_wire).collect();
        application.sources = if record.shadows_single_source {
            Sources::from_spec(Some(Source::default()), sources)
        } else {
            Sources::from_spec(None, sources)
        };
        application.status = record.status.map(status_from_wire);
        Ok(application)
    }
}

fn set(text: String) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn owned_pairs<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> std::collections::BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn source_to_wire(source: &Source) -> v1::Source {
    let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
    v1::Source {
        name: source.name().unwrap_or_default().to_owned(),
        repo_url: source.repo_url.to_string(),
        target_revision: text(&source.target_revision),
        path: source.path.as_deref().map(str::to_owned),
        chart: text(&source.chart),
        r#ref: text(&source.reference),
        helm: source.helm.as_ref().map(|helm| v1::Helm {
            value_files: helm.value_files.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn source_from_wire(wire: v1::Source) -> Source {
    let mut source = Source::new(&wire.repo_url);
    source.name = SourceName::new(&wire.name);
    source.target_revision = set(wire.target_revision);
    source.path = wire.path.map(Into::into);
    source.chart = set(wire.chart);
    source.reference = set(wire.r#ref);
    source.helm = wire.helm.map(|wire| {
        let mut helm = Helm::default();
        helm.value_files = wire.value_files.into_iter().map(Into::into).collect();
        Box::new(helm)
    });
    source
}

fn status_to_wire(status: &Status) -> v1::ApplicationStatus {
    let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
    v1::ApplicationStatus {
        health: status
            .health
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        health_message: text(&status.health_message),
        sync: status.sync.as_ref().map(ToString::to_string).unwrap_or_default(),
        revisions: status.revisions.iter().map(ToString::to_string).collect(),
        source_types: status.source_types.iter().map(ToString::to_string).collect(),
        operation: status.operation.as_ref().map(|operation| v1::Operation {
            phase: operation
                .phase
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            message: text(&operation.message),
        }),
        conditions: status
            .conditions
            .iter()
            .map(|condition| v1::Condition {
                r#type: condition.kind.to_string(),
                message: condition.message.to_string(),
            })
            .collect(),
    }
}

fn status_from_wire(wire: v1::ApplicationStatus) -> Status {
    let mut status = Status::default();
    status.health = set(wire.health).map(|text| HealthStatus::from(&*text));
    status.health_message = set(wire.health_message);
    status.sync = set(wire.sync).map(|text| SyncStatus::from(&*text));
    status.revisions = wire.revisions.into_iter().map(Into::into).collect();
    status.source_types = wire
        .source_types
        .iter()
        .map(|text| SourceType::from_status(text))
        .collect();
    status.operation = wire.operation.map(|wire| {
        let mut operation = Operation::default();
        operation.phase = set(wire.phase).map(|text| OperationPhase::from(&*text));
        operation.message = set(wire.message);
        operation
    });
    let condition = |wire: v1::Condition| {
        let mut condition = Condition::default();
        condition.kind = wire.r#type.into();
        condition.message = wire.message.into();
        condition
    };
    status.conditions = wire.conditions.into_iter().map(condition).collect();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &[u8] = br#"{"kind":"Application",
        "metadata":{"name":"a","namespace":"argocd","uid":"0f8fad5b-d9cb-469f-a165-70867728950e",
            "deletionTimestamp":"2026-01-01T00:00:00Z","labels":{"b":"2","a":"1"},
            "annotations":{"argo.octopus.com/project.web":"shop","argo.octopus.com/environment.web":"e"}},
        "spec":{"project":"p","destination":{"server":"s","namespace":"n"},"sourceHydrator":{},
            "source":{"repoURL":"ignored"},
            "sources":[{"repoURL":"u","name":" web ","path":"","helm":{"valueFiles":["$v/a.yaml"]}},
                       {"repoURL":"v","ref":"v","targetRevision":"main"},{"repoURL":"w","chart":"c","helm":{}}]},
        "status":{"health":{"status":"Sleepy","message":"m"},"sync":{"status":"OutOfSync","revisions":["1","2"]},
            "sourceTypes":["Helm","","Odd"],"operationState":{"phase":"Failed","message":"no"},
            "conditions":[{"type":"SyncError","message":"x"}]}}"#;

    #[test]
    fn a_record_carries_all_that_core_keeps() {
        let application = Application::from_json(FULL).unwrap();
        let record = v1::ApplicationRecord::new(application.uid.unwrap(), &application);
        assert_eq!(Application::try_from(record).unwrap(), application);

        let mut bare = Application::from_json(br#"{"kind":"Application"}"#).unwrap();
        let uid = Uid::from_bytes([3; 16]);
        let record = v1::ApplicationRecord::new(uid, &bare);
        bare.uid = Some(uid);
        assert_eq!(Application::try_from(record).unwrap(), bare);
    }

    #[test]
    fn digests_tell_records_apart() {
        let mut application = Application::from_json(FULL).unwrap();
        let uid = application.uid.unwrap();
        let before = v1::ApplicationRecord::new(uid, &application).digest;
        assert_eq!(v1::ApplicationRecord::new(uid, &application).digest, before);
        application.deleting = false;
        assert_ne!(v1::ApplicationRecord::new(uid, &application).digest, before);
    }

    #[test]
    fn a_short_uid_is_refused() {
        let record = v1::ApplicationRecord {
            uid: Bytes::from_static(b"short"),
            ..Default::default()
        };
        assert_eq!(Application::try_from(record), Err(RecordError::Uid { length: 5 }));
    }
}
