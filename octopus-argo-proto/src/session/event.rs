//! What a session tells its user.

use std::fmt;
use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::{CallEnd, CallId, InstanceId, Metadata, ResumeRefusal, SessionId};
use crate::v1;

/// Something that happened. Events come in the order of their happening.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete; calls may be opened.
    Established(Peer),
    /// The connection is gone. Calls stay open, and what is sent waits, for the gateway to come back until this moment.
    Detached {
        /// When the session is over otherwise.
        until: Instant,
    },
    /// The session goes on over another connection. Nothing was lost.
    Resumed,
    /// A gateway came back too late, or to another server. Every call of before has ended; [`Event::Established`] follows.
    ResumeRefused(ResumeRefusal),
    /// The other side opened a call. It is to be ended with [`Session::end`](super::Session::end).
    Opened {
        /// The call.
        call: CallId,
        /// The gRPC path, `/package.Service/Method`.
        path: String,
        /// The request's headers.
        metadata: Vec<Metadata>,
        /// What is left until its deadline.
        timeout: Option<Duration>,
    },
    /// The response headers of a call that this side opened.
    Head {
        /// The call.
        call: CallId,
        /// The headers.
        metadata: Vec<Metadata>,
    },
    /// A piece of a body. Tell [`Session::taken`](super::Session::taken) when it has been used.
    Data {
        /// The call.
        call: CallId,
        /// The bytes, at most [`MAX_CHUNK`](super::MAX_CHUNK).
        payload: Bytes,
    },
    /// The body of a call that the other side opened is complete.
    HalfClosed {
        /// The call.
        call: CallId,
    },
    /// A call that this side opened is over. Nothing further comes of it.
    Ended {
        /// The call.
        call: CallId,
        /// How.
        end: CallEnd,
    },
    /// A call that the other side opened is no longer wanted. Nothing further comes of it, and nothing need be sent.
    Cancelled {
        /// The call.
        call: CallId,
    },
    /// A call for which [`Session::send`](super::Session::send) said [`Room::Full`](super::Room::Full) has room again.
    Writable {
        /// The call.
        call: CallId,
    },
    /// The other side takes no further calls; open ones go on.
    Draining(GoodbyeReason),
    /// After [`Session::drain`](super::Session::drain): the last call is over.
    Drained,
    /// The session is over. The last event; every call has had its own end before.
    Closed(CloseReason),
}

/// The other side, as it introduced itself. What it says of itself proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The name of its program.
    pub software: String,
    /// The version of its program.
    pub version: String,
    /// The protocol revision that both speak.
    pub revision: u32,
    /// The gateway's process. Only a server is told.
    pub instance: Option<InstanceId>,
    /// The session's number in the logs of both sides.
    pub session: SessionId,
    /// The gateway version that the server recommends. Only a gateway is told.
    pub recommended_version: Option<String>,
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The other side said goodbye.
    #[error("the other side ended the session ({reason}){}", Said(message))]
    Goodbye {
        /// Why.
        reason: GoodbyeReason,
        /// What it said for people.
        message: String,
        /// How long it wants to be left alone.
        retry_after: Duration,
    },
    /// This side said goodbye.
    #[error("the session was ended here ({0})")]
    Ended(GoodbyeReason),
    /// The connection was lost.
    #[error("the connection was lost")]
    Lost,
}

struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.0)
        }
    }
}

macro_rules! goodbye_reasons {
    ($( $(#[$doc:meta])* $name:ident, $text:literal; )+) => {
        /// Why a side ends a session, or wants to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum GoodbyeReason {
            $( $(#[$doc])* $name, )+
            /// None that this version knows.
            Unspecified,
        }

        impl GoodbyeReason {
            pub(super) fn from_wire(reason: i32) -> Self {
                match v1::GoodbyeReason::try_from(reason) {
                    $( Ok(v1::GoodbyeReason::$name) => Self::$name, )+
                    Ok(v1::GoodbyeReason::Unspecified) | Err(_) => Self::Unspecified,
                }
            }

            pub(super) fn to_wire(self) -> i32 {
                match self {
                    $( Self::$name => v1::GoodbyeReason::$name.into(), )+
                    Self::Unspecified => v1::GoodbyeReason::Unspecified.into(),
                }
            }
        }

        impl fmt::Display for GoodbyeReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $( Self::$name => $text, )+
                    Self::Unspecified => "for no reason given",
                })
            }
        }
    };
}

goodbye_reasons! {
    /// In good order, for example for a restart.
    Shutdown, "it shuts down";
    /// The same process has another session, or the credential was replaced.
    Rotation, "the connection is being replaced";
    /// Another process came with the same credential.
    Superseded, "another process came with the same credential";
    /// The credential is no longer valid.
    Revoked, "the credential is no longer valid";
    /// There is no protocol revision that both speak.
    Incompatible, "there is no protocol revision in common";
    /// The other side broke a rule of the protocol.
    ProtocolError, "a rule of the protocol was broken";
    /// The other side exceeded a limit of the session.
    LimitExceeded, "a limit of the session was exceeded";
    /// The handshake took too long.
    HandshakeTimeout, "the handshake took too long";
    /// Nothing was heard for too long.
    Silence, "nothing was heard for too long";
    /// The side that ends the session failed.
    Internal, "an internal failure";
}

impl GoodbyeReason {
    /// Whether coming back, perhaps after a while, can help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        !matches!(self, Self::Revoked | Self::Incompatible)
    }
}
