//! A service on a gateway that does what its caller asks for.

use std::pin::Pin;

use octopus_argo_client::Router;
use octopus_argo_proto::v1::tunnel_server::{Tunnel, TunnelServer};
use octopus_argo_proto::v1::{Data, Frame, Packet, frame};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Code, Request, Response, Status, Streaming};

/// `google.rpc.Status` as far as the tunnel cares: bytes.
pub(crate) const DETAILS: &[u8] = &[8, 9, 0, 255, 128];

/// A bidirectional service, by a method that happens to be there. What it does stands in the header `x-do`.
pub(crate) struct Echo {
    ends: mpsc::UnboundedSender<&'static str>,
}

/// The service in a router, and what it tells of its futures and streams: that one began, that one was dropped.
pub(crate) fn echo() -> (Router, mpsc::UnboundedReceiver<&'static str>) {
    let (ends, ended) = mpsc::unbounded_channel();
    let service = TunnelServer::new(Echo { ends }).max_decoding_message_size(16 << 20);
    (Router::default().with(service), ended)
}

/// A message with this payload.
pub(crate) fn message(payload: impl Into<Vec<u8>>) -> Packet {
    let data = Data {
        payload: payload.into().into(),
        ..Data::default()
    };
    Packet {
        frames: vec![Frame {
            body: Some(frame::Body::Data(data)),
            ..Frame::default()
        }],
        ..Packet::default()
    }
}

pub(crate) fn payload(message: &Packet) -> &[u8] {
    match &message.frames[0].body {
        Some(frame::Body::Data(data)) => &data.payload,
        other => panic!("{other:?}"),
    }
}

/// Tells when it is dropped.
struct Guard(&'static str, mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.1.send(self.0);
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

#[tonic::async_trait]
impl Tunnel for Echo {
    type OpenStream = Answers;

    async fn open(&self, request: Request<Streaming<Packet>>) -> Result<Response<Answers>, Status> {
        let order = request
            .metadata()
            .get("x-do")
            .map(|value| value.to_str().unwrap());
        let order = order.unwrap_or("echo").to_owned();
        let mirrored = mirrored(request.metadata());
        let mut messages = request.into_inner();
        let answers: Answers = match order.as_str() {
            "echo" => Box::pin(messages),
            "never" => {
                let _ = self.ends.send("began");
                let _guard = Guard("future", self.ends.clone());
                std::future::pending().await
            }
            "hang" => {
                let guard = Guard("stream", self.ends.clone());
                let pending = std::future::poll_fn(move |_| {
                    let _ = &guard;
                    std::task::Poll::Pending
                });
                let first = tokio_stream::once(Ok(message("first")));
                Box::pin(first.chain(Once(Box::pin(pending))))
            }
            "flood" => {
                let guard = Guard("flood", self.ends.clone());
                Box::pin(tokio_stream::iter(std::iter::repeat_with(move || {
                    let _ = &guard;
                    Ok(message(vec![7; 10_000]))
                })))
            }
            "count" => {
                let (mut count, mut bytes) = (0, 0);
                while let Some(message) = messages.message().await? {
                    count += 1;
                    bytes += payload(&message).len();
                }
                Box::pin(tokio_stream::once(Ok(message(format!("{count} {bytes}")))))
            }
            "detach" | "detach-and-end" => {
                let ends = self.ends.clone();
                let read = async move {
                    let end = loop {
                        match messages.message().await {
                            Ok(Some(_)) => {}
                            Ok(None) => break "complete",
                            Err(_) => break "cut",
                        }
                    };
                    let _ = ends.send(end);
                };
                #[expect(
                    clippy::disallowed_methods,
                    reason = "what services do; the test's runtime ends it"
                )]
                tokio::spawn(read);
                let first = tokio_stream::once(Ok(message("first")));
                if order == "detach" {
                    Box::pin(first.chain(tokio_stream::pending()))
                } else {
                    Box::pin(first)
                }
            }
            "fail" => return Err(failure(mirrored)),
            "fail-later" => {
                let answers = [Ok(message("first")), Err(failure(mirrored.clone()))];
                Box::pin(tokio_stream::iter(answers))
            }
            other => return Err(Status::invalid_argument(other)),
        };
        let mut response = Response::new(answers);
        *response.metadata_mut() = mirrored;
        Ok(response)
    }
}

/// A stream of one answer that is still to come.
struct Once(Pin<Box<dyn Future<Output = Result<Packet, Status>> + Send>>);

impl Stream for Once {
    type Item = Result<Packet, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll(cx).map(Some)
    }
}

fn failure(metadata: MetadataMap) -> Status {
    Status::with_details_and_metadata(
        Code::FailedPrecondition,
        "not so: 100 % – no\n",
        DETAILS.into(),
        metadata,
    )
}

/// The headers that begin with `x-`, but for the order.
fn mirrored(metadata: &MetadataMap) -> MetadataMap {
    let mut kept = MetadataMap::new();
    for pair in metadata.iter() {
        match pair {
            KeyAndValueRef::Ascii(key, value) if key.as_str().starts_with("x-") && key != "x-do" => {
                kept.append(key, value.clone());
            }
            KeyAndValueRef::Binary(key, value) if key.as_str().starts_with("x-") => {
                kept.append_bin(key, value.clone());
            }
            _ => {}
        }
    }
    kept
}
