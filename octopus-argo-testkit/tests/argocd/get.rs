//! Get: who learns that an application is there.

use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_testkit::argocd::Access;
use tonic::Code;

use super::*;

const DENIED: &str = "permission denied";

fn query(namespace: &str, project: &str, name: &str) -> ApplicationQuery {
    ApplicationQuery {
        name: Some(name.to_owned()),
        app_namespace: Some(namespace.to_owned()),
        project: Some(project.to_owned())
            .filter(|project| !project.is_empty())
            .into_iter()
            .collect(),
        ..ApplicationQuery::default()
    }
}

#[tokio::test]
async fn the_gate_tells_absent_from_forbidden_only_with_the_project() {
    let access = Access::new("gateway").allow("applications", "get", "shop/*");
    let sim = sim(access).await;
    let mut client = client(&sim).await;
    let absent = "applications.argoproj.io \"absent\" not found";
    let api = "applications.argoproj.io \"api\" not found";
    for (namespace, project, name, expected) in [
        ("", "", "web", Ok(())),
        ("argocd", "shop", "web", Ok(())),
        ("", "", "api", Err((Code::PermissionDenied, DENIED))),
        ("", "", "absent", Err((Code::PermissionDenied, DENIED))),
        ("", "", "", Err((Code::PermissionDenied, DENIED))),
        ("", "shop", "absent", Err((Code::NotFound, absent))),
        ("", "shop", "api", Err((Code::NotFound, api))),
        ("", "default", "api", Err((Code::PermissionDenied, DENIED))),
        ("", "default", "absent", Err((Code::PermissionDenied, DENIED))),
        ("team-a", "", "web", Err((Code::PermissionDenied, DENIED))),
        ("team-a", "team", "web", Err((Code::PermissionDenied, DENIED))),
    ] {
        let answer = soon(client.get(query(namespace, project, name))).await;
        let answer = answer
            .as_ref()
            .map(|_| ())
            .map_err(|status| (status.code(), status.message()));
        assert_eq!(answer, expected, "{namespace}/{name} in {project:?}");
    }
}

#[tokio::test]
async fn outside_the_control_plane_the_namespace_is_part_of_the_object() {
    let sim = sim(Access::new("gateway").allow("applications", "get", "team/team-a/web")).await;
    let application = soon(client(&sim).await.get(query("team-a", "team", "web")))
        .await
        .unwrap();
    let metadata = application.into_inner().metadata.unwrap();
    assert_eq!(metadata.namespace.as_deref(), Some("team-a"));
}

#[tokio::test]
async fn an_empty_project_is_the_default_project() {
    let sim = sim(Access::new("gateway").allow("applications", "get", "default/*")).await;
    let mut client = client(&sim).await;
    assert!(soon(client.get(query("", "default", "api"))).await.is_ok());
}

#[tokio::test]
async fn at_most_one_project() {
    let (_sim, mut client) = reader().await;
    let mut query = query("", "shop", "web");
    query.project.push("team".to_owned());
    assert_eq!(
        soon(client.get(query)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn empty_values_and_resource_health_are_there() {
    let (_sim, mut client) = reader().await;
    let web = soon(client.get(named("web"))).await.unwrap().into_inner();
    assert_eq!(web.metadata.unwrap().self_link.as_deref(), Some(""));
    let status = web.status.unwrap();
    assert_eq!(status.source_type.as_deref(), Some(""));
    assert!(status.resources[0].health.is_some(), "Get fills it in");
    assert!(
        status.sync.unwrap().compared_to.unwrap().source.is_some(),
        "blank, but present"
    );
}

#[tokio::test]
async fn a_refresh_by_its_presence_alone_reconciles() {
    let (sim, mut client) = reader().await;
    let mut query = named("web");
    assert!(
        soon(client.get(query.clone()))
            .await
            .unwrap()
            .into_inner()
            .status
            .unwrap()
            .reconciled_at
            .is_none()
    );
    query.refresh = Some(String::new());
    let status = soon(client.get(query))
        .await
        .unwrap()
        .into_inner()
        .status
        .unwrap();
    assert_eq!(
        status.reconciled_at.unwrap().unix_seconds(),
        i64::try_from(NOW).ok()
    );
    assert_eq!(
        sim.fleet().manifest(&app("web")).unwrap()["metadata"]["resourceVersion"],
        "5",
        "the annotation, and the reconciliation that removes it"
    );
}
