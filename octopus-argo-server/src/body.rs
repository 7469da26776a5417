//! The body of a response that comes through the tunnel.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use octopus_argo_proto::link::{CallReader, headers_from_metadata};
use octopus_argo_proto::session::CallEnd;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::TunnelError;
use crate::line::Place;
use crate::watch::Meter;

/// A response body. Dropping it cancels the call, unless that is over.
pub struct TunnelBody(State);

enum State {
    /// The reader stands before the place, so that the call is given up before its place is.
    Open {
        reader: CallReader,
        _place: Place,
        meter: Meter,
    },
    Over,
}

impl TunnelBody {
    pub(crate) fn new(reader: CallReader, place: Place, meter: Meter) -> Self {
        Self(State::Open {
            reader,
            _place: place,
            meter,
        })
    }

    pub(crate) fn empty() -> Self {
        Self(State::Over)
    }
}

impl Default for TunnelBody {
    /// An empty body, which tonic's interceptors answer with when they refuse a call.
    fn default() -> Self {
        Self::empty()
    }
}

impl http_body::Body for TunnelBody {
    type Data = Bytes;
    type Error = TunnelError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TunnelError>>> {
        let State::Open { reader, meter, .. } = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = if let Some(payload) = std::task::ready!(reader.poll_data(cx)) {
            meter.received(payload.len());
            Ok(Frame::data(payload))
        } else {
            let end = reader.take_end();
            if let Some(end) = &end {
                meter.ended(end.code.number());
            }
            self.0 = State::Over;
            match end {
                Some(end) => trailers(end).map(Frame::trailers),
                None => return Poll::Ready(None),
            }
        };
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Over)
    }
}

impl fmt::Debug for TunnelBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self.0, State::Open { .. }) {
            "TunnelBody(open)"
        } else {
            "TunnelBody(over)"
        })
    }
}

/// The trailers of a call that its service ended, or the tunnel's error.
pub(crate) fn trailers(end: CallEnd) -> Result<HeaderMap, TunnelError> {
    if let Some(cause) = end.cause {
        return Err(TunnelError::ended(cause, &end));
    }
    let code = Code::from_i32(i32::try_from(end.code.number()).unwrap_or(i32::MAX));
    let metadata = MetadataMap::from_headers(headers_from_metadata(end.trailers));
    let status = Status::with_details_and_metadata(code, end.message, end.details, metadata);
    let mut headers = HeaderMap::new();
    if status.add_header(&mut headers).is_err() {
        // A message that no header can carry: the code is what matters.
        headers.clear();
        headers.insert("grpc-status", http::HeaderValue::from(end.code.number()));
    }
    Ok(headers)
}
