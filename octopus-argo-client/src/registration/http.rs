//! One request over one connection.

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use octopus_argo_core::Host;
use octopus_argo_proto::registration::Credential;
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{ApiAddress, RegistrationError};
use crate::dial::{BoxStream, Dial, DialError};
use crate::tls::{ALPN_H2, TlsError};

/// The way to a server, and its limits.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    pub(super) address: ApiAddress,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) timeout: Duration,
    pub(super) max_answer: usize,
}

impl Transport {
    /// Sends a request and takes in the answer, whatever its status, all within the limit of time.
    ///
    /// The credential goes into a header that is marked as sensitive, so that nothing shows it and HTTP/2 does not put it
    /// into its table.
    pub(super) async fn exchange(
        &self,
        credential: &Credential,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes, RegistrationError> {
        let limit = self.timeout;
        let late = || RegistrationError::Timeout { after: limit };
        let answer = timeout(limit, self.exchange_unlimited(credential, &method, path, body)).await;
        let (status, location, bytes) = answer.unwrap_or_else(|_| Err(late()))?;
        tracing::debug!(http.method = %method, http.path = path, http.status = status.as_u16(), "registration call");
        if status.is_success() {
            return Ok(bytes);
        }
        Err(RegistrationError::from_answer(
            status,
            location.as_deref(),
            &bytes,
        ))
    }

    async fn exchange_unlimited(
        &self,
        credential: &Credential,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Option<String>, Bytes), RegistrationError> {
        let (stream, version) = self.connect().await?;
        let request = self.request(credential, method, path, body, version)?;
        // Whatever hyper starts ends with this call, also when its future is dropped.
        let tasks = Tasks::default();
        let _ends = tasks.cancel.clone().drop_guard();
        let io = TokioIo::new(stream);
        let response = if version == Version::HTTP_2 {
            let (mut sender, connection) = http2::handshake(tasks.clone(), io).await.map_err(broken)?;
            tasks.run(async move { drop(connection.await) });
            sender.send_request(request).await.map_err(broken)?
        } else {
            let (mut sender, connection) = http1::handshake(io).await.map_err(broken)?;
            tasks.run(async move { drop(connection.await) });
            sender.send_request(request).await.map_err(broken)?
        };
        let (head, body) = response.into_parts();
        let location = head
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok((head.status, location, self.collect(body).await?))
    }

    async fn connect(&self) -> Result<(BoxStream, Version), RegistrationError> {
        let server = self.address.server();
        let limit = self.timeout;
        let dialled = timeout(limit, self.dial.dial(server)).await;
        let stream = dialled
            .unwrap_or(Err(DialError::Timeout { after: limit }))
            .map_err(|source| RegistrationError::Dial {
                address: server.clone(),
                source,
            })?;
        let Some(tls) = &self.tls else {
            return Ok((stream, Version::HTTP_11));
        };
        let failed = |source| RegistrationError::Tls {
            address: server.clone(),
            source: Box::new(source),
        };
        let name = match server.host() {
            Host::Ip(ip) => ServerName::from(*ip),
            host => ServerName::try_from(host.to_string()).map_err(|error| {
                failed(TlsError::from_io(std::io::Error::new(
                    std::io::ErrorKind::InvalidInput,
                    error,
                )))
            })?,
        };
        let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
        let stream = stream.map_err(|error| failed(TlsError::from_io(error)))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
        Ok((
            Box::new(stream),
            if http2 { Version::HTTP_2 } else { Version::HTTP_11 },
        ))
    }

    fn request(
        &self,
        credential: &Credential,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
        version: Version,
    ) -> Result<Request<Whole>, RegistrationError> {
        let target = format!("{}{path}", self.address.path());
        let authority = self.address.authority();
        let uri = if version == Version::HTTP_2 {
            let scheme = if self.address.uses_tls() { "https" } else { "http" };
            Uri::builder()
                .scheme(scheme)
                .authority(&*authority)
                .path_and_query(target)
                .build()
                .map_err(broken)?
        } else {
            target.parse().map_err(broken)?
        };
        let kind = credential.kind();
        let name = HeaderName::from_bytes(kind.header().as_bytes()).map_err(broken)?;
        let mut value = HeaderValue::from_str(credential.header_value().expose_secret()).map_err(broken)?;
        value.set_sensitive(true);
        let mut request = Request::builder()
            .method(method.clone())
            .uri(uri)
            .version(version)
            .header(name, value)
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")),
            );
        if version != Version::HTTP_2 {
            request = request.header(HOST, authority);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Whole(body.map(Bytes::from))).map_err(broken)
    }

    /// All of an answer, within its limit.
    async fn collect(&self, body: Incoming) -> Result<Bytes, RegistrationError> {
        let mut body = pin!(body);
        let mut bytes = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            if bytes.len().saturating_add(data.len()) > self.max_answer {
                return Err(RegistrationError::TooLarge {
                    limit: self.max_answer,
                });
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }
}

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> RegistrationError {
    RegistrationError::Http {
        source: error.into().into(),
    }
}

/// What runs for one request.
#[derive(Clone, Default)]
struct Tasks {
    cancel: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            cancel.run_until_cancelled_owned(future).await;
        });
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.run(future);
    }
}

/// A body in one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
