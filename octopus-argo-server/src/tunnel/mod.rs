//! The service that gateways connect to.

mod session;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use octopus_argo_proto::link::Link;
use octopus_argo_proto::session::{
    Attachment, Config, GoodbyeReason, ResumeRefusal, ResumeToken, Session, SessionId, wants_to_resume,
};
use octopus_argo_proto::tunnel::{self, Incoming, PacketBody};
use octopus_argo_proto::v1::Packet;
use secrecy::SecretString;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tracing::Instrument as _;

use crate::admission::Place;
use crate::registry::Registry;
use crate::store::InstanceStore;
use crate::{GatewayId, ServerEvent, TokenHash};

/// The tunnel's service, to be mounted through [`Server::tunnel`](crate::Server::tunnel).
#[derive(Clone)]
pub struct TunnelService {
    registry: Arc<Registry>,
    store: Arc<dyn InstanceStore>,
    config: Config,
}

impl TunnelService {
    pub(crate) fn new(registry: Arc<Registry>, store: Arc<dyn InstanceStore>, config: Config) -> Self {
        Self {
            registry,
            store,
            config,
        }
    }

    /// Who is calling. All refusals look alike to the caller: which part was wrong is nobody's business.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Place, Status> {
        let text = |key| headers.get(key).and_then(|value| value.to_str().ok());
        let gateway = text("client-id").and_then(|id| id.parse::<GatewayId>().ok());
        let token = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if let (Some(gateway), Some(token)) = (&gateway, token) {
            let token = TokenHash::of(&SecretString::from(token));
            // Taken before the store is asked, so that what is revoked in between is not let in after.
            let place = Place::take(&self.registry.admissions, gateway, token);
            match self.store.authenticate(gateway, &token, SystemTime::now()).await {
                Ok(true) if !place.is_ended() => return Ok(place),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no gateway can be admitted"
                    );
                    return Err(Status::unavailable("credentials cannot be checked at the moment"));
                }
            }
        }
        tracing::info!(gateway.id = ?gateway, "refused a gateway");
        self.registry.tell(ServerEvent::Refused { gateway });
        Err(Status::unauthenticated("the client id or the token is not known"))
    }

    /// Lets a gateway in, which then has a session or goes on with the one that it had.
    async fn open(self, headers: HeaderMap, body: Body) -> Result<http::Response<Body>, Status> {
        let place = self.authenticate(&headers).await?;
        let gateway = place.gateway().clone();
        if self.registry.tasks.is_closed() || self.registry.stopping.is_cancelled() {
            return Err(Status::unavailable("the server is shutting down"));
        }
        let mut incoming = Incoming::request(body);
        let hello = tokio::time::timeout(Config::HANDSHAKE_TIMEOUT, incoming.next()).await;
        let Ok(hello) = hello else {
            let (link, _) = self.begin(None)?;
            link.leave(GoodbyeReason::HandshakeTimeout, "");
            return Ok(answer(&link, Attachment::FIRST));
        };
        let Some(hello) = hello? else {
            return Err(Status::cancelled("the gateway went away before it said hello"));
        };
        let refusal = match self.resume(&gateway, &hello) {
            Some(Ok((link, via))) => {
                place.resumed(&link);
                let pump = session::pump(link.clone(), via, incoming);
                self.registry.tasks.spawn(pump.in_current_span());
                return Ok(answer(&link, via));
            }
            Some(Err(refusal)) => {
                tracing::info!(gateway.id = %gateway, error = &refusal as &dyn std::error::Error, "not resumed");
                Some(refusal)
            }
            None => None,
        };
        let (link, id) = self.begin(refusal)?;
        place.hold(&link);
        link.receive(Attachment::FIRST, hello);
        let span = tracing::info_span!("session", gateway.id = %gateway, session.id = %id);
        let pump = session::pump(link.clone(), Attachment::FIRST, incoming);
        self.registry.tasks.spawn(pump.instrument(span.clone()));
        let response = answer(&link, Attachment::FIRST);
        let task = session::Task {
            gateway,
            session: id,
            link,
            registry: self.registry.clone(),
            recommended: self.config.recommended().map(str::to_owned),
            place,
        };
        self.registry.tasks.spawn(task.run().instrument(span));
        Ok(response)
    }

    /// The session that the gateway wants to go on with, where it does.
    fn resume(
        &self,
        gateway: &GatewayId,
        hello: &Packet,
    ) -> Option<Result<(Link, Attachment), ResumeRefusal>> {
        let wanted = wants_to_resume(hello)?;
        let Some(link) = self.registry.resumable(gateway, wanted) else {
            return Some(Err(ResumeRefusal::UnknownSession));
        };
        Some(link.resume(hello).map(|via| (link, via)))
    }

    /// A session that waits for its hello.
    fn begin(&self, refusal: Option<ResumeRefusal>) -> Result<(Link, SessionId), Status> {
        let (mut id, mut token) = ([0; 16], [0; 32]);
        getrandom::fill(&mut id)
            .and_then(|()| getrandom::fill(&mut token))
            .map_err(|_| Status::unavailable("no randomness for a session"))?;
        let id = SessionId::from_bytes(id);
        let now = Instant::now().into_std();
        let mut session =
            Session::server(self.config.clone(), id, now).resumable(ResumeToken::from_bytes(token));
        if let Some(refusal) = refusal {
            session = session.refusing(refusal);
        }
        Ok((Link::new(session, || Instant::now().into_std()), id))
    }
}

/// The answer to a gateway's call: what the session sends over this connection.
fn answer(link: &Link, via: Attachment) -> http::Response<Body> {
    let mut response = http::Response::new(Body::new(PacketBody::response(link.packets(via))));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl<B> tower_service::Service<http::Request<B>> for TunnelService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Answer {
        let service = self.clone();
        let (parts, body) = request.into_parts();
        let body = Body::new(body);
        Box::pin(async move {
            let answer = if parts.uri.path() == tunnel::PATH {
                service.open(parts.headers, body).await
            } else {
                Err(Status::new(
                    Code::Unimplemented,
                    "the tunnel has one method, Open",
                ))
            };
            Ok(answer.unwrap_or_else(Status::into_http))
        })
    }
}

impl NamedService for TunnelService {
    const NAME: &'static str = tunnel::SERVICE;
}

impl std::fmt::Debug for TunnelService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TunnelService")
    }
}
