//! What can be wrong, and that each has its own error and its own words.

use std::time::Duration;

use octopus_argo_client::connection::{Config, ConnectError};
use octopus_argo_client::tls::{Roots, Tls, TlsError};
use octopus_argo_client::{ArgoCd, ArgoCdProblem, ArgoCdState, GatewayEvent, GatewayState, Router, Stopped};
use octopus_argo_core::health::octopus::{ArgoProbe, InstanceHealth};
use octopus_argo_server::{Connection, GatewayToken, ServerEvent};

use crate::support::{
    ARGO_CD_TOKEN, GATEWAY, Octopus, Signpost, argo_cd, beside, chain, complete, connected, credentials, id,
    identity, reachable, soon, start, start_with,
};

const GRACE: Duration = Duration::from_millis(200);

#[tokio::test(crate = "crate::checked")]
async fn a_wrong_token_stops_the_gateway() {
    let octopus = Octopus::start().await;
    octopus.register();
    let mut server = octopus.events();
    let wrong = credentials(GATEWAY, &GatewayToken::generate().unwrap());
    let (gateway, mut events) = start_with(octopus.config(&wrong), Router::default());
    let stopped = soon(gateway.stopped()).await;
    let Stopped::Connect(error @ ConnectError::Refused { .. }) = &stopped else {
        panic!("{stopped:?}");
    };
    assert!(!error.is_retryable());
    assert!(
        chain(&stopped).starts_with("cannot connect: credentials refused: "),
        "{}",
        chain(&stopped)
    );
    assert_eq!(gateway.state(), GatewayState::Stopped);
    let told = events
        .until(|event| match event {
            GatewayEvent::Stopped(reason) => Some(reason.to_string()),
            other => panic!("it tried again: {other:?}"),
        })
        .await;
    assert_eq!(told, stopped.to_string());
    let refused = server
        .until(|event| match event {
            ServerEvent::Refused { gateway } => Some(gateway.clone()),
            _ => None,
        })
        .await;
    assert_eq!(refused, Some(id()));
    assert_eq!(octopus.server.connection(&id()), Connection::Never);
}

#[tokio::test(crate = "crate::checked")]
async fn an_unknown_gateway_is_refused_like_a_wrong_token() {
    let octopus = Octopus::start().await;
    octopus.register();
    let mut texts = Vec::new();
    for id in [GATEWAY, "somebody-else"] {
        let wrong = credentials(id, &GatewayToken::generate().unwrap());
        let (gateway, _events) = start_with(octopus.config(&wrong), Router::default());
        texts.push(chain(&soon(gateway.stopped()).await));
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test(crate = "crate::checked")]
async fn a_gateway_that_stopped_by_itself_stays_stopped_when_shut_down() {
    let octopus = Octopus::start().await;
    let wrong = credentials(GATEWAY, &GatewayToken::generate().unwrap());
    let (gateway, _events) = start_with(octopus.config(&wrong), Router::default());
    soon(gateway.stopped()).await;
    soon(gateway.shutdown(GRACE)).await;
    assert_eq!(gateway.state(), GatewayState::Stopped);
    assert!(matches!(gateway.stopped().await, Stopped::Connect(_)));
}

#[tokio::test(crate = "crate::checked")]
async fn a_wrong_thumbprint_stops_the_gateway_and_shows_both() {
    let octopus = Octopus::start().await;
    octopus.register();
    let expected = identity().thumbprint();
    let address = octopus.serving.local_addr().to_string().parse().unwrap();
    let secret = octopus.credential(GATEWAY, "ArgoCDGateways-1");
    let config = Config::new(address, &Tls::pinned(expected), secret).unwrap();
    let (gateway, _events) = start_with(config, Router::default());
    let stopped = soon(gateway.stopped()).await;
    let Stopped::Connect(ConnectError::Tls { source, .. }) = &stopped else {
        panic!("{stopped:?}");
    };
    assert!(matches!(source, TlsError::WrongThumbprint { .. }), "{source:?}");
    let text = chain(&stopped);
    assert!(text.contains(&expected.to_string()), "{text}");
    assert!(text.contains(&octopus.thumbprint.to_string()), "{text}");
}

#[tokio::test(crate = "crate::checked")]
async fn a_server_that_is_down_is_tried_until_it_comes() {
    let octopus = Octopus::start().await;
    let signpost = Signpost::nowhere();
    let config = octopus.register().dial(signpost.clone());
    let mut server = octopus.events();
    let (gateway, mut events) = start_with(config, Router::default());
    for _ in 0..2 {
        let (error, retry_in) = events
            .until(|event| match event {
                GatewayEvent::ConnectFailed { error, retry_in } => Some((error.clone(), *retry_in)),
                _ => None,
            })
            .await;
        assert!(matches!(error, ConnectError::Dial { .. }), "{error:?}");
        assert!(error.is_retryable());
        assert!(
            retry_in >= Duration::from_millis(100) && retry_in <= Duration::from_secs(5),
            "{retry_in:?}"
        );
        assert_eq!(gateway.state(), GatewayState::Connecting);
    }
    signpost.point(octopus.serving.local_addr());
    server.until(connected).await;
    events
        .until(|event| matches!(event, GatewayEvent::Connected(_)).then_some(()))
        .await;
    assert_eq!(gateway.state(), GatewayState::Connected);
    assert!(octopus.gateway().is_online());
}

/// What is wrong with Argo CD, once the gateway says that something is.
fn problem(event: &GatewayEvent) -> Option<ArgoCdProblem> {
    match event {
        GatewayEvent::ArgoCd(ArgoCdState::Problem(problem)) => Some(problem.clone()),
        GatewayEvent::Disconnected { .. } | GatewayEvent::ConnectFailed { .. } => {
            panic!("Argo CD is not the tunnel: {event}")
        }
        _ => None,
    }
}

#[tokio::test(crate = "crate::checked")]
async fn an_argo_cd_that_goes_down_and_comes_back() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let (gateway, mut events) = start(octopus.register(), beside(&sim));
    assert_eq!(server.until(complete).await, 2);
    assert_eq!(octopus.view().await.health(), InstanceHealth::Healthy);

    let down = sim.shutdown(GRACE).await;
    // The watch that breaks may have words of its own; what follows is that nobody listens.
    let problem = loop {
        match events.until(problem).await {
            problem @ ArgoCdProblem::Unreachable { .. } => break problem,
            other => assert!(matches!(other, ArgoCdProblem::Failed { .. }), "{other:?}"),
        }
    };
    assert!(problem.to_string().starts_with("Argo CD is not reachable: "));
    octopus
        .until(&mut server, |fleet| {
            fleet.instances()[0].argo_cd.probe == ArgoProbe::Unreachable
        })
        .await;
    let view = octopus.view().await;
    assert_eq!(view.argo_cd.reachable, Some(false));
    assert!(
        view.argo_cd
            .problem
            .as_deref()
            .unwrap()
            .contains("is not reachable"),
        "{view:?}"
    );
    assert_eq!(view.health(), InstanceHealth::Unhealthy);
    assert!(matches!(view.connection, Connection::Online { .. }));
    assert_eq!(view.applications.len(), 2, "what was last known is kept");
    assert_eq!(gateway.state(), GatewayState::Connected);

    let _sim = down.start().await.unwrap();
    events.until(reachable).await;
    octopus
        .until(&mut server, |fleet| {
            fleet.instances()[0].health() == InstanceHealth::Healthy
        })
        .await;
    let view = octopus.view().await;
    assert_eq!((view.argo_cd.reachable, view.argo_cd.problem), (Some(true), None));
    assert_eq!(gateway.state(), GatewayState::Connected);
}

#[tokio::test(crate = "crate::checked")]
async fn an_argo_cd_token_that_is_not_accepted() {
    let octopus = Octopus::start().await;
    let mut sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    sim.accounts().expire(ARGO_CD_TOKEN);
    let (gateway, mut events) = start(octopus.register(), beside(&sim));
    for _ in 0..2 {
        let problem = loop {
            match events.until(problem).await {
                problem @ ArgoCdProblem::TokenRefused { .. } => break problem,
                // What a restart looks like.
                other => assert!(
                    matches!(
                        other,
                        ArgoCdProblem::Failed { .. } | ArgoCdProblem::Unreachable { .. }
                    ),
                    "{other:?}"
                ),
            }
        };
        assert!(
            problem
                .to_string()
                .starts_with("Argo CD does not accept the gateway's token: "),
            "{problem}"
        );
        octopus
            .until(&mut server, |fleet| {
                fleet.instances()[0].argo_cd.probe == ArgoProbe::Unauthenticated
            })
            .await;
        let view = octopus.view().await;
        assert_eq!(view.health(), InstanceHealth::Unhealthy);
        assert_eq!(
            view.argo_cd.problem.as_deref(),
            Some(problem.to_string().as_str())
        );
        assert_eq!(gateway.state(), GatewayState::Connected);

        sim.accounts().restore(ARGO_CD_TOKEN);
        events.until(reachable).await;
        octopus
            .until(&mut server, |fleet| {
                fleet.instances()[0].health() == InstanceHealth::Healthy
            })
            .await;
        // An open watch outlives its token; what begins afterwards is refused.
        sim.accounts().revoke(ARGO_CD_TOKEN);
        sim = sim.shutdown(GRACE).await.start().await.unwrap();
    }
}

#[tokio::test(crate = "crate::checked")]
async fn an_argo_cd_that_is_not_trusted() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let other = argo_cd().start().await.unwrap();
    let roots = Roots::empty()
        .with_pem(other.certificate_pem().unwrap().as_bytes())
        .unwrap();
    let address = format!("localhost:{}", sim.address().port());
    let access = ArgoCd::new(&address, &Tls::host_name(roots), ARGO_CD_TOKEN.into()).unwrap();
    let mut server = octopus.events();
    let (gateway, mut events) = start(octopus.register(), access);
    let problem = events.until(problem).await;
    assert!(matches!(problem, ArgoCdProblem::NotTrusted { .. }), "{problem:?}");
    assert!(
        problem.to_string().starts_with("Argo CD is not trusted: "),
        "{problem}"
    );
    octopus
        .until(&mut server, |fleet| {
            fleet.instances()[0].argo_cd.probe == ArgoProbe::TlsError
        })
        .await;
    assert_eq!(octopus.view().await.health(), InstanceHealth::Unhealthy);
    assert_eq!(gateway.state(), GatewayState::Connected);
}
