//! One application as the server keeps it: in texts of bytes, not in trees of small objects. All but its metadata is shared
//! with those that are alike, so that ten thousand of them are a matter of megabytes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hyper::body::{Buf as _, Bytes};
use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::v1alpha1::{Application, ApplicationTree};
use prost::Message as _;
use prost::encoding::{self, WireType};
use serde_json::Value;

use super::tree;
use crate::argocd::manifest::Kept;
use crate::argocd::{Encoding, Manifest};

/// An application at one resource version, and the bytes for it. A cheap handle.
#[derive(Clone, Debug)]
pub(in crate::argocd) struct Record(Arc<Object>);

#[derive(Clone, Debug)]
struct Object {
    name: ApplicationName,
    version: u64,
    labels: BTreeMap<String, String>,
    /// `metadata` as JSON.
    metadata: Arc<str>,
    /// The same as the first field of the message.
    head: Bytes,
    kept: Arc<Kept>,
    /// The rest as Get and Watch answer it where a tree was given, made when one of them asks.
    filled: OnceLock<Bytes>,
}

impl Record {
    pub(super) fn new(manifest: &Manifest, version: u64, encoding: Encoding) -> Self {
        let metadata = manifest.metadata_to_wire(encoding);
        let mut head = Vec::with_capacity(encoding::message::encoded_len(METADATA, &metadata));
        encoding::message::encode(METADATA, &metadata, &mut head);
        Self(Arc::new(Object {
            name: manifest.name().clone(),
            version,
            labels: metadata.labels,
            metadata: manifest.metadata().to_string().into(),
            head: head.into(),
            kept: manifest.body().kept(encoding),
            filled: OnceLock::new(),
        }))
    }

    /// The same with another tree beside it: what was filled in is no longer true.
    pub(super) fn refilled(&self) -> Self {
        Self(Arc::new(Object {
            filled: OnceLock::new(),
            ..Object::clone(&self.0)
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
        self.0.kept.project()
    }

    pub(in crate::argocd) fn labels(&self) -> &BTreeMap<String, String> {
        &self.0.labels
    }

    /// Of the first source.
    pub(in crate::argocd) fn repository(&self) -> &str {
        self.0.kept.repository()
    }

    /// The object as JSON. Reads the texts anew each time.
    pub(in crate::argocd) fn json(&self) -> Value {
        let mut json = self.0.kept.json();
        // The text was written from a `Value`.
        json["metadata"] = serde_json::from_str(&self.0.metadata).unwrap_or_default();
        json
    }

    pub(super) fn manifest(&self) -> Manifest {
        Manifest::trusted(self.json())
    }

    /// The message as List and Sync answer it: where health is kept in the tree, resources come without.
    pub(in crate::argocd) fn stored(&self) -> Encoded {
        self.encoded(self.0.kept.stored())
    }

    /// The same, decoded.
    pub(in crate::argocd) fn application(&self) -> Application {
        let Encoded { head, rest } = self.stored();
        // The bytes were written from this message.
        Application::decode(head.chain(rest)).unwrap_or_default()
    }

    /// The message as Get and Watch answer it: with the health of its resources, which the tree knows, or the manifest
    /// where no tree was given.
    ///
    /// Rule: Argo CD `server/application/application.go` (`inferResourcesStatusHealth`).
    pub(in crate::argocd) fn filled(&self, tree: Option<&ApplicationTree>) -> Encoded {
        let object = &self.0;
        if !object.kept.health_in_tree() {
            return self.stored();
        }
        let fill = |tree: &ApplicationTree| {
            let mut application = self.application();
            application.metadata = None;
            tree::fill(&mut application, tree);
            application.encode_to_vec().into()
        };
        // One that was deleted was filled before its tree went.
        let rest = match (object.filled.get(), tree) {
            (Some(filled), _) => filled,
            (None, Some(tree)) => object.filled.get_or_init(|| fill(tree)),
            (None, None) => object.kept.filled(),
        };
        self.encoded(rest)
    }

    fn encoded(&self, rest: &Bytes) -> Encoded {
        Encoded {
            head: self.0.head.clone(),
            rest: rest.clone(),
        }
    }
}

/// The message of an application in two pieces.
#[derive(Clone, Debug)]
pub(in crate::argocd) struct Encoded {
    head: Bytes,
    rest: Bytes,
}

impl Encoded {
    /// In bytes.
    pub(in crate::argocd) fn len(&self) -> usize {
        self.head.len() + self.rest.len()
    }

    pub(in crate::argocd) fn to_bytes(&self) -> Bytes {
        [&*self.head, &*self.rest].concat().into()
    }

    /// How long it is as a field of another message.
    pub(in crate::argocd) fn field_len(&self, number: u32) -> usize {
        encoding::key_len(number) + encoding::encoded_len_varint(self.len() as u64) + self.len()
    }

    /// Appends it as a field of another message.
    pub(in crate::argocd) fn append_field(&self, number: u32, to: &mut Vec<u8>) {
        encoding::encode_key(number, WireType::LengthDelimited, to);
        encoding::encode_varint(self.len() as u64, to);
        to.extend_from_slice(&self.head);
        to.extend_from_slice(&self.rest);
    }
}

/// The number of the field in `Application`.
const METADATA: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_all_but_their_metadata() {
        let web: Manifest = "metadata: {name: web}\nspec: {project: shop}".parse().unwrap();
        let record = |manifest: &Manifest| Record::new(manifest, 1, Encoding::default());
        let (one, two) = (record(&web), record(&web.renamed("two")));
        assert!(Arc::ptr_eq(&one.0.kept, &two.0.kept));
        assert_eq!(two.json()["metadata"]["name"], "two");
        let message = Application::decode(two.stored().to_bytes()).unwrap();
        assert_eq!(message, two.manifest().to_wire(Encoding::default()));
        assert_eq!((message.metadata.unwrap().name(), two.project()), ("two", "shop"));
    }
}
