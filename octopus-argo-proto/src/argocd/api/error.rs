//! Why a call of Argo CD's API failed, and what its code means there.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};

use super::{Call, Right};
use crate::argocd::ListError;

/// Why a call of Argo CD's API failed.
///
/// What to do follows from [`reason`](Self::reason) alone. Codes mean other things here than their names say: see
/// [`Reason`]. The server's own words are in [`status`](Self::status), for people.
#[derive(Clone, Debug)]
pub struct ApiError {
    call: Call,
    reason: Reason,
    source: Option<Source>,
}

#[derive(Clone, Debug)]
enum Source {
    Status(Status),
    Other(Arc<dyn Error + Send + Sync>),
}

/// What went wrong with a call, as far as it can be told from codes and facts. Never from texts, which change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Argo CD was not reached, or the connection ended: a restart, a GOAWAY, a tunnel that is down. Try again.
    #[error("Argo CD is not reached")]
    Unreachable,
    /// It took longer than it may. Of a call that changes something it is unknown whether it was done.
    #[error("no answer within {after:?}")]
    #[non_exhaustive]
    Deadline {
        /// The limit.
        after: Duration,
    },
    /// Argo CD does not accept the token, or no longer: absent, malformed, expired or revoked. Only a new token helps.
    #[error("Argo CD does not accept the token")]
    Token,
    /// Something does not let the caller through. The token is good, and other calls go on.
    #[error(transparent)]
    Denied(Denied),
    /// There is no such application in the project that was named, or a resource has gone meanwhile.
    #[error("there is no such application, or not in this project")]
    NotFound,
    /// Argo CD does not do it now.
    #[error(transparent)]
    Refused(Refusal),
    /// The request makes no sense to Argo CD, whoever asks: the application's Argo CD project is missing or forbids it,
    /// a resource is not part of the application, too many pods.
    #[error("Argo CD does not take the request")]
    Invalid,
    /// There is no operation to end.
    #[error("no operation is running")]
    NothingRunning,
    /// The application was deleted while it was watched.
    #[error("the application is gone")]
    Gone,
    /// The answer is larger than Argo CD sends or this side takes: 200 MiB.
    #[error("the answer is larger than it may be")]
    TooLarge,
    /// Whoever is asked has enough to do. Try again later.
    #[error("too much is being asked")]
    Busy,
    /// Others changed the application at the same time. Try again.
    #[error("the application was changed meanwhile")]
    Conflict,
    /// This server does not have the call: it is older, or something else.
    #[error("the server does not have this call")]
    Unsupported,
    /// Something failed inside Argo CD or behind it.
    #[error("it failed inside Argo CD")]
    Failed,
    /// The answer was cut: what came is not all.
    #[error("the answer was cut off")]
    Cut,
    /// What came is no answer of this API.
    #[error("the answer is not one of Argo CD's API")]
    Malformed,
}

/// What does not let a call through, behind code 7.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The application does not exist, or may not be seen. Without the project Argo CD does not tell these apart.
    #[error("the application does not exist, or may not be seen: name its project to know which")]
    AbsentOrForbidden,
    /// The application may not be seen, or its namespace is not served.
    #[error("the application may not be seen, or its namespace is not served")]
    Forbidden,
    /// The account lacks this right.
    #[error("the right is missing: {0}")]
    MissingRight(Right),
    /// A sync window forbids syncs now. It says nothing about rights, and passes.
    #[error("a sync window forbids it now")]
    SyncWindow,
    /// The destination cluster refuses Argo CD itself.
    #[error("the destination cluster refuses Argo CD")]
    Cluster,
    /// The gateway's own policy does not allow the call.
    #[error("the gateway's policy does not allow it")]
    Gateway,
}

/// Why Argo CD does not do something now, behind code 9.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The application is being deleted.
    #[error("the application is being deleted")]
    Deleting,
    /// Argo CD syncs this application by itself, and so only to the revision that is set for it.
    #[error("the application is synced automatically, and so only to its own revision")]
    AutomatedRevision,
    /// Argo CD syncs this application by itself, and so takes no manifests from elsewhere.
    #[error("the application is synced automatically, and so takes no manifests from elsewhere")]
    AutomatedManifests,
    /// Another operation is under way.
    #[error("another operation is under way")]
    InProgress,
    /// The revision was not found, or the repository was not reached.
    #[error("the revision cannot be resolved")]
    Revision,
    /// The server's administrator does not allow Replace.
    #[error("the server does not allow Replace, or the revision cannot be resolved")]
    Replace,
    /// None of these, as far as can be seen. It may have passed meanwhile.
    #[error("it is refused for now")]
    Other,
}

impl ApiError {
    /// Which call failed.
    #[must_use]
    pub const fn call(&self) -> Call {
        self.call
    }

    /// What went wrong.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What the server or the transport said; `None` where this side gave up by itself.
    #[must_use]
    pub const fn status(&self) -> Option<&Status> {
        match &self.source {
            Some(Source::Status(status)) => Some(status),
            _ => None,
        }
    }

    /// Whether the same call may succeed later, with nothing changed by a person.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.reason,
            Reason::Unreachable
                | Reason::Deadline { .. }
                | Reason::Busy
                | Reason::Conflict
                | Reason::Cut
                | Reason::Refused(Refusal::InProgress | Refusal::Other)
                | Reason::Denied(Denied::SyncWindow)
        )
    }

    pub(super) fn new(call: Call, reason: Reason, status: Status) -> Self {
        Self {
            call,
            reason,
            source: Some(Source::Status(status)),
        }
    }

    /// With what the code alone tells, where nothing else is known.
    pub(super) fn from_status(call: Call, limit: Duration, status: Status) -> Self {
        let reason = by_code(limit, &status);
        Self::new(call, reason, status)
    }

    pub(super) const fn late(call: Call, after: Duration) -> Self {
        Self::without_status(call, Reason::Deadline { after })
    }

    pub(super) const fn without_status(call: Call, reason: Reason) -> Self {
        Self {
            call,
            reason,
            source: None,
        }
    }

    pub(super) fn list(error: ListError) -> Self {
        let reason = match &error {
            ListError::Cut => Reason::Cut,
            ListError::ItemTooLarge { .. } => Reason::TooLarge,
            _ => Reason::Malformed,
        };
        Self::malformed(Call::List, reason, error)
    }

    pub(super) fn malformed(call: Call, reason: Reason, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            call,
            reason,
            source: Some(Source::Other(Arc::new(source))),
        }
    }

    pub(super) fn with_reason(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    /// The code, or the one that stands for no code at all.
    pub(super) fn code(&self) -> Code {
        self.status().map_or(Code::Ok, Status::code)
    }
}

/// What a code means where only the code is known.
///
/// Rule: Argo CD `util/grpc/errors.go`, grpc-go, tonic `codec/decode.rs` (11 for its own limit).
fn by_code(limit: Duration, status: &Status) -> Reason {
    match status.code() {
        Code::Unavailable | Code::Cancelled => Reason::Unreachable,
        Code::DeadlineExceeded => Reason::Deadline { after: limit },
        Code::Unauthenticated => Reason::Token,
        Code::PermissionDenied if status.metadata().contains_key(REFUSED_BY_GATEWAY) => {
            Reason::Denied(Denied::Gateway)
        }
        Code::PermissionDenied => Reason::Denied(Denied::Forbidden),
        Code::NotFound => Reason::NotFound,
        Code::FailedPrecondition => Reason::Refused(Refusal::Other),
        Code::InvalidArgument => Reason::Invalid,
        Code::OutOfRange => Reason::TooLarge,
        Code::ResourceExhausted => Reason::Busy,
        Code::Aborted => Reason::Conflict,
        Code::Unimplemented => Reason::Unsupported,
        Code::Ok => Reason::Malformed,
        // A status with a cause was made on this side: the stream was reset, so that what came is not all.
        Code::Internal if Error::source(status).is_some() => Reason::Cut,
        Code::Unknown | Code::AlreadyExists | Code::Internal | Code::DataLoss => Reason::Failed,
    }
}

/// A gateway sets it on an answer of its own policy, so that nobody takes it for one of Argo CD.
pub const REFUSED_BY_GATEWAY: &str = "octopus-argo-refused-by-gateway";

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.reason)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(Source::Status(status)) => Some(status),
            Some(Source::Other(error)) => Some(&**error),
            None => None,
        }
    }
}
