//! An Argo CD application, as far as scoping and status need it.

mod annotations;
mod source;
mod status;

pub use annotations::Annotations;
pub(crate) use annotations::sorted;
pub use source::{Helm, Source, SourceName, SourceType, Sources};
pub use status::{Condition, Operation, Status};

use crate::name::{ApplicationName, Uid};

/// An Argo CD `Application`: the parts that scoping and status read, and nothing else.
///
/// Read one with [`read`](crate::read); embedders that hold Kubernetes objects of their own fill the fields of
/// [`Application::new`]. What an `Application` does not keep (manifests, history, managed fields, the `Octopus`-free
/// annotations) is skipped while reading and costs no memory.
///
/// ```
/// use octopus_argo_core::Application;
///
/// let application = Application::from_json(
///     br#"{
///         "metadata": {"name": "web", "annotations": {"argo.octopus.com/project": "shop"}},
///         "spec": {"source": {"repoURL": "https://git.example.test/web.git", "path": "deploy"}}
///     }"#,
/// )?;
/// assert_eq!(application.sources.len(), 1);
/// assert_eq!(application.annotations.get("argo.octopus.com/project"), Some("shop"));
/// # Ok::<(), octopus_argo_core::read::ReadError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Application {
    /// `metadata.namespace` and `metadata.name`.
    pub name: ApplicationName,
    /// `metadata.uid`, given by the cluster; manifests kept in Git have none.
    pub uid: Option<Uid>,
    /// `metadata.annotations`, those for which [`is_relevant`](crate::annotation::is_relevant) holds.
    pub annotations: Annotations,
    /// `metadata.labels`, all of them, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Whether `metadata.deletionTimestamp` is set: the application is on its way out.
    pub deleting: bool,
    /// `spec.project`, the Argo CD project; not to be confused with the Octopus project.
    pub project: Option<Box<str>>,
    /// `spec.destination`: the cluster and namespace that the application is deployed to.
    pub destination: Destination,
    /// `spec.sources`, or else `spec.source`.
    pub sources: Sources,
    /// `spec.sourceHydrator` is present: Argo CD then ignores the sources above.
    pub hydrated: bool,
    /// `status`; an application that Argo CD has not looked at yet has none.
    pub status: Option<Status>,
}

impl Application {
    /// An application with a name and nothing else.
    #[must_use]
    pub fn new(name: ApplicationName) -> Self {
        Self {
            name,
            uid: None,
            annotations: Annotations::default(),
            labels: Box::default(),
            deleting: false,
            project: None,
            destination: Destination::default(),
            sources: Sources::default(),
            hydrated: false,
            status: None,
        }
    }

    /// The type that Argo CD reports for the source at `index`, or `None` where it is not known.
    ///
    /// Unless Argo CD reports exactly one type per source, no source has a known type: pairing some of them would be
    /// a guess. An empty type means [`SourceType::Directory`].
    ///
    /// Rule: Calamari, `source/Calamari/ArgoCD/Domain/Converters/ApplicationStatusConverter.cs`.
    #[must_use]
    pub fn source_type(&self, index: usize) -> Option<&SourceType> {
        let types = self.source_types();
        if types.len() != self.sources.len() {
            return None;
        }
        types
            .get(index)
            .filter(|kind| !matches!(kind, SourceType::Other(_)))
    }

    /// The types that Argo CD reports, in the order of the sources, as many as it reports.
    #[must_use]
    pub fn source_types(&self) -> &[SourceType] {
        self.status.as_ref().map_or(&[], |status| &status.source_types)
    }
}

/// Where an application is deployed to. Argo CD fills either the server or the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// The address of the cluster's API server.
    pub server: Option<Box<str>>,
    /// The name of the cluster in Argo CD.
    pub name: Option<Box<str>>,
    /// The namespace for resources that name none.
    pub namespace: Option<Box<str>>,
}

/// An Argo CD `ApplicationSet`, which makes applications from a template.
///
/// The annotations of its template say which deployments the made applications belong to. Values with template
/// expressions are decided only when Argo CD renders them and never match; see [`ApplicationSet::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplicationSet {
    /// `metadata.namespace` and `metadata.name` of the set itself.
    pub name: ApplicationName,
    /// `spec.template`, read as an application.
    pub template: Application,
    /// `spec.templatePatch` is present: it can replace any annotation of the template.
    pub patched: bool,
}
