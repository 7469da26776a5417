//! Slugs: the names by which annotations and deployments refer to Octopus projects, environments and tenants.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Whether two texts are the same slug: equal ignoring the case of ASCII letters.
///
/// Beyond ASCII letters must agree exactly: `zürich` and `ZÜRICH` are different slugs. Octopus makes slugs of ASCII
/// letters, digits and hyphens only, so this concerns only texts that people type into annotations.
///
/// Rule: Calamari, `source/Calamari/ArgoCD`, compares with a case-insensitive text type whose source is not public, so
/// nothing beyond ASCII is promised.
#[must_use]
pub fn same_slug(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Why a text is not a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlugError {
    /// Nothing is left after trimming, and a blank text means "none", never a slug.
    #[error("a slug must not be blank")]
    Blank,
}

/// A text that is not blank, trimmed, and compared ignoring the case of ASCII letters. Cloning shares the text.
#[derive(Clone)]
struct FoldedText(Arc<str>);

impl FoldedText {
    fn new(text: &str) -> Result<Self, SlugError> {
        match text.trim() {
            "" => Err(SlugError::Blank),
            trimmed => Ok(Self(trimmed.into())),
        }
    }
}

impl PartialEq for FoldedText {
    fn eq(&self, other: &Self) -> bool {
        same_slug(&self.0, &other.0)
    }
}

impl Eq for FoldedText {}

impl Hash for FoldedText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl Ord for FoldedText {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0
            .bytes()
            .map(|byte| byte.to_ascii_lowercase())
            .cmp(other.0.bytes().map(|byte| byte.to_ascii_lowercase()))
    }
}

impl PartialOrd for FoldedText {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! folded_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(FoldedText);

        impl $name {
            /// The text as it was given, trimmed, in its original case.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0.0
            }

            /// Whether `text` is this slug, ignoring the case of ASCII letters. `text` is not trimmed.
            #[must_use]
            pub fn matches(&self, text: &str) -> bool {
                same_slug(self.as_str(), text)
            }
        }

        impl FromStr for $name {
            type Err = SlugError;

            fn from_str(text: &str) -> Result<Self, SlugError> {
                FoldedText::new(text).map(Self)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = SlugError;

            fn try_from(text: &str) -> Result<Self, SlugError> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = SlugError;

            fn try_from(text: String) -> Result<Self, SlugError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(slug: $name) -> Self {
                slug.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

folded_newtype! {
    /// The slug of an Octopus project, as in `argo.octopus.com/project`.
    ///
    /// ```
    /// use octopus_argo_core::ProjectSlug;
    ///
    /// let slug: ProjectSlug = " Payments ".parse()?;
    /// assert_eq!(slug, "payments".parse()?);
    /// assert_eq!(slug.to_string(), "Payments");
    /// # Ok::<(), octopus_argo_core::SlugError>(())
    /// ```
    ProjectSlug
}

folded_newtype! {
    /// The slug of an Octopus environment, as in `argo.octopus.com/environment`.
    ///
    /// ```
    /// use octopus_argo_core::EnvironmentSlug;
    ///
    /// let slug: EnvironmentSlug = "staging".parse()?;
    /// assert!(slug.matches("Staging"));
    /// # Ok::<(), octopus_argo_core::SlugError>(())
    /// ```
    EnvironmentSlug
}

folded_newtype! {
    /// The slug of an Octopus tenant, as in `argo.octopus.com/tenant`.
    ///
    /// ```
    /// use octopus_argo_core::{SlugError, TenantSlug};
    ///
    /// // Blank never is a tenant: it means that there is none.
    /// assert_eq!("  ".parse::<TenantSlug>(), Err(SlugError::Blank));
    /// ```
    TenantSlug
}

folded_newtype! {
    /// The id of an Octopus space, for example `Spaces-1`. Every record of an instance lives in one space.
    ///
    /// ```
    /// use octopus_argo_core::SpaceId;
    ///
    /// assert_eq!(SpaceId::default().as_str(), "Spaces-1");
    /// ```
    SpaceId
}

impl Default for SpaceId {
    /// The space that every Octopus server is created with.
    fn default() -> Self {
        Self(FoldedText("Spaces-1".into()))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn compares_ignoring_ascii_case_and_nothing_else() {
        let slug = |text: &str| text.parse::<ProjectSlug>().unwrap();
        assert_eq!(slug("Web-API"), slug("web-api"));
        assert_ne!(slug("web api"), slug("web  api"));
        assert_ne!(slug("zürich"), slug("ZÜRICH"));
        assert_eq!(slug("züriCH"), slug("züRIch"));
        // The Kelvin sign folds to `k` in Unicode, and must not here.
        assert_ne!(slug("\u{212a}ube"), slug("kube"));
    }

    #[test]
    fn equal_slugs_hash_and_order_alike() {
        let (left, right): (TenantSlug, TenantSlug) = ("ACME".parse().unwrap(), "acme".parse().unwrap());
        let state = RandomState::new();
        assert_eq!(state.hash_one(&left), state.hash_one(&right));
        assert_eq!(left.cmp(&right), std::cmp::Ordering::Equal);
    }

    #[test]
    fn blank_is_refused_and_surrounding_whitespace_dropped() {
        assert_eq!("".parse::<EnvironmentSlug>(), Err(SlugError::Blank));
        assert_eq!(" \t\u{a0}".parse::<EnvironmentSlug>(), Err(SlugError::Blank));
        assert_eq!("\n dev ".parse::<EnvironmentSlug>().unwrap().as_str(), "dev");
    }

    #[test]
    fn serde_goes_through_the_same_check() {
        assert!(serde_json::from_str::<ProjectSlug>("\" \"").is_err());
        let slug: ProjectSlug = serde_json::from_str("\" Web \"").unwrap();
        assert_eq!(serde_json::to_string(&slug).unwrap(), "\"Web\"");
    }
}
