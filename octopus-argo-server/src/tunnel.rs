//! The service that gateways connect to.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use octopus_argo_proto::link::{Link, Notice, Packets};
use octopus_argo_proto::session::{Config, GoodbyeReason, Session, SessionId};
use octopus_argo_proto::v1::{Packet, tunnel_server};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use crate::admission::Place;
use crate::follow::follow;
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
    pub(crate) async fn authenticate(&self, metadata: &MetadataMap) -> Result<Place, Status> {
        let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
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
}

#[tonic::async_trait]
impl tunnel_server::Tunnel for TunnelService {
    type OpenStream = PacketStream;

    async fn open(&self, request: Request<Streaming<Packet>>) -> Result<Response<PacketStream>, Status> {
        let place = self.authenticate(request.metadata()).await?;
        if self.registry.tasks.is_closed() || self.registry.stopping.is_cancelled() {
            return Err(Status::unavailable("the server is shutting down"));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Status::unavailable("no randomness for a session"))?;
        let now = Instant::now().into_std();
        let session = Session::server(self.config.clone(), SessionId::from_bytes(id), now);
        let link = Link::new(session, || Instant::now().into_std());
        let packets = PacketStream(link.packets());
        place.hold(&link);
        let span = tracing::info_span!(
            "session",
            gateway.id = %place.gateway(),
            session.id = %SessionId::from_bytes(id),
        );
        let attachment = Attachment {
            gateway: place.gateway().clone(),
            place,
            session: SessionId::from_bytes(id),
            link,
            registry: self.registry.clone(),
        };
        self.registry
            .tasks
            .spawn(attachment.run(request.into_inner()).instrument(span));
        Ok(Response::new(packets))
    }
}

impl std::fmt::Debug for TunnelService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TunnelService")
    }
}

/// One connection of a gateway, from its hello to its end.
struct Attachment {
    gateway: GatewayId,
    /// Kept until the end, so that a session that drains can be ended too.
    place: Place,
    session: SessionId,
    link: Link,
    registry: Arc<Registry>,
}

impl Attachment {
    async fn run(self, mut inbound: Streaming<Packet>) {
        let mut follower: Option<AbortOnDropHandle<()>> = None;
        let (retire, mut retired) = watch::channel(None);
        let mut timeout = self.link.next_timeout();
        let reason = loop {
            let timer = async {
                match timeout {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                notice = self.link.notice() => match notice {
                    Notice::Established(peer) => {
                        tracing::info!(peer.software = %peer.software, peer.version = %peer.version, "connected");
                        if self.place.is_ended() {
                            continue;
                        }
                        self.registry.attach(&self.gateway, &self.link, &peer, retire.clone());
                        let follow = follow(self.gateway.clone(), self.registry.clone());
                        let task = self.registry.tasks.spawn(follow.in_current_span());
                        follower = Some(AbortOnDropHandle::new(task));
                    }
                    Notice::Drained => {
                        let reason = retired.borrow().unwrap_or(GoodbyeReason::Shutdown);
                        self.link.leave(reason, "");
                    }
                    // The gateway goes when its calls are over, and the inventory has no end of its own.
                    Notice::Draining(_) => follower = None,
                    Notice::Closed(reason) => break reason,
                    _ => {}
                },
                () = self.registry.stopping.cancelled() => {
                    self.link.leave(GoodbyeReason::Shutdown, "the server is shutting down");
                }
                Ok(()) = retired.changed() => {
                    // The inventory is a call without an end of its own.
                    follower = None;
                    let reason = retired.borrow_and_update().unwrap_or(GoodbyeReason::Shutdown);
                    self.link.drain(reason);
                }
                () = timer => self.link.tick(),
                () = self.link.timeout_changed(timeout) => {}
                packet = inbound.message() => match packet {
                    Ok(Some(packet)) => self.link.receive(packet),
                    Ok(None) | Err(_) => self.link.lost(),
                },
            }
            timeout = self.link.next_timeout();
        };
        drop(follower);
        tracing::info!(error = &reason as &dyn std::error::Error, "disconnected");
        if self.registry.detach(&self.gateway, self.session) {
            self.registry.tell(ServerEvent::Disconnected {
                gateway: self.gateway,
                reason,
            });
        }
    }
}

/// The packets towards a gateway.
#[derive(Debug)]
pub struct PacketStream(Packets);

impl tokio_stream::Stream for PacketStream {
    type Item = Result<Packet, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|packet| packet.map(Ok))
    }
}
