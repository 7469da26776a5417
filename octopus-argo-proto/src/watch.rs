//! The call that follows an inventory.

use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{BufferSettings, Codec, Streaming};
use tonic::codegen::StdError;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Status};
use tonic_prost::{ProstDecoder, ProstEncoder};

use crate::v1::{WatchRequest, WatchResponse};

/// Calls `octopus.argo.v1.Inventory/Watch`, with `known` telling what the caller has already.
///
/// The call that a generated client makes, but for its buffer: that would be 8 KiB for as long as the call lasts, and
/// there is one for each gateway, which mostly has nothing to say.
///
/// # Errors
/// The status with which the gateway, or the way to it, refused.
///
/// # Cancel safety
/// Dropped, it cancels the call.
pub async fn watch<S>(
    service: S,
    known: impl Stream<Item = WatchRequest> + Send + 'static,
) -> Result<Streaming<WatchResponse>, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = prost::bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    let mut grpc = Grpc::new(service);
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let path = PathAndQuery::from_static("/octopus.argo.v1.Inventory/Watch");
    let answer = grpc.streaming(Request::new(known), path, Small).await?;
    Ok(answer.into_inner())
}

/// As `ProstCodec`, with a buffer that begins small and grows with what comes.
struct Small;

const BUFFER: usize = 512;
/// Messages are sent on when this much of them is there. As `BufferSettings::default` has it.
const YIELD: usize = 32 << 10;

impl Codec for Small {
    type Encode = WatchRequest;
    type Decode = WatchResponse;
    type Encoder = ProstEncoder<WatchRequest>;
    type Decoder = ProstDecoder<WatchResponse>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, YIELD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, YIELD))
    }
}
