//! How a stream ended, out of what tonic, hyper and h2 really report.

use std::error::Error;
use std::io;

use octopus_argo_core::connection::{GrpcCode, StreamEnd};
use tonic::Status;

use super::ConnectError;

/// What core's table is to be asked about an error that ended a stream: [`StreamEnd::action`] says whether to begin it
/// again.
///
/// The error may be a [`Status`], of a call over a [`Connection`](super::Connection), over tonic's own channel or through any
/// layers, or something that wraps one. An error of HTTP/2 or of a socket anywhere among its sources is an end of the
/// transport, whatever code the status has: tonic reports some of them as `UNKNOWN` or `INTERNAL` with texts that no table
/// knows. A [`ConnectError`] among them counts as that if trying again can help.
///
/// ```
/// use octopus_argo_client::connection::stream_end;
/// use octopus_argo_core::connection::StreamAction;
///
/// let refused = tonic::Status::unauthenticated("no such token");
/// assert_eq!(stream_end(&refused).action(), StreamAction::Fatal);
/// assert_eq!(stream_end(&tonic::Status::unavailable("busy")).action(), StreamAction::Retry);
/// ```
///
/// Rule: OctopusDeploy/octopus-grpc `go/pkg/grpcerror/classify.go`; that transport errors come first is ours.
#[must_use]
pub fn stream_end<'a>(error: &'a (dyn Error + 'static)) -> StreamEnd<'a> {
    let mut status = None;
    let mut transport = false;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return if error.is_retryable() {
                StreamEnd::Transport
            } else {
                StreamEnd::Other
            };
        }
        if let Some(found) = error.downcast_ref::<Status>() {
            status.get_or_insert(found);
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                return StreamEnd::EndOfStream;
            }
            transport = true;
        } else {
            transport |= error.is::<h2::Error>() || error.is::<hyper::Error>();
        }
        next = error.source();
    }
    match status {
        _ if transport => StreamEnd::Transport,
        Some(status) => StreamEnd::Status {
            code: GrpcCode::from(i32::from(status.code())),
            message: status.message(),
        },
        None => StreamEnd::Other,
    }
}

#[cfg(test)]
mod tests {
    use octopus_argo_core::connection::StreamAction;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] Box<dyn Error + Send + Sync>);

    fn action(error: impl Into<Box<dyn Error + Send + Sync>>) -> StreamAction {
        stream_end(&Wrapped(error.into())).action()
    }

    #[test]
    fn the_transport_counts_before_the_code() {
        let mut status = Status::unknown("transport error");
        assert_eq!(action(status.clone()), StreamAction::Fatal);
        status.set_source(std::sync::Arc::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        assert_eq!(action(status), StreamAction::Retry);
        let reset = h2::Error::from(h2::Reason::PROTOCOL_ERROR);
        assert_eq!(action(reset), StreamAction::Retry);
        assert_eq!(
            action(io::Error::from(io::ErrorKind::UnexpectedEof)),
            StreamAction::Retry
        );
    }

    #[test]
    fn what_no_connection_was_made_for_counts_as_that_says() {
        assert_eq!(action(ConnectError::PlaintextCredentials), StreamAction::Fatal);
        let unreached = ConnectError::Dial {
            address: "a".parse().unwrap(),
            source: crate::dial::DialError::NoAddress,
        };
        assert_eq!(action(unreached), StreamAction::Retry);
    }

    #[test]
    fn a_status_without_a_source_is_the_servers_word() {
        assert_eq!(action(Status::internal("unexpected EOF")), StreamAction::Retry);
        assert_eq!(action(Status::internal("a defect")), StreamAction::Fatal);
        assert_eq!(action(Status::unimplemented("no")), StreamAction::Stop);
        assert_eq!(action("no status at all"), StreamAction::Fatal);
    }
}
