//! Why a call through the tunnel was not answered by the service behind it.

use std::time::Duration;

use octopus_argo_proto::session::{CallEnd, EndCause, Execution, OpenError};
use tonic::{Code, Status};

/// Why a call through the tunnel was not answered by the service that it was for.
///
/// A tonic client turns it into a [`Status`] with the fitting code; [`TunnelError::find`] gets it back from there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct TunnelError {
    kind: TunnelErrorKind,
    /// The status that clients see. As a source, so that tonic finds it.
    #[source]
    status: Status,
}

/// The kinds of [`TunnelError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelErrorKind {
    /// The gateway is not connected. UNAVAILABLE, at once; nothing was sent.
    #[error("the gateway has been offline for {for_s} s", for_s = for_.as_secs())]
    #[non_exhaustive]
    Offline {
        /// For how long.
        for_: Duration,
    },
    /// The gateway has never been connected since the server started. UNAVAILABLE, at once; nothing was sent.
    #[error("the gateway has not connected yet")]
    NeverConnected,
    /// The call could not be opened; nothing was sent. `RESOURCE_EXHAUSTED` for a limit, otherwise UNAVAILABLE.
    #[error(transparent)]
    Open(OpenError),
    /// The call ended within the tunnel.
    #[error(transparent)]
    Ended(EndCause),
}

impl TunnelError {
    pub(crate) fn offline(for_: Option<Duration>) -> Self {
        let kind = for_.map_or(TunnelErrorKind::NeverConnected, |for_| TunnelErrorKind::Offline {
            for_,
        });
        Self::new(kind, Code::Unavailable)
    }

    pub(crate) fn open(error: OpenError) -> Self {
        let code = match error {
            OpenError::TooManyCalls { .. } | OpenError::MetadataTooLarge { .. } => Code::ResourceExhausted,
            OpenError::Path => Code::Unimplemented,
            _ => Code::Unavailable,
        };
        Self::new(TunnelErrorKind::Open(error), code)
    }

    pub(crate) fn ended(cause: EndCause, end: &CallEnd) -> Self {
        let code = Code::from_i32(i32::try_from(end.code.number()).unwrap_or(i32::MAX));
        let status = Status::new(code, end.message.clone());
        Self {
            kind: TunnelErrorKind::Ended(cause),
            status,
        }
    }

    fn new(kind: TunnelErrorKind, code: Code) -> Self {
        let status = Status::new(code, kind.to_string());
        Self { kind, status }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &TunnelErrorKind {
        &self.kind
    }

    /// Whether the call certainly had no effect, so that trying again is safe whatever it does.
    #[must_use]
    pub fn was_not_executed(&self) -> bool {
        match self.kind {
            TunnelErrorKind::Offline { .. } | TunnelErrorKind::NeverConnected | TunnelErrorKind::Open(_) => {
                true
            }
            TunnelErrorKind::Ended(cause) => match cause {
                EndCause::Lost(execution)
                | EndCause::Goodbye { execution, .. }
                | EndCause::EndedHere { execution, .. } => execution == Execution::NotSent,
                EndCause::PeerLimit | EndCause::Draining => true,
                _ => false,
            },
        }
    }

    /// The status that clients see.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The tunnel's error behind a status, whether it came before or after the response headers; `None` where the
    /// service itself answered.
    #[must_use]
    pub fn find(status: &Status) -> Option<&Self> {
        let mut cause = std::error::Error::source(status);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}
