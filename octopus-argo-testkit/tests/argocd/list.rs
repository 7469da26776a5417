//! List: one message, filtered by what is asked and by what is allowed.

use octopus_argo_core::Application;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_testkit::argocd::Access;
use tonic::Code;

use super::*;

async fn names(client: &mut Client, query: ApplicationQuery) -> Vec<String> {
    let list = soon(client.list(query)).await.unwrap().into_inner();
    let items = list.items.iter();
    items
        .map(|item| Application::try_from(item).unwrap().name.to_string())
        .collect()
}

#[tokio::test]
async fn filters() {
    let (_sim, mut client) = reader().await;
    let all = ApplicationQuery::default();
    for (query, expected) in [
        (all.clone(), vec!["argocd/api", "argocd/web", "team-a/web"]),
        (named("web"), vec!["argocd/web"]),
        (named("absent"), vec![]),
        (
            ApplicationQuery {
                projects: vec!["team".into(), "default".into()],
                ..all.clone()
            },
            vec!["argocd/api", "team-a/web"],
        ),
        (
            ApplicationQuery {
                projects: vec!["team".into()],
                project: vec!["shop".into()],
                ..all.clone()
            },
            vec!["argocd/web"],
        ),
        (
            ApplicationQuery {
                selector: text("team in (shop)"),
                ..all.clone()
            },
            vec!["argocd/web"],
        ),
        (
            ApplicationQuery {
                repo: text("https://git.example.test/api.git"),
                ..all.clone()
            },
            vec!["argocd/api"],
        ),
        (
            ApplicationQuery {
                app_namespace: text("team-a"),
                ..all.clone()
            },
            vec!["team-a/web"],
        ),
        // Neither of these is List's.
        (
            ApplicationQuery {
                resource_version: text("999"),
                refresh: text("hard"),
                ..named("api")
            },
            vec!["argocd/api"],
        ),
    ] {
        assert_eq!(names(&mut client, query.clone()).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn no_right_is_an_empty_list() {
    let sim = sim(Access::new("gateway").allow("applications", "get", "team/*")).await;
    let mut client = client(&sim).await;
    assert_eq!(
        names(&mut client, ApplicationQuery::default()).await,
        ["team-a/web"]
    );
    sim.accounts().set_access(Access::new("gateway"));
    assert!(names(&mut client, ApplicationQuery::default()).await.is_empty());
}

#[tokio::test]
async fn a_bad_selector_is_code_2() {
    let (_sim, mut client) = reader().await;
    let query = ApplicationQuery {
        selector: text("a in b"),
        ..ApplicationQuery::default()
    };
    assert_eq!(soon(client.list(query)).await.unwrap_err().code(), Code::Unknown);
}

#[tokio::test]
async fn resource_health_is_left_out_where_the_tree_has_it() {
    let (sim, mut client) = reader().await;
    let list = soon(client.list(named("web"))).await.unwrap().into_inner();
    assert_eq!(list.metadata.unwrap().resource_version.as_deref(), Some("3"));
    assert!(
        list.items[0].status.as_ref().unwrap().resources[0]
            .health
            .is_none()
    );

    let inline = sim.fleet().edit(&app("web"), |json| {
        json["status"]["resourceHealthSource"] = "".into()
    });
    inline.unwrap();
    let list = soon(client.list(named("web"))).await.unwrap().into_inner();
    assert!(
        list.items[0].status.as_ref().unwrap().resources[0]
            .health
            .is_some()
    );
}

#[tokio::test]
async fn ten_thousand_applications_fit() {
    let manifests = (0..10_000).map(|number| {
        let json = serde_json::json!({
            "metadata": {"name": format!("app-{number:05}"), "annotations": {"filler": "x".repeat(1000)}},
            "spec": {"project": "many", "source": {"repoURL": "https://git.example.test/many.git", "path": "."}},
        });
        Manifest::try_from(json).unwrap()
    });
    let sim = builder()
        .applications(manifests)
        .without_authentication()
        .start()
        .await
        .unwrap();
    let mut client = client(&sim).await;
    let query = ApplicationQuery {
        project: vec!["many".into()],
        ..ApplicationQuery::default()
    };
    assert_eq!(
        soon(client.list(query)).await.unwrap().into_inner().items.len(),
        10_000
    );
}
