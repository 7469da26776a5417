//! Health checks: what the server answers, and what a gateway makes of it.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use octopus_argo_client::connection::{Config, ConnectError, Connection, HealthError, check_health, connect};
use octopus_argo_client::credentials::{CredentialProvider, Credentials, CredentialsError};
use octopus_argo_client::dial::{DialError, Resolve, TcpDial};
use octopus_argo_client::tls::{Tls, TlsError};
use octopus_argo_client::{Gateway, GatewayEvent, GatewayState, Stopped};
use octopus_argo_core::Thumbprint;
use octopus_argo_core::connection::KeepAliveConfig;
use octopus_argo_server::listen::{Ended, Identity, Listen, Serving};
use octopus_argo_server::{GatewayToken, ServerEvent};
use tokio::net::TcpListener;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus as Wire;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::HealthReporter;
use tower_service::Service;

use crate::support::{
    Events, GATEWAY, Octopus, Signpost, chain, connected, credentials, identity, interrupted, resumed, soon,
};

/// As often as a test can bear.
const OFTEN: Duration = Duration::from_millis(40);

fn often() -> KeepAliveConfig {
    KeepAliveConfig::from_settings(OFTEN, OFTEN, OFTEN).never_give_up()
}

/// A tunnel of the server, and beside it a health service that says what it is told to.
#[derive(Clone)]
struct Told<H> {
    tunnel: octopus_argo_server::Services,
    health: H,
}

impl<H> Service<Request<Incoming>> for Told<H>
where
    H: Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if request.uri().path().starts_with("/grpc.health.v1.Health/") {
            self.health.call(request)
        } else {
            self.tunnel.call(request)
        }
    }
}

/// One more listener of `octopus`.
fn also_at(octopus: &Octopus, identity: &Identity, listener: TcpListener) -> (Serving, HealthReporter) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let tunnel = octopus.server.services();
    let serving = Listen::tls(identity)
        .unwrap()
        .serve(listener, Told { tunnel, health });
    (serving.unwrap(), reporter)
}

/// A name server with one name.
#[derive(Clone, Debug)]
struct Name(Arc<Mutex<(IpAddr, usize)>>);

#[async_trait::async_trait]
impl Resolve for Name {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "octopus.example.test");
        let mut known = self.0.lock().unwrap();
        known.1 += 1;
        Ok(vec![known.0])
    }
}

/// Two listeners on one port of two addresses.
async fn neighbours() -> (TcpListener, TcpListener) {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        if let Ok(second) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).await {
            return (first, second);
        }
    }
    panic!("no port is free on both addresses")
}

fn downs_and_ups(events: Vec<GatewayEvent>) -> Vec<&'static str> {
    let name = |event| match event {
        GatewayEvent::Down { .. } => Some("down"),
        GatewayEvent::Up { .. } => Some("up"),
        _ => None,
    };
    events.into_iter().filter_map(name).collect()
}

#[tokio::test(crate = "crate::checked")]
async fn a_server_that_moved_is_found_although_its_old_address_still_answers() {
    let octopus = Octopus::start().await;
    let identity = identity();
    let (old, new) = neighbours().await;
    let port = old.local_addr().unwrap().port();
    let (old, old_health) = also_at(&octopus, &identity, old);
    let (new, _new_health) = also_at(&octopus, &identity, new);
    let name = Name(Arc::new(Mutex::new((old.local_addr().ip(), 0))));

    let credentials = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let tls = Tls::pinned(identity.thumbprint());
    let address = format!("octopus.example.test:{port}").parse().unwrap();
    let config = Config::new(address, &tls, credentials.clone())
        .unwrap()
        .dial(TcpDial::new().resolver(name.clone()));
    let mut server = octopus.events();
    let builder = Gateway::builder(config).health_checks(often());
    let gateway = builder.start().unwrap();
    let mut events = Events::new(gateway.events());
    server.until(connected).await;
    soon(gateway.connected(Duration::from_secs(20))).await.unwrap();
    let looked_up = name.0.lock().unwrap().1;

    // The name moves. The old server goes on answering, and is healthy no more.
    name.0.lock().unwrap().0 = new.local_addr().ip();
    old_health.set_service_status("", ServingStatus::NotServing).await;
    let error = events
        .until(|event| match event {
            GatewayEvent::Down { error } => Some(error.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        chain(&error),
        "the server is not healthy: the server says NOT_SERVING"
    );
    server.until(interrupted).await;
    events
        .until(|event| matches!(event, GatewayEvent::Up { .. }).then_some(()))
        .await;
    server.until(resumed).await;
    assert!(name.0.lock().unwrap().1 > looked_up);

    // Whoever goes to the old one still gets an answer, over a new connection as well.
    let address = old.local_addr().to_string().parse().unwrap();
    let config = Config::new(address, &tls, credentials).unwrap();
    let connection = soon(connect(&config)).await.unwrap();
    let answer = soon(check_health(&connection)).await.unwrap_err();
    assert!(matches!(answer, HealthError::NotServing { .. }), "{answer:?}");
    drop(connection);

    // The old server can go now: nobody is there.
    assert_eq!(old.shutdown(Duration::from_secs(20)).await, Ended::Drained);
    assert_eq!(gateway.state(), GatewayState::Connected);
    soon(gateway.shutdown(Duration::from_secs(5))).await;
}

#[tokio::test(crate = "crate::checked")]
async fn an_outage_is_told_once_and_so_is_its_end() {
    let octopus = Octopus::start().await;
    let identity = identity();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (serving, health) = also_at(&octopus, &identity, listener);
    let credentials = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let address = serving.local_addr().to_string().parse().unwrap();
    let config = Config::new(address, &Tls::pinned(identity.thumbprint()), credentials).unwrap();
    let gateway = Gateway::builder(config).health_checks(often()).start().unwrap();
    let mut events = Events::new(gateway.events());
    soon(gateway.connected(Duration::from_secs(20))).await.unwrap();
    let mut all = events.so_far();

    health.set_service_status("", ServingStatus::NotServing).await;
    // Several connections in a row find it so.
    soon(async {
        let mut failed = 0;
        while failed < 3 {
            let event = events.until(|event| Some(event.clone())).await;
            if let GatewayEvent::ConnectFailed { error, .. } = &event {
                assert!(matches!(error, ConnectError::Unhealthy { .. }), "{error:?}");
                failed += 1;
            }
            all.push(event);
        }
    })
    .await;
    assert_eq!(gateway.state(), GatewayState::Connecting);
    assert!(matches!(
        gateway.last_failure(),
        Some(ConnectError::Unhealthy { .. })
    ));
    health.set_service_status("", ServingStatus::Serving).await;
    soon(async {
        loop {
            let event = events.until(|event| Some(event.clone())).await;
            let connected = matches!(event, GatewayEvent::Connected(_) | GatewayEvent::Resumed);
            all.push(event);
            if connected {
                break;
            }
        }
    })
    .await;
    assert_eq!(downs_and_ups(all), ["down", "up"]);
    assert!(gateway.last_failure().is_none());
    soon(gateway.shutdown(Duration::from_secs(5))).await;
}

#[tokio::test(crate = "crate::checked")]
async fn giving_up_happens_only_with_a_limit_and_keeps_the_last_error() {
    let octopus = Octopus::start().await;
    let credentials = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let config = octopus.config(&credentials).dial(Signpost::nowhere());
    let limit = Duration::from_millis(200);
    let limited = KeepAliveConfig::from_settings(OFTEN, OFTEN, limit);
    let gateway = Gateway::builder(config.clone())
        .health_checks(limited)
        .start()
        .unwrap();
    let mut events = Events::new(gateway.events());
    let stopped = soon(gateway.stopped()).await;
    let Stopped::GaveUp { outage, source, .. } = &stopped else {
        panic!("{stopped:?}")
    };
    assert!(*outage >= limit, "{outage:?}");
    assert!(
        matches!(
            source,
            ConnectError::Dial {
                source: DialError::Connect { .. },
                ..
            }
        ),
        "{source:?}"
    );
    assert_eq!(downs_and_ups(events.so_far()), ["down"]);

    // Without a limit the same outage is no end.
    let gateway = Gateway::builder(config).health_checks(often()).start().unwrap();
    let mut events = Events::new(gateway.events());
    for _ in 0..4 {
        events
            .until(|event| matches!(event, GatewayEvent::ConnectFailed { .. }).then_some(()))
            .await;
    }
    assert_eq!(gateway.state(), GatewayState::Connecting);
    let error = gateway.connected(Duration::from_millis(1)).await.unwrap_err();
    assert!(
        matches!(error.last_failure(), Some(ConnectError::Dial { .. })),
        "{error:?}"
    );
    assert!(chain(&error).starts_with("the gateway is not connected: could not reach"));
}

#[tokio::test(crate = "crate::checked")]
async fn a_refused_certificate_never_shows_as_a_time_out() {
    let octopus = Octopus::start().await;
    let credentials = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let address = octopus.serving.local_addr().to_string().parse().unwrap();
    let other = Tls::pinned(Thumbprint::from_sha1([7; 20]));
    let gateway = Gateway::builder(Config::new(address, &other, credentials).unwrap())
        .start()
        .unwrap();
    let error = soon(gateway.connected(Duration::from_secs(20)))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.last_failure(),
            Some(ConnectError::Tls {
                source: TlsError::WrongThumbprint { .. },
                ..
            })
        ),
        "{error:?}"
    );
}

/// Where a token is kept, and another is put.
#[derive(Clone, Debug)]
struct Vault(Arc<Mutex<Credentials>>);

#[async_trait::async_trait]
impl CredentialProvider for Vault {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test(crate = "crate::checked")]
async fn a_token_that_was_replaced_needs_no_restart() {
    let octopus = Octopus::start().await;
    let vault = Vault(Arc::new(Mutex::new(
        octopus.credential(GATEWAY, "ArgoCDGateways-1"),
    )));
    let address = octopus.serving.local_addr().to_string().parse().unwrap();
    let config = Config::new(address, &Tls::pinned(octopus.thumbprint), vault.clone()).unwrap();
    let gateway = Gateway::builder(config).health_checks(often()).start().unwrap();
    let mut events = Events::new(gateway.events());
    soon(gateway.connected(Duration::from_secs(20))).await.unwrap();

    // First the gateway's copy, then the server's: the session goes on with the old one until a check is refused.
    let token = GatewayToken::generate().unwrap();
    *vault.0.lock().unwrap() = credentials(GATEWAY, &token);
    octopus.store.set_credential(&GATEWAY.parse().unwrap(), &token);
    let error = events
        .until(|event| match event {
            GatewayEvent::Down { error } => Some(error.clone()),
            _ => None,
        })
        .await;
    assert!(
        matches!(
            error,
            ConnectError::Unhealthy {
                source: HealthError::Refused { .. },
                ..
            }
        ),
        "{error:?}"
    );
    events
        .until(|event| matches!(event, GatewayEvent::Up { .. }).then_some(()))
        .await;
    events
        .until(|event| matches!(event, GatewayEvent::Connected(_) | GatewayEvent::Resumed).then_some(()))
        .await;
    soon(gateway.shutdown(Duration::from_secs(5))).await;
}

#[tokio::test(crate = "crate::checked")]
async fn a_server_without_a_health_service_is_an_outage_unless_checks_are_off() {
    let octopus = Octopus::start().await;
    let identity = identity();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bare = Listen::tls(&identity)
        .unwrap()
        .serve(listener, octopus.server.tunnel())
        .unwrap();
    let credentials = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let address = bare.local_addr().to_string().parse().unwrap();
    let config = Config::new(address, &Tls::pinned(identity.thumbprint()), credentials).unwrap();
    let gateway = Gateway::builder(config.clone())
        .health_checks(often())
        .start()
        .unwrap();
    let error = Events::new(gateway.events())
        .until(|event| match event {
            GatewayEvent::Down { error } => Some(error.clone()),
            _ => None,
        })
        .await;
    assert!(
        matches!(
            error,
            ConnectError::Unhealthy {
                source: HealthError::NoHealthService { .. },
                ..
            }
        ),
        "{error:?}"
    );
    drop(gateway);

    let mut server = octopus.events();
    let gateway = Gateway::builder(config).without_health_checks().start().unwrap();
    let mut events = Events::new(gateway.events());
    server.until(connected).await;
    // Long enough for several checks.
    let quiet = events.until(|event| matches!(event, GatewayEvent::Down { .. }).then_some(()));
    assert!(tokio::time::timeout(OFTEN * 5, quiet).await.is_err());
    soon(gateway.shutdown(Duration::from_secs(5))).await;
}

/// A connection of a registered gateway.
async fn connection(octopus: &Octopus) -> Connection {
    soon(connect(&octopus.register())).await.unwrap()
}

#[tokio::test(crate = "crate::checked")]
async fn the_server_serves_until_it_shuts_down() {
    let octopus = Octopus::start().await;
    let mut client = HealthClient::new(connection(&octopus).await);
    let of = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    for service in ["", "octopus.argo.v1.Tunnel"] {
        let answer = soon(client.check(of(service))).await.unwrap().into_inner();
        assert_eq!(answer.status(), Wire::Serving, "{service}");
    }
    assert_eq!(
        soon(client.check(of("other"))).await.unwrap_err().code(),
        Code::NotFound
    );

    let mut known = soon(client.watch(of(""))).await.unwrap().into_inner();
    let mut unknown = soon(client.watch(of("other"))).await.unwrap().into_inner();
    let next = soon(known.message()).await.unwrap().unwrap();
    assert_eq!(next.status(), Wire::Serving);
    let next = soon(unknown.message()).await.unwrap().unwrap();
    assert_eq!(next.status(), Wire::ServiceUnknown);
    soon(octopus.server.shutdown(Duration::ZERO)).await;
    let mut rest = Vec::new();
    while let Some(answer) = soon(known.message()).await.unwrap() {
        rest.push(answer.status());
    }
    // A stream that is over may skip what it had no time to say.
    assert!(rest.is_empty() || rest == [Wire::NotServing], "{rest:?}");
    assert!(soon(unknown.message()).await.unwrap().is_none());
    let answer = soon(client.check(of(""))).await.unwrap().into_inner();
    assert_eq!(answer.status(), Wire::NotServing);
}

#[tokio::test(crate = "crate::checked")]
async fn credentials_on_a_health_check_are_checked_and_need_not_be_there() {
    let octopus = Octopus::start().await;
    let mut events = octopus.events();
    let right = GatewayToken::generate().unwrap();
    octopus.store.set_credential(&GATEWAY.parse().unwrap(), &right);
    let wrong = credentials(GATEWAY, &GatewayToken::generate().unwrap());
    let connection = soon(connect(&octopus.config(&wrong))).await.unwrap();
    let error = soon(check_health(&connection)).await.unwrap_err();
    assert!(matches!(error, HealthError::Refused { .. }), "{error:?}");
    events
        .until(|event| matches!(event, ServerEvent::Refused { .. }).then_some(()))
        .await;
    let connection = soon(connect(&octopus.config(&credentials(GATEWAY, &right))))
        .await
        .unwrap();
    soon(check_health(&connection)).await.unwrap();
}
