//! Finding Argo CD in a simulated cluster.
#![cfg(feature = "kubernetes")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands, in helpers too"
)]

mod cluster;
mod loopback;

use cluster::{Cluster, api_server, config_map, deployment, service, stock};
use http::StatusCode;
use octopus_argo_client::kubernetes::{DiscoverError, Discovery, Kind, NothingFound};
use octopus_argo_core::helm::ArgoCdEndpoint;
use octopus_argo_core::setup::{AccountName, FoundArgoCd, SkipReason, Unread, choose};
use serde_json::json;

async fn find(cluster: &Cluster) -> Vec<FoundArgoCd> {
    cluster.discovery().find().await.unwrap()
}

async fn nothing(cluster: &Cluster) -> NothingFound {
    match cluster.discovery().find().await {
        Err(DiscoverError::NothingFound(nothing)) => nothing,
        other => panic!("{other:?}"),
    }
}

async fn refused(discovery: Discovery) -> Kind {
    match discovery.find().await {
        Err(DiscoverError::Request(error)) => error.kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stock_argo_cd_is_found() {
    let cluster = stock().without_kind("httproutes").without_kind("argocds");
    let found = find(&cluster).await;
    assert_eq!(found.len(), 1);
    let argo_cd = choose(&found, None).unwrap();
    assert_eq!(
        argo_cd.address.grpc_url(),
        "grpc://argocd-server.argocd.svc.cluster.local"
    );
    assert!(argo_cd.address.is_insecure() && !argo_cd.operator_managed && argo_cd.unread.is_empty());
    assert_eq!(
        (argo_cd.web_ui_url.as_deref(), argo_cd.version.as_deref()),
        (None, Some("v3.1.0"))
    );
    let endpoint = ArgoCdEndpoint::from(argo_cd);
    assert!(endpoint.insecure && !endpoint.plaintext);
    assert!(cluster.requests().iter().all(|uri| !uri.contains("secrets")));
}

#[tokio::test]
async fn several_are_sorted_and_each_is_there_once() {
    let cluster = Cluster::default()
        // All three labels lead to the first one.
        .with("deployments", {
            let labels = [
                ("app.kubernetes.io/part-of", "argocd"),
                ("app.kubernetes.io/name", "argocd-server"),
                ("app", "argocd-server"),
            ];
            deployment("team-b", "argocd-server", &labels)
        })
        .with("services", service("team-b", "argocd-server"))
        .with("deployments", deployment("team-b", "argocd-repo-server", &[("app.kubernetes.io/part-of", "argocd")]))
        .with("deployments", deployment("team-a", "my-server", &[("app", "argocd-server")]))
        .with("services", service("team-a", "my-server"))
        .with("deployments", api_server("team-c", "argocd-server"));
    let found = find(&cluster).await;
    let places: Vec<_> = found
        .iter()
        .map(|argo_cd| (argo_cd.namespace.as_str(), argo_cd.name.as_str()))
        .collect();
    assert_eq!(places, [("team-a", "my-server"), ("team-b", "argocd-server")]);
    assert!(choose(&found, None).is_err());
    assert_eq!(choose(&found, Some("team-a")).unwrap().name, "my-server");
}

#[tokio::test]
async fn what_cannot_be_used_is_told_with_its_reason() {
    assert_eq!(
        nothing(&Cluster::default()).await.to_string(),
        "no Argo CD with an API server was found"
    );
    let without_service = Cluster::default().with("deployments", api_server("argocd", "argocd-server"));
    let told = nothing(&without_service).await;
    assert_eq!(told.skipped[0].why, SkipReason::NoService);
    assert!(!told.core_mode);
    assert!(
        told.to_string().contains("argocd/argocd-server: no service"),
        "{told}"
    );
    let core = Cluster::default().with(
        "deployments",
        deployment(
            "argocd",
            "argocd-repo-server",
            &[("app.kubernetes.io/part-of", "argocd")],
        ),
    );
    assert!(nothing(&core).await.core_mode);
    let secret_service = stock().forbid("services", "argocd");
    assert_eq!(
        nothing(&secret_service).await.skipped[0].why,
        SkipReason::ServiceForbidden
    );
}

#[tokio::test]
async fn without_labels_the_image_tells() {
    let cluster = Cluster::default()
        .with(
            "configmaps",
            config_map("gitops", "argocd-cm", json!({"url": "https://cd.example.com"})),
        )
        .with("deployments", deployment("gitops", "cd-server", &[]))
        .with("deployments", deployment("elsewhere", "cd-server", &[]))
        .with("services", service("gitops", "cd-server"))
        .with("services", service("elsewhere", "cd-server"));
    let found = find(&cluster).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].namespace.as_str(), found[0].web_ui_url.as_deref()),
        ("gitops", Some("https://cd.example.com"))
    );
    // The same without the right to see everything at once.
    let limited = cluster.forbid("configmaps", "*").forbid("deployments", "*");
    let limited = ["gitops", "elsewhere", "closed"]
        .into_iter()
        .fold(limited, |cluster, name| {
            cluster.with("namespaces", json!({"metadata": {"name": name}}))
        });
    let limited = limited
        .forbid("configmaps", "closed")
        .forbid("deployments", "closed");
    assert_eq!(find(&limited).await, found);
}

#[tokio::test]
async fn namespaces_that_may_not_be_seen_are_left_out() {
    let cluster = stock()
        .with("deployments", api_server("closed", "argocd-server"))
        .with("namespaces", json!({"metadata": {"name": "argocd"}}))
        .with("namespaces", json!({"metadata": {"name": "closed"}}))
        .forbid("deployments", "*")
        .forbid("deployments", "closed");
    assert_eq!(find(&cluster).await.len(), 1);
    // Without the list of namespaces, the right that is missing is the one to Deployments.
    let blind = cluster.clone().forbid("namespaces", "*");
    assert!(matches!(
        refused(blind.discovery()).await,
        Kind::Forbidden {
            what: "deployments",
            ..
        }
    ));
    // Naming the namespaces helps.
    let named = blind.discovery().namespaces(["argocd", "closed"]);
    assert_eq!(named.find().await.unwrap().len(), 1);
    let closed = blind.discovery().namespaces(["closed"]).find().await;
    assert!(
        matches!(&closed, Err(DiscoverError::NothingFound(nothing)) if nothing.forbidden == ["closed"]),
        "{closed:?}"
    );
}

#[tokio::test]
async fn the_tls_mode_follows_the_parameters() {
    let insecure = stock().with(
        "configmaps",
        config_map(
            "argocd",
            "argocd-cmd-params-cm",
            json!({"server.insecure": "true"}),
        ),
    );
    let found = find(&insecure).await;
    assert!(found[0].address.is_plaintext() && !found[0].address.is_insecure());
    let secure = stock().with(
        "configmaps",
        config_map("argocd", "argocd-cmd-params-cm", json!(null)),
    );
    assert!(!find(&secure).await[0].address.is_plaintext());
    // What may not be read is taken to be as it usually is, and said.
    let unread = stock()
        .forbid("configmaps", "argocd")
        .forbid("ingresses", "argocd")
        .forbid("argocds", "argocd");
    let found = find(&unread).await;
    assert!(!found[0].address.is_plaintext());
    assert_eq!(
        found[0].unread,
        [
            Unread::Parameters,
            Unread::Config,
            Unread::Ingresses,
            Unread::Operator
        ]
    );
}

#[tokio::test]
async fn the_web_address_comes_from_config_ingress_route_or_balancer() {
    async fn url(cluster: &Cluster) -> Option<String> {
        find(cluster).await.remove(0).web_ui_url
    }
    let mut balanced = service("argocd", "argocd-server");
    balanced["status"] = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}});
    let cluster = Cluster::default()
        .with("deployments", api_server("argocd", "argocd-server"))
        .with("services", balanced);
    assert_eq!(url(&cluster).await.unwrap(), "https://203.0.113.7");

    let route = |namespace: &str, host: &str, backend: serde_json::Value| {
        json!({
            "metadata": {"name": host, "namespace": namespace},
            "spec": {"hostnames": ["*.example.com", host], "rules": [{"backendRefs": null}, {"backendRefs": [backend]}]},
        })
    };
    let elsewhere = route(
        "argocd",
        "a.example.com",
        json!({"name": "argocd-server", "namespace": "other", "port": 443}),
    );
    let no_service = route(
        "argocd",
        "b.example.com",
        json!({"name": "argocd-server", "kind": "Import"}),
    );
    let cluster = cluster
        .with("httproutes", elsewhere)
        .with("httproutes", no_service);
    assert_eq!(url(&cluster).await.unwrap(), "https://203.0.113.7");
    let cluster = cluster.with(
        "httproutes",
        route(
            "argocd",
            "route.example.com",
            json!({"name": "argocd-server", "port": 443}),
        ),
    );
    assert_eq!(url(&cluster).await.unwrap(), "https://route.example.com");

    let ingress = json!({
        "metadata": {"name": "i", "namespace": "argocd"},
        "spec": {"rules": [
            {"host": "other.example.com", "http": {"paths": [{"backend": {"service": {"name": "other", "port": {"number": 1}}}}]}},
            {"host": "bucket.example.com", "http": {"paths": [{"backend": {"resource": {"kind": "Bucket"}}}]}},
            {"host": "ingress.example.com", "http": {"paths": [{"backend": {"service": {"name": "argocd-server"}}}]}},
        ]},
    });
    let cluster = cluster.with("ingresses", ingress);
    assert_eq!(url(&cluster).await.unwrap(), "https://ingress.example.com");
    let cluster = cluster.with(
        "configmaps",
        config_map(
            "argocd",
            "argocd-cm",
            json!({"url": "https://config.example.com"}),
        ),
    );
    assert_eq!(url(&cluster).await.unwrap(), "https://config.example.com");
}

#[tokio::test]
async fn an_operator_is_noticed_in_either_version() {
    let managed = stock().with(
        "argocds",
        json!({"metadata": {"name": "argocd", "namespace": "argocd"}}),
    );
    assert!(find(&managed).await[0].operator_managed);
    let requests = managed.requests();
    assert!(
        requests.iter().any(|uri| uri.contains("v1beta1"))
            && !requests.iter().any(|uri| uri.contains("v1alpha1"))
    );
    let older = stock().without_kind("argocds");
    assert!(!find(&older).await[0].operator_managed);
    assert!(
        older.requests().iter().any(|uri| uri.contains("v1alpha1")),
        "the older version is asked for too"
    );
}

/// Many Argo CDs, more than a page of them.
fn many() -> Cluster {
    (0..23).fold(Cluster::default(), |cluster, number| {
        let namespace = format!("team-{number:02}");
        cluster
            .with("deployments", api_server(&namespace, "argocd-server"))
            .with("services", service(&namespace, "argocd-server"))
    })
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    for cluster in [
        many().pages_of(5),
        many().pages_of(5).gone_once(),
        many().pages_of(23),
    ] {
        let found = find(&cluster).await;
        let namespaces: Vec<_> = found.iter().map(|argo_cd| argo_cd.namespace.clone()).collect();
        let expected: Vec<_> = (0..23).map(|number| format!("team-{number:02}")).collect();
        assert_eq!(namespaces, expected);
    }
    // A server that never comes to an end.
    let endless = Cluster::default().answer(
        "deployments",
        StatusCode::OK,
        r#"{"metadata":{"continue":"x"},"items":[]}"#,
    );
    assert!(matches!(
        refused(endless.discovery()).await,
        Kind::TooLarge { .. }
    ));
}

#[tokio::test]
async fn failures_are_typed_and_repeat_nothing() {
    let with = |status: u16, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        Cluster::default().answer("deployments", status, body).discovery()
    };
    assert!(matches!(refused(with(401, "")).await, Kind::Unauthorized));
    let forbidden = Cluster::default()
        .answer("deployments", StatusCode::FORBIDDEN, "hunter2")
        .forbid("namespaces", "*");
    let kind = refused(forbidden.discovery()).await;
    assert!(matches!(kind, Kind::Forbidden { .. }) && !format!("{kind:?}").contains("hunter2"));
    assert!(matches!(
        refused(with(503, "hunter2")).await,
        Kind::Refused { status: 503, .. }
    ));
    for body in [
        "hunter2",
        "",
        "[]",
        "{}",
        r#"{"items": "hunter2"}"#,
        r#"{"items": [{"metadata": {"name": 7, "x": "hunter2"}}]}"#,
    ] {
        let kind = refused(with(200, body)).await;
        assert!(matches!(kind, Kind::Unreadable { .. }), "{body}: {kind:?}");
        assert!(!format!("{kind} {kind:?}").contains("hunter2"), "{kind:?}");
    }
    let large = with(200, &" ".repeat(33 << 20));
    assert!(matches!(refused(large).await, Kind::TooLarge { .. }));
    // Half-way through, too: an answer that is missing is no answer.
    let half = stock().answer("services", StatusCode::INTERNAL_SERVER_ERROR, "");
    let error = half.discovery().find().await.unwrap_err();
    let DiscoverError::Request(error) = error else {
        panic!("{error}")
    };
    assert!(error.is_retryable());
    assert_eq!(
        error.to_string(),
        "the Kubernetes API server refused services with status 500 (namespace argocd)"
    );
}

#[tokio::test]
async fn the_account_is_set_up_on_top_of_what_is_there() {
    let cluster = stock()
        .with(
            "configmaps",
            config_map("argocd", "argocd-cm", json!({"accounts.octopus": "login"})),
        )
        .with(
            "configmaps",
            config_map(
                "argocd",
                "argocd-rbac-cm",
                json!({"policy.csv": "g, a, role:admin"}),
            ),
        );
    let discovery = cluster.discovery();
    let found = discovery.find().await.unwrap();
    let setup = discovery
        .account_setup(&found[0], AccountName::default())
        .await
        .unwrap();
    assert_eq!(
        setup.accounts_patch().unwrap(),
        json!({
            "metadata": {"resourceVersion": "42"},
            "data": {"accounts.octopus": "login, apiKey", "accounts.octopus.enabled": "true"},
        })
    );
    let policy = setup.rbac_patch().unwrap();
    assert!(
        policy["data"]["policy.csv"]
            .as_str()
            .unwrap()
            .starts_with("g, a, role:admin\np, octopus, ")
    );
    let forbidden = cluster.forbid("configmaps", "argocd").discovery();
    let error = forbidden
        .account_setup(&found[0], AccountName::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error.kind,
            Kind::Forbidden {
                what: "configmaps",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn futures_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let discovery = |cluster: &Cluster| cluster.discovery();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _guard = runtime.enter();
    is_send(discovery(&Cluster::default()).find());
}
