//! Why a check could not judge an object.

/// Why a check could not judge an object. Its health is Unknown then, and in Argo CD that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The check knows the kind, but not in this version.
    #[error("no check for version {found:?} of this kind, only for {}", known.join(", "))]
    #[non_exhaustive]
    Version {
        /// The object's version.
        found: Box<str>,
        /// The versions that the check knows.
        known: &'static [&'static str],
    },
    /// A field that the check reads has a value of another type.
    #[error("{path}: expected {expected}, found {found}")]
    #[non_exhaustive]
    Field {
        /// The path within the object, for example `spec.replicas`.
        path: Box<str>,
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// An annotation that the check reads is not what it should be.
    #[error("annotation {key}: {message}")]
    #[non_exhaustive]
    Annotation {
        /// The annotation's key.
        key: &'static str,
        /// What is wrong with its value.
        message: Box<str>,
    },
    /// A check of the embedder failed, in its own words.
    #[error("{0}")]
    Custom(Box<str>),
}
