//! One call, described, and made over any channel.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::outcome::{Digest, End, Outcome, headers};
use crate::probe::{LARGEST, Raw};

/// The four kinds, by the method that has each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unary,
    Down,
    Up,
    Both,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Unary, Kind::Down, Kind::Up, Kind::Both];

/// When the caller gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    Never,
    /// When the service has begun, before there is an answer.
    Begun,
    /// After that many messages.
    After(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) path: Option<&'static str>,
    pub(crate) metadata: MetadataMap,
    pub(crate) messages: Vec<Bytes>,
    /// The request goes on for ever behind its messages.
    pub(crate) open: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) gzip: bool,
    pub(crate) largest: usize,
    pub(crate) give_up: GiveUp,
}

impl Call {
    /// A call with one message of 3 bytes that does as it is told.
    pub(crate) fn new(kind: Kind, order: &str) -> Self {
        let mut metadata = MetadataMap::new();
        metadata.insert("x-do", order.parse().unwrap());
        Self {
            kind,
            path: None,
            metadata,
            messages: vec![Bytes::from_static(b"one")],
            open: false,
            timeout: None,
            gzip: false,
            largest: LARGEST,
            give_up: GiveUp::Never,
        }
    }

    pub(crate) fn messages(mut self, messages: impl IntoIterator<Item = Bytes>) -> Self {
        self.messages = messages.into_iter().collect();
        self
    }

    pub(crate) fn with(mut self, key: &'static str, value: &str) -> Self {
        self.metadata.append(key, value.parse().unwrap());
        self
    }

    pub(crate) fn with_bin(mut self, key: &'static str, value: &[u8]) -> Self {
        self.metadata
            .append_bin(key, tonic::metadata::MetadataValue::from_bytes(value));
        self
    }

    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    pub(crate) fn give_up(mut self, when: GiveUp) -> Self {
        self.give_up = when;
        self
    }

    fn path(&self) -> PathAndQuery {
        PathAndQuery::from_static(self.path.unwrap_or(match self.kind {
            Kind::Unary => "/conformance.Probe/Unary",
            Kind::Down => "/conformance.Probe/Down",
            Kind::Up => "/conformance.Probe/Up",
            Kind::Both => "/conformance.Probe/Both",
        }))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        request
    }

    fn one(&self) -> Bytes {
        self.messages.first().cloned().unwrap_or_default()
    }

    fn stream(&self) -> Pin<Box<dyn tokio_stream::Stream<Item = Bytes> + Send>> {
        let messages = tokio_stream::iter(self.messages.clone());
        if self.open {
            Box::pin(messages.chain(tokio_stream::pending()))
        } else {
            Box::pin(messages)
        }
    }

    /// Makes the call; `begun` ends when its service has begun with it.
    pub(crate) async fn make<S>(&self, channel: S, begun: impl Future<Output = ()>) -> Outcome
    where
        S: GrpcService<Body> + Send,
        S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
        <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
    {
        let origin = http::Uri::from_static("http://localhost");
        let mut grpc = Grpc::with_origin(channel, origin)
            .max_decoding_message_size(self.largest)
            .max_encoding_message_size(LARGEST);
        if self.gzip {
            grpc = grpc
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        if let Err(error) = grpc.ready().await {
            return Outcome::of_status(&Status::from_error(error.into()));
        }
        let answer = self.answer(&mut grpc);
        let answer = if self.give_up == GiveUp::Begun {
            tokio::select! {
                answer = answer => answer,
                () = begun => return Outcome::given_up(),
            }
        } else {
            answer.await
        };
        match answer {
            Ok(outcome) => outcome,
            Err(status) => Outcome::of_status(&status),
        }
    }

    async fn answer<S>(&self, grpc: &mut Grpc<S>) -> Result<Outcome, Status>
    where
        S: GrpcService<Body> + Send,
        S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
        <S::ResponseBody as http_body::Body>::Error: Into<tonic::codegen::StdError> + Send,
    {
        let path = self.path();
        let response = match self.kind {
            Kind::Unary => {
                let response = grpc.unary(self.request(self.one()), path, Raw).await?;
                return Ok(Outcome::of_one(response));
            }
            Kind::Up => {
                let request = self.request(self.stream());
                let response = grpc.client_streaming(request, path, Raw).await?;
                return Ok(Outcome::of_one(response));
            }
            Kind::Down => {
                let request = self.request(self.one());
                grpc.server_streaming(request, path, Raw).await?
            }
            Kind::Both => {
                let request = self.request(self.stream());
                grpc.streaming(request, path, Raw).await?
            }
        };
        Ok(self.read(response).await)
    }

    async fn read(&self, response: Response<tonic::Streaming<Bytes>>) -> Outcome {
        let (metadata, mut answers, _) = response.into_parts();
        let head = Some(headers(&metadata));
        let mut messages = Vec::new();
        let end = loop {
            if self.give_up == GiveUp::After(messages.len()) {
                break End::GivenUp;
            }
            match answers.message().await {
                Ok(Some(message)) => messages.push(Digest::of(&message)),
                Ok(None) => {
                    let trailers = answers.trailers().await.unwrap().unwrap_or_default();
                    break End::Ok(headers(&trailers));
                }
                Err(status) => break End::of(&status),
            }
        };
        Outcome {
            head,
            messages,
            end,
            told: Vec::new(),
        }
    }
}
