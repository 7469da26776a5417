//! One object of the input, whatever its kind: which fields are read, and what they make.

use serde::de::MapAccess;

use super::shape::{Fields, Value};
use super::{Object, Problem};
use crate::annotation::{self, Purpose};
use crate::application;
use crate::application::{
    Annotations, Application, ApplicationSet, Condition, Destination, Helm, Operation, Source, SourceName,
    SourceType, Sources, Status,
};
use crate::health::{HealthStatus, OperationPhase, SyncStatus};
use crate::name::{ApplicationName, Uid};

/// The fields of an object before its kind is certain.
#[derive(Debug, Default)]
pub(super) struct RawObject {
    pub(super) kind: Option<Box<str>>,
    metadata: Option<RawMetadata>,
    spec: Option<RawSpec>,
    status: Option<RawStatus>,
    /// Keys that are none of the above, a few of them, for the error that says what the object is instead.
    other_keys: Vec<Box<str>>,
    touched: bool,
}

/// How many foreign keys an error shows.
const SHOWN_KEYS: usize = 4;

impl RawObject {
    /// Whether the fields beyond the metadata's name matter, as far as is known.
    pub(super) fn may_concern_us(&self) -> bool {
        self.kind.as_deref().is_none_or(is_ours)
    }

    /// Whether no field at all has come by.
    pub(super) fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// What the object is, now that all of it has been seen.
    pub(super) fn finish(self) -> Result<Object, Problem> {
        match self.kind.as_deref() {
            Some("Application") => self.into_application().map(Object::Application),
            Some("ApplicationSet") => self.into_set().map(Object::ApplicationSet),
            Some(_) => {
                let name = self.metadata.and_then(|metadata| metadata.name);
                Ok(Object::Other {
                    kind: self.kind.unwrap_or_default(),
                    name,
                })
            }
            // Argo CD's API leaves the kind out. A spec with a generator is a set, and one with any field that only
            // applications have is an application.
            None => match &self.spec {
                Some(spec) if spec.template.is_some() && spec.generators => {
                    self.into_set().map(Object::ApplicationSet)
                }
                Some(spec) if spec.looks_like_application() => {
                    self.into_application().map(Object::Application)
                }
                _ => Err(Problem::NotAnApplication {
                    keys: self.other_keys.into(),
                }),
            },
        }
    }

    fn into_application(self) -> Result<Application, Problem> {
        build(self.metadata, self.spec.unwrap_or_default(), self.status)
    }

    fn into_set(self) -> Result<ApplicationSet, Problem> {
        let metadata = self.metadata.unwrap_or_default();
        let spec = self.spec.unwrap_or_default();
        let template = spec.template.map(|template| *template).unwrap_or_default();
        Ok(ApplicationSet {
            name: metadata.application_name(),
            template: build(template.metadata, template.spec.unwrap_or_default(), None)?,
            patched: spec.template_patch,
        })
    }
}

fn build(
    metadata: Option<RawMetadata>,
    spec: RawSpec,
    status: Option<RawStatus>,
) -> Result<Application, Problem> {
    let metadata = metadata.unwrap_or_default();
    let uid = match metadata.uid.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse::<Uid>().map_err(|source| Problem::Uid { source })?),
    };
    Ok(Application {
        name: metadata.application_name(),
        uid,
        annotations: Annotations::from_pairs(metadata.annotations),
        labels: application::sorted(metadata.labels),
        deleting: metadata.deleting,
        project: spec.project,
        destination: spec.destination,
        sources: Sources::from_spec(
            spec.source.map(RawSource::finish),
            spec.sources.into_iter().map(RawSource::finish).collect(),
        ),
        hydrated: spec.hydrated,
        status: status.map(RawStatus::finish),
    })
}

fn not_blank(text: Option<Box<str>>) -> Option<Box<str>> {
    text.filter(|text| !text.trim().is_empty())
}

impl Fields for RawObject {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        self.touched = true;
        match key {
            "kind" => self.kind = not_blank(value.text()?),
            "apiVersion" => return value.skip(),
            "metadata" => {
                let metadata = self.metadata.get_or_insert_default();
                metadata.name_only = self.kind.as_deref().is_some_and(|kind| !is_ours(kind));
                value.object("metadata", metadata)?;
            }
            "spec" if self.may_concern_us() => {
                let mut spec = RawSpec::default();
                if value.object("spec", &mut spec)? {
                    self.spec = Some(spec);
                }
            }
            "status" if self.may_concern_us() => {
                let mut status = RawStatus::default();
                if value.object("status", &mut status)? {
                    self.status = Some(status);
                }
            }
            other => {
                if self.other_keys.len() < SHOWN_KEYS {
                    self.other_keys.push(other.chars().take(40).collect());
                }
                return value.skip();
            }
        }
        Ok(())
    }
}

fn is_ours(kind: &str) -> bool {
    matches!(kind, "Application" | "ApplicationSet")
}

#[derive(Debug, Default)]
struct RawMetadata {
    name_only: bool,
    name: Option<Box<str>>,
    namespace: Option<Box<str>>,
    uid: Option<Box<str>>,
    annotations: Vec<(Box<str>, Box<str>)>,
    labels: Vec<(Box<str>, Box<str>)>,
    deleting: bool,
}

impl RawMetadata {
    fn application_name(&self) -> ApplicationName {
        ApplicationName::new(
            self.namespace.as_deref(),
            self.name.as_deref().unwrap_or_default(),
        )
    }
}

impl Fields for RawMetadata {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "name" => self.name = value.text()?,
            _ if self.name_only => return value.skip(),
            "namespace" => self.namespace = value.text()?,
            "uid" => self.uid = value.text()?,
            "deletionTimestamp" => self.deleting = value.present()?,
            "annotations" => {
                let mut pairs = Pairs {
                    keep: annotation::is_relevant,
                    keep_null: is_for_scope,
                    kept: Vec::new(),
                };
                value.object("annotations", &mut pairs)?;
                self.annotations = pairs.kept;
            }
            "labels" => {
                let mut pairs = Pairs {
                    keep: |_| true,
                    keep_null: |_| false,
                    kept: Vec::new(),
                };
                value.object("labels", &mut pairs)?;
                self.labels = pairs.kept;
            }
            _ => return value.skip(),
        }
        Ok(())
    }
}

/// Whether `key` declares a project, an environment or a tenant.
fn is_for_scope(key: &str) -> bool {
    annotation::Key::parse(key).is_some_and(|key| Purpose::SCOPE.contains(&key.purpose()))
}

/// A map from text to text, of which some keys are kept.
struct Pairs {
    keep: fn(&str) -> bool,
    keep_null: fn(&str) -> bool,
    kept: Vec<(Box<str>, Box<str>)>,
}

impl Fields for Pairs {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        if !(self.keep)(key) {
            return value.skip();
        }
        // Null is no value, and image paths without one are missing. But that a scoping key is there may be the mistake,
        // whatever its value: those are kept as blank.
        let text = value.text()?;
        if let Some(text) = text.or_else(|| (self.keep_null)(key).then(Box::default)) {
            self.kept.push((key.into(), text));
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says that one field was there, and no two exclude each other"
)]
struct RawSpec {
    project: Option<Box<str>>,
    destination: Destination,
    has_destination: bool,
    source: Option<RawSource>,
    sources: Vec<RawSource>,
    has_sources: bool,
    hydrated: bool,
    generators: bool,
    template: Option<Box<RawTemplate>>,
    template_patch: bool,
}

impl RawSpec {
    fn looks_like_application(&self) -> bool {
        self.has_destination || self.source.is_some() || self.has_sources || self.hydrated
    }
}

impl Fields for RawSpec {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "project" => self.project = value.text()?,
            "destination" => self.has_destination = value.object("destination", &mut self.destination)?,
            "source" => {
                let mut source = RawSource::default();
                self.source = value.object("source", &mut source)?.then_some(source);
            }
            "sources" => {
                self.sources = value.objects("sources")?;
                // An empty list is no source, but no other object has the field.
                self.has_sources = true;
            }
            "sourceHydrator" => self.hydrated = value.present()?,
            "generators" => self.generators = value.present()?,
            "template" => {
                let mut template = RawTemplate::default();
                self.template = value.object("template", &mut template)?.then(|| template.into());
            }
            "templatePatch" => self.template_patch = value.present()?,
            _ => return value.skip(),
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct RawTemplate {
    metadata: Option<RawMetadata>,
    spec: Option<RawSpec>,
}

impl Fields for RawTemplate {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "metadata" => {
                value.object("metadata", self.metadata.get_or_insert_default())?;
            }
            "spec" => {
                value.object("spec", self.spec.get_or_insert_default())?;
            }
            _ => return value.skip(),
        }
        Ok(())
    }
}

impl Fields for Destination {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "server" => self.server = not_blank(value.text()?),
            "name" => self.name = not_blank(value.text()?),
            "namespace" => self.namespace = not_blank(value.text()?),
            _ => return value.skip(),
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct RawSource(Source);

impl RawSource {
    fn finish(self) -> Source {
        self.0
    }
}

impl Fields for RawSource {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        let source = &mut self.0;
        match key {
            "name" => source.name = value.text()?.as_deref().and_then(SourceName::new),
            "repoURL" => source.repo_url = value.text()?.unwrap_or_default(),
            "targetRevision" => source.target_revision = value.text()?,
            "path" => source.path = value.text()?,
            "chart" => source.chart = not_blank(value.text()?),
            // Argo CD counts a source as a ref source only where the text is not empty.
            "ref" => source.reference = value.text()?.filter(|text| !text.is_empty()),
            "helm" => {
                let mut helm = Helm::default();
                source.helm = value.object("helm", &mut helm)?.then(|| Box::new(helm));
            }
            _ => return value.skip(),
        }
        Ok(())
    }
}

impl Fields for Helm {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "valueFiles" => self.value_files = value.texts("valueFiles")?.into(),
            _ => return value.skip(),
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct RawStatus {
    status: Status,
    revision: Option<Box<str>>,
    source_type: Option<Box<str>>,
}

impl RawStatus {
    fn finish(self) -> Status {
        let mut status = self.status;
        if status.revisions.is_empty() {
            status.revisions = not_blank(self.revision).into_iter().collect();
        }
        if status.source_types.is_empty() {
            status.source_types = self
                .source_type
                .iter()
                .map(|text| SourceType::from_status(text))
                .collect();
        }
        status
    }
}

impl Fields for RawStatus {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "health" => {
                let mut health = RawHealth(&mut self.status);
                value.object("health", &mut health)?;
            }
            "sync" => {
                value.object("sync", &mut RawSync(self))?;
            }
            // Null is what empty text is: the type of a source without a path.
            "sourceType" => self.source_type = Some(value.text()?.unwrap_or_default()),
            "sourceTypes" => {
                let types = value.texts("sourceTypes")?;
                self.status.source_types = types.iter().map(|text| SourceType::from_status(text)).collect();
            }
            "operationState" => {
                let mut operation = Operation::default();
                self.status.operation = value
                    .object("operationState", &mut operation)?
                    .then_some(operation);
            }
            "conditions" => self.status.conditions = value.objects("conditions")?.into(),
            _ => return value.skip(),
        }
        Ok(())
    }
}

struct RawHealth<'a>(&'a mut Status);

impl Fields for RawHealth<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "status" => self.0.health = not_blank(value.text()?).as_deref().map(HealthStatus::from),
            "message" => self.0.health_message = not_blank(value.text()?),
            _ => return value.skip(),
        }
        Ok(())
    }
}

struct RawSync<'a>(&'a mut RawStatus);

impl Fields for RawSync<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "status" => self.0.status.sync = not_blank(value.text()?).as_deref().map(SyncStatus::from),
            "revision" => self.0.revision = value.text()?,
            "revisions" => self.0.status.revisions = value.texts("revisions")?.into(),
            _ => return value.skip(),
        }
        Ok(())
    }
}

impl Fields for Operation {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "phase" => self.phase = not_blank(value.text()?).as_deref().map(OperationPhase::from),
            "message" => self.message = not_blank(value.text()?),
            _ => return value.skip(),
        }
        Ok(())
    }
}

impl Fields for Condition {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = value.text()?.unwrap_or_default(),
            "message" => self.message = value.text()?.unwrap_or_default(),
            _ => return value.skip(),
        }
        Ok(())
    }
}
