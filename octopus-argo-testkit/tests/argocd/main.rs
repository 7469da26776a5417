//! The simulated Argo CD, seen through a generated client on loopback. One module a subject; each waits for events, never
//! for time.
#![cfg(feature = "argocd")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod access;
mod authentication;
#[cfg(feature = "tls")]
mod command_line;
mod faults;
mod get;
mod json;
mod large;
mod list;
mod pod_logs;
mod raw;
mod requests;
mod sync;
mod transport;
mod tree;
mod watch;
mod web;

use std::future::Future;
use std::time::{Duration, SystemTime};

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_proto::argocd::v1alpha1::ApplicationWatchEvent;
use octopus_argo_testkit::argocd::{Access, ArgoCdSim, ArgoCdSimBuilder, Manifest};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

/// A token of three parts, so that both headers take it.
pub(crate) const TOKEN: &str = "e30.e30.c2ln";

/// 2026-05-19T09:00:00Z, for ever.
pub(crate) const NOW: u64 = 1_779_181_200;

const FLEET: &str = "
metadata: {name: web, labels: {team: shop}}
spec:
  project: shop
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  source: {repoURL: https://git.example.test/web.git, path: deploy, targetRevision: main}
status:
  health: {status: Healthy}
  sync: {status: Synced, revision: abc}
  resourceHealthSource: appTree
  resources:
  - {kind: Service, name: web, namespace: shop, status: Synced, health: {status: Healthy}}
---
metadata: {name: api}
spec:
  sources:
  - {repoURL: https://git.example.test/api.git, targetRevision: main}
  - {repoURL: https://git.example.test/values.git, targetRevision: v1}
---
metadata: {name: web, namespace: team-a}
spec:
  project: team
  source: {repoURL: https://git.example.test/team.git, path: deploy}
";

/// A server with three applications, whose clock stands still. Streams begin at once, so that a test knows when they have.
pub(crate) fn builder() -> ArgoCdSimBuilder {
    ArgoCdSim::builder()
        .applications(Manifest::parse_all(FLEET).unwrap())
        .headers_at_once(true)
        .clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
}

/// The same, running, with a token that may do this.
pub(crate) async fn sim(access: Access) -> ArgoCdSim {
    builder().token(TOKEN, access).start().await.unwrap()
}

pub(crate) async fn reader() -> (ArgoCdSim, Client) {
    let sim = sim(Access::read_only("gateway")).await;
    let client = client(&sim).await;
    (sim, client)
}

pub(crate) type Client = ApplicationServiceClient<InterceptedService<Channel, Headers>>;

pub(crate) async fn client(sim: &ArgoCdSim) -> Client {
    client_with(sim, &[("token", TOKEN)]).await
}

pub(crate) async fn client_with(sim: &ArgoCdSim, headers: &[(&'static str, &'static str)]) -> Client {
    ApplicationServiceClient::with_interceptor(channel(sim).await, Headers(headers.to_vec()))
        .max_decoding_message_size(200 << 20)
}

pub(crate) async fn channel(sim: &ArgoCdSim) -> Channel {
    soon(Endpoint::new(sim.uri()).unwrap().connect()).await.unwrap()
}

/// Headers for every call.
#[derive(Clone)]
pub(crate) struct Headers(pub(crate) Vec<(&'static str, &'static str)>);

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in &self.0 {
            request
                .metadata_mut()
                .insert(*name, MetadataValue::from_static(value));
        }
        Ok(request)
    }
}

/// What a test waits for comes within this time, or never.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.expect("nothing came in time")
}

/// Whether the call's time was over: to the server, or to tonic, which also keeps it.
pub(crate) fn is_late(status: &Status) -> bool {
    matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled)
}

pub(crate) fn app(name: &str) -> ApplicationName {
    ApplicationName::new(None, name)
}

pub(crate) fn named(name: &str) -> ApplicationQuery {
    ApplicationQuery {
        name: Some(name.to_owned()),
        ..ApplicationQuery::default()
    }
}

/// The next event as `TYPE namespace/name`.
pub(crate) async fn next(events: &mut Streaming<ApplicationWatchEvent>) -> String {
    let event = soon(events.message())
        .await
        .unwrap()
        .expect("the stream has ended");
    let metadata = event.application.unwrap().metadata.unwrap();
    format!(
        "{} {}/{}",
        event.r#type.unwrap(),
        metadata.namespace.unwrap(),
        metadata.name.unwrap()
    )
}

/// A field that is present.
#[expect(clippy::unnecessary_wraps, reason = "the fields of requests are optional")]
pub(crate) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[track_caller]
pub(crate) fn assert_status<T>(answer: Result<T, Status>, code: Code, message: &str) {
    match answer {
        Ok(_) => panic!("expected {code:?} {message:?}, got an answer"),
        Err(status) => assert_eq!((status.code(), status.message()), (code, message)),
    }
}
