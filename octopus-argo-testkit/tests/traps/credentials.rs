//! Tokens: the header that hides another, expiry, rotation, projects, probes.

use octopus_argo_client::argocd::TokensError;
use octopus_argo_proto::argocd::{Filter, Needs};
use octopus_argo_testkit::argocd::Access;
use tonic::Request;

use super::*;

/// Also: a `token` header hides a good `authorization`, even if it is empty.
#[tokio::test]
async fn an_empty_token_header_hides_nothing() {
    use octopus_argo_proto::argocd::application::ApplicationQuery;
    use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
    let sim = sim().await;
    let mut client = ApplicationServiceClient::new(argo_cd(&sim).build().unwrap().service());
    let mut request = Request::new(ApplicationQuery::default());
    request.metadata_mut().insert("token", "".parse().unwrap());
    let listed = soon(client.list(request)).await.unwrap().into_inner();
    assert_eq!(listed.items.len(), 2);
}

#[tokio::test]
async fn a_token_that_has_ended_is_said() {
    let sim = sim().await;
    let api = api(&sim);
    for end in [true, false] {
        if end {
            sim.accounts().expire(TOKEN);
        } else {
            sim.accounts().revoke(TOKEN);
        }
        assert_eq!(reason(soon(api.get(&target("web"))).await), Reason::Token);
        assert_eq!(reason(soon(api.list(&Filter::default())).await), Reason::Token);
        let mut watch = api.watch(&Filter::default());
        assert_eq!(reason(soon(watch.next()).await), Reason::Token);
        assert!(!soon(api.user()).await.unwrap().logged_in);
        sim.accounts().restore(TOKEN);
        assert!(soon(api.get(&target("web"))).await.is_ok());
    }
}

/// A token in a file is replaced while it is in use: no call fails.
#[tokio::test]
async fn a_token_is_replaced_under_way() {
    const NEXT: &str = "e30.e30.bmV4dA";
    let sim = sim().await;
    let folder = std::env::temp_dir().join(format!("octopus-argo-token-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("token");
    std::fs::write(&path, TOKEN).unwrap();
    for web in [false, true] {
        let builder = argo_cd(&sim).tokens(Tokens::from_file(&path).unwrap());
        let builder = if web { builder.grpc_web() } else { builder };
        let api = builder.build().unwrap().api();
        soon(api.get(&target("web"))).await.unwrap();
        std::fs::write(&path, NEXT).unwrap();
        sim.accounts().issue(NEXT, access());
        sim.accounts().expire(TOKEN);
        soon(api.get(&target("web"))).await.unwrap();
        assert_eq!(soon(api.list(&Filter::default())).await.unwrap().len(), 2);
        sim.accounts().restore(TOKEN);
        std::fs::write(&path, TOKEN).unwrap();
        sim.accounts().revoke(NEXT);
        soon(api.get(&target("web"))).await.unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// `{"sub":"proj:shop:r"}` and `{"sub":"proj:team:r"}`.
const SHOP: &str = "e30.eyJzdWIiOiJwcm9qOnNob3A6ciJ9.c2hvcA";
const TEAM: &str = "e30.eyJzdWIiOiJwcm9qOnRlYW06ciJ9.dGVhbQ";

/// Each call takes the token of its project, and a gateway sees all projects together.
#[tokio::test]
async fn calls_go_by_project() {
    let role = |project: &str| {
        let object = format!("{project}/*");
        Access::project_role(project, "r")
            .allow("applications", "get", &object)
            .allow("logs", "get", &object)
    };
    let sim = builder()
        .token(SHOP, role("shop"))
        .token(TEAM, role("team"))
        .start()
        .await
        .unwrap();
    sim.fleet()
        .upsert("metadata: {name: game}\nspec: {project: team}".parse().unwrap());
    let tokens = Tokens::default()
        .with_project(SHOP.into())
        .unwrap()
        .with_project(TEAM.into())
        .unwrap();
    let argo_cd = argo_cd(&sim).tokens(tokens).build().unwrap();
    let api = argo_cd.api();
    soon(api.get(&target("web"))).await.unwrap();
    soon(api.get(&Target::new(&app("game")).in_project("team")))
        .await
        .unwrap();
    assert_eq!(
        soon(api.list(&Filter::default().project("team")))
            .await
            .unwrap()
            .len(),
        1
    );
    let reports = soon(argo_cd.probe(Needs::default().with_sync())).await.unwrap();
    let missing: Vec<String> = reports.iter().flat_map(|report| report.probe.missing()).collect();
    assert_eq!(
        missing,
        [
            "p, proj:shop:r, applications, sync, shop/*, allow",
            "p, proj:team:r, applications, sync, team/*, allow",
        ]
    );

    let octopus = support::Octopus::start().await;
    let mut events = octopus.events();
    let gateway = octopus_argo_client::Gateway::builder(octopus.register())
        .argo_cd(argo_cd)
        .start()
        .unwrap();
    assert_eq!(soon(events.until(support::complete)).await, 3);
    // And a server's handle works through the gateway's tokens.
    let through = octopus.gateway().argocd();
    soon(through.get(&Target::new(&app("game")).in_project("team")))
        .await
        .unwrap();
    drop(gateway);
    assert!(matches!(
        Tokens::default().with_project(TOKEN.into()),
        Err(TokensError::NotOfProject)
    ));
}

#[tokio::test]
async fn a_probe_names_the_lines_that_are_missing() {
    let sim = builder()
        .token(TOKEN, Access::new("gateway").allow("applications", "get", "*/*"))
        .start()
        .await
        .unwrap();
    let argo_cd = argo_cd(&sim).build().unwrap();
    let reports = soon(argo_cd.probe(Needs::default())).await.unwrap();
    let probe = &reports[0].probe;
    assert!(probe.user.logged_in && !probe.version.is_empty() && !probe.is_good());
    assert_eq!(
        probe.missing().collect::<Vec<_>>(),
        [
            "p, gateway, clusters, get, *, allow",
            "p, gateway, logs, get, */*, allow",
        ]
    );
    // Asked for `*`, Argo CD would say no to who has `*/*`; and the line that is missing is the installer's.
    let applications = &probe.rights[0];
    assert_eq!(applications.right.object(), "*");
    assert_eq!(applications.granted, Some(true));
    sim.accounts().set_access(Access::new("gateway"));
    let reports = soon(argo_cd.probe(Needs::default())).await.unwrap();
    assert_eq!(
        reports[0].probe.missing().next().as_deref(),
        Some("p, gateway, applications, get, *, allow")
    );
    sim.accounts().expire(TOKEN);
    let reports = soon(argo_cd.probe(Needs::default())).await.unwrap();
    assert!(!reports[0].probe.user.logged_in && reports[0].probe.rights.is_empty());
}
