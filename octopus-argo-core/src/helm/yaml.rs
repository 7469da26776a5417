//! Values as YAML.

use std::fmt;
use std::fmt::Write as _;

use serde_json::Value;

use super::keys;
use super::values::HelmValues;
use crate::scalar::scalar;

/// What of the values to write out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Show {
    /// What differs from the chart's defaults.
    #[default]
    Changes,
    /// Everything that was set, also where it equals the default.
    Set,
    /// Every key of the chart. Of old keys those that differ from their default, and of those whose default is not known the
    /// ones that are set.
    All,
}

/// A values file.
///
/// If it holds credentials, it says so in its first lines, and it should be written for its owner alone (mode 0600).
/// `Debug` shows the text only if it holds none.
#[derive(Clone, PartialEq, Eq)]
pub struct ValuesFile {
    text: String,
    secret_keys: Vec<&'static str>,
}

impl ValuesFile {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The paths of the credentials that are in it.
    #[must_use]
    pub fn secret_keys(&self) -> &[&'static str] {
        &self.secret_keys
    }
}

impl fmt::Debug for ValuesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ValuesFile");
        if self.secret_keys.is_empty() {
            debug.field("text", &self.text);
        }
        debug
            .field("secret_keys", &self.secret_keys)
            .finish_non_exhaustive()
    }
}

impl HelmValues {
    /// The values as a file for `helm --values`, keys in the chart's order and unknown ones behind their siblings.
    #[must_use]
    pub fn to_yaml(&self, show: Show) -> ValuesFile {
        let mut root = Tree::default();
        for entry in keys::ALL {
            let default = entry.default().to_value(entry.kind());
            let old = entry.replaced_by().is_some();
            let value = match (self.value(entry), show) {
                (Some(value), Show::Changes) if default.as_ref() == Some(value) => None,
                (Some(value), Show::All) if old && default.as_ref() == Some(value) => None,
                (Some(value), _) => Some(value.clone()),
                (None, Show::All) if !old => default,
                (None, _) => None,
            };
            if let Some(value) = value {
                root.insert(entry.path().split('.'), value);
            }
        }
        for (path, value) in &self.unknown {
            root.insert(path.iter().map(String::as_str), value.clone());
        }
        let secret_keys: Vec<_> = self.secret_keys().collect();
        let mut text = String::new();
        if !secret_keys.is_empty() {
            text.push_str("# This file holds credentials: keep it from others (chmod 600), and out of version control.\n");
            for key in &secret_keys {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "#   {key}");
            }
        }
        if root.children.is_empty() {
            text.push_str("{}\n");
        } else {
            root.write(&mut text, 0);
        }
        ValuesFile { text, secret_keys }
    }
}

/// Values below their keys, in the order in which they came.
#[derive(Default)]
struct Tree {
    children: Vec<(String, Node)>,
}

enum Node {
    Branch(Tree),
    Leaf(Value),
}

impl Tree {
    fn insert<'a>(&mut self, mut path: impl Iterator<Item = &'a str>, value: Value) {
        let mut tree = self;
        let Some(mut part) = path.next() else { return };
        for next in path {
            let position = tree.children.iter().position(|(name, _)| name == part);
            let position = position.unwrap_or_else(|| {
                tree.children
                    .push((part.to_owned(), Node::Branch(Self::default())));
                tree.children.len() - 1
            });
            let Some((_, Node::Branch(branch))) = tree.children.get_mut(position) else {
                // Something stands where a branch should be. Reading refuses such values.
                return;
            };
            tree = branch;
            part = next;
        }
        tree.children.push((part.to_owned(), Node::Leaf(value)));
    }

    fn write(&self, text: &mut String, depth: usize) {
        for (name, node) in &self.children {
            let _ = write!(text, "{:1$}{2}:", "", depth * 2, scalar(name));
            match node {
                Node::Branch(tree) => {
                    text.push('\n');
                    tree.write(text, depth + 1);
                }
                Node::Leaf(value) => write_value(text, value, depth + 1),
            }
        }
    }
}

/// `value` behind a colon or a dash, and its line end.
pub(super) fn write_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            for (name, value) in map {
                let _ = write!(text, "{:1$}{2}:", "", depth * 2, scalar(name));
                write_value(text, value, depth + 1);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            for value in list {
                let _ = write!(text, "{:1$}-", "", depth * 2);
                write_value(text, value, depth + 1);
            }
        }
        Value::String(string) => {
            let _ = writeln!(text, " {}", scalar(string));
        }
        // Numbers, truths, null and the empty collections are the same in both languages.
        other => {
            let _ = writeln!(text, " {other}");
        }
    }
}
