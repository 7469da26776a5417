//! How a call ends.

use std::fmt;

use prost::bytes::Bytes;

use super::Metadata;
use super::event::GoodbyeReason;
use super::machine::metadata_size;
use crate::v1;

/// A gRPC status code. Numbers beyond the sixteen that gRPC defines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(u32);

impl Code {
    /// The call ended well.
    pub const OK: Self = Self(0);
    /// Cancelled, as a rule by the caller.
    pub const CANCELLED: Self = Self(1);
    /// An error that says no more.
    pub const UNKNOWN: Self = Self(2);
    /// The deadline passed.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// A limit was met.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// No such method.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// A broken invariant.
    pub const INTERNAL: Self = Self(13);
    /// Not reachable at the moment.
    pub const UNAVAILABLE: Self = Self(14);

    /// The code with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "OK",
            1 => "CANCELLED",
            2 => "UNKNOWN",
            3 => "INVALID_ARGUMENT",
            4 => "DEADLINE_EXCEEDED",
            5 => "NOT_FOUND",
            6 => "ALREADY_EXISTS",
            7 => "PERMISSION_DENIED",
            8 => "RESOURCE_EXHAUSTED",
            9 => "FAILED_PRECONDITION",
            10 => "ABORTED",
            11 => "OUT_OF_RANGE",
            12 => "UNIMPLEMENTED",
            13 => "INTERNAL",
            14 => "UNAVAILABLE",
            15 => "DATA_LOSS",
            16 => "UNAUTHENTICATED",
            other => return write!(f, "{other}"),
        };
        f.pad(name)
    }
}

/// How a call ended: the status that gRPC knows, and who made it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallEnd {
    /// The status code.
    pub code: Code,
    /// The message, decoded.
    pub message: String,
    /// `google.rpc.Status`, encoded, or empty.
    pub details: Bytes,
    /// Trailers beside the status.
    pub trailers: Vec<Metadata>,
    /// Why the call ended, where its service did not end it.
    pub cause: Option<EndCause>,
}

impl CallEnd {
    /// An end that a service made, without details or trailers.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Bytes::new(),
            trailers: Vec::new(),
            cause: None,
        }
    }

    /// The same with `google.rpc.Status`, encoded.
    #[must_use]
    pub fn details(mut self, details: Bytes) -> Self {
        self.details = details;
        self
    }

    /// The same with trailers.
    #[must_use]
    pub fn trailers(mut self, trailers: Vec<Metadata>) -> Self {
        self.trailers = trailers;
        self
    }

    /// The same within `limit` bytes.
    pub(super) fn fitted(mut self, limit: usize) -> Self {
        if self.size() > limit {
            self.details = Bytes::new();
        }
        if self.size() > limit {
            self.trailers = Vec::new();
        }
        if self.size() > limit {
            let cut = (0..=limit).rev().find(|at| self.message.is_char_boundary(*at));
            self.message.truncate(cut.unwrap_or(0));
        }
        self
    }

    /// How many bytes count towards the limit of metadata.
    pub(super) fn size(&self) -> usize {
        metadata_size(&self.trailers) + self.message.len() + self.details.len()
    }

    pub(super) fn by_tunnel(cause: EndCause) -> Self {
        Self {
            cause: Some(cause),
            ..Self::new(cause.code(), cause.to_string())
        }
    }

    pub(super) fn from_wire(end: v1::End) -> Self {
        let cause = match end.cause() {
            v1::TunnelCause::Unspecified => None,
            v1::TunnelCause::Limit => Some(EndCause::PeerLimit),
            v1::TunnelCause::Breach => Some(EndCause::Breach),
            v1::TunnelCause::Draining => Some(EndCause::Draining),
        };
        Self {
            code: Code(end.status),
            message: end.message,
            details: end.details,
            trailers: end.trailers,
            cause,
        }
    }

    pub(super) fn into_wire(self, call: u64) -> v1::End {
        let cause = match self.cause {
            Some(EndCause::PeerLimit) => v1::TunnelCause::Limit,
            Some(EndCause::Breach) => v1::TunnelCause::Breach,
            Some(EndCause::Draining) => v1::TunnelCause::Draining,
            _ => v1::TunnelCause::Unspecified,
        };
        v1::End {
            call,
            status: self.code.0,
            message: self.message,
            details: self.details,
            trailers: self.trailers,
            cause: cause.into(),
        }
    }
}

/// Why a call ended that its service did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndCause {
    /// Its deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The connection was lost.
    #[error("the connection to the gateway was lost; the call {0}")]
    Lost(Execution),
    /// The other side ended the session.
    #[error("the gateway's session ended ({reason}); the call {execution}")]
    Goodbye {
        /// What it said.
        reason: GoodbyeReason,
        /// Whether the call may have been executed.
        execution: Execution,
    },
    /// This side ended the session.
    #[error("the session was ended here ({reason}); the call {execution}")]
    EndedHere {
        /// What was said to the other side.
        reason: GoodbyeReason,
        /// Whether the call may have been executed.
        execution: Execution,
    },
    /// The other side has as many calls as it allows.
    #[error("the gateway has as many calls as it allows")]
    PeerLimit,
    /// A frame of the call broke a rule of the protocol.
    #[error("a frame of the call broke the protocol")]
    Breach,
    /// The other side takes no further calls.
    #[error("the gateway takes no further calls")]
    Draining,
}

impl EndCause {
    /// The status code that stands for it.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Deadline => Code::DEADLINE_EXCEEDED,
            Self::PeerLimit => Code::RESOURCE_EXHAUSTED,
            Self::Breach => Code::INTERNAL,
            Self::Lost(_) | Self::Goodbye { .. } | Self::EndedHere { .. } | Self::Draining => {
                Code::UNAVAILABLE
            }
        }
    }
}

/// Whether a call that was cut off may have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Execution {
    /// It never left this side. It is safe to try again.
    NotSent,
    /// It was sent. Whether it was executed is not known.
    Possible,
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotSent => "was not sent",
            Self::Possible => "may have been executed",
        })
    }
}
