//! What can be wrong with a manifest.

use std::error::Error;
use std::sync::Arc;

/// Why a text or an object is no application.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is no JSON.
    #[error("the manifest is not JSON")]
    #[non_exhaustive]
    Json {
        /// What the reader says, with line and column.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The text is no YAML.
    #[error("the manifest is not YAML")]
    #[non_exhaustive]
    Yaml {
        /// What the reader says, with line and column.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The object is something else.
    #[error("expected an Application, found a {kind}")]
    #[non_exhaustive]
    NotAnApplication {
        /// `kind`, as written.
        kind: String,
    },
    /// `metadata.name` is absent or empty.
    #[error("the application has no name")]
    Nameless,
    /// A field holds a value of the wrong type, which Kubernetes would refuse.
    #[error("{path} is not {expected}")]
    #[non_exhaustive]
    WrongType {
        /// Where it stands, for example `spec.sources[0].path`.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Exactly one application was asked for.
    #[error("expected one application, found {found}")]
    #[non_exhaustive]
    Count {
        /// How many there are.
        found: usize,
    },
}
