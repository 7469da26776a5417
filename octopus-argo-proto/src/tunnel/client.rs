//! The gateway's end of the call.

use futures_core::Stream;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use http_body::Body as HttpBody;
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::{Code, Status};

use super::{Incoming, PATH, PacketBody};
use crate::http_status::{self, Refusal};
use crate::session::Outgoing;

/// Opens the tunnel over `service`: sends `packets`, and gives what arrives once the server has answered.
///
/// # Errors
/// The status of the answer, or of what stood in its way.
///
/// # Cancel safety
/// Dropped, it gives up the call.
pub async fn open<T, S>(mut service: T, packets: S) -> Result<Incoming, Status>
where
    T: GrpcService<Body>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError>,
    S: Stream<Item = Outgoing> + Send + Unpin + 'static,
{
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let mut request = Request::new(Body::new(PacketBody::request(packets)));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from_static(PATH);
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let response = service
        .call(request)
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let (parts, body) = response.into_parts();
    // An answer without a body, as servers give when they refuse the call.
    if let Some(status) = Status::from_header_map(&parts.headers) {
        return Err(if status.code() == Code::Ok {
            Status::unavailable("the server ended the tunnel at once")
        } else {
            status
        });
    }
    if parts.status != http::StatusCode::OK {
        return Err(of_http(parts.status));
    }
    Ok(Incoming::response(Body::new(body)))
}

/// What an answer that is not gRPC stands for. A proxy's 401 and 403 are none of the server's: it refuses credentials in
/// gRPC, and only that is final.
fn of_http(status: http::StatusCode) -> Status {
    let code = http_status::code(status.as_u16(), Refusal::OnTheWay);
    Status::new(
        code,
        format!("something on the way answered with HTTP {}", status.as_u16()),
    )
}
