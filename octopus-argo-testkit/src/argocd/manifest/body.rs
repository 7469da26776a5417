//! All of an object but its metadata: what many applications may have in common.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use hyper::body::Bytes;
use prost::Message as _;
use serde_json::Value;

use super::{checked, wire};
use crate::argocd::Encoding;

/// An object without `metadata`, and what a server keeps of it, once one has asked.
pub(in crate::argocd) struct Body {
    /// Absent only where what is kept has it as text.
    json: Option<Value>,
    kept: OnceLock<Arc<Kept>>,
}

impl Body {
    pub(super) fn new(mut json: Value) -> Self {
        if let Some(object) = json.as_object_mut() {
            object.remove("metadata");
        }
        Self {
            json: Some(json),
            kept: OnceLock::new(),
        }
    }

    pub(super) fn json(&self) -> Cow<'_, Value> {
        match (&self.json, self.kept.get()) {
            (Some(json), _) => Cow::Borrowed(json),
            (None, Some(kept)) => Cow::Owned(kept.json()),
            (None, None) => Cow::Owned(Value::default()),
        }
    }

    /// What a server with this encoding keeps. One for each encoding would be too many to hold, so the first one stays.
    pub(in crate::argocd) fn kept(&self, encoding: Encoding) -> Arc<Kept> {
        let made = || Arc::new(Kept::new(&self.json(), encoding));
        let kept = self.kept.get_or_init(made);
        if kept.encoding == encoding {
            kept.clone()
        } else {
            made()
        }
    }

    /// Keeps the object as text alone: as a tree it has ten times the size.
    pub(super) fn compact(&mut self, encoding: Encoding) {
        self.kept(encoding);
        self.json = None;
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}

/// A body in texts of bytes, not in trees of small objects.
pub(in crate::argocd) struct Kept {
    encoding: Encoding,
    text: Box<str>,
    stored: Bytes,
    filled: Bytes,
    project: String,
    repository: String,
    health_in_tree: bool,
}

impl Kept {
    fn new(json: &Value, encoding: Encoding) -> Self {
        let mut wire = checked(wire::application(json, encoding));
        wire.metadata = None;
        let filled: Bytes = wire.encode_to_vec().into();
        let mut stored = filled.clone();
        let status = wire.status.as_mut();
        let source = status
            .as_ref()
            .and_then(|status| status.resource_health_source.as_deref());
        let health_in_tree = source == Some("appTree");
        if health_in_tree {
            for resource in status.into_iter().flat_map(|status| &mut status.resources) {
                resource.health = None;
            }
            if wire.encoded_len() < filled.len() {
                stored = wire.encode_to_vec().into();
            }
        }
        let spec = wire.spec.as_ref();
        let project = spec.and_then(|spec| spec.project.clone()).unwrap_or_default();
        let source = spec.and_then(|spec| spec.sources.first().or(spec.source.as_ref()));
        Self {
            encoding,
            text: json.to_string().into(),
            stored,
            filled,
            project: if project.is_empty() {
                "default".to_owned()
            } else {
                project
            },
            repository: source
                .and_then(|source| source.repo_url.clone())
                .unwrap_or_default(),
            health_in_tree,
        }
    }

    /// The object as JSON. Reads the text anew each time.
    pub(in crate::argocd) fn json(&self) -> Value {
        // The text was written from a `Value`.
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The fields of the message as List and Sync answer them: where health is kept in the tree, resources come without.
    pub(in crate::argocd) const fn stored(&self) -> &Bytes {
        &self.stored
    }

    /// The same with the health of resources as the manifest has it.
    pub(in crate::argocd) const fn filled(&self) -> &Bytes {
        &self.filled
    }

    /// The project that counts for rights: an empty `spec.project` is `default`.
    pub(in crate::argocd) fn project(&self) -> &str {
        &self.project
    }

    /// Of the first source.
    pub(in crate::argocd) fn repository(&self) -> &str {
        &self.repository
    }

    pub(in crate::argocd) const fn health_in_tree(&self) -> bool {
        self.health_in_tree
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}
