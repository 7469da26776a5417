//! The traps of Argo CD's API, one test or more for each: a client without the defence fails here. The server is the
//! simulated one, which sets the traps as Argo CD does.
#![cfg(all(feature = "relay", feature = "tls"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

mod codes;
mod credentials;
mod deadlines;
mod keep_alive;
mod logs;
mod presence;
mod resources;
mod size;
mod streams;
mod transport;
mod watch;

#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the tunnel, which use the rest"
)]
#[path = "../tunnel/checked.rs"]
mod checked;
#[expect(dead_code, reason = "shared with the tests of the tunnel, which use the rest")]
#[path = "../tunnel/support.rs"]
mod support;

use std::future::Future;
use std::time::Duration;

use octopus_argo_client::argocd::{ArgoCd, ArgoCdBuilder, ArgoCdService, Tokens};
use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::{Api, ApiError, Denied, Reason, Target};
use octopus_argo_testkit::argocd::{Access, ArgoCdSim, ArgoCdSimBuilder, Manifest};

/// A token of three parts, as Argo CD wants one.
pub(crate) const TOKEN: &str = "e30.e30.c2ln";

const FLEET: &str = "
metadata: {name: web, labels: {team: shop}}
spec:
  project: shop
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  source: {repoURL: https://git.example.test/web.git, path: deploy, targetRevision: main}
status:
  health: {status: Healthy}
  sync: {status: Synced, revision: abc}
  reconciledAt: 2026-05-19T09:00:00Z
  resources:
  - {kind: Service, name: web, namespace: shop, status: Synced, health: {status: Healthy}}
---
metadata: {name: api}
spec:
  project: shop
  sources:
  - {repoURL: https://git.example.test/api.git, targetRevision: main}
  - {repoURL: https://git.example.test/values.git, targetRevision: v1}
";

pub(crate) fn builder() -> ArgoCdSimBuilder {
    ArgoCdSim::builder().applications(Manifest::parse_all(FLEET).unwrap())
}

/// A server in plain text with a token that may read and sync.
pub(crate) async fn sim() -> ArgoCdSim {
    builder().token(TOKEN, access()).start().await.unwrap()
}

pub(crate) fn access() -> Access {
    Access::read_and_sync("gateway")
        .allow("clusters", "get", "*")
        .allow("projects", "get", "*")
}

pub(crate) fn argo_cd(sim: &ArgoCdSim) -> ArgoCdBuilder {
    let tokens = Tokens::new(TOKEN.into()).unwrap();
    ArgoCd::builder(&sim.address().to_string())
        .danger_plaintext()
        .tokens(tokens)
}

pub(crate) fn api(sim: &ArgoCdSim) -> Api<ArgoCdService> {
    argo_cd(sim).build().unwrap().api()
}

/// What a test waits for comes within this time, or never.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let waited = tokio::time::timeout(Duration::from_secs(60), future).await;
    waited.expect("nothing came in time")
}

pub(crate) fn app(name: &str) -> ApplicationName {
    ApplicationName::new(None, name)
}

pub(crate) fn target(name: &str) -> Target {
    Target::new(&app(name)).in_project("shop")
}

#[track_caller]
pub(crate) fn reason<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> Reason {
    answer.expect_err("expected an error").reason().clone()
}

#[track_caller]
pub(crate) fn denied<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> Denied {
    match reason(answer) {
        Reason::Denied(denied) => denied,
        other => panic!("expected a denial, got {other:?}"),
    }
}
