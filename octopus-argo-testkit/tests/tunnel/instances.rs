//! Records and credentials of gateways that are connected.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use octopus_argo_client::connection::{self, Config, ConnectError};
use octopus_argo_client::credentials::{CredentialProvider, Credentials, CredentialsError};
use octopus_argo_client::{GatewayEvent, Router, Stopped};
use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_proto::link::{Link, Notice};
use octopus_argo_proto::session::{
    Attachment, CloseReason, Config as SessionConfig, GoodbyeReason, InstanceId, Session,
};
use octopus_argo_proto::tunnel;
use octopus_argo_server::{
    Connection, CredentialState, GatewayToken, Instance, InstanceChange, InstanceStore as _, Overlap,
    Registration, ServerEvent, Space, TokenChoice,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{
    GATEWAY, Octopus, argo_cd, beside, complete, connected, credentials, disconnected, id, soon, start,
    start_with,
};

async fn register(
    octopus: &Octopus,
    space: SpaceId,
    choice: TokenChoice,
) -> (Instance, Option<GatewayToken>) {
    let registration = Registration::new(space, "cluster-eu".parse().unwrap(), id()).token(choice);
    let enrolment = octopus.server.instances().register(registration).await.unwrap();
    (enrolment.instance, enrolment.token)
}

async fn registered(octopus: &Octopus) -> (Instance, GatewayToken) {
    let (instance, token) = register(octopus, SpaceId::default(), TokenChoice::Renew).await;
    (instance, token.unwrap())
}

fn reason(event: &ServerEvent) -> Option<CloseReason> {
    match event {
        ServerEvent::Disconnected { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

fn ended_for(reason: &CloseReason) -> Option<GoodbyeReason> {
    match reason {
        CloseReason::Ended(reason) | CloseReason::Goodbye { reason, .. } => Some(*reason),
        _ => None,
    }
}

/// Credentials that may change, as a mounted secret does.
#[derive(Clone, Debug)]
struct Secret(Arc<Mutex<Credentials>>);

#[async_trait::async_trait]
impl CredentialProvider for Secret {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test(crate = "crate::checked")]
async fn every_change_is_told() {
    let octopus = Octopus::start().await;
    let mut events = octopus.events();
    let instances = octopus.server.instances();
    let (first, _) = registered(&octopus).await;
    let other: SpaceId = "Spaces-2".parse().unwrap();
    instances
        .put_space(Space::new(other.clone(), "Second"))
        .await
        .unwrap();
    let (second, token) = register(&octopus, other.clone(), TokenChoice::Preserve).await;
    assert!(token.is_none());
    let change = InstanceChange::default().environments(["Environments-1".parse().unwrap()]);
    let changed = instances.modify(&other, &second.id, change).await.unwrap();
    instances
        .rotate(&id(), Overlap::For(Duration::from_secs(60)))
        .await
        .unwrap();
    instances
        .set_health(&id(), InstanceHealth::HasWarnings)
        .await
        .unwrap();
    instances.revoke(&id()).await.unwrap();
    instances.delete(&other, &second.id).await.unwrap();
    instances.remove_space(&other).await.unwrap();
    instances.delete(&SpaceId::default(), &first.id).await.unwrap();

    let told: Vec<String> = events
        .so_far()
        .into_iter()
        .map(|event| match event {
            ServerEvent::Registered {
                instance,
                token_issued,
            } => format!("registered {} {token_issued}", instance.id.number()),
            ServerEvent::SpacePut { space } => format!("space {}", space.name),
            ServerEvent::Modified { instance } => {
                assert_eq!(*instance, changed);
                "modified".to_owned()
            }
            ServerEvent::TokenRotated { gateway, old_until } => {
                assert_eq!(gateway, id());
                assert!(old_until.unwrap() > SystemTime::now());
                "rotated".to_owned()
            }
            ServerEvent::HealthChecked { health, .. } => health.to_string(),
            ServerEvent::Revoked { .. } => "revoked".to_owned(),
            ServerEvent::Deleted { instance, was_last } => {
                format!("deleted {} {was_last}", instance.id.number())
            }
            ServerEvent::SpaceRemoved { space } => format!("no {space}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "registered 1 true",
            "space Second",
            "registered 2 false",
            "modified",
            "rotated",
            "HasWarnings",
            "revoked",
            "deleted 2 false",
            "no Spaces-2",
            "deleted 1 true",
        ]
    );
}

#[tokio::test(crate = "crate::checked")]
async fn what_a_server_saw_of_a_gateway_is_stored() {
    let octopus = Octopus::start().await;
    let before = SystemTime::now() - Duration::from_millis(1);
    let mut events = octopus.events();
    let (instance, token) = registered(&octopus).await;
    assert_eq!(instance.facts.last_seen, None);
    let sim = argo_cd().start().await.unwrap();
    let (gateway, _events) = start(octopus.config(&credentials(GATEWAY, &token)), beside(&sim));
    let healthy = |event: &ServerEvent| match event {
        ServerEvent::HealthChecked { health, .. } => Some(health.clone()),
        _ => None,
    };
    assert_eq!(events.until(healthy).await, InstanceHealth::Healthy);
    events.until(complete).await;
    soon(gateway.shutdown(Duration::from_secs(5))).await;
    assert_eq!(events.until(healthy).await, InstanceHealth::Unavailable);

    // Nothing of it is lost when the server ends.
    soon(octopus.server.shutdown(Duration::from_secs(5))).await;
    let facts = octopus.store.gateway(&id()).await.unwrap();
    let seen = facts.last_seen.unwrap();
    assert!(before <= seen && seen <= SystemTime::now(), "{seen:?}");
    assert_eq!(
        facts.installation.gateway_version.as_deref(),
        Some(env!("CARGO_PKG_VERSION"))
    );
    assert!(facts.installation.argo_cd_version.unwrap().starts_with('v'));
    assert_eq!(facts.health.unwrap().health, InstanceHealth::Unavailable);
    assert_eq!(facts.credential, CredentialState::Issued);
}

#[tokio::test(crate = "crate::checked")]
async fn a_token_that_was_rotated_needs_no_restart() {
    let octopus = Octopus::start().await;
    let mut server = octopus.events();
    let (_, token) = registered(&octopus).await;
    let secret = Secret(Arc::new(Mutex::new(credentials(GATEWAY, &token))));
    let address = octopus.serving.local_addr().to_string().parse().unwrap();
    let tls = octopus_argo_client::tls::Tls::pinned(octopus.thumbprint);
    let config = Config::new(address, &tls, secret.clone()).unwrap();
    let (gateway, mut events) = start_with(config, Router::default());
    server.until(connected).await;

    // With an overlap the session goes on.
    let overlap = Overlap::For(Duration::from_secs(600));
    let second = octopus.server.instances().rotate(&id(), overlap).await.unwrap();
    assert!(octopus.gateway().is_online());
    // Without one it ends, and the gateway comes back with what it finds.
    *secret.0.lock().unwrap() = credentials(GATEWAY, &second);
    let third = octopus
        .server
        .instances()
        .rotate(&id(), Overlap::None)
        .await
        .unwrap();
    *secret.0.lock().unwrap() = credentials(GATEWAY, &third);
    let reason = server.until(reason).await;
    assert_eq!(ended_for(&reason), Some(GoodbyeReason::Rotation), "{reason:?}");
    server.until(connected).await;

    // One that has nothing new to show is shut out: registering anew without asking to keep the token does so.
    let other: SpaceId = "Spaces-2".parse().unwrap();
    let second_space = Space::new(other.clone(), "Second");
    octopus.server.instances().put_space(second_space).await.unwrap();
    let (_, fourth) = register(&octopus, other, TokenChoice::Renew).await;
    assert!(fourth.is_some());
    let stopped = soon(gateway.stopped()).await;
    assert!(
        matches!(stopped, Stopped::Connect(ConnectError::Refused { .. })),
        "{stopped:?}"
    );
    let reconnects = events.so_far();
    let again = reconnects
        .iter()
        .filter(|event| matches!(event, GatewayEvent::Connected(_)));
    assert_eq!(again.count(), 2, "{reconnects:?}");
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_stays_until_its_last_record_goes() {
    let octopus = Octopus::start().await;
    let mut events = octopus.events();
    let instances = octopus.server.instances();
    let (first, token) = registered(&octopus).await;
    let other: SpaceId = "Spaces-2".parse().unwrap();
    instances
        .put_space(Space::new(other.clone(), "Second"))
        .await
        .unwrap();
    let (second, _) = register(&octopus, other.clone(), TokenChoice::Preserve).await;
    let (gateway, _events) = start_with(octopus.config(&credentials(GATEWAY, &token)), Router::default());
    events.until(connected).await;

    instances.delete(&SpaceId::default(), &first.id).await.unwrap();
    assert!(octopus.gateway().is_online());
    instances.delete(&other, &second.id).await.unwrap();
    let reason = events.until(reason).await;
    assert_eq!(ended_for(&reason), Some(GoodbyeReason::Revoked), "{reason:?}");
    let stopped = soon(gateway.stopped()).await;
    assert!(
        matches!(
            stopped,
            Stopped::SentAway {
                reason: GoodbyeReason::Revoked,
                ..
            }
        ),
        "{stopped:?}"
    );
    // Nothing is kept of it.
    assert_eq!(octopus.server.connection(&id()), Connection::Never);
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_that_is_older_than_recommended_is_told_of() {
    for (recommended, told) in [("99.0.0", true), ("0.0.1", false)] {
        let config = SessionConfig::default().recommended_gateway_version(recommended);
        let octopus = Octopus::start_with(config).await;
        let mut server = octopus.events();
        let (_, token) = registered(&octopus).await;
        let (_gateway, mut events) =
            start_with(octopus.config(&credentials(GATEWAY, &token)), Router::default());
        // In the gateway's welcome.
        let welcomed = events
            .until(|event| match event {
                GatewayEvent::Connected(peer) => Some(peer.recommended_version.clone()),
                _ => None,
            })
            .await;
        assert_eq!(welcomed.as_deref(), Some(recommended));
        // And as an event, which comes with that of the connection.
        server.until(connected).await;
        soon(octopus.server.shutdown(Duration::from_secs(5))).await;
        let outdated = server.so_far().into_iter().find_map(|event| match event {
            ServerEvent::Outdated {
                version, recommended, ..
            } => Some((version, recommended)),
            _ => None,
        });
        let expected = told.then(|| (env!("CARGO_PKG_VERSION").to_owned(), recommended.to_owned()));
        assert_eq!(outdated, expected);
    }
}

/// A gateway made by hand, so that one process can have two tunnels. It answers no call.
struct ByHand {
    state: watch::Receiver<ByHandState>,
    _task: JoinSet<()>,
}

#[derive(Clone, Debug, Default)]
struct ByHandState {
    established: bool,
    draining: bool,
    closed: Option<CloseReason>,
}

impl ByHand {
    async fn connect(config: &Config) -> Self {
        let connection = connection::connect(config).await.unwrap();
        let now = tokio::time::Instant::now().into_std();
        let process = InstanceId::from_bytes([7; 16]);
        let session = Session::gateway(SessionConfig::default(), process, now);
        let link = Link::new(session, || tokio::time::Instant::now().into_std());
        let via = Attachment::FIRST;
        let mut incoming = tunnel::open(connection, link.packets(via)).await.unwrap();
        let (told, state) = watch::channel(ByHandState::default());
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    notice = link.notice() => match notice {
                        Notice::Established(_) => told.send_modify(|state| state.established = true),
                        Notice::Draining(_) => told.send_modify(|state| state.draining = true),
                        Notice::Closed(reason) => {
                            told.send_modify(|state| state.closed = Some(reason));
                            return;
                        }
                        _ => {}
                    },
                    packet = incoming.next() => match packet {
                        Ok(Some(packet)) => link.receive(via, packet),
                        _ => link.lost(),
                    },
                }
            }
        });
        let mut this = Self { state, _task: task };
        this.until(|state| state.established).await;
        this
    }

    async fn until(&mut self, wanted: impl FnMut(&ByHandState) -> bool) -> ByHandState {
        soon(self.state.wait_for(wanted)).await.unwrap().clone()
    }
}

#[tokio::test(crate = "crate::checked")]
async fn revoking_ends_a_predecessor_that_drains() {
    let octopus = Octopus::start().await;
    let mut events = octopus.events();
    let (_, token) = registered(&octopus).await;
    let config = octopus.config(&credentials(GATEWAY, &token));
    let mut first = ByHand::connect(&config).await;
    events.until(connected).await;
    let mut api = ApplicationServiceClient::new(octopus.gateway());
    let mut calls = JoinSet::new();
    calls.spawn(async move { api.list(ApplicationQuery::default()).await });

    // The same process comes again: the first session goes on for as long as its call does.
    let mut second = ByHand::connect(&config).await;
    events.until(connected).await;
    let state = first
        .until(|state| state.draining || state.closed.is_some())
        .await;
    assert!(state.draining && state.closed.is_none(), "{state:?}");
    assert!(calls.try_join_next().is_none());

    octopus.server.instances().revoke(&id()).await.unwrap();
    let ended = soon(calls.join_next()).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    for gateway in [&mut first, &mut second] {
        let state = gateway.until(|state| state.closed.is_some()).await;
        let reason = state.closed.unwrap();
        assert_eq!(ended_for(&reason), Some(GoodbyeReason::Revoked), "{reason:?}");
    }
    events.until(disconnected).await;
    assert!(!octopus.gateway().is_online());
}
