//! A place in a JSON object, and how Go would put it on the wire.

use std::cell::RefCell;
use std::collections::BTreeMap;

use octopus_argo_proto::argocd::k8s::meta::Time;
use octopus_argo_proto::argocd::k8s::runtime::RawExtension;
use octopus_argo_proto::prost::bytes::Bytes;
use serde_json::Value;

use super::super::ManifestError;
use crate::argocd::clock::Timestamp;
use crate::argocd::{ArgoCdVersion, Encoding, Presence};

/// How to write an object, and the first wrong type found in it.
#[derive(Debug, Default)]
pub(super) struct Reading {
    encoding: Encoding,
    problem: RefCell<Option<ManifestError>>,
}

impl Reading {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            problem: RefCell::default(),
        }
    }

    /// What was read, unless something was wrong.
    pub(super) fn finish<T>(self, read: T) -> Result<T, ManifestError> {
        self.problem.into_inner().map_or(Ok(read), Err)
    }
}

/// A value, or the absence of one. Null counts as absent.
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    parent: Option<&'a Self>,
    step: Step<'a>,
    reading: &'a Reading,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, reading: &'a Reading) -> Self {
        let node = Self {
            value: Some(value),
            parent: None,
            step: Step::Root,
            reading,
        };
        if !value.is_object() {
            node.wrong("an object");
        }
        node
    }
}

/// What Argo CD always writes, even when it is empty.
impl Node<'_> {
    /// A struct: there even when the object is not.
    pub(super) fn value<T: Default + PartialEq>(
        &self,
        key: &str,
        read: impl FnOnce(&Node<'_>) -> T,
    ) -> Option<T> {
        self.plain(read(&self.object(key)))
    }

    /// A plain text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.plain(self.optional_text(key).unwrap_or_default())
    }

    /// A plain flag.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.plain(self.optional_flag(key).unwrap_or_default())
    }

    /// A plain number.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        self.plain(self.optional_number(key).unwrap_or_default())
    }

    /// A plain time: the empty message where it is not set.
    pub(super) fn time(&self, key: &str) -> Option<Time> {
        self.plain(self.optional_time(key).unwrap_or_default())
    }

    /// `resourceHealthSource`: what a reconciliation would have written, where the object does not say.
    pub(super) fn health_source(&self) -> Option<String> {
        let said = self.optional_text("resourceHealthSource");
        let by_default = if self.reading.encoding.health_in_tree {
            "appTree"
        } else {
            ""
        };
        self.plain(said.unwrap_or_else(|| by_default.to_owned()))
    }

    /// A plain value that is made some other way.
    pub(super) fn plain<T: Default + PartialEq>(&self, value: T) -> Option<T> {
        match self.reading.encoding.presence {
            Presence::Always => Some(value),
            Presence::OmitEmpty => (value != T::default()).then_some(value),
        }
    }

    /// Whether an older version than this is simulated.
    pub(super) fn before(&self, version: ArgoCdVersion) -> bool {
        self.reading.encoding.version < version
    }

    /// A field that Argo CD has had since this version.
    pub(super) fn since<T>(
        &self,
        version: ArgoCdVersion,
        read: impl FnOnce(&Self) -> Option<T>,
    ) -> Option<T> {
        (!self.before(version)).then(|| read(self)).flatten()
    }
}

/// What is there or not, and how to get there.
impl Node<'_> {
    /// A pointer to a struct: there only when the object is.
    pub(super) fn pointer<T>(&self, key: &str, read: impl FnOnce(&Node<'_>) -> T) -> Option<T> {
        let node = self.object(key);
        node.value.is_some().then(|| read(&node))
    }

    /// As [`Node::pointer`], for fields that the messages box.
    pub(super) fn boxed<T>(&self, key: &str, read: impl FnOnce(&Node<'_>) -> T) -> Option<Box<T>> {
        self.pointer(key, read).map(Box::new)
    }

    /// A list of structs.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&Node<'_>) -> T) -> Vec<T> {
        self.items(key, |item| {
            if !item.value.is_some_and(Value::is_object) {
                item.wrong("an object");
            }
            read(item)
        })
    }

    pub(super) fn optional_text(&self, key: &str) -> Option<String> {
        let node = self.at(key);
        node.typed("text", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn optional_flag(&self, key: &str) -> Option<bool> {
        self.at(key).typed("true or false", Value::as_bool)
    }

    pub(super) fn optional_number(&self, key: &str) -> Option<i64> {
        self.at(key).typed("a whole number", Value::as_i64)
    }

    pub(super) fn optional_time(&self, key: &str) -> Option<Time> {
        self.at(key).typed("an RFC 3339 time", |value| {
            let timestamp: Timestamp = value.as_str()?.parse().ok()?;
            Some(timestamp.to_wire())
        })
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.items(key, |item| {
            item.typed("text", |value| value.as_str().map(str::to_owned))
                .unwrap_or_default()
        })
    }

    pub(super) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        self.map(key, |entry| {
            entry.typed("text", |value| value.as_str().map(str::to_owned))
        })
    }

    pub(super) fn flag_map(&self, key: &str) -> BTreeMap<String, bool> {
        self.map(key, |entry| entry.typed("true or false", Value::as_bool))
    }

    /// A map of structs.
    pub(super) fn entries<T>(&self, key: &str, read: impl Fn(&Node<'_>) -> T) -> BTreeMap<String, T> {
        self.map(key, |entry| Some(read(entry)))
    }

    /// The JSON text of whatever is there.
    pub(super) fn json(&self, key: &str) -> Option<Bytes> {
        self.at(key).value.map(|value| Bytes::from(value.to_string()))
    }

    pub(super) fn raw_extension(&self, key: &str) -> Option<RawExtension> {
        let raw = self.json(key)?;
        Some(RawExtension { raw: Some(raw) })
    }

    /// The value itself, for what may be of several types.
    pub(super) fn any(&self, key: &str) -> Option<&Value> {
        self.value
            .and_then(|value| value.get(key))
            .filter(|value| !value.is_null())
    }

    fn at<'n>(&'n self, key: &'n str) -> Node<'n> {
        Node {
            value: self.any(key),
            parent: Some(self),
            step: Step::Field(key),
            reading: self.reading,
        }
    }

    fn object<'n>(&'n self, key: &'n str) -> Node<'n> {
        let node = self.at(key);
        if node.value.is_some_and(|value| !value.is_object()) {
            node.wrong("an object");
        }
        node
    }

    fn items<T>(&self, key: &str, read: impl Fn(&Node<'_>) -> T) -> Vec<T> {
        let node = self.at(key);
        let list = node.typed("a list", Value::as_array);
        let items = list.into_iter().flatten().enumerate();
        items
            .map(|(index, item)| {
                read(&Node {
                    value: Some(item).filter(|item| !item.is_null()),
                    parent: Some(&node),
                    step: Step::Index(index),
                    reading: self.reading,
                })
            })
            .collect()
    }

    fn map<T>(&self, key: &str, read: impl Fn(&Node<'_>) -> Option<T>) -> BTreeMap<String, T> {
        let node = self.object(key);
        let entries = node.value.and_then(Value::as_object).into_iter().flatten();
        entries
            .filter_map(|(key, _)| Some((key.clone(), read(&node.at(key))?)))
            .collect()
    }

    fn typed<'n, T>(
        &'n self,
        expected: &'static str,
        read: impl FnOnce(&'n Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value?;
        let read = read(value);
        if read.is_none() {
            self.wrong(expected);
        }
        read
    }

    fn wrong(&self, expected: &'static str) {
        self.reading
            .problem
            .borrow_mut()
            .get_or_insert_with(|| ManifestError::WrongType {
                path: self.path(),
                expected,
            });
    }

    fn path(&self) -> String {
        let parent = self.parent.map(Node::path).unwrap_or_default();
        match self.step {
            Step::Root => "the manifest".to_owned(),
            Step::Field(key)
                if self
                    .parent
                    .is_some_and(|parent| matches!(parent.step, Step::Root)) =>
            {
                key.to_owned()
            }
            Step::Field(key) => format!("{parent}.{key}"),
            Step::Index(index) => format!("{parent}[{index}]"),
        }
    }
}
