//! Tokens: where they are looked for, what a bad one answers, and what lives on without them.

use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::session::GetUserInfoRequest;
use octopus_argo_proto::argocd::session::session_service_client::SessionServiceClient;
use octopus_argo_proto::argocd::version::version_service_client::VersionServiceClient;
use octopus_argo_testkit::argocd::{Access, ArgoCdVersion};
use tonic::Code;

use super::*;

const NONE: &str = "no session information";

async fn list(sim: &ArgoCdSim, headers: &[(&'static str, &'static str)]) -> Result<usize, Status> {
    let mut client = client_with(sim, headers).await;
    let list = soon(client.list(ApplicationQuery::default())).await?;
    Ok(list.into_inner().items.len())
}

#[tokio::test]
async fn a_token_is_taken_from_either_header() {
    let sim = sim(Access::read_only("gateway")).await;
    sim.accounts().issue("plain", Access::read_only("other"));
    let bearer = "Bearer e30.e30.c2ln";
    assert_eq!(list(&sim, &[("token", TOKEN)]).await.unwrap(), 3);
    assert_eq!(list(&sim, &[("token", "plain")]).await.unwrap(), 3);
    assert_eq!(list(&sim, &[("authorization", bearer)]).await.unwrap(), 3);
    assert_status(list(&sim, &[]).await, Code::Unauthenticated, NONE);
    assert_status(
        list(&sim, &[("authorization", "Bearer plain")]).await,
        Code::Unauthenticated,
        NONE,
    );
}

#[tokio::test]
async fn an_empty_token_hides_a_good_authorization() {
    let sim = sim(Access::read_only("gateway")).await;
    let headers = [("token", ""), ("authorization", "Bearer e30.e30.c2ln")];
    assert_status(list(&sim, &headers).await, Code::Unauthenticated, NONE);
}

#[tokio::test]
async fn bad_tokens_have_their_causes() {
    let sim = sim(Access::read_only("gateway")).await;
    let headers = [("token", TOKEN)];
    let cause = "invalid session: token signature is invalid: signature is invalid";
    assert_status(
        list(&sim, &[("token", "a.b.c")]).await,
        Code::Unauthenticated,
        cause,
    );

    sim.accounts().expire(TOKEN);
    let cause = "invalid session: token has invalid claims: token is expired";
    assert_status(list(&sim, &headers).await, Code::Unauthenticated, cause);

    sim.accounts().revoke(TOKEN);
    let cause = "invalid session: account gateway does not have token with id 1";
    assert_status(list(&sim, &headers).await, Code::Unauthenticated, cause);

    sim.accounts().restore(TOKEN);
    assert_eq!(list(&sim, &headers).await.unwrap(), 3);
}

#[tokio::test]
async fn version_and_user_info_answer_anyone() {
    let sim = builder()
        .version(ArgoCdVersion::V3_0)
        .token(TOKEN, Access::new("gateway"))
        .start()
        .await
        .unwrap();
    for (headers, known) in [(Headers(vec![]), false), (Headers(vec![("token", TOKEN)]), true)] {
        let channel = channel(&sim).await;
        let mut version = VersionServiceClient::with_interceptor(channel.clone(), headers.clone());
        let version = soon(version.version(())).await.unwrap().into_inner();
        assert_eq!(version.version, "v3.0.0");
        assert_eq!(!version.git_commit.is_empty(), known);

        let mut session = SessionServiceClient::with_interceptor(channel, headers);
        let info = soon(session.get_user_info(GetUserInfoRequest {}))
            .await
            .unwrap()
            .into_inner();
        let expected = if known { (true, "gateway") } else { (false, "") };
        assert_eq!((info.logged_in, info.username.as_str()), expected);
    }
}

#[tokio::test]
async fn health_needs_a_token_too() {
    let sim = sim(Access::new("gateway")).await;
    for (headers, expected) in [
        (Headers(vec![]), Err(Code::Unauthenticated)),
        (Headers(vec![("token", TOKEN)]), Ok(1)),
    ] {
        let channel = InterceptedService::new(channel(&sim).await, headers);
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
        let answer = soon(health.check(tonic_health::pb::HealthCheckRequest::default())).await;
        let status = answer
            .map(|answer| answer.into_inner().status)
            .map_err(|status| status.code());
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn an_open_stream_outlives_its_token_but_not_its_rights() {
    let (sim, mut client) = reader().await;
    let mut events = soon(client.watch(ApplicationQuery::default()))
        .await
        .unwrap()
        .into_inner();
    for name in ["argocd/api", "argocd/web", "team-a/web"] {
        assert_eq!(next(&mut events).await, format!("ADDED {name}"));
    }
    sim.accounts().revoke(TOKEN);
    sim.fleet().annotate(&app("api"), "round", Some("1")).unwrap();
    assert_eq!(next(&mut events).await, "MODIFIED argocd/api");
    let refused = soon(client.watch(named("api"))).await;
    assert_eq!(
        refused.unwrap_err().code(),
        Code::Unauthenticated,
        "a new stream needs a good token"
    );

    sim.accounts()
        .set_access(Access::new("gateway").allow("applications", "get", "shop/*"));
    sim.fleet().annotate(&app("api"), "round", Some("2")).unwrap();
    sim.fleet().annotate(&app("web"), "round", Some("2")).unwrap();
    assert_eq!(
        next(&mut events).await,
        "MODIFIED argocd/web",
        "nothing of api, which is not allowed any more"
    );
}

#[tokio::test]
async fn without_authentication_anyone_may_do_anything() {
    let sim = builder().without_authentication().start().await.unwrap();
    assert_eq!(list(&sim, &[]).await.unwrap(), 3);
}
