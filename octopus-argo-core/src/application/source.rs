//! The sources of an application, and how they are named and counted.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::open_enum::open_enum;

/// A source's effective name: trimmed, never blank, compared exactly.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Domain`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceName(Box<str>);

impl SourceName {
    /// The effective name for the `name` field of a source: `None` where it is blank, which means unnamed.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

open_enum! {
    /// What Argo CD found a source to be. Only the status tells; nothing is guessed from the content.
    SourceType {
        /// Plain manifests.
        Directory = "Directory",
        /// A Helm chart.
        Helm = "Helm",
        /// A kustomization.
        Kustomize = "Kustomize",
        /// Rendered by a config management plugin.
        Plugin = "Plugin",
    }
}

impl SourceType {
    /// The type for a text of `status.sourceType(s)`, ignoring case. Empty means [`SourceType::Directory`]: Argo CD
    /// reports sources without a path in that way.
    ///
    /// Rule: Calamari, `source/Calamari/ArgoCD/Domain/Converters/ApplicationStatusConverter.cs`.
    #[must_use]
    pub fn from_status(text: &str) -> Self {
        if text.is_empty() {
            return Self::Directory;
        }
        let known = Self::KNOWN
            .iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text));
        known.cloned().unwrap_or_else(|| Self::Other(text.into()))
    }
}

/// One source of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// `name`, trimmed; `None` for an unnamed source.
    pub name: Option<SourceName>,
    /// `repoURL`, as written.
    pub repo_url: Box<str>,
    /// `targetRevision`: a branch, tag, commit or chart version.
    pub target_revision: Option<Box<str>>,
    /// `path` within the repository. Empty text is the root; `None` is no path.
    pub path: Option<Box<str>>,
    /// `chart`, for sources in a Helm repository.
    pub chart: Option<Box<str>>,
    /// `ref`: the name by which Helm sources refer to files of this one.
    pub reference: Option<Box<str>>,
    /// `helm`, where present.
    pub helm: Option<Box<Helm>>,
}

impl Source {
    /// A source of this repository and nothing else.
    #[must_use]
    pub fn new(repo_url: &str) -> Self {
        Self {
            repo_url: repo_url.into(),
            ..Self::default()
        }
    }

    /// The effective name's text, where there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(SourceName::as_str)
    }

    /// `helm.valueFiles`, in order.
    #[must_use]
    pub fn value_files(&self) -> &[Box<str>] {
        self.helm.as_ref().map_or(&[], |helm| &helm.value_files)
    }
}

/// The Helm options of a source that say which files hold values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Helm {
    /// `valueFiles`, in order: paths, or `$ref/path` for files of a ref source.
    pub value_files: Box<[Box<str>]>,
}

/// The sources of an application that count, by Argo CD's reading of `spec.source` and `spec.sources`.
///
/// A filled `sources` wins and `source` is ignored; an empty list counts as absent. A source's index in this list is
/// its identity.
///
/// Rule: Argo CD, `HasMultipleSources` of the application type: the length of the list decides.
///
/// ```
/// use octopus_argo_core::{Source, Sources};
///
/// let one = Source::new("https://git.example.test/one.git");
/// let list = Sources::from_spec(Some(one.clone()), vec![]);
/// assert_eq!((list.len(), list.is_multi()), (1, false));
///
/// let list = Sources::from_spec(Some(one.clone()), vec![one.clone(), one]);
/// assert_eq!((list.len(), list.is_multi(), list.shadows_single()), (2, true, true));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    list: Box<[Source]>,
    shadows_single: bool,
    in_list: bool,
}

impl Sources {
    /// The sources that count for these two fields of a spec.
    #[must_use]
    pub fn from_spec(source: Option<Source>, sources: Vec<Source>) -> Self {
        if sources.is_empty() {
            return Self {
                list: source.into_iter().collect(),
                shadows_single: false,
                in_list: false,
            };
        }
        Self {
            list: sources.into(),
            shadows_single: source.is_some(),
            in_list: true,
        }
    }

    /// Whether they stand in `spec.sources`, and not in `spec.source`.
    #[must_use]
    pub fn in_list(&self) -> bool {
        self.in_list
    }

    /// Whether there is more than one source. A `sources` list with one entry is a single-source application.
    #[must_use]
    pub fn is_multi(&self) -> bool {
        self.list.len() > 1
    }

    /// Whether `spec.source` was filled too, and is ignored.
    #[must_use]
    pub fn shadows_single(&self) -> bool {
        self.shadows_single
    }
}

impl Deref for Sources {
    type Target = [Source];

    fn deref(&self) -> &[Source] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Sources {
    type Item = &'a Source;
    type IntoIter = std::slice::Iter<'a, Source>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_blank_means_unnamed() {
        assert_eq!(SourceName::new("  web ").unwrap().as_str(), "web");
        assert_eq!(SourceName::new(" \n"), None);
    }

    #[test]
    fn types_ignore_case_but_not_whitespace_or_numbers() {
        assert_eq!(SourceType::from_status("hELM"), SourceType::Helm);
        assert_eq!(SourceType::from_status(""), SourceType::Directory);
        for odd in [" Helm", "1", "Helm, Kustomize"] {
            assert_eq!(SourceType::from_status(odd), SourceType::Other(odd.into()));
        }
    }

    #[test]
    fn an_empty_list_counts_as_absent() {
        let list = Sources::from_spec(None, vec![]);
        assert!(list.is_empty() && !list.is_multi() && !list.shadows_single());
    }
}
