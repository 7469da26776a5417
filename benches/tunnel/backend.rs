//! What is called at the end of every path.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::server::{ClientStreamingService, Grpc, ServerStreamingService, UnaryService};
use tonic::{Status, Streaming};
use tower_service::Service;

use crate::raw::Raw;

pub const SERVICE: &str = "bench.Echo";
/// Answers with the request.
pub const UNARY: &str = "/bench.Echo/Unary";
/// Sends the request again and again, until the caller has enough.
pub const DOWN: &str = "/bench.Echo/Down";
/// Answers with the number of bytes that came.
pub const UP: &str = "/bench.Echo/Up";

/// A message larger than what any path of the benchmark sends.
const LARGEST: usize = 8 << 20;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Clone, Copy)]
pub struct Backend;

impl Service<Request<Incoming>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw).apply_max_message_size_config(Some(LARGEST), None);
            Ok(match request.uri().path() {
                UNARY => grpc.unary(Echo, request).await,
                DOWN => grpc.server_streaming(Repeat, request).await,
                UP => grpc.client_streaming(Count, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

struct Echo;

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(request.into_inner())))
    }
}

struct Repeat;

impl ServerStreamingService<Bytes> for Repeat {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let message = request.into_inner();
        let stream: Self::ResponseStream = Box::pin(tokio_stream::iter(std::iter::repeat_with(move || {
            Ok(message.clone())
        })));
        std::future::ready(Ok(tonic::Response::new(stream)))
    }
}

struct Count;

impl ClientStreamingService<Bytes> for Count {
    type Response = Bytes;
    type Future = Boxed<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            let mut bytes = 0_u64;
            while let Some(message) = messages.next().await {
                bytes += message?.len() as u64;
            }
            Ok(tonic::Response::new(Bytes::copy_from_slice(&bytes.to_be_bytes())))
        })
    }
}
