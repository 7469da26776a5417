//! What to do when a stream ends.

use std::fmt;

/// The status codes of gRPC.
///
/// ```
/// use octopus_argo_core::connection::GrpcCode;
///
/// assert_eq!(GrpcCode::from(14), GrpcCode::Unavailable);
/// assert_eq!(GrpcCode::from_name("UNAVAILABLE"), Some(GrpcCode::Unavailable));
/// assert_eq!(GrpcCode::Unavailable.to_string(), "UNAVAILABLE");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are gRPC's own, and so are their meanings")]
pub enum GrpcCode {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl GrpcCode {
    /// Every code, by number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with this name in capitals, as gRPC writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The name in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl From<i32> for GrpcCode {
    /// The code with this number. A number of no meaning is [`GrpcCode::Unknown`], as gRPC wants it.
    fn from(number: i32) -> Self {
        let index = usize::try_from(number).ok();
        index
            .and_then(|index| Self::ALL.get(index))
            .copied()
            .unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a stream ended.
///
/// An error may be wrapped in others: look through all of its sources, first for a cancellation, then for an end of
/// stream, then for an error of the transport below gRPC, and only then at the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd<'a> {
    /// Without an error.
    Finished,
    /// This side cancelled it.
    CancelledHere,
    /// The peer closed it cleanly.
    EndOfStream,
    /// The transport failed below gRPC: HTTP/2, TLS or a socket. Some libraries hide that in a status UNKNOWN.
    Transport,
    /// With a status.
    Status {
        /// Its code.
        code: GrpcCode,
        /// Its message.
        message: &'a str,
    },
    /// With an error that has no status.
    Other,
}

/// What to do when a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamAction {
    /// End quietly.
    Stop,
    /// Start again, after the delay of [`Pacing`](super::Pacing).
    Retry,
    /// Report it: trying again will not help.
    Fatal,
}

impl StreamEnd<'_> {
    /// What to do.
    ///
    /// That an error of the transport is retried whatever status it came with is ours: outside Go it reaches the caller
    /// with other texts, and a dropped connection would otherwise be fatal.
    ///
    /// Rule: octopus-grpc, `grpcerror`. Cases: `vectors/connection.json`.
    ///
    /// ```
    /// use octopus_argo_core::connection::{GrpcCode, StreamAction, StreamEnd};
    ///
    /// let internal = |message| StreamEnd::Status { code: GrpcCode::Internal, message }.action();
    /// assert_eq!(internal("unexpected EOF"), StreamAction::Retry);
    /// assert_eq!(internal("unexpected eof"), StreamAction::Fatal);
    /// ```
    #[must_use]
    pub fn action(&self) -> StreamAction {
        match self {
            Self::Finished | Self::CancelledHere => StreamAction::Stop,
            Self::EndOfStream | Self::Transport => StreamAction::Retry,
            Self::Status { code, message } => match code {
                GrpcCode::Ok | GrpcCode::Cancelled | GrpcCode::Unimplemented => StreamAction::Stop,
                GrpcCode::Unavailable | GrpcCode::Aborted => StreamAction::Retry,
                GrpcCode::Internal if message.contains("EOF") || message.contains("RST_STREAM") => {
                    StreamAction::Retry
                }
                _ => StreamAction::Fatal,
            },
            Self::Other => StreamAction::Fatal,
        }
    }

    /// As [`StreamEnd::action`], for a subscriber within a scope: one that has been cancelled already drops every
    /// error, and `None` says so.
    #[must_use]
    pub fn action_within(&self, scope: SubscriberScope) -> Option<StreamAction> {
        (scope == SubscriberScope::Running).then(|| self.action())
    }
}

/// Whether the scope that a subscriber works in goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubscriberScope {
    /// It goes on.
    Running,
    /// It was cancelled: whatever its streams say now is an echo of that.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_action() {
        for code in GrpcCode::ALL {
            let expected = match code.as_str() {
                "OK" | "CANCELLED" | "UNIMPLEMENTED" => StreamAction::Stop,
                "UNAVAILABLE" | "ABORTED" => StreamAction::Retry,
                _ => StreamAction::Fatal,
            };
            let end = StreamEnd::Status { code, message: "x" };
            assert_eq!(end.action(), expected, "{code}");
            assert_eq!(end.action_within(SubscriberScope::Cancelled), None);
            assert_eq!(GrpcCode::from_name(code.as_str()), Some(code));
            assert_eq!(GrpcCode::from(code as i32), code);
        }
        assert_eq!(GrpcCode::from(17), GrpcCode::Unknown);
    }

    #[test]
    fn reset_streams_are_retried_in_capitals_only() {
        let internal = |message| {
            StreamEnd::Status {
                code: GrpcCode::Internal,
                message,
            }
            .action()
        };
        assert_eq!(internal("stream terminated by RST_STREAM"), StreamAction::Retry);
        assert_eq!(internal("rst_stream"), StreamAction::Fatal);
    }
}
