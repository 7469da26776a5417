//! What a gateway tells of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_proto::session::{CloseReason, GoodbyeReason, Peer, ResumeRefusal};

use tonic::Status;

use crate::connection::ConnectError;

/// Something that happened to a gateway. `Display` gives a line for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GatewayEvent {
    /// The tunnel is open.
    Connected(Peer),
    /// The server could not be reached, or did not let the gateway in. It is tried again.
    ConnectFailed {
        /// Why.
        error: ConnectError,
        /// After how long it is tried again.
        retry_in: Duration,
    },
    /// The connection was lost, and the session waits: its calls go on when the gateway is back.
    Interrupted {
        /// How it was lost.
        how: Interruption,
        /// After how long it connects again.
        retry_in: Duration,
    },
    /// The session goes on over another connection, after a cut or because the one before was replaced. No call was lost.
    Resumed,
    /// The gateway came back, and the server has begun a new session. The calls of the one before have ended.
    ResumeRefused(ResumeRefusal),
    /// The server makes no further calls over this session and ends it when those that are open are over. The gateway comes
    /// back after that.
    Draining {
        /// Why.
        reason: GoodbyeReason,
    },
    /// This gateway takes no further calls, because it is being shut down, and the last one is over.
    Drained,
    /// Another process came with this gateway's credential, and the server has thrown this one out for it.
    /// [`GatewayEvent::Disconnected`] follows, and the gateway stays away for at least a minute.
    Superseded,
    /// The tunnel was open and is not any more. It is opened again.
    Disconnected {
        /// Why.
        reason: CloseReason,
        /// After how long.
        retry_in: Duration,
    },
    /// A health check failed: an outage has begun. The connection is made anew, and the tunnel is opened again once a check
    /// succeeds. Told once an outage; [`GatewayEvent::Up`] follows, or the gateway gives up.
    Down {
        /// What failed: the check, or the connection that it should have gone over.
        error: ConnectError,
    },
    /// A health check succeeded again: the outage is over.
    Up {
        /// How long it lasted, from the first check that failed.
        outage: Duration,
    },
    /// It is otherwise with Argo CD than before.
    ArgoCd(ArgoCdState),
    /// The gateway does nothing any more.
    Stopped(Stopped),
}

impl fmt::Display for GatewayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(peer) => write!(f, "connected to {} {}", peer.software, peer.version),
            Self::ConnectFailed { error, retry_in } => {
                write!(
                    f,
                    "not connected: {}; trying again in {retry_in:.1?}",
                    Causes(error)
                )
            }
            Self::Interrupted { how, retry_in } => {
                write!(
                    f,
                    "the connection was lost: {}; connecting again in {retry_in:.1?}",
                    Causes(how)
                )
            }
            Self::Draining { reason } => write!(f, "the server makes no further calls ({reason})"),
            Self::Drained => f.write_str("the last call is over"),
            Self::Superseded => f.write_str("another process came with the same credential"),
            Self::Resumed => f.write_str("resumed"),
            Self::ResumeRefused(refusal) => write!(f, "the session was not resumed: {refusal}"),
            Self::Disconnected { reason, retry_in } => {
                write!(f, "disconnected: {reason}; connecting again in {retry_in:.1?}")
            }
            Self::Down { error } => write!(f, "down: {}", Causes(error)),
            Self::Up { outage } => write!(f, "up again after {outage:.1?}"),
            Self::ArgoCd(state) => state.fmt(f),
            Self::Stopped(reason) => write!(f, "stopped: {}", Causes(reason)),
        }
    }
}

/// How a connection was lost.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Interruption {
    /// A question stayed without an answer, and nothing else came either: [`Config::DEAD_AFTER`] after the last word.
    ///
    /// [`Config::DEAD_AFTER`]: octopus_argo_proto::session::Config::DEAD_AFTER
    #[error("nothing was heard for too long")]
    Silence,
    /// The stream was ended in good order, without a goodbye: by a proxy, or a server that stopped.
    #[error("the other end closed the stream")]
    Closed,
    /// It was cut.
    #[error("the stream was cut")]
    #[non_exhaustive]
    Cut {
        /// What it ended with, as gRPC tells it.
        source: Arc<Status>,
    },
    /// A health check failed, and the connection was given up for it.
    #[error("the server is not healthy")]
    #[non_exhaustive]
    Unhealthy {
        /// What failed.
        source: ConnectError,
    },
}

/// An error with everything that caused it, in one line.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Whether the tunnel is open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayState {
    /// It is being opened, for the first time or again.
    Connecting,
    /// It is open.
    Connected,
    /// The gateway is being shut down.
    Draining,
    /// The gateway does nothing any more.
    Stopped,
}

/// How it is with Argo CD, as the gateway sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgoCdState {
    /// It has not been asked yet.
    #[default]
    Unknown,
    /// It answers, and accepts the gateway's token.
    Reachable {
        /// Its version, for example `v3.4.1+abcdef0`.
        version: String,
    },
    /// It does not, and is tried again.
    Problem(ArgoCdProblem),
}

impl fmt::Display for ArgoCdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("Argo CD has not been asked yet"),
            Self::Reachable { version } => write!(f, "Argo CD {version} is reachable"),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

/// What is wrong with Argo CD.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgoCdProblem {
    /// It is not reached.
    #[error("Argo CD is not reachable: {detail}")]
    #[non_exhaustive]
    Unreachable {
        /// What failed.
        detail: String,
    },
    /// It answers, and could not prove who it is. Mend its certificate, or what the gateway trusts.
    #[error("Argo CD is not trusted: {detail}")]
    #[non_exhaustive]
    NotTrusted {
        /// What is wrong with its certificate.
        detail: String,
    },
    /// It does not accept the gateway's token. Give the gateway a new one.
    #[error("Argo CD does not accept the gateway's token: {detail}")]
    #[non_exhaustive]
    TokenRefused {
        /// What Argo CD says of it.
        detail: String,
    },
    /// It answered with an error.
    #[error("Argo CD failed: {detail}")]
    #[non_exhaustive]
    Failed {
        /// What it says.
        detail: String,
    },
}

/// Why a gateway does nothing any more. But for the first, only a person can mend it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// It was shut down.
    #[error("shut down")]
    ShutDown,
    /// It can never connect as it is configured.
    #[error("cannot connect")]
    Connect(#[source] ConnectError),
    /// The server was out of reach or not healthy for too long. It never happens unless a limit is set; see
    /// [`GatewayBuilder::health_checks`](crate::GatewayBuilder::health_checks).
    #[error("gave up after {outage:.1?} without a healthy server")]
    #[non_exhaustive]
    GaveUp {
        /// How long, from the first health check that failed.
        outage: Duration,
        /// What failed last.
        source: ConnectError,
    },
    /// The server sent it away for good.
    #[error("the server sent the gateway away ({reason})")]
    #[non_exhaustive]
    SentAway {
        /// Why.
        reason: GoodbyeReason,
    },
}
