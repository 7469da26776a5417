//! Pod logs: which lines, in which order, and how a caller knows that they are all.

use octopus_argo_proto::argocd::application::{ApplicationPodLogsQuery, LogEntry};
use octopus_argo_proto::argocd::k8s::meta::Time;
use octopus_argo_testkit::argocd::{Access, ArgoCdVersion};
use tonic::Code;

use super::*;

fn logs() -> ApplicationPodLogsQuery {
    ApplicationPodLogsQuery {
        name: "web".to_owned(),
        ..ApplicationPodLogsQuery::default()
    }
}

/// Two pods whose lines interleave.
async fn two_pods() -> (ArgoCdSim, Client) {
    let (sim, client) = reader().await;
    let fleet = sim.fleet();
    let web = app("web");
    fleet
        .set_logs(
            &web,
            "web-1",
            ["2026-05-19T08:00:01Z one", "2026-05-19T08:00:03.5Z THREE"],
        )
        .unwrap();
    fleet
        .set_logs(
            &web,
            "web-2",
            ["2026-05-19T08:00:02Z two", "2026-05-19T08:00:04Z four"],
        )
        .unwrap();
    (sim, client)
}

async fn stream(client: &mut Client, query: ApplicationPodLogsQuery) -> Streaming<LogEntry> {
    soon(client.pod_logs(query)).await.unwrap().into_inner()
}

/// The next entry as `pod content`, or `last content` for the final one, or `end`.
async fn entry(entries: &mut Streaming<LogEntry>) -> String {
    match soon(entries.message()).await.unwrap() {
        Some(entry) if entry.last => format!("last {}", entry.content),
        Some(entry) => format!("{} {}", entry.pod_name, entry.content),
        None => "end".to_owned(),
    }
}

async fn all(client: &mut Client, query: ApplicationPodLogsQuery) -> Vec<String> {
    let mut entries = stream(client, query).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "end") {
        seen.push(entry(&mut entries).await);
    }
    seen
}

/// Every entry of a call with these fields set; the end of the stream is checked and left out.
async fn with(client: &mut Client, set: impl FnOnce(&mut ApplicationPodLogsQuery)) -> Vec<String> {
    let mut query = logs();
    set(&mut query);
    let mut seen = all(client, query).await;
    assert_eq!(seen.pop().as_deref(), Some("end"));
    seen
}

#[tokio::test]
async fn lines_of_the_pods_that_match_are_merged_by_time() {
    let (_sim, mut client) = two_pods().await;
    let everything = ["web-1 one", "web-2 two", "web-1 THREE", "web-2 four", "last "];
    assert_eq!(with(&mut client, |_| {}).await, everything);
    let seen = with(&mut client, |query| query.pod_name = text("")).await;
    assert_eq!(seen, everything, "present but empty is every pod");
    let seen = with(&mut client, |query| query.pod_name = text("web-2")).await;
    assert_eq!(seen, ["web-2 two", "web-2 four", "last "]);
    let resource = |query: &mut ApplicationPodLogsQuery| {
        query.namespace = text("shop");
        query.kind = text("Pod");
        query.resource_name = text("web-1");
    };
    assert_eq!(
        with(&mut client, resource).await,
        ["web-1 one", "web-1 THREE", "last "]
    );
}

#[tokio::test]
async fn no_pod_that_matches_is_nothing_at_all() {
    let (_sim, mut client) = two_pods().await;
    assert!(
        with(&mut client, |query| query.pod_name = text("web-3"))
            .await
            .is_empty()
    );
    assert!(
        with(&mut client, |query| query.namespace = text("other"))
            .await
            .is_empty()
    );
    assert!(
        with(&mut client, |query| query.name = "api".to_owned())
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn lines_are_cut_by_number_and_time() {
    let (_sim, mut client) = two_pods().await;
    let late = ["web-1 THREE", "web-2 four", "last "];
    let seen = with(&mut client, |query| query.tail_lines = Some(1)).await;
    assert_eq!(seen, late, "the tail is counted per pod");
    let seen = with(&mut client, |query| query.tail_lines = Some(0)).await;
    assert_eq!(seen.len(), 5, "zero is unset");
    let seen = with(&mut client, |query| query.since_seconds = Some(3597)).await;
    assert_eq!(seen, late);
    let since = Time::from_unix_seconds(1_779_177_603);
    assert_eq!(
        with(&mut client, |query| query.since_time = Some(since)).await,
        late
    );
    let seen = with(&mut client, |query| {
        query.until_time = text("2026-05-19T08:00:02Z")
    })
    .await;
    assert_eq!(
        seen,
        ["web-1 one", "web-2 two", "last THREE"],
        "the first line after it is the last"
    );
}

#[tokio::test]
async fn lines_are_filtered_after_they_are_cut() {
    let (_sim, mut client) = two_pods().await;
    let seen = with(&mut client, |query| query.filter = text("three")).await;
    assert_eq!(seen, ["web-1 THREE", "last "]);
    let exactly = |query: &mut ApplicationPodLogsQuery| {
        query.filter = text("three");
        query.match_case = Some(true);
    };
    assert_eq!(with(&mut client, exactly).await, ["last "]);
    let seen = with(&mut client, |query| query.filter = text("!o")).await;
    assert_eq!(seen, ["web-1 THREE", "last "]);
    let after_tail = |query: &mut ApplicationPodLogsQuery| {
        query.filter = text("o");
        query.tail_lines = Some(1);
    };
    assert_eq!(with(&mut client, after_tail).await, ["web-2 four", "last "]);
}

#[tokio::test]
async fn times_are_exact_in_text_and_whole_in_the_message() {
    let (_sim, mut client) = two_pods().await;
    let query = ApplicationPodLogsQuery {
        pod_name: text("web-1"),
        tail_lines: Some(1),
        ..logs()
    };
    let mut entries = stream(&mut client, query).await;
    let line = soon(entries.message()).await.unwrap().unwrap();
    assert_eq!(line.time_stamp_str, "2026-05-19T08:00:03.5Z");
    assert_eq!(line.time_stamp, Time::from_unix_seconds(1_779_177_603));
    let last = soon(entries.message()).await.unwrap().unwrap();
    assert_eq!(
        (last.pod_name.as_str(), last.time_stamp_str.as_str()),
        ("", "2026-05-19T09:00:00Z")
    );
}

#[tokio::test]
async fn following_goes_on_until_every_pod_has_ended() {
    let (sim, mut client) = two_pods().await;
    let query = ApplicationPodLogsQuery {
        follow: Some(true),
        tail_lines: Some(1),
        filter: text("!noise"),
        ..logs()
    };
    let mut entries = stream(&mut client, query).await;
    assert_eq!(entry(&mut entries).await, "web-1 THREE");
    assert_eq!(entry(&mut entries).await, "web-2 four");
    let web = app("web");
    let fleet = sim.fleet();
    fleet.append_log(&web, "web-2", "noise").unwrap();
    fleet.append_log(&web, "web-2", "five").unwrap();
    assert_eq!(entry(&mut entries).await, "web-2 five");
    // A pod that is born later is not followed.
    fleet.set_logs(&web, "web-3", ["born late"]).unwrap();
    fleet.end_logs(&web, "web-2").unwrap();
    fleet.append_log(&web, "web-1", "first\rsecond").unwrap();
    assert_eq!(entry(&mut entries).await, "web-1 first");
    assert_eq!(entry(&mut entries).await, "web-1 second");
    fleet.end_logs(&web, "web-1").unwrap();
    assert_eq!(entry(&mut entries).await, "last ");
    assert_eq!(entry(&mut entries).await, "end");
}

#[tokio::test]
async fn a_refused_log_is_a_line() {
    let (sim, mut client) = two_pods().await;
    sim.fleet()
        .refuse_logs(&app("web"), "web-1", "container is waiting to start")
        .unwrap();
    let mut entries = stream(&mut client, logs()).await;
    let refusal = soon(entries.message()).await.unwrap().unwrap();
    assert_eq!(
        (
            refusal.content.as_str(),
            refusal.pod_name.as_str(),
            refusal.time_stamp_str.as_str()
        ),
        ("container is waiting to start", "", "0001-01-01T00:00:00Z")
    );
    assert_eq!(entry(&mut entries).await, "web-2 two");
}

#[tokio::test]
async fn refusals() {
    let (sim, mut client) = two_pods().await;
    let query = ApplicationPodLogsQuery {
        until_time: text("tomorrow"),
        ..logs()
    };
    assert_eq!(
        soon(client.pod_logs(query)).await.unwrap_err().code(),
        Code::Unknown
    );

    let absent = ApplicationPodLogsQuery {
        name: "absent".to_owned(),
        ..ApplicationPodLogsQuery::default()
    };
    assert_status(
        soon(client.pod_logs(absent)).await,
        Code::PermissionDenied,
        "permission denied",
    );

    for pod in 3..=11 {
        sim.fleet()
            .set_logs(&app("web"), &format!("web-{pod}"), ["line"])
            .unwrap();
    }
    assert_eq!(
        soon(client.pod_logs(logs())).await.unwrap_err().code(),
        Code::InvalidArgument,
        "11 pods"
    );

    sim.accounts()
        .set_access(Access::new("gateway").allow("applications", "get", "*/*"));
    let message = "permission denied: logs, get, shop/web, sub: gateway, iat: 2026-05-19T09:00:00Z";
    assert_status(
        soon(client.pod_logs(logs())).await,
        Code::PermissionDenied,
        message,
    );
}

#[tokio::test]
async fn before_3_0_logs_needed_no_right_and_filters_looked_at_case() {
    let access = Access::new("gateway").allow("applications", "get", "*/*");
    let sim = builder()
        .version(ArgoCdVersion::V2_14)
        .token(TOKEN, access)
        .start()
        .await
        .unwrap();
    sim.fleet()
        .set_logs(&app("web"), "web-1", ["three", "THREE"])
        .unwrap();
    let query = ApplicationPodLogsQuery {
        filter: text("three"),
        ..logs()
    };
    assert_eq!(
        all(&mut client(&sim).await, query).await,
        ["web-1 three", "last ", "end"]
    );
}
