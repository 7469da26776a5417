//! Who may do what: accounts, project tokens, clusters, projects, and the codes of calls about one application.

use octopus_argo_proto::argocd::account::CanIRequest;
use octopus_argo_proto::argocd::account::account_service_client::AccountServiceClient;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::cluster::cluster_service_client::ClusterServiceClient;
use octopus_argo_proto::argocd::cluster::{ClusterId, ClusterQuery};
use octopus_argo_proto::argocd::project::ProjectQuery;
use octopus_argo_proto::argocd::project::project_service_client::ProjectServiceClient;
use octopus_argo_proto::argocd::session::GetUserInfoRequest;
use octopus_argo_proto::argocd::session::session_service_client::SessionServiceClient;
use octopus_argo_testkit::argocd::ArgoCdVersion;
use serde_json::json;

use super::*;

type Authorized = InterceptedService<Channel, Headers>;

async fn authorized(sim: &ArgoCdSim) -> Authorized {
    InterceptedService::new(channel(sim).await, Headers(vec![("token", TOKEN)]))
}

fn get(project: &str, name: &str) -> ApplicationQuery {
    let project = Some(project.to_owned()).filter(|project| !project.is_empty());
    ApplicationQuery {
        project: project.into_iter().collect(),
        ..named(name)
    }
}

/// The table of single-application calls, with `web` in project `shop` and `api` in `default`.
#[tokio::test]
async fn one_gate_for_calls_about_one_application() {
    let sim = sim(Access::new("gateway").allow("applications", "get", "shop/*")).await;
    let mut client = client(&sim).await;
    let denied = "permission denied";
    let absent = |name: &str| format!("applications.argoproj.io \"{name}\" not found");
    assert!(soon(client.get(get("", "web"))).await.is_ok());
    assert!(soon(client.get(get("shop", "web"))).await.is_ok());
    for (project, name, code, message) in [
        ("", "api", Code::PermissionDenied, denied.to_owned()),
        ("", "absent", Code::PermissionDenied, denied.to_owned()),
        ("default", "api", Code::PermissionDenied, denied.to_owned()),
        ("shop", "absent", Code::NotFound, absent("absent")),
        ("shop", "api", Code::NotFound, absent("api")),
        ("", "", Code::PermissionDenied, denied.to_owned()),
        ("shop", "", Code::PermissionDenied, denied.to_owned()),
    ] {
        assert_status(soon(client.get(get(project, name))).await, code, &message);
    }

    let message = "app is not allowed in project \"shop\", or the project does not exist";
    sim.fleet().remove_project("shop");
    assert_status(
        soon(client.get(get("shop", "web"))).await,
        Code::InvalidArgument,
        message,
    );
    let elsewhere = "metadata: {name: far, namespace: far}\nspec: {project: shop}";
    sim.fleet().upsert(elsewhere.parse().unwrap());
    sim.fleet()
        .set_project(&json!({"metadata": {"name": "shop"}, "spec": {"sourceNamespaces": ["near-*"]}}))
        .unwrap();
    assert!(
        soon(client.get(get("shop", "web"))).await.is_ok(),
        "it is there again"
    );
    let far = ApplicationQuery {
        app_namespace: text("far"),
        ..get("shop", "far")
    };
    assert_status(soon(client.get(far)).await, Code::InvalidArgument, message);
}

#[tokio::test]
async fn before_2_14_the_project_was_not_looked_at() {
    let sim = builder()
        .without_authentication()
        .version(ArgoCdVersion::V2_8)
        .start()
        .await
        .unwrap();
    sim.fleet().remove_project("shop");
    assert!(soon(client(&sim).await.get(get("shop", "web"))).await.is_ok());
}

#[tokio::test]
async fn a_project_token_sees_its_project_and_no_global_cluster() {
    let role = Access::project_role("shop", "gateway")
        .allow("applications", "get", "shop/*")
        .allow("clusters", "get", "*");
    let sim = sim(role).await;
    sim.fleet()
        .set_cluster(&json!({"server": "https://own/", "name": "own", "project": "shop"}))
        .unwrap();
    let channel = authorized(&sim).await;

    let mut applications = client(&sim).await;
    let list = soon(applications.list(ApplicationQuery::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.items.len(), 1);
    let other = soon(applications.get(get("default", "api"))).await.unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied);

    let mut clusters = ClusterServiceClient::new(channel.clone());
    let list = soon(clusters.list(ClusterQuery::default()))
        .await
        .unwrap()
        .into_inner();
    let servers: Vec<_> = list
        .items
        .iter()
        .map(octopus_argo_proto::argocd::v1alpha1::Cluster::server)
        .collect();
    assert_eq!(servers, ["https://own"], "without its slash");

    let mut projects = ProjectServiceClient::new(channel.clone());
    let list = soon(projects.list(ProjectQuery::default()))
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = list
        .items
        .iter()
        .map(|project| project.metadata.as_ref().unwrap().name())
        .collect();
    assert_eq!(names, ["shop"]);

    let mut sessions = SessionServiceClient::new(channel);
    let info = soon(sessions.get_user_info(GetUserInfoRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (info.username.as_str(), info.iss.as_str()),
        ("proj:shop:gateway", "argocd")
    );

    // What everyone may do, it may too.
    sim.accounts()
        .set_default_access(Some(Access::new("role:readonly").allow("*", "get", "*")));
    let list = soon(clusters.list(ClusterQuery::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.items.len(), 2);

    sim.accounts().revoke(TOKEN);
    let cause = format!(
        "invalid session: JWT token for role 'gateway' issued at '{NOW}' does not exist in project 'shop'"
    );
    assert_status(
        soon(applications.list(ApplicationQuery::default())).await,
        Code::Unauthenticated,
        &cause,
    );
}

#[tokio::test]
async fn an_account_can_be_disabled_and_anyone_let_in() {
    let (sim, mut client) = reader().await;
    sim.accounts().set_enabled("gateway", false);
    let cause = "invalid session: account gateway is disabled";
    assert_status(soon(client.get(named("api"))).await, Code::Unauthenticated, cause);
    sim.accounts().set_anonymous(true);
    let list = soon(client.list(ApplicationQuery::default()))
        .await
        .unwrap()
        .into_inner();
    assert!(list.items.is_empty(), "let in, and allowed nothing");
    sim.accounts()
        .set_default_access(Some(Access::read_only("role:readonly")));
    let list = soon(client.list(ApplicationQuery::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.items.len(), 3);
}

#[tokio::test]
async fn a_cluster_that_is_absent_looks_forbidden_and_ids_are_unescaped() {
    let sim = sim(Access::new("gateway").allow("clusters", "get", "*")).await;
    sim.fleet()
        .set_cluster(&json!({
            "server": "https://a+b", "name": "a b",
            "labels": {"argocd.argoproj.io/secret-type": "cluster", "kept": "yes"},
            "annotations": {"octopus": "yes", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "config": {"bearerToken": "secret", "password": "secret", "username": "me",
                       "tlsClientConfig": {"serverName": "a", "keyData": "c2VjcmV0"}},
        }))
        .unwrap();
    let mut clusters = ClusterServiceClient::new(authorized(&sim).await);
    let by_id = |kind: &str, value: &str| ClusterQuery {
        id: Some(ClusterId {
            r#type: kind.to_owned(),
            value: value.to_owned(),
        }),
        ..ClusterQuery::default()
    };
    let by_server = |server: &str| ClusterQuery {
        server: server.to_owned(),
        ..ClusterQuery::default()
    };
    assert!(soon(clusters.get(by_server("https://a+b"))).await.is_ok());
    assert!(
        soon(clusters.get(by_id("name", "a+b"))).await.is_ok(),
        "the plus is a blank"
    );
    assert!(
        soon(clusters.get(by_id("url", "https%3A%2F%2Fa%2Bb")))
            .await
            .is_ok()
    );
    for wrong in [by_id("url", "https://a+b"), by_server("https://unknown")] {
        assert_status(
            soon(clusters.get(wrong)).await,
            Code::PermissionDenied,
            "permission denied",
        );
    }
    let cluster = soon(clusters.get(by_server("https://a+b")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cluster.labels.keys().collect::<Vec<_>>(), ["kept"]);
    assert_eq!(cluster.annotations.keys().collect::<Vec<_>>(), ["octopus"]);
    let config = cluster.config.unwrap();
    assert_eq!(
        (config.bearer_token(), config.password(), config.username()),
        ("", "", "")
    );
    assert!(!format!("{config:?}").contains("secret"));
    assert_eq!(config.tls_client_config.unwrap().server_name(), "a");
    let own = soon(clusters.get(by_server("https://kubernetes.default.svc")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(own.info.unwrap().server_version(), "v1.34.1");
}

#[tokio::test]
async fn projects_answer_5_or_7() {
    let sim = sim(Access::new("gateway")
        .allow("projects", "get", "shop")
        .allow("projects", "get", "none"))
    .await;
    let mut projects = ProjectServiceClient::new(authorized(&sim).await);
    let query = |name: &str| ProjectQuery {
        name: name.to_owned(),
    };
    assert!(soon(projects.get(query("shop"))).await.is_ok());
    let absent = "appprojects.argoproj.io \"none\" not found";
    assert_status(soon(projects.get(query("none"))).await, Code::NotFound, absent);
    let denied = soon(projects.get(query("default"))).await.unwrap_err();
    assert!(
        denied
            .message()
            .starts_with("permission denied: projects, get, default, sub: gateway"),
        "{denied}"
    );
}

#[tokio::test]
async fn what_can_be_done_can_be_asked() {
    for (version, long_form) in [(ArgoCdVersion::V3_0, "no"), (ArgoCdVersion::V3_5, "yes")] {
        let sim = builder()
            .token(
                TOKEN,
                Access::new("gateway").allow("applications", "get", "shop/web"),
            )
            .version(version)
            .start()
            .await
            .unwrap();
        let mut accounts = AccountServiceClient::new(authorized(&sim).await);
        let mut ask = async |resource: &str, action: &str, object: &str| {
            let request = CanIRequest {
                resource: resource.to_owned(),
                action: action.to_owned(),
                subresource: object.to_owned(),
            };
            soon(accounts.can_i(request))
                .await
                .map(|answer| answer.into_inner().value)
        };
        assert_eq!(ask("applications", "get", "shop/web").await.unwrap(), "yes");
        assert_eq!(ask("applications", "sync", "shop/web").await.unwrap(), "no");
        assert_eq!(
            ask("applications", "get", "shop/argocd/web").await.unwrap(),
            long_form
        );
        assert_eq!(
            ask("aplications", "get", "*").await.unwrap_err().code(),
            Code::InvalidArgument
        );
        assert_eq!(
            ask("applications", "fly", "*").await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}
