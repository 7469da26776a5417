//! Why nothing was found.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::setup::Skipped;

/// Why [`Discovery::find`](super::Discovery::find) gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The API server was not asked, or did not answer what was asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It answered, and there is no Argo CD that a gateway could use.
    #[error(transparent)]
    NothingFound(#[from] NothingFound),
}

/// Why a question to the Kubernetes API server has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestError {
    /// What was asked for: the plural of a resource, `deployments`.
    pub what: &'static str,
    /// Where; everywhere if there is none.
    pub namespace: Option<String>,
    /// Why there is no answer.
    pub kind: Kind,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match &self.namespace {
            Some(namespace) => write!(f, " (namespace {namespace})"),
            None => Ok(()),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// The API server was not reached.
    #[error("the Kubernetes API server was not reached for {what}")]
    #[non_exhaustive]
    Unreachable {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("the Kubernetes API server did not answer for {what} within {after:?}")]
    #[non_exhaustive]
    TimedOut {
        /// What was asked for.
        what: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The credentials are not accepted. Trying again does not help.
    #[error("the Kubernetes API server does not accept the credentials")]
    Unauthorized,
    /// The credentials do not allow it.
    #[error("{what} may not be read with these credentials")]
    #[non_exhaustive]
    Forbidden {
        /// What was asked for.
        what: &'static str,
    },
    /// It does not exist: the object, or the kind of resource.
    #[error("{what} do not exist")]
    #[non_exhaustive]
    NotFound {
        /// What was asked for.
        what: &'static str,
    },
    /// The API server refused for another reason.
    #[error("the Kubernetes API server refused {what} with status {status}")]
    #[non_exhaustive]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not what Kubernetes answers.
    #[error("the answer for {what} is not what Kubernetes answers")]
    #[non_exhaustive]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// Why not. It holds no part of the answer but the place.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The answer is larger than anything that an Argo CD needs.
    #[error("the answer for {what} is too large")]
    #[non_exhaustive]
    TooLarge {
        /// What was asked for.
        what: &'static str,
    },
}

impl RequestError {
    /// Whether trying again may help without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.kind {
            Kind::Unreachable { .. } | Kind::TimedOut { .. } => true,
            Kind::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.kind, Kind::Forbidden { .. })
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.kind, Kind::NotFound { .. })
    }
}

/// There is no Argo CD that a gateway could use, as far as could be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NothingFound {
    /// API servers that cannot be used, and why.
    pub skipped: Vec<Skipped>,
    /// Parts of Argo CD are there and no API server is: it was installed in core mode, which gateways cannot use.
    pub core_mode: bool,
    /// Namespaces that may not be looked into.
    pub forbidden: Vec<String>,
}

impl fmt::Display for NothingFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no Argo CD with an API server was found")?;
        for skipped in &self.skipped {
            write!(f, "; {skipped}")?;
        }
        if self.core_mode {
            f.write_str(
                "; parts of Argo CD are there without an API server, as in core mode, which has none",
            )?;
        }
        if !self.forbidden.is_empty() {
            write!(f, "; may not be looked into: {}", self.forbidden.join(", "))?;
        }
        Ok(())
    }
}

impl Error for NothingFound {}
