//! What the gateway lets through to Argo CD, and with whose credentials.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use octopus_argo_client::tls::Tls;
use octopus_argo_client::{ArgoCd, Gateway, Policy};
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_proto::argocd::application::{ApplicationQuery, ApplicationSyncRequest};
use octopus_argo_proto::argocd::session::GetUserInfoRequest;
use octopus_argo_proto::argocd::session::session_service_client::SessionServiceClient;
use octopus_argo_proto::argocd::version::version_service_client::VersionServiceClient;
use octopus_argo_server::TunnelError;
use octopus_argo_server::listen::{Listen, Serving};
use tokio::net::TcpListener;
use tonic::{Code, Status};
use tower_service::Service;

use crate::support::{
    ARGO_CD_TOKEN, Octopus, app, argo_cd, beside, complete, connected, identity, soon, start,
};

/// An Argo CD that answers nothing, and writes down what it is asked.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(String, HeaderMap)>>>);

impl<B> Service<Request<B>> for Recorder {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path().to_owned();
        self.0.lock().unwrap().push((path, request.headers().clone()));
        std::future::ready(Ok(Status::data_loss("nothing is here").into_http()))
    }
}

impl Recorder {
    async fn start() -> (Self, Serving, ArgoCd) {
        let recorder = Self::default();
        let identity = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = Listen::tls(&identity)
            .unwrap()
            .serve(listener, recorder.clone())
            .unwrap();
        let address = serving.local_addr().to_string();
        let access = ArgoCd::new(
            &address,
            &Tls::pinned(identity.thumbprint()),
            ARGO_CD_TOKEN.into(),
        );
        (recorder, serving, access.unwrap())
    }

    fn asked(&self, method: &str) -> Vec<HeaderMap> {
        let asked = self.0.lock().unwrap();
        let asked = asked.iter().filter(|(path, _)| path.ends_with(method));
        asked.map(|(_, headers)| headers.clone()).collect()
    }
}

fn query(refresh: Option<&str>) -> ApplicationQuery {
    ApplicationQuery {
        name: Some("web".to_owned()),
        refresh: refresh.map(str::to_owned),
        ..ApplicationQuery::default()
    }
}

#[tokio::test(crate = "crate::checked")]
async fn what_is_denied_never_reaches_argo_cd() {
    let octopus = Octopus::start().await;
    let (recorder, _serving, access) = Recorder::start().await;
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), access);
    server.until(connected).await;
    let mut api = ApplicationServiceClient::new(octopus.gateway());
    let denied = [
        soon(api.sync(ApplicationSyncRequest::default()))
            .await
            .map(drop)
            .unwrap_err(),
        soon(api.get(query(Some("hard")))).await.map(drop).unwrap_err(),
        soon(api.get(query(Some("")))).await.map(drop).unwrap_err(),
    ];
    for status in denied {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert!(status.message().starts_with("the gateway's policy"), "{status:?}");
        assert!(TunnelError::find(&status).is_none(), "the gateway answered");
    }
    // The control: the same without a refresh does.
    let status = soon(api.get(query(None))).await.map(drop).unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::DataLoss, "nothing is here")
    );
    assert_eq!(recorder.asked("ApplicationService/Get").len(), 1);
    assert_eq!(recorder.asked("ApplicationService/Sync").len(), 0);
}

#[tokio::test(crate = "crate::checked")]
async fn a_denied_sync_changes_nothing_that_the_account_might() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    let before = sim.fleet().manifest(&app("web")).unwrap();
    let mut api = ApplicationServiceClient::new(octopus.gateway());
    let request = ApplicationSyncRequest {
        name: "web".to_owned(),
        ..ApplicationSyncRequest::default()
    };
    let status = soon(api.sync(request)).await.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    soon(api.get(query(Some("normal")))).await.map(drop).unwrap_err();
    assert_eq!(sim.fleet().manifest(&app("web")).unwrap(), before);
}

#[tokio::test(crate = "crate::checked")]
async fn a_narrower_policy_leaves_the_inventory_alone() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let gateway = Gateway::builder(octopus.register())
        .argo_cd(beside(&sim))
        .policy(Policy::deny_all());
    let _gateway = gateway.start().unwrap();
    assert_eq!(server.until(complete).await, 2);
    let mut api = ApplicationServiceClient::new(octopus.gateway());
    let status = soon(api.list(ApplicationQuery::default()))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test(crate = "crate::checked")]
async fn the_callers_credentials_never_reach_argo_cd() {
    let octopus = Octopus::start().await;
    let (recorder, _serving, access) = Recorder::start().await;
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), access);
    server.until(connected).await;
    let mut request = tonic::Request::new(());
    for name in [
        "authorization",
        "token",
        "cookie",
        "client-id",
        "proxy-authorization",
        "grpc-metadata-token",
        "grpcgateway-authorization",
        "x-kept",
    ] {
        request
            .metadata_mut()
            .append(name, "of-the-caller".parse().unwrap());
        request.metadata_mut().append(name, "".parse().unwrap());
    }
    request.metadata_mut().insert("x-caller", "1".parse().unwrap());
    soon(VersionServiceClient::new(octopus.gateway()).version(request))
        .await
        .unwrap_err();
    // The gateway asks for the version, too.
    let asked = recorder.asked("VersionService/Version");
    let forwarded = asked.iter().find(|headers| headers.contains_key("x-caller"));
    let headers = forwarded.unwrap();
    let own = format!("Bearer {ARGO_CD_TOKEN}");
    assert_eq!(headers.get_all("authorization").iter().count(), 1);
    assert_eq!(headers["authorization"], own.as_str());
    let foreign: Vec<_> = headers
        .iter()
        .filter(|(_, value)| *value == "of-the-caller")
        .collect();
    assert_eq!(foreign.len(), 1, "{foreign:?}");
    assert_eq!(foreign[0].0, "x-kept");
}

#[tokio::test(crate = "crate::checked")]
async fn argo_cd_sees_the_gateways_account() {
    let octopus = Octopus::start().await;
    let sim = argo_cd().start().await.unwrap();
    let mut server = octopus.events();
    let _gateway = start(octopus.register(), beside(&sim));
    server.until(complete).await;
    let mut request = tonic::Request::new(GetUserInfoRequest {});
    // An empty one of these would hide the gateway's own.
    request.metadata_mut().insert("token", "".parse().unwrap());
    request
        .metadata_mut()
        .insert("authorization", "Bearer a.b.c".parse().unwrap());
    let mut sessions = SessionServiceClient::new(octopus.gateway());
    let user = soon(sessions.get_user_info(request)).await.unwrap().into_inner();
    assert!(user.logged_in);
    assert!(user.username.contains("gateway"), "{user:?}");
}
