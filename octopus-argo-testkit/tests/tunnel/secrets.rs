//! Tokens are in no log, no error and no `Debug`.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use octopus_argo_client::connection::{check_health, connect};
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::diagnosis::{Options, diagnose};
use octopus_argo_client::dial::HttpProxy;
use octopus_argo_client::{ArgoCdProblem, ArgoCdState, Gateway, GatewayEvent, Policy, Stopped};
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_proto::argocd::application::{
    ApplicationPodLogsQuery, ApplicationQuery, ApplicationSyncRequest,
};
use octopus_argo_server::{GatewayToken, Instance, ServerEvent, TunnelError};
use secrecy::ExposeSecret as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{
    ARGO_CD_TOKEN, Events, GATEWAY, Octopus, PROXY_PASSWORD, app, argo_cd, beside, chain, complete,
    connect_proxy, connected, credentials, cut, disconnected, id, mend, reachable, relay, soon,
};

/// Writes down everything that any crate tells, at every level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn note(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line<'_>)) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(
            text,
            "{} {} {}",
            metadata.level(),
            metadata.target(),
            metadata.name()
        );
        record(&mut Line(&mut text));
        text.push('\n');
    }

    fn show(&self, what: &impl Debug) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(text, "DEBUG {what:?}\n{what:#?}");
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, " {}={} {value:?}", field.name(), chain(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let _ = write!(self.0, " {}={}", field.name(), String::from_utf8_lossy(value));
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.record(&mut Line(&mut text));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.note(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The same for crates that tell it through `log`, as rustls does. Of the whole process: there can be only one.
static LOG: Mutex<String> = Mutex::new(String::new());

struct ThroughLog;

impl log::Log for ThroughLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut text = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(text, "{} {} {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

#[tokio::test(crate = "crate::checked")]
async fn tokens_are_in_no_log_error_or_debug() {
    log::set_logger(&ThroughLog).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let log = Everything::default();
    // Of the whole process: with one of this thread only, what another test comes upon first would stay unheard.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let (token, wrong) = (
        GatewayToken::generate().unwrap(),
        GatewayToken::generate().unwrap(),
    );
    the_whole_flow(&log, &token, &wrong).await;

    let text = log.0.lock().unwrap().clone() + &LOG.lock().unwrap();
    for known in [
        GATEWAY,
        "TRACE h2::",
        "DEBUG rustls::",
        "INFO octopus_argo_client::gateway",
        "INFO octopus_argo_server::tunnel",
        "rpc.path=/application.ApplicationService/List",
        "rpc.method=\"/application.ApplicationService/Sync\"",
        "git.example.test/web.git",
        "WARN octopus_argo_client::inventory",
    ] {
        assert!(
            text.contains(known),
            "a control, {known}: nothing was captured there"
        );
    }
    for secret in [
        token.secret().expose_secret(),
        wrong.secret().expose_secret(),
        ARGO_CD_TOKEN,
        "argo-cd-token-that-nobody-may-see",
        PROXY_PASSWORD,
        // The same as it is sent.
        "YXJnbzpwcm94eS1wYXNzd29yZC10aGF0LW5vYm9keS1tYXktc2Vl",
    ] {
        let at = text.lines().find(|line| line.contains(secret));
        assert!(at.is_none(), "a token: {}", at.unwrap_or_default());
        let bytes = format!("{:?}", secret.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        assert!(!text.contains(bytes), "a token, as numbers");
    }
}

async fn the_whole_flow(log: &Everything, token: &GatewayToken, wrong: &GatewayToken) {
    let grace = Duration::from_millis(200);
    let octopus = Octopus::start_forgetful().await;
    octopus.store.set_credential(&id(), token);
    octopus.store.put(Instance::new(
        "ArgoCDGateways-1".parse().unwrap(),
        "one".parse().unwrap(),
        id(),
    ));
    let sim = argo_cd().start().await.unwrap();
    sim.fleet()
        .set_logs(&app("web"), "web-1", ["a line", "another"])
        .unwrap();
    let relay = relay(&octopus).await;
    let mut server = octopus.events();

    // Connect.
    let credentials_of = credentials(GATEWAY, token);
    let config = octopus.config_at(relay.address(), &credentials_of);
    let access = beside(&sim);
    log.show(&(
        token,
        &credentials_of,
        &config,
        &access,
        &sim,
        sim.accounts(),
        &octopus.store,
    ));
    let builder = Gateway::builder(config)
        .argo_cd(access)
        .policy(Policy::read_only());
    log.show(&builder);
    let gateway = builder.start().unwrap();
    let mut events = Events::new(gateway.events());
    server.until(complete).await;
    events.until(reachable).await;
    log.show(&(
        &gateway,
        &octopus.server,
        &octopus.serving,
        octopus.server.tunnel(),
        octopus.gateway(),
    ));

    calls(log, &octopus).await;

    // A wrong token.
    let config = octopus.config(&credentials("somebody-else", wrong));
    let stranger = Gateway::builder(config).start().unwrap();
    let mut stranger_events = Events::new(stranger.events());
    let stopped = soon(stranger.stopped()).await;
    assert!(matches!(stopped, Stopped::Connect(_)));
    log.show(&(&stopped, chain(&stopped), stranger_events.so_far()));
    server
        .until(|event| matches!(event, ServerEvent::Refused { .. }).then_some(()))
        .await;

    through_a_proxy(
        log,
        &octopus,
        &credentials_of,
        &credentials("somebody-else", wrong),
    )
    .await;

    // A token that Argo CD has forgotten.
    let down = sim.shutdown(grace).await;
    down.accounts().revoke(ARGO_CD_TOKEN);
    let sim = down.start().await.unwrap();
    let problem = events
        .until(|event| match event {
            GatewayEvent::ArgoCd(ArgoCdState::Problem(problem @ ArgoCdProblem::TokenRefused { .. })) => {
                Some(problem.clone())
            }
            _ => None,
        })
        .await;
    let mut api = ApplicationServiceClient::new(octopus.gateway());
    let refused = soon(api.list(ApplicationQuery::default())).await.unwrap_err();
    log.show(&(
        &problem,
        problem.to_string(),
        &refused,
        chain(&refused),
        gateway.argo_cd(),
    ));

    // A cut.
    cut(&relay);
    server.until(disconnected).await;
    let offline = soon(api.list(ApplicationQuery::default())).await.unwrap_err();
    log.show(&(&offline, chain(&offline), TunnelError::find(&offline)));
    mend(&relay);
    server.until(connected).await;
    log.show(&octopus.view().await);

    soon(gateway.shutdown(grace)).await;
    soon(octopus.server.shutdown(grace)).await;
    log.show(&(gateway.stopped().await, events.so_far()));
    for event in server.so_far() {
        log.show(&event);
    }
    drop(sim);
}

/// List, logs, and what is not allowed.
async fn calls(log: &Everything, octopus: &Octopus) {
    let mut api = ApplicationServiceClient::new(octopus.gateway());
    let listed = soon(api.list(ApplicationQuery::default())).await.unwrap();
    log.show(&listed);
    let query = ApplicationPodLogsQuery {
        name: "web".to_owned(),
        ..ApplicationPodLogsQuery::default()
    };
    let mut lines = soon(api.pod_logs(query)).await.unwrap().into_inner();
    while let Some(line) = soon(lines.message()).await.unwrap() {
        log.show(&line);
    }
    let denied = soon(api.sync(ApplicationSyncRequest::default()))
        .await
        .unwrap_err();
    log.show(&(&denied, chain(&denied)));
}

/// Health checks and a diagnosis, through a proxy that wants a password.
async fn through_a_proxy(log: &Everything, octopus: &Octopus, right: &Credentials, wrong: &Credentials) {
    let (proxy, _proxy) = connect_proxy().await;
    let through = HttpProxy::new(&proxy.to_string()).unwrap();
    let through = through
        .basic_auth("argo", &PROXY_PASSWORD.to_owned().into())
        .unwrap();
    log.show(&through);
    for credentials in [right, wrong] {
        let config = octopus.config(credentials).dial(through.clone());
        let diagnosis = soon(diagnose(&config, &Options::new())).await;
        log.show(&(&config, &diagnosis, diagnosis.to_string()));
        assert_eq!(diagnosis.is_good(), std::ptr::eq(credentials, right));
        let connection = soon(connect(&config)).await.unwrap();
        log.show(&(&connection, soon(check_health(&connection)).await));
    }
    let refused = HttpProxy::new(&proxy.to_string()).unwrap();
    let refused = refused
        .basic_auth("argo", &format!("not-{PROXY_PASSWORD}").into())
        .unwrap();
    let config = octopus.config(right).dial(refused);
    let error = soon(connect(&config)).await.unwrap_err();
    assert!(!error.is_retryable());
    log.show(&(&config, &error, chain(&error)));
}
