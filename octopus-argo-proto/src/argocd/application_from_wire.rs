//! An application as Argo CD sends it, read as core's [`Application`].

use octopus_argo_core::health::{HealthStatus, OperationPhase, SyncStatus};
use octopus_argo_core::{
    Application, ApplicationName, Condition, Destination, Helm, Operation, Source, SourceName, SourceType,
    Sources, Status, Uid, UidError,
};

use super::k8s::meta::{ObjectMeta, Time};
use super::v1alpha1 as wire;

/// Why a message is not an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FromWireError {
    /// `metadata.name` is absent or empty. Kubernetes gives every object a name, so the peer is no Argo CD.
    #[error("the application has no name")]
    Nameless,
    /// `metadata.uid` is neither empty nor a GUID.
    #[error("the uid of application {name} is not a GUID")]
    #[non_exhaustive]
    Uid {
        /// The application.
        name: ApplicationName,
        /// What is wrong with the text.
        source: UidError,
    },
}

/// Reads what scoping and health need, and leaves the rest.
///
/// Empty texts count as absent, because Argo CD writes them for what is not set; so does an empty `status`, which it
/// writes for an application that the controller has not seen yet. `spec.sources` counts before `spec.source`, and a
/// blank `spec.source` beside it is no source.
///
/// # Errors
/// [`FromWireError`]. Unknown words (statuses, types, phases) are kept, and no error.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go` (`HasMultipleSources`) and `generated.pb.go` (the marshalers).
impl TryFrom<&wire::Application> for Application {
    type Error = FromWireError;

    fn try_from(wire: &wire::Application) -> Result<Self, FromWireError> {
        let blank = ObjectMeta::default();
        let metadata = wire.metadata.as_ref().unwrap_or(&blank);
        let name = text(metadata.name.as_deref()).ok_or(FromWireError::Nameless)?;
        let name = ApplicationName::new(metadata.namespace.as_deref(), name);
        let uid = text(metadata.uid.as_deref()).map(str::parse::<Uid>).transpose();

        let mut application = Self::new(name);
        application.uid = uid.map_err(|source| FromWireError::Uid {
            name: application.name.clone(),
            source,
        })?;
        application.annotations = pairs(&metadata.annotations).collect();
        application.labels = pairs(&metadata.labels)
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        application.deleting = metadata
            .deletion_timestamp
            .as_ref()
            .and_then(Time::unix_seconds)
            .is_some();
        if let Some(spec) = &wire.spec {
            application.project = boxed(spec.project.as_deref());
            application.destination = spec.destination.as_ref().map(destination).unwrap_or_default();
            application.sources = sources(spec);
            application.hydrated = spec.source_hydrator.is_some();
        }
        application.status = wire.status.as_ref().and_then(status);
        Ok(application)
    }
}

/// As the conversion from a reference.
impl TryFrom<wire::Application> for Application {
    type Error = FromWireError;

    fn try_from(wire: wire::Application) -> Result<Self, FromWireError> {
        Self::try_from(&wire)
    }
}

fn sources(spec: &wire::ApplicationSpec) -> Sources {
    let blank = wire::ApplicationSource::default();
    let single = spec.source.as_ref().map(source);
    let multi: Vec<Source> = spec.sources.iter().map(source).collect();
    let single = single.filter(|single| multi.is_empty() || *single != source(&blank));
    Sources::from_spec(single, multi)
}

fn source(wire: &wire::ApplicationSource) -> Source {
    let mut source = Source::new(wire.repo_url.as_deref().unwrap_or_default());
    source.name = wire.name.as_deref().and_then(SourceName::new);
    source.target_revision = boxed(wire.target_revision.as_deref());
    source.path = boxed(wire.path.as_deref());
    source.chart = boxed(not_blank(wire.chart.as_deref()));
    source.reference = boxed(wire.r#ref.as_deref());
    source.helm = wire.helm.as_ref().map(|wire| {
        let mut helm = Helm::default();
        helm.value_files = wire.value_files.iter().map(|file| file.as_str().into()).collect();
        helm.into()
    });
    source
}

fn destination(wire: &wire::ApplicationDestination) -> Destination {
    let mut destination = Destination::default();
    destination.server = boxed(not_blank(wire.server.as_deref()));
    destination.name = boxed(not_blank(wire.name.as_deref()));
    destination.namespace = boxed(not_blank(wire.namespace.as_deref()));
    destination
}

/// The status, or `None` where nothing at all is known.
fn status(wire: &wire::ApplicationStatus) -> Option<Status> {
    let mut status = Status::default();
    if let Some(health) = &wire.health {
        status.health = not_blank(health.status.as_deref()).map(HealthStatus::from);
        status.health_message = boxed(not_blank(health.message.as_deref()));
    }
    if let Some(sync) = &wire.sync {
        status.sync = not_blank(sync.status.as_deref()).map(SyncStatus::from);
        status.revisions = all_or_one(&sync.revisions, not_blank(sync.revision.as_deref()))
            .map(Box::from)
            .collect();
    }
    status.source_types = all_or_one(&wire.source_types, text(wire.source_type.as_deref()))
        .map(SourceType::from_status)
        .collect();
    status.operation = wire.operation_state.as_ref().map(|state| {
        let mut operation = Operation::default();
        operation.phase = not_blank(state.phase.as_deref()).map(OperationPhase::from);
        operation.message = boxed(not_blank(state.message.as_deref()));
        operation
    });
    let conditions = wire.conditions.iter().map(|wire| {
        let mut condition = Condition::default();
        condition.kind = wire.r#type.as_deref().unwrap_or_default().into();
        condition.message = wire.message.as_deref().unwrap_or_default().into();
        condition
    });
    status.conditions = conditions.collect();
    (status != Status::default()).then_some(status)
}

/// A field for several sources unless it is empty, or else its twin for one source.
fn all_or_one<'a>(all: &'a [String], one: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let one = one.filter(|_| all.is_empty());
    all.iter().map(String::as_str).chain(one)
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

fn text(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn not_blank(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

fn boxed(value: Option<&str>) -> Option<Box<str>> {
    text(value).map(Box::from)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn named(name: &str) -> wire::Application {
        wire::Application {
            metadata: Some(ObjectMeta {
                name: Some(name.into()),
                namespace: Some("argocd".into()),
                ..ObjectMeta::default()
            }),
            ..wire::Application::default()
        }
    }

    fn with_spec(spec: wire::ApplicationSpec) -> Application {
        let mut wire = named("web");
        wire.spec = Some(spec);
        wire.try_into().unwrap()
    }

    fn repository(url: &str) -> wire::ApplicationSource {
        wire::ApplicationSource {
            repo_url: Some(url.into()),
            path: Some(String::new()),
            target_revision: Some(String::new()),
            chart: Some(String::new()),
            r#ref: Some(String::new()),
            name: Some(String::new()),
            ..wire::ApplicationSource::default()
        }
    }

    #[test]
    fn empty_texts_are_unset() {
        let application = with_spec(wire::ApplicationSpec {
            project: Some(String::new()),
            source: Some(repository("https://git.example.test/web.git")),
            destination: Some(wire::ApplicationDestination {
                server: Some("https://kubernetes.default.svc".into()),
                name: Some(String::new()),
                namespace: Some(" ".into()),
            }),
            ..wire::ApplicationSpec::default()
        });
        let mut destination = Destination::default();
        destination.server = Some("https://kubernetes.default.svc".into());
        assert_eq!(application.project, None);
        assert_eq!(application.destination, destination);
        assert_eq!(
            *application.sources,
            [Source::new("https://git.example.test/web.git")]
        );
    }

    #[test]
    fn sources_count_before_source_and_a_blank_source_beside_them_is_none() {
        let spec = |source| wire::ApplicationSpec {
            source,
            sources: vec![repository("one"), repository("two")],
            ..wire::ApplicationSpec::default()
        };
        let blank = with_spec(spec(Some(repository(""))));
        assert_eq!((blank.sources.len(), blank.sources.shadows_single()), (2, false));
        let filled = with_spec(spec(Some(repository("three"))));
        assert_eq!((filled.sources.len(), filled.sources.shadows_single()), (2, true));
    }

    #[test]
    fn an_empty_deletion_time_is_no_deletion() {
        let mut wire = named("web");
        for (time, deleting) in [
            (None, false),
            (Some(Time::default()), false),
            (Some(Time::from_unix_seconds(1_700_000_000)), true),
        ] {
            wire.metadata.as_mut().unwrap().deletion_timestamp = time;
            assert_eq!(Application::try_from(&wire).unwrap().deleting, deleting);
        }
    }

    #[test]
    fn a_status_without_content_is_none() {
        let mut wire = named("web");
        wire.status = Some(wire::ApplicationStatus {
            health: Some(wire::AppHealthStatus {
                status: Some(String::new()),
                ..wire::AppHealthStatus::default()
            }),
            sync: Some(wire::SyncStatus {
                status: Some(String::new()),
                revision: Some(String::new()),
                ..wire::SyncStatus::default()
            }),
            source_type: Some(String::new()),
            ..wire::ApplicationStatus::default()
        });
        assert_eq!(Application::try_from(&wire).unwrap().status, None);
    }

    #[test]
    fn statuses_are_read_and_unknown_words_are_kept() {
        let mut wire = named("web");
        wire.status = Some(wire::ApplicationStatus {
            health: Some(wire::AppHealthStatus {
                status: Some("Sleepy".into()),
                ..wire::AppHealthStatus::default()
            }),
            sync: Some(wire::SyncStatus {
                status: Some("Synced".into()),
                revision: Some("abc".into()),
                ..wire::SyncStatus::default()
            }),
            operation_state: Some(Box::new(wire::OperationState {
                phase: Some("Succeeded".into()),
                ..wire::OperationState::default()
            })),
            source_types: vec!["Helm".into(), String::new()],
            source_type: Some("Kustomize".into()),
            ..wire::ApplicationStatus::default()
        });
        let status = Application::try_from(&wire).unwrap().status.unwrap();
        assert_eq!(status.health, Some(HealthStatus::Other("Sleepy".into())));
        assert_eq!(status.sync, Some(SyncStatus::Synced));
        assert_eq!(*status.revisions, ["abc".into()]);
        assert_eq!(*status.source_types, [SourceType::Helm, SourceType::Directory]);
        assert_eq!(status.operation.unwrap().phase, Some(OperationPhase::Succeeded));
    }

    #[test]
    fn refuses_what_has_no_name_or_an_odd_uid() {
        assert_eq!(
            Application::try_from(wire::Application::default()),
            Err(FromWireError::Nameless)
        );
        assert_eq!(Application::try_from(named("")), Err(FromWireError::Nameless));
        let mut wire = named("web");
        wire.metadata.as_mut().unwrap().uid = Some("seven".into());
        let error = Application::try_from(wire).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the uid of application argocd/web is not a GUID"
        );
    }

    #[test]
    fn presence_survives_the_wire() {
        let mut wire = named("");
        wire.spec = Some(wire::ApplicationSpec::default());
        let again = wire::Application::decode(&*wire.encode_to_vec()).unwrap();
        assert_eq!(again, wire);
        assert_ne!(again, wire::Application::default());
    }
}
