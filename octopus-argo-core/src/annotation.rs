//! The annotations on an Argo CD application that Octopus reads, and their look-alikes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The prefix of every annotation that Octopus reads, without the slash.
pub const PREFIX: &str = "argo.octopus.com";

/// What an annotation under [`PREFIX`] is for.
///
/// Key look-up is exact: case-sensitive, untrimmed, and never falls back from the key with a source's name to the one
/// without, or back.
///
/// Rule: Octopus docs, "Scoping annotations" and "Helm annotations"; Calamari, `source/Calamari/ArgoCD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Purpose {
    /// `argo.octopus.com/project`: the slug of the project that deploys to the source.
    Project,
    /// `argo.octopus.com/environment`: the slug of the environment that the source belongs to.
    Environment,
    /// `argo.octopus.com/tenant`: the slug of the tenant that the source belongs to, if any.
    Tenant,
    /// `argo.octopus.com/path`: where the manifests step writes, from the root of the repository.
    Path,
    /// `argo.octopus.com/image-replace-paths`: where the values files of a Helm source name their images.
    ImageReplacePaths,
}

impl Purpose {
    /// Every purpose, in the order in which they are documented.
    pub const ALL: [Self; 5] = [
        Self::Project,
        Self::Environment,
        Self::Tenant,
        Self::Path,
        Self::ImageReplacePaths,
    ];

    /// The three purposes that decide which deployments a source belongs to.
    pub const SCOPE: [Self; 3] = [Self::Project, Self::Environment, Self::Tenant];

    /// The part of the key after the slash.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Environment => "environment",
            Self::Tenant => "tenant",
            Self::Path => "path",
            Self::ImageReplacePaths => "image-replace-paths",
        }
    }

    /// The key that is read for a source called `source`, or for an unnamed one.
    #[must_use]
    pub const fn key(self, source: Option<&str>) -> Key<'_> {
        Key {
            purpose: self,
            source,
        }
    }

    fn from_exact(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An annotation key in its parts. `Display` writes the whole key.
///
/// ```
/// use octopus_argo_core::annotation::{Key, Purpose};
///
/// let key = Key::parse("argo.octopus.com/project.web.v2").unwrap();
/// assert_eq!((key.purpose(), key.source()), (Purpose::Project, Some("web.v2")));
/// assert_eq!(key.to_string(), "argo.octopus.com/project.web.v2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    purpose: Purpose,
    source: Option<&'a str>,
}

impl<'a> Key<'a> {
    /// The parts of `text`, or `None` where it is not a key that Octopus reads.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?.strip_prefix('/')?;
        match rest.split_once('.') {
            None => Purpose::from_exact(rest).map(|purpose| purpose.key(None)),
            Some((purpose, source)) => Purpose::from_exact(purpose).map(|purpose| purpose.key(Some(source))),
        }
    }

    /// What the annotation is for.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        self.purpose
    }

    /// The source that the key names, or `None` for the key that unnamed sources use.
    #[must_use]
    pub const fn source(self) -> Option<&'a str> {
        self.source
    }

    /// Whether `text` is this key, without building the key's text.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        Key::parse(text) == Some(self)
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}/{}", self.purpose)?;
        match self.source {
            Some(source) => write!(f, ".{source}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Key<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether a person who wrote this key probably meant Octopus: every key under [`PREFIX`] and its usual misspellings.
///
/// These are the annotations that an [`Application`](crate::Application) keeps; all others are dropped while reading.
#[must_use]
pub fn is_relevant(key: &str) -> bool {
    // This runs for every annotation of a fleet, so only where the word may begin is it compared.
    const WORD: &[u8] = b"octopus";
    memchr::memchr2_iter(b'o', b'O', key.as_bytes()).any(|at| {
        let word = key.as_bytes().get(at..at + WORD.len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(WORD))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_exact_keys_only() {
        assert_eq!(
            Key::parse("argo.octopus.com/tenant"),
            Some(Purpose::Tenant.key(None))
        );
        assert_eq!(
            Key::parse("argo.octopus.com/path.a"),
            Some(Purpose::Path.key(Some("a")))
        );
        for other in [
            "argo.octopus.com/Tenant",
            "argo.octopus.com/tenants",
            "argo.octopus.com/ tenant",
            "Argo.octopus.com/tenant",
            "argo.octopus.environment",
            "argo.octopus.com/image-replace-alias.a",
            "argo.octopus.com/",
            "",
        ] {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_empty_suffix_is_not_the_unsuffixed_key() {
        // Kubernetes refuses a key that ends in a dot, but manifests in Git hold anything.
        assert_eq!(
            Key::parse("argo.octopus.com/project."),
            Some(Purpose::Project.key(Some("")))
        );
        assert!(!Purpose::Project.key(None).is("argo.octopus.com/project."));
    }

    #[test]
    fn keeps_what_looks_like_octopus() {
        assert!(is_relevant("argo.octopus.com/project"));
        assert!(is_relevant("argo.Octopus.environment"));
        assert!(is_relevant("OCTOPUS"));
        assert!(!is_relevant("argocd.argoproj.io/sync-wave"));
        assert!(!is_relevant("octopu"));
    }

    proptest! {
        #[test]
        fn display_and_parse_agree(index in 0..Purpose::ALL.len(), source in proptest::option::of(".*")) {
            let key = Purpose::ALL[index].key(source.as_deref());
            let text = key.to_string();
            prop_assert_eq!(Key::parse(&text), Some(key));
        }
    }
}
