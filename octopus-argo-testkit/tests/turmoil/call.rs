//! Calls of the probe through a gateway's handle, with the bytes that are expected.

use bytes::Bytes;
use http::uri::PathAndQuery;
use octopus_argo_server::{Gateway, TunnelError, TunnelErrorKind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};

use crate::probe::{LARGEST, Raw, page};

fn grpc(gateway: &Gateway) -> Grpc<Gateway> {
    Grpc::new(gateway.clone()).max_decoding_message_size(LARGEST)
}

fn request<T>(order: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-do", order.parse().unwrap());
    request
}

/// A call that is answered with what it says.
pub(crate) async fn echo(gateway: &Gateway, message: Bytes) -> Result<(), Status> {
    let path = PathAndQuery::from_static("/conformance.Probe/Unary");
    let request = request("echo", message.clone());
    let answer = grpc(gateway).unary(request, path, Raw).await?;
    assert_eq!(answer.into_inner(), message);
    Ok(())
}

/// A call that is answered as `order` says, one message after the other.
pub(crate) async fn down(gateway: &Gateway, order: &str) -> Result<Streaming<Bytes>, Status> {
    let path = PathAndQuery::from_static("/conformance.Probe/Down");
    let request = request(order, Bytes::new());
    Ok(grpc(gateway)
        .server_streaming(request, path, Raw)
        .await?
        .into_inner())
}

/// A stream of numbered pages, as far as it was read.
pub(crate) struct Pages {
    stream: Streaming<Bytes>,
    size: usize,
    pub(crate) read: usize,
}

impl Pages {
    pub(crate) async fn begin(gateway: &Gateway, count: usize, size: usize) -> Self {
        let stream = down(gateway, &format!("pages {count} {size}")).await.unwrap();
        Self {
            stream,
            size,
            read: 0,
        }
    }

    /// Reads the next page, and fails if it is not exactly that. Whether there was one.
    pub(crate) async fn read(&mut self) -> Result<bool, Status> {
        let Some(found) = self.stream.message().await? else {
            return Ok(false);
        };
        assert_eq!(found, page(self.read, self.size), "page {}", self.read);
        self.read += 1;
        Ok(true)
    }

    pub(crate) async fn read_to_end(&mut self, count: usize) {
        while self.read().await.unwrap() {}
        assert_eq!(self.read, count);
    }
}

/// A call that goes on, and answers what is said to it.
pub(crate) struct Conversation {
    to: mpsc::Sender<Bytes>,
    from: Streaming<Bytes>,
    said: usize,
    heard: usize,
}

impl Conversation {
    pub(crate) async fn begin(gateway: &Gateway) -> Self {
        let (to, messages) = mpsc::channel(16);
        let path = PathAndQuery::from_static("/conformance.Probe/Both");
        let request = request("echo", ReceiverStream::new(messages));
        let from = grpc(gateway).streaming(request, path, Raw).await.unwrap();
        Self {
            to,
            from: from.into_inner(),
            said: 0,
            heard: 0,
        }
    }

    pub(crate) async fn say(&mut self) {
        self.to.send(page(self.said, 3000)).await.unwrap();
        self.said += 1;
    }

    /// Hears the answers to everything that was said.
    pub(crate) async fn hear(&mut self) -> Result<(), Status> {
        while self.heard < self.said {
            let found = self.from.message().await?.expect("the call goes on");
            assert_eq!(found, page(self.heard, 3000), "message {}", self.heard);
            self.heard += 1;
        }
        Ok(())
    }

    /// What the call was ended with, by somebody else.
    pub(crate) async fn ended(&mut self) -> Status {
        let next = self.from.message().await;
        next.expect_err("the call goes on")
    }

    pub(crate) async fn goes_on(&mut self) {
        self.say().await;
        self.hear().await.unwrap();
    }
}

/// Why the tunnel ended a call.
pub(crate) fn kind(status: &Status) -> TunnelErrorKind {
    let error = TunnelError::find(status);
    error
        .unwrap_or_else(|| panic!("not the tunnel: {status:?}"))
        .kind()
        .clone()
}
