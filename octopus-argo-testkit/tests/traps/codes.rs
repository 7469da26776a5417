//! Trap 6: what 7 means; and the causes of 9.

use octopus_argo_core::health::OperationPhase;
use octopus_argo_proto::argocd::{Filter, Refusal, Right, SourceIndex, SyncRequest};
use octopus_argo_testkit::argocd::{Manifest, SyncWindow};

use super::*;

/// An application that is gone is told from one that may not be seen, because the project is sent.
#[tokio::test]
async fn gone_is_not_forbidden_where_the_project_is_known() {
    let sim = sim().await;
    let api = api(&sim);
    let web = soon(api.get(&target("web"))).await.unwrap().application;
    sim.fleet().delete(&app("web")).unwrap();
    assert_eq!(reason(soon(api.get(&Target::from(&web))).await), Reason::NotFound);
    let nameless = Target::new(&app("web"));
    assert_eq!(denied(soon(api.get(&nameless)).await), Denied::AbsentOrForbidden);
    assert_eq!(
        reason(soon(api.resource_tree(&Target::from(&web))).await),
        Reason::NotFound
    );

    sim.accounts().set_access(Access::new("gateway"));
    assert_eq!(denied(soon(api.get(&target("api"))).await), Denied::Forbidden);
    assert!(
        soon(api.list(&Filter::default())).await.unwrap().is_empty(),
        "no right is no error"
    );
    assert!(
        soon(api.user()).await.unwrap().logged_in,
        "and the token is as good as before"
    );
}

/// A sync window says nothing about rights, and passes.
#[tokio::test]
async fn a_sync_window_is_not_a_missing_right() {
    let sim = sim().await;
    let api = api(&sim);
    let request = SyncRequest::new(target("web"));
    sim.fleet().set_sync_window(SyncWindow::Blocked);
    let error = soon(api.sync(&request)).await.unwrap_err();
    assert_eq!(*error.reason(), Reason::Denied(Denied::SyncWindow));
    assert!(error.is_retryable());
    sim.fleet().set_sync_window(SyncWindow::Open);
    sim.accounts().set_access(Access::read_only("gateway"));
    let error = soon(api.sync(&request)).await.unwrap_err();
    let right = Right::new("applications", "sync", "shop/web");
    assert_eq!(*error.reason(), Reason::Denied(Denied::MissingRight(right)));
    assert!(!error.is_retryable());
}

/// A right besides `sync`, which manifests need always, and another revision where the server wants it.
#[tokio::test]
async fn the_right_to_override_is_named() {
    let sim = builder()
        .override_for_revisions(true)
        .token(TOKEN, access())
        .start()
        .await
        .unwrap();
    let api = api(&sim);
    let right = Right::new("applications", "override", "shop/web");
    let missing = Denied::MissingRight(right);
    let local = SyncRequest::new(target("web")).danger_manifests(["{}".to_owned()]);
    assert_eq!(denied(soon(api.sync(&local)).await), missing);
    let other = SyncRequest::new(target("web")).revision("v2");
    assert_eq!(denied(soon(api.sync(&other)).await), missing);
    soon(api.sync(&SyncRequest::new(target("web")).revision("main")))
        .await
        .unwrap();
}

/// Code 9 of Sync, by its cause.
#[tokio::test]
async fn a_refused_sync_says_why() {
    let sim = sim().await;
    let api = api(&sim);
    let refusal = async |request: &SyncRequest| match reason(soon(api.sync(request)).await) {
        Reason::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    };
    let automated = "metadata: {name: auto}
spec:
  project: shop
  source: {repoURL: https://git.example.test/auto.git, path: deploy, targetRevision: main}
  syncPolicy: {automated: {}}";
    sim.fleet().upsert(automated.parse::<Manifest>().unwrap());
    let other = SyncRequest::new(target("auto")).revision("v2");
    assert_eq!(refusal(&other).await, Refusal::AutomatedRevision);
    sim.accounts()
        .set_access(access().allow("applications", "override", "*/*"));
    let local = SyncRequest::new(target("auto")).danger_manifests(["{}".to_owned()]);
    assert_eq!(refusal(&local).await, Refusal::AutomatedManifests);

    sim.faults().refuse_revision("nowhere");
    let unknown = SyncRequest::new(target("web")).revision("nowhere");
    assert_eq!(refusal(&unknown).await, Refusal::Revision);
    sim.faults().forbid_replace(true);
    let replace = SyncRequest::new(target("web")).options(["Replace=true"]);
    assert_eq!(refusal(&replace).await, Refusal::Replace);

    let plain = SyncRequest::new(target("web"));
    soon(api.sync(&plain)).await.unwrap();
    assert_eq!(refusal(&plain).await, Refusal::InProgress);
    sim.fleet()
        .complete_sync(&app("web"), &OperationPhase::Succeeded)
        .unwrap();
    sim.fleet().begin_delete(&app("web")).unwrap();
    assert_eq!(refusal(&plain).await, Refusal::Deleting);
}

#[tokio::test]
async fn ending_what_does_not_run_is_said() {
    let sim = sim().await;
    let api = api(&sim);
    assert_eq!(
        reason(soon(api.terminate(&target("web"))).await),
        Reason::NothingRunning
    );
    soon(api.sync(&SyncRequest::new(target("web")))).await.unwrap();
    sim.fleet().begin_sync(&app("web")).unwrap();
    soon(api.terminate(&target("web"))).await.unwrap();
}

/// Also: sources are counted from 0 in one request and from 1 in another.
#[tokio::test]
async fn the_second_source_is_the_second_everywhere() {
    let sim = sim().await;
    let api = api(&sim);
    let second = SourceIndex::new(1);
    let request = SyncRequest::new(target("api")).source_revision(second, "v2");
    soon(api.sync(&request)).await.unwrap();
    let operation = soon(api.get(&target("api")))
        .await
        .unwrap()
        .detail
        .requested
        .unwrap();
    assert_eq!(
        operation.revisions.last().map(|revision| &**revision),
        Some("v2"),
        "{operation:?}"
    );
    assert_ne!(
        operation.revisions.first().map(|revision| &**revision),
        Some("v2"),
        "{operation:?}"
    );
    let sha = "4f9c2a7be1d04f9c2a7be1d04f9c2a7be1d0aaaa";
    soon(api.revision_metadata(&target("api"), second, sha))
        .await
        .unwrap();
    let third = soon(api.revision_metadata(&target("api"), SourceIndex::new(2), sha)).await;
    assert_eq!(reason(third), Reason::Failed, "there is no third");
}
