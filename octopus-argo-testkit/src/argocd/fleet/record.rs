//! One application as the server keeps it: in two texts that are shared, not in trees of small objects, so that ten
//! thousand of them are a matter of megabytes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hyper::body::Bytes;
use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::v1alpha1::{Application, ApplicationTree};
use prost::Message as _;
use serde_json::Value;

use super::tree;
use crate::argocd::{Encoding, Manifest};

/// An application at one resource version, and the bytes for it. A cheap handle.
#[derive(Clone, Debug)]
pub(in crate::argocd) struct Record(Arc<Object>);

#[derive(Debug)]
struct Object {
    name: ApplicationName,
    version: u64,
    project: String,
    labels: BTreeMap<String, String>,
    repository: String,
    json: Arc<str>,
    /// As List and Sync answer it: where health is kept in the tree, resources come without.
    stored: Bytes,
    /// As Get and Watch answer it, made when one of them asks.
    filled: OnceLock<Bytes>,
    health_in_tree: bool,
}

impl Record {
    pub(super) fn new(manifest: &Manifest, version: u64, encoding: Encoding) -> Self {
        let mut wire = manifest.to_wire(encoding);
        let status = wire.status.as_ref();
        let health_in_tree =
            status.and_then(|status| status.resource_health_source.as_deref()) == Some("appTree");
        if health_in_tree {
            let resources = wire.status.iter_mut().flat_map(|status| &mut status.resources);
            for resource in resources {
                resource.health = None;
            }
        }
        let spec = wire.spec.as_ref();
        let project = spec.and_then(|spec| spec.project.clone()).unwrap_or_default();
        let source = spec.and_then(|spec| spec.sources.first().or(spec.source.as_ref()));
        Self(Arc::new(Object {
            name: manifest.name().clone(),
            version,
            project: if project.is_empty() {
                "default".to_owned()
            } else {
                project
            },
            repository: source
                .and_then(|source| source.repo_url.clone())
                .unwrap_or_default(),
            labels: wire
                .metadata
                .as_ref()
                .map(|metadata| metadata.labels.clone())
                .unwrap_or_default(),
            json: manifest.as_json().to_string().into(),
            stored: wire.encode_to_vec().into(),
            filled: OnceLock::new(),
            health_in_tree,
        }))
    }

    /// The same with another tree beside it: what was filled in is no longer true.
    pub(super) fn refilled(&self) -> Self {
        let object = &self.0;
        Self(Arc::new(Object {
            name: object.name.clone(),
            version: object.version,
            project: object.project.clone(),
            labels: object.labels.clone(),
            repository: object.repository.clone(),
            json: object.json.clone(),
            stored: object.stored.clone(),
            filled: OnceLock::new(),
            health_in_tree: object.health_in_tree,
        }))
    }

    pub(in crate::argocd) fn name(&self) -> &ApplicationName {
        &self.0.name
    }

    pub(in crate::argocd) fn version(&self) -> u64 {
        self.0.version
    }

    /// The project that counts for rights: an empty `spec.project` is `default`.
    pub(in crate::argocd) fn project(&self) -> &str {
        &self.0.project
    }

    pub(in crate::argocd) fn labels(&self) -> &BTreeMap<String, String> {
        &self.0.labels
    }

    /// Of the first source.
    pub(in crate::argocd) fn repository(&self) -> &str {
        &self.0.repository
    }

    /// The object as JSON. Reads the text anew each time.
    pub(in crate::argocd) fn json(&self) -> Value {
        // The text was written from a `Value`.
        serde_json::from_str(&self.0.json).unwrap_or_default()
    }

    pub(super) fn manifest(&self) -> Manifest {
        Manifest::trusted(self.json())
    }

    /// The message in bytes as List answers it.
    pub(in crate::argocd) fn stored(&self) -> &Bytes {
        &self.0.stored
    }

    /// The message as List answers it.
    pub(in crate::argocd) fn application(&self) -> Application {
        // The bytes were written from this message.
        Application::decode(self.0.stored.clone()).unwrap_or_default()
    }

    /// The message in bytes as Get and Watch answer it: with the health of its resources, which the tree knows, or the
    /// manifest where no tree was given.
    ///
    /// Rule: Argo CD `server/application/application.go` (`inferResourcesStatusHealth`).
    pub(in crate::argocd) fn filled(&self, encoding: Encoding, tree: Option<&ApplicationTree>) -> Bytes {
        if !self.0.health_in_tree {
            return self.0.stored.clone();
        }
        let fill = || match tree {
            None => self.manifest().to_wire(encoding).encode_to_vec().into(),
            Some(tree) => {
                let mut application = self.application();
                tree::fill(&mut application, tree);
                application.encode_to_vec().into()
            }
        };
        self.0.filled.get_or_init(fill).clone()
    }
}
