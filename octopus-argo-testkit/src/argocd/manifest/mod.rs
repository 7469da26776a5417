//! Application manifests: JSON or YAML text in, one checked object each.

mod body;
mod error;
mod wire;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::k8s::meta::ObjectMeta;
use octopus_argo_proto::argocd::v1alpha1;
use serde_json::Value;

pub(super) use body::{Body, Kept};
pub use error::ManifestError;
pub(super) use wire::{cluster, events, project, tree};

use super::Encoding;

/// An Argo CD `Application` as Kubernetes stores it, with everything that it holds.
///
/// Unlike `octopus_argo_core::Application`, which keeps what scoping and health read, a manifest keeps every field, so
/// that the simulated server answers with full objects.
///
/// ```
/// use octopus_argo_testkit::argocd::Manifest;
///
/// let manifests = Manifest::parse_all(
///     "
/// apiVersion: argoproj.io/v1alpha1
/// kind: Application
/// metadata: {name: web}
/// spec:
///   source: {repoURL: https://git.example.test/web.git, path: deploy}
/// ---
/// kind: Service # skipped, as is everything that is no Application
/// metadata: {name: web}
/// ",
/// )?;
/// assert_eq!(manifests.len(), 1);
/// assert_eq!(manifests[0].name().to_string(), "web");
/// # Ok::<(), octopus_argo_testkit::argocd::ManifestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Manifest {
    name: ApplicationName,
    /// With the name of the manifest that this one was copied from.
    metadata: Arc<Value>,
    /// Shared with copies under other names.
    body: Arc<Body>,
}

impl Manifest {
    /// Every application in `text`: JSON where it begins with `{` or `[`, otherwise YAML; one object or several, lists
    /// (`List`, `ApplicationList`) and watch events of the JSON API included. Objects of other kinds are skipped.
    ///
    /// # Errors
    /// [`ManifestError`], for the first object that is wrong.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, ManifestError> {
        let documents = if text.trim_start().starts_with(['{', '[']) {
            serde_json::Deserializer::from_str(text)
                .into_iter()
                .collect::<Result<Vec<Value>, _>>()
                .map_err(|error| ManifestError::Json {
                    source: Arc::new(error),
                })?
        } else {
            serde_saphyr::from_multiple_with_options(text, yaml_options()).map_err(|error| {
                ManifestError::Yaml {
                    source: Arc::new(error),
                }
            })?
        };
        let mut manifests = Vec::new();
        for document in documents {
            collect(document, &mut manifests)?;
        }
        Ok(manifests)
    }

    /// `metadata.namespace` and `metadata.name`, as the manifest has them.
    #[must_use]
    pub fn name(&self) -> &ApplicationName {
        &self.name
    }

    /// The whole object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = self.body.json().into_owned();
        json["metadata"] = self.metadata().into_owned();
        json
    }

    /// The same under another name, for fleets of many applications that are alike. The copy shares everything but its
    /// metadata with the original, also in a server that holds both, as long as nothing changes it.
    ///
    /// ```
    /// use octopus_argo_testkit::argocd::Manifest;
    ///
    /// let web: Manifest = "metadata: {name: web}".parse()?;
    /// let fleet: Vec<Manifest> = (0..10_000).map(|number| web.renamed(&format!("web-{number:05}"))).collect();
    /// assert_eq!(fleet[9_999].name().name(), "web-09999");
    /// # Ok::<(), octopus_argo_testkit::argocd::ManifestError>(())
    /// ```
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        Self {
            name: ApplicationName::new(self.name.namespace(), name),
            ..self.clone()
        }
    }

    /// `metadata`, with the name of this manifest.
    pub(super) fn metadata(&self) -> Cow<'_, Value> {
        if self.metadata["name"] == self.name.name() {
            return Cow::Borrowed(&self.metadata);
        }
        let mut metadata = Value::clone(&self.metadata);
        metadata["name"] = self.name.name().into();
        Cow::Owned(metadata)
    }

    /// The same with a change that cannot make it another object, or none: the caller sees to that.
    pub(super) fn amended(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut json = self.to_json();
        change(&mut json);
        Self::trusted(json)
    }

    /// As [`Manifest::amended`], with a change of `metadata` alone.
    pub(super) fn with_metadata(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let metadata = Arc::make_mut(&mut self.metadata);
        metadata["name"] = self.name.name().into();
        change(metadata);
        self.name = name_in(metadata);
        self
    }

    /// The same in less memory, if it shares nothing. It is meant for a server with this encoding; another has to read it anew.
    pub(super) fn compacted(mut self, encoding: Encoding) -> Self {
        if let Some(body) = Arc::get_mut(&mut self.body) {
            body.compact(encoding);
        }
        self
    }

    /// An object that was checked before. To look at every field again takes most of the time that a change takes.
    pub(super) fn trusted(mut json: Value) -> Self {
        let metadata = json["metadata"].take();
        Self {
            name: name_in(&metadata),
            metadata: Arc::new(metadata),
            body: Arc::new(Body::new(json)),
        }
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    /// The message that Argo CD sends for this object.
    pub(super) fn to_wire(&self, encoding: Encoding) -> v1alpha1::Application {
        checked(wire::application(&self.to_json(), encoding))
    }

    /// The metadata of that message.
    pub(super) fn metadata_to_wire(&self, encoding: Encoding) -> ObjectMeta {
        checked(wire::metadata(&self.metadata(), encoding))
    }
}

fn name_in(metadata: &Value) -> ApplicationName {
    let text = |key: &str| metadata[key].as_str();
    ApplicationName::new(text("namespace"), text("name").unwrap_or_default())
}

/// What was made from an object that was checked.
fn checked<T>(made: Result<T, ManifestError>) -> T {
    match made {
        Ok(made) => made,
        // Every way to make a manifest goes through `TryFrom<Value>`, which has made the whole message once.
        Err(wrong) => unreachable!("a checked manifest has a wrong type: {wrong:?}"),
    }
}

/// Equal objects.
impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl TryFrom<Value> for Manifest {
    type Error = ManifestError;

    /// Takes an `Application`; `kind` and `apiVersion` may be left out, as Argo CD's API leaves them out.
    fn try_from(json: Value) -> Result<Self, ManifestError> {
        if let Some(kind) = json.get("kind").filter(|kind| *kind != "Application") {
            return Err(ManifestError::NotAnApplication {
                kind: kind.as_str().unwrap_or_default().to_owned(),
            });
        }
        let wire = wire::application(&json, Encoding::default())?;
        let metadata = wire.metadata.unwrap_or_default();
        if metadata.name().is_empty() {
            return Err(ManifestError::Nameless);
        }
        Ok(Self::trusted(json))
    }
}

impl FromStr for Manifest {
    type Err = ManifestError;

    /// Reads the one application that `text` holds.
    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let mut manifests = Self::parse_all(text)?;
        match (manifests.pop(), manifests.len()) {
            (Some(manifest), 0) => Ok(manifest),
            (last, others) => Err(ManifestError::Count {
                found: others + usize::from(last.is_some()),
            }),
        }
    }
}

fn collect(document: Value, manifests: &mut Vec<Manifest>) -> Result<(), ManifestError> {
    let items = match document {
        Value::Null => return Ok(()),
        Value::Array(items) => items,
        // A watch event of the JSON API.
        Value::Object(mut object) if object.contains_key("result") => {
            let result = object.remove("result").unwrap_or_default();
            vec![result.get("application").cloned().unwrap_or_default()]
        }
        Value::Object(mut object) if object.get("items").is_some_and(Value::is_array) => {
            match object.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        other => {
            return match Manifest::try_from(other) {
                Ok(manifest) => {
                    manifests.push(manifest);
                    Ok(())
                }
                Err(ManifestError::NotAnApplication { kind }) if !kind.is_empty() => Ok(()),
                Err(error) => Err(error),
            };
        }
    };
    items.into_iter().try_for_each(|item| collect(item, manifests))
}

/// Test data is trusted: a fleet of ten thousand applications in one text must pass.
fn yaml_options() -> serde_saphyr::Options {
    let mut options = serde_saphyr::Options::default();
    options.budget = serde_saphyr::budget! {
        max_reader_input_bytes: None,
        max_nodes: 50_000_000,
        max_events: 100_000_000,
        max_documents: 1_000_000,
        max_total_scalar_bytes: 1 << 30,
    };
    options.with_snippet = false;
    options
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use octopus_argo_core::read::{self, Format, Limits, Object};
    use octopus_argo_core::{Application, Status};

    use super::*;

    const LIST: &str = r#"{"kind": "List", "items": [
        {"kind": "Application", "metadata": {"name": "a"}},
        {"kind": "ApplicationSet", "metadata": {"name": "b"}},
        {"metadata": {"name": "c", "namespace": "team"}}
    ]}"#;

    #[test]
    fn lists_are_taken_apart_and_other_kinds_skipped() {
        let names: Vec<_> = Manifest::parse_all(LIST)
            .unwrap()
            .iter()
            .map(|manifest| manifest.name().to_string())
            .collect();
        assert_eq!(names, ["a", "team/c"]);
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert!(matches!(
            Manifest::parse_all("{"),
            Err(ManifestError::Json { .. })
        ));
        assert!(matches!(
            Manifest::parse_all("a: [\n"),
            Err(ManifestError::Yaml { .. })
        ));
        assert!(matches!(
            "metadata: {}".parse::<Manifest>(),
            Err(ManifestError::Nameless)
        ));
        assert!(matches!(
            LIST.parse::<Manifest>(),
            Err(ManifestError::Count { found: 2 })
        ));
        let error = "metadata: {name: web}\nspec:\n  sources:\n  - targetRevision: 1.10\n"
            .parse::<Manifest>()
            .unwrap_err();
        assert_eq!(error.to_string(), "spec.sources[0].targetRevision is not text");
    }

    /// The sample fleet, read directly and read over the wire, is the same to core.
    #[test]
    fn core_reads_the_same_over_the_wire() {
        let compared = compare_folders(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/fleet"));
        assert!(compared > 40, "only {compared} applications were compared");
    }

    /// The same for applications from the field, where they are at hand: `OCTOPUS_ARGO_REAL_DATA` names their folder.
    #[test]
    fn core_reads_the_same_of_real_data() {
        let Some(folder) = std::env::var_os("OCTOPUS_ARGO_REAL_DATA") else {
            return;
        };
        let compared = compare_folders(folder);
        assert!(compared > 40, "only {compared} applications were compared");
    }

    /// Compares every application in the folders of this folder; files that hold no manifests are passed over.
    fn compare_folders(folder: impl AsRef<Path>) -> usize {
        let mut compared = 0;
        for folder in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            for file in fs::read_dir(folder).into_iter().flatten() {
                let text = fs::read_to_string(file.unwrap().path()).unwrap();
                for manifest in Manifest::parse_all(&text).unwrap_or_default() {
                    compare(&manifest);
                    compared += 1;
                }
            }
        }
        compared
    }

    fn compare(manifest: &Manifest) {
        let mut json = manifest.to_json();
        json["kind"] = "Application".into();
        let mut direct = core_reads(&json.to_string());
        // Argo CD writes a blank status where there is none, so over the wire the two cannot be told apart.
        direct.status = direct.status.filter(|status| *status != Status::default());
        assert_eq!(
            Application::try_from(manifest.to_wire(Encoding::default())).unwrap(),
            direct
        );
    }

    fn core_reads(json: &str) -> Application {
        let mut found = None;
        read::read_slice(json.as_bytes(), Format::Json, &Limits::default(), |object| {
            if let Object::Application(application) = object {
                found = Some(application);
            }
        })
        .unwrap();
        found.unwrap()
    }
}
