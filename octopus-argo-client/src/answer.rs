//! One call of the server, answered by a service here.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::{Body as _, Frame};
use octopus_argo_proto::http_status::{self, Refusal};
use octopus_argo_proto::link::{
    CallReader, CallWriter, GRPC_TIMEOUT, IncomingCall, grpc_timeout_value, headers_from_metadata,
    metadata_from_headers,
};
use octopus_argo_proto::session::{CallEnd, Code};
use tonic::Status;
use tonic::body::Body;

use crate::gateway::{Meter, Watched};
use crate::router::Router;

/// Lets `router` answer `call`, and sends the answer back. Ends early when the call is cancelled.
///
/// # Cancel safety
/// Dropped before its end, it tells the caller of an internal failure.
pub(crate) async fn answer(call: IncomingCall, router: Router, mut watched: Watched) {
    let IncomingCall {
        path,
        metadata,
        timeout,
        reader,
        mut writer,
        ..
    } = call;
    let meter = watched.meter();
    let mut request = Request::new(Body::new(RequestBody {
        reader,
        over: false,
        meter: meter.clone(),
    }));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    let Ok(uri) = http::Uri::try_from(path) else {
        watched.ended(Code::UNIMPLEMENTED.number());
        return writer.end(CallEnd::new(Code::UNIMPLEMENTED, "the path is no URI"));
    };
    *request.uri_mut() = uri;
    *request.headers_mut() = headers_from_metadata(metadata);
    request
        .headers_mut()
        .insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(timeout) = timeout {
        request
            .headers_mut()
            .insert(GRPC_TIMEOUT, grpc_timeout_value(timeout));
    }
    let mut answer = router.answer(request);
    let response = std::future::poll_fn(|cx| {
        if writer.poll_over(cx).is_ready() {
            return Poll::Ready(None);
        }
        answer.as_mut().poll(cx).map(Some)
    })
    .await;
    // The service may hold the request's body; from here on only its response counts.
    drop(answer);
    if let Some(response) = response
        && let Some(end) = respond(response, &mut writer, &meter).await
    {
        watched.ended(end.code.number());
        writer.end(end);
    }
}

/// Sends the response, but for its end; `None` if the call was over before.
async fn respond(response: Response<Body>, writer: &mut CallWriter, meter: &Meter) -> Option<CallEnd> {
    let (parts, mut body) = response.into_parts();
    if parts.status != http::StatusCode::OK {
        return Some(end_of_http(parts.status));
    }
    if let Some(end) = end_of_headers(&parts.headers) {
        return Some(end);
    }
    // The head goes out with what is there already of the body; of most answers that is everything.
    writer.hold();
    if writer
        .head(metadata_from_headers(&parts.headers, |_| false))
        .is_err()
    {
        return None;
    }
    loop {
        let frame = std::future::poll_fn(|cx| {
            // First, so that a service whose call was cancelled is dropped, and does not see its request cut before.
            if writer.poll_over(cx).is_ready() {
                return Poll::Ready(None);
            }
            let frame = Pin::new(&mut body).poll_frame(cx).map(Some);
            if frame.is_pending() {
                writer.release();
            }
            frame
        })
        .await;
        match frame {
            // Cancelled.
            None => return None,
            Some(None) => return Some(without_status()),
            Some(Some(Err(status))) => return Some(end_of_status(&status)),
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(payload) => {
                    let size = payload.len();
                    let ready = std::future::poll_fn(|cx| writer.poll_ready(cx)).await;
                    if ready.is_err() || writer.send(payload).is_err() {
                        return None;
                    }
                    meter.sent(size);
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Some(end_of_headers(&trailers).unwrap_or_else(without_status));
                }
            },
        }
    }
}

fn without_status() -> CallEnd {
    CallEnd::new(Code::UNKNOWN, "the service ended its answer without a status")
}

/// The end that trailers, or the headers of an answer without a body, tell of.
fn end_of_headers(headers: &HeaderMap) -> Option<CallEnd> {
    let status = Status::from_header_map(headers)?;
    let mut end = end_of_status(&status);
    // From the headers themselves rather than from tonic's status, so that nothing is lost on the way.
    end = end.trailers(metadata_from_headers(headers, is_status_header));
    Some(end)
}

fn end_of_status(status: &Status) -> CallEnd {
    let trailers = metadata_from_headers(status.metadata().as_ref(), is_status_header);
    CallEnd::new(code_of(status.code()), status.message())
        .details(Bytes::copy_from_slice(status.details()))
        .trailers(trailers)
}

fn code_of(code: tonic::Code) -> Code {
    u32::try_from(i32::from(code)).map_or(Code::UNKNOWN, Code::from_number)
}

fn is_status_header(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "grpc-status" | "grpc-message" | "grpc-status-details-bin" | "content-type"
    )
}

/// The end for an answer that is not gRPC, as a proxy gives it.
fn end_of_http(status: http::StatusCode) -> CallEnd {
    let code = code_of(http_status::code(status.as_u16(), Refusal::Server));
    CallEnd::new(
        code,
        format!("the service answered with HTTP {}", status.as_u16()),
    )
}

/// The request's body, as the service reads it.
struct RequestBody {
    reader: CallReader,
    over: bool,
    meter: Meter,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(payload) = std::task::ready!(self.reader.poll_data(cx)) {
            self.meter.received(payload.len());
            return Poll::Ready(Some(Ok(Frame::data(payload))));
        }
        self.over = true;
        // Half a request must not look like a whole one. Not CANCELLED: tonic takes that for a good end of a request.
        let cut = self.reader.is_cut();
        Poll::Ready(cut.then(|| {
            Err(Status::aborted(
                "the call was over before its request was complete",
            ))
        }))
    }
}
