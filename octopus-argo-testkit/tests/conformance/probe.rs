//! A service that does what its caller asks for, with messages that are bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::{Request, Response};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{KeyAndValueRef, MetadataMap, MetadataValue};
use tonic::server::{
    ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::{Code, Status, Streaming};
use tower_service::Service;

/// `google.rpc.Status` as far as anyone here cares: bytes.
pub(crate) const DETAILS: &[u8] = &[8, 9, 0, 255, 128];

/// Larger than every message of these tests.
pub(crate) const LARGEST: usize = 64 << 20;

pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// Messages are their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// The service. What a call does stands in its header `x-do`.
#[derive(Clone)]
pub(crate) struct Probe {
    /// What it tells of its calls.
    tells: mpsc::UnboundedSender<String>,
}

impl Probe {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (tells, told) = mpsc::unbounded_channel();
        (Self { tells }, told)
    }

    async fn answer(
        self,
        metadata: MetadataMap,
        mut messages: Messages,
    ) -> Result<tonic::Response<Messages>, Status> {
        let guard = Guard(self.tells.clone());
        let order = metadata
            .get("x-do")
            .map_or("echo", |value| value.to_str().unwrap());
        let mut words = order.split(' ');
        let order = words.next().unwrap();
        let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
        let marks = marks(&metadata);
        let answers: Messages = match order {
            "echo" => messages,
            // Trailers of an answer that is good.
            "trailers" => {
                let end = Status::with_metadata(Code::Ok, "", marks.clone());
                Box::pin(messages.chain(tokio_stream::once(Err(end))))
            }
            "describe" => {
                let text = describe(&metadata);
                Box::pin(tokio_stream::once(Ok(text.into())))
            }
            "count" => {
                let told = self.count(messages).await?;
                Box::pin(tokio_stream::once(Ok(told.into())))
            }
            "early" => {
                let first = messages.next().await.transpose()?.unwrap_or_default();
                Box::pin(tokio_stream::once(Ok(first)))
            }
            "pages" => pages(numbers[0], numbers[1]),
            // With so many milliseconds before each.
            "paced" => {
                let pause = std::time::Duration::from_millis(numbers[2] as u64);
                Box::pin(pages(numbers[0], numbers[1]).then(move |page| async move {
                    tokio::time::sleep(pause).await;
                    page
                }))
            }
            "after-end" => {
                let told = self.count(messages).await?;
                Box::pin(tokio_stream::once(Ok(told.into())).chain(pages(numbers[0], numbers[1])))
            }
            "refuse" => return Err(failure(&metadata, marks)),
            "fail" => {
                let end = failure(&metadata, marks.clone());
                Box::pin(pages(numbers[0], numbers[1]).chain(tokio_stream::once(Err(end))))
            }
            "hang" => {
                self.tell("began");
                let () = std::future::pending().await;
                unreachable!()
            }
            "hang-later" => Box::pin(pages(numbers[0], numbers[1]).chain(tokio_stream::pending())),
            // Reads what comes beside its answer, which has no end.
            "listen" => {
                let told = self.clone();
                let read = tokio_stream::once(()).then(move |()| {
                    let messages = std::mem::replace(&mut messages, Box::pin(tokio_stream::empty()));
                    let told = told.clone();
                    async move { told.count(messages).await.map(Bytes::from) }
                });
                Box::pin(pages(1, 1).chain(read))
            }
            other => return Err(Status::invalid_argument(other)),
        };
        let mut response = tonic::Response::new(Box::pin(Guarded { answers, guard }) as Messages);
        if order != "describe" {
            *response.metadata_mut() = marks;
        }
        Ok(response)
    }

    /// Reads to the end, and says how much there was.
    async fn count(&self, mut messages: Messages) -> Result<String, Status> {
        let (mut count, mut bytes) = (0, 0);
        loop {
            match messages.next().await {
                Some(Ok(message)) => {
                    count += 1;
                    bytes += message.len();
                }
                Some(Err(status)) => {
                    self.tell("request cut");
                    return Err(status);
                }
                None => break,
            }
        }
        self.tell("request complete");
        Ok(format!("{count} messages, {bytes} bytes"))
    }

    fn tell(&self, what: &str) {
        // The test may be over.
        let _ = self.tells.send(what.to_owned());
    }
}

fn pages(count: usize, size: usize) -> Messages {
    Box::pin(tokio_stream::iter(
        (0..count).map(move |number| Ok(page(number, size))),
    ))
}

pub(crate) fn page(number: usize, size: usize) -> Bytes {
    (0_u8..251).cycle().skip(number % 251).take(size).collect()
}

/// The error that a call orders in `x-code` and `x-message-bin`.
fn failure(metadata: &MetadataMap, marks: MetadataMap) -> Status {
    let code = metadata
        .get("x-code")
        .map_or("9", |value| value.to_str().unwrap());
    let message = metadata
        .get_bin("x-message-bin")
        .map(|value| value.to_bytes().unwrap());
    let message = String::from_utf8(message.unwrap_or_default().to_vec()).unwrap();
    let code = Code::from_i32(code.parse().unwrap());
    let details = metadata.get("x-plain").map_or(DETAILS, |_| &[]);
    Status::with_details_and_metadata(code, message, details.into(), marks)
}

/// The headers that begin with `x-m-`.
fn marks(metadata: &MetadataMap) -> MetadataMap {
    let mut kept = MetadataMap::new();
    for pair in metadata.iter() {
        match pair {
            KeyAndValueRef::Ascii(key, value) if key.as_str().starts_with("x-m-") => {
                kept.append(key, value.clone());
            }
            KeyAndValueRef::Binary(key, value) if key.as_str().starts_with("x-m-") => {
                kept.append_bin(key, MetadataValue::from_bytes(&value.to_bytes().unwrap()));
            }
            _ => {}
        }
    }
    kept
}

/// Every header as it came, a line each, in the order within each name.
fn describe(metadata: &MetadataMap) -> String {
    let mut lines: Vec<_> = metadata
        .as_ref()
        .iter()
        .filter(|(name, _)| !OF_THE_HOP.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
        .collect();
    // Stable, so that the order within a name stays.
    lines.sort_by(|one, other| one.split(':').next().cmp(&other.split(':').next()));
    lines.join("\n")
}

/// What belongs to a connection and not to a call: tonic's channel introduces itself, and the connection behind the
/// gateway proves who it is.
const OF_THE_HOP: [&str; 3] = ["user-agent", "authorization", "client-id"];

/// Tells when a call is dropped, whether it was over or not.
struct Guard(mpsc::UnboundedSender<String>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("over".to_owned());
    }
}

struct Guarded {
    answers: Messages,
    #[expect(dead_code, reason = "it is there to be dropped")]
    guard: Guard,
}

impl Stream for Guarded {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answers.as_mut().poll_next(cx)
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

async fn first(
    probe: Probe,
    metadata: MetadataMap,
    messages: Messages,
) -> Result<tonic::Response<Bytes>, Status> {
    let response = probe.answer(metadata, messages).await?;
    let (metadata, mut answers, extensions) = response.into_parts();
    let answer = answers.next().await.transpose()?.unwrap_or_default();
    Ok(tonic::Response::from_parts(metadata, answer, extensions))
}

fn one(request: tonic::Request<Bytes>) -> (MetadataMap, Messages) {
    let (metadata, _, message) = request.into_parts();
    (metadata, Box::pin(tokio_stream::once(Ok(message))))
}

fn many(request: tonic::Request<Streaming<Bytes>>) -> (MetadataMap, Messages) {
    let (metadata, _, messages) = request.into_parts();
    (metadata, Box::pin(messages))
}

impl UnaryService<Bytes> for Probe {
    type Response = Bytes;
    type Future = Boxed<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (metadata, messages) = one(request);
        Box::pin(first(self.clone(), metadata, messages))
    }
}

impl ClientStreamingService<Bytes> for Probe {
    type Response = Bytes;
    type Future = Boxed<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (metadata, messages) = many(request);
        Box::pin(first(self.clone(), metadata, messages))
    }
}

impl ServerStreamingService<Bytes> for Probe {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Boxed<Result<tonic::Response<Messages>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (metadata, messages) = one(request);
        Box::pin(self.clone().answer(metadata, messages))
    }
}

impl StreamingService<Bytes> for Probe {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Boxed<Result<tonic::Response<Messages>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (metadata, messages) = many(request);
        Box::pin(self.clone().answer(metadata, messages))
    }
}

impl NamedService for Probe {
    const NAME: &'static str = "conformance.Probe";
}

impl Service<Request<Body>> for Probe {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let probe = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw)
                .apply_max_message_size_config(Some(LARGEST), Some(LARGEST))
                .accept_compressed(CompressionEncoding::Gzip);
            if request.headers().contains_key("x-gzip") {
                grpc = grpc.send_compressed(CompressionEncoding::Gzip);
            }
            Ok(match request.uri().path() {
                "/conformance.Probe/Unary" => grpc.unary(probe, request).await,
                "/conformance.Probe/Down" => grpc.server_streaming(probe, request).await,
                "/conformance.Probe/Up" => grpc.client_streaming(probe, request).await,
                "/conformance.Probe/Both" => grpc.streaming(probe, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}
