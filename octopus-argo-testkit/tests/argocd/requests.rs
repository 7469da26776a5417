//! Requests as they are read: fields that must be there, clients that are too old, calls that need no token.

use octopus_argo_proto::argocd::application::{
    ApplicationManifestQuery, ApplicationSyncWindowsQuery, ListAppLinksRequest, RevisionMetadataQuery,
};
use octopus_argo_proto::argocd::cluster::settings_service_client::SettingsServiceClient;
use octopus_argo_proto::argocd::cluster::{Settings, SettingsQuery};
use octopus_argo_proto::argocd::repository::ManifestResponse;
use octopus_argo_testkit::argocd::{ArgoCdVersion, Method, Presence, SyncWindow};
use serde_json::json;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use super::*;

/// A call with an empty message.
async fn empty(channel: &Channel, method: Method, token: Option<&'static str>) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    soon(grpc.ready()).await.unwrap();
    let path: PathAndQuery = format!("/{}", method.path()).parse().unwrap();
    let mut request = Request::new(());
    if let Some(token) = token {
        request
            .metadata_mut()
            .insert("token", MetadataValue::from_static(token));
    }
    let codec = ProstCodec::<(), ()>::default();
    soon(grpc.unary(request, path, codec))
        .await
        .map(drop)
        .unwrap_err()
}

#[tokio::test]
async fn a_field_that_must_be_there_is_missed() {
    let (sim, _client) = reader().await;
    let channel = channel(&sim).await;
    let status = empty(&channel, Method::ResourceTree, Some(TOKEN)).await;
    let expected = "grpc: error unmarshalling request: proto: required field \"applicationName\" not set";
    assert_eq!((status.code(), status.message()), (Code::Internal, expected));
    // A unary request is decoded before anyone asks who sends it; a stream's is not.
    assert_eq!(
        empty(&channel, Method::ResourceTree, None).await.code(),
        Code::Internal
    );
    assert_eq!(
        empty(&channel, Method::PodLogs, None).await.code(),
        Code::Unauthenticated
    );
    let status = empty(&channel, Method::PodLogs, Some(TOKEN)).await;
    assert!(
        status
            .message()
            .starts_with("grpc: failed to unmarshal the received message"),
        "{status}"
    );
}

#[tokio::test]
async fn too_large_a_request_is_code_8() {
    let sim = builder()
        .without_authentication()
        .message_limit(1 << 12)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let status = soon(client.get(named(&"x".repeat(1 << 12)))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .starts_with("grpc: received message larger than max ("),
        "{status}"
    );
}

#[tokio::test]
async fn old_clients_are_refused_after_authentication() {
    let (sim, _client) = reader().await;
    for (agent, code) in [
        ("argocd-client/1.3.0", Code::FailedPrecondition),
        ("argocd-client/none", Code::InvalidArgument),
        ("argocd-client/v3.5.0", Code::Ok),
        ("octopus/1", Code::Ok),
    ] {
        let endpoint = Endpoint::new(sim.uri()).unwrap().user_agent(agent).unwrap();
        let channel = soon(endpoint.connect()).await.unwrap();
        let mut client =
            ApplicationServiceClient::with_interceptor(channel.clone(), Headers(vec![("token", TOKEN)]));
        let answer = soon(client.get(named("api"))).await;
        assert_eq!(
            answer.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{agent}"
        );
        let mut stranger = ApplicationServiceClient::new(channel);
        let refused = soon(stranger.get(named("api"))).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{agent}");
    }
}

#[tokio::test]
async fn settings_are_for_everyone_and_their_path_is_in_the_package_cluster() {
    async fn settings(version: ArgoCdVersion, token: Option<&'static str>) -> Settings {
        let sim = builder()
            .token(TOKEN, Access::new("gateway"))
            .version(version)
            .start()
            .await
            .unwrap();
        let headers = Headers(token.map(|token| ("token", token)).into_iter().collect());
        let mut client = SettingsServiceClient::with_interceptor(channel(&sim).await, headers);
        soon(client.get(SettingsQuery {})).await.unwrap().into_inner()
    }
    let known = settings(ArgoCdVersion::V3_5, Some(TOKEN)).await;
    let stranger = settings(ArgoCdVersion::V3_5, None).await;
    assert_eq!(known.url, stranger.url);
    assert!(!known.resource_overrides.is_empty());
    assert!(stranger.resource_overrides.is_empty());
    let older = settings(ArgoCdVersion::V2_8, None).await;
    assert!(!older.resource_overrides.is_empty());
    assert_eq!(
        (older.tracking_method.as_str(), older.installation_id.as_str()),
        ("label", "")
    );
    assert_eq!(known.tracking_method, "annotation");

    let (sim, _client) = reader().await;
    let mut grpc = tonic::client::Grpc::new(channel(&sim).await);
    soon(grpc.ready()).await.unwrap();
    let path = PathAndQuery::from_static("/settings.SettingsService/Get");
    let wrong = soon(grpc.unary(Request::new(()), path, ProstCodec::<(), ()>::default())).await;
    assert_status(
        wrong,
        Code::Unimplemented,
        "unknown service settings.SettingsService",
    );
}

#[tokio::test]
async fn empty_values_can_be_left_out() {
    let sim = builder()
        .without_authentication()
        .presence(Presence::OmitEmpty)
        .start()
        .await
        .unwrap();
    let api = soon(client(&sim).await.get(named("api")))
        .await
        .unwrap()
        .into_inner();
    let spec = api.spec.unwrap();
    assert_eq!((spec.project, spec.destination), (None, None));
    assert_eq!(api.status.unwrap().sync, None, "no blank source");
    assert_eq!(spec.sources.len(), 2);
}

#[derive(Clone, PartialEq, octopus_argo_proto::prost::Message)]
struct Credentials {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(string, tag = "2")]
    password: String,
}

#[derive(Clone, PartialEq, octopus_argo_proto::prost::Message)]
struct Session {
    #[prost(string, tag = "1")]
    token: String,
}

#[tokio::test]
async fn a_user_logs_in_with_a_password() {
    let sim = builder()
        .user("admin", "right", Access::read_only("admin"))
        .start()
        .await
        .unwrap();
    let log_in = async |password: &str| {
        let mut grpc = tonic::client::Grpc::new(channel(&sim).await);
        soon(grpc.ready()).await.unwrap();
        let path = PathAndQuery::from_static("/session.SessionService/Create");
        let credentials = Credentials {
            username: "admin".to_owned(),
            password: password.to_owned(),
        };
        let codec = ProstCodec::<Credentials, Session>::default();
        soon(grpc.unary(Request::new(credentials), path, codec))
            .await
            .map(|answer| answer.into_inner().token)
    };
    assert_status(
        log_in("wrong").await,
        Code::Unauthenticated,
        "Invalid username or password",
    );
    let (one, other) = (log_in("right").await.unwrap(), log_in("right").await.unwrap());
    assert_ne!(one, other);
    assert_eq!(one.split('.').count(), 3);
    let mut client = ApplicationServiceClient::new(channel(&sim).await);
    let mut request = Request::new(named("api"));
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {one}").parse().unwrap());
    assert!(soon(client.get(request)).await.is_ok());
}

#[tokio::test]
async fn manifests_are_the_targets() {
    let (sim, mut client) = reader().await;
    let fleet = sim.fleet();
    let web = app("web");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    fleet.set_resource(&web, map, json!(null)).unwrap();
    let query = ApplicationManifestQuery {
        name: "web".to_owned(),
        ..ApplicationManifestQuery::default()
    };
    let rendered = soon(client.get_manifests(query.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        rendered,
        ManifestResponse {
            manifests: rendered.manifests.clone(),
            ..Default::default()
        }
    );
    assert!(rendered.manifests[0].contains("ConfigMap"));
    for (positions, code) in [
        (vec![1], Code::Internal),
        (vec![3], Code::Unknown),
        (vec![0], Code::Unknown),
    ] {
        let query = ApplicationManifestQuery {
            name: "api".to_owned(),
            source_positions: positions,
            ..query.clone()
        };
        assert_eq!(soon(client.get_manifests(query)).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn commits_and_charts() {
    let (sim, mut client) = reader().await;
    let fleet = sim.fleet();
    let web = app("web");
    let commit = |revision: &str| RevisionMetadataQuery {
        name: "web".to_owned(),
        revision: revision.to_owned(),
        ..RevisionMetadataQuery::default()
    };
    fleet
        .set_revision(
            &web,
            "0123abc",
            json!({"author": "A <a@x>", "message": "m", "date": "2025-07-28T20:07:38Z"}),
        )
        .unwrap();
    let metadata = soon(client.revision_metadata(commit("0123abc")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((metadata.author(), metadata.message()), ("A <a@x>", "m"));
    assert_eq!(metadata.date.unwrap().unix_seconds(), Some(1_753_733_258));
    assert_eq!(
        soon(client.revision_metadata(commit("main")))
            .await
            .unwrap_err()
            .code(),
        Code::Unknown
    );
    for (source_index, version_id, code) in [
        (Some(7), None, Code::Unknown),
        (Some(-1), None, Code::Internal),
        (None, Some(9), Code::Unknown),
    ] {
        let query = RevisionMetadataQuery {
            source_index,
            version_id,
            ..commit("0123abc")
        };
        assert_eq!(
            soon(client.revision_metadata(query)).await.unwrap_err().code(),
            code
        );
    }
    fleet.upsert(
        "metadata: {name: chart}\nspec: {source: {chart: redis, repoURL: https://charts}}"
            .parse()
            .unwrap(),
    );
    fleet
        .set_chart(
            &app("chart"),
            "1.2.3",
            json!({"description": "d", "maintainers": ["me"]}),
        )
        .unwrap();
    let query = RevisionMetadataQuery {
        name: "chart".to_owned(),
        ..commit("1.2.3")
    };
    let chart = soon(client.revision_chart_details(query))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (chart.description(), chart.maintainers.as_slice()),
        ("d", &["me".to_owned()][..])
    );
}

#[tokio::test]
async fn windows_and_links() {
    let (sim, mut client) = reader().await;
    let fleet = sim.fleet();
    let web = app("web");
    fleet
        .set_project(&json!({"metadata": {"name": "shop"}, "spec": {"syncWindows": [
            {"kind": "allow", "schedule": "0 8 * * *", "duration": "1h", "applications": ["w*"], "manualSync": true},
            {"kind": "deny", "schedule": "0 9 * * *", "duration": "1h", "applications": ["other"]},
        ]}}))
        .unwrap();
    let query = ApplicationSyncWindowsQuery {
        name: "web".to_owned(),
        ..ApplicationSyncWindowsQuery::default()
    };
    let windows = soon(client.get_application_sync_windows(query.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            windows.assigned_windows.len(),
            windows.active_windows.len(),
            windows.can_sync
        ),
        (1, 0, true)
    );
    fleet.set_sync_window(SyncWindow::Blocked);
    let windows = soon(client.get_application_sync_windows(query))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (windows.active_windows[0].kind.as_str(), windows.can_sync),
        ("deny", false)
    );

    fleet
        .set_links(
            &web,
            [json!({"title": "t", "url": "https://x", "iconClass": "i"})],
        )
        .unwrap();
    let query = ListAppLinksRequest {
        name: "web".to_owned(),
        ..ListAppLinksRequest::default()
    };
    let links = soon(client.list_links(query)).await.unwrap().into_inner();
    assert_eq!(
        (links.items[0].description.as_deref(), links.items[0].icon_class()),
        (None, "i")
    );
}

#[tokio::test]
async fn version_2_8_renders_more_and_ignores_newer_fields() {
    let sim = builder()
        .without_authentication()
        .version(ArgoCdVersion::V2_8)
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let query = ApplicationManifestQuery {
        name: "web".to_owned(),
        source_positions: vec![9],
        ..ApplicationManifestQuery::default()
    };
    let rendered = soon(client.get_manifests(query)).await.unwrap().into_inner();
    assert_eq!(
        (rendered.namespace.as_str(), rendered.revision.as_str()),
        ("shop", "abc")
    );
}
