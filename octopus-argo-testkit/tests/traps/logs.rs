//! Trap 10: logs that look like errors, and errors that look like logs.

use octopus_argo_client::argocd::ArgoCdService;
use octopus_argo_proto::argocd::{Case, LogQuery, Logs, LogsEnd};
use octopus_argo_testkit::argocd::{ArgoCdVersion, Method};

use super::*;

async fn with_logs() -> ArgoCdSim {
    let sim = sim().await;
    fill(&sim);
    sim
}

fn fill(sim: &ArgoCdSim) {
    let lines = [
        "2026-05-19T09:27:22Z Error one",
        "2026-05-19T09:27:23Z error two",
        "2026-05-19T09:27:24Z fine",
    ];
    sim.fleet().set_logs(&app("web"), "web-1", lines).unwrap();
}

async fn lines(logs: &mut Logs<ArgoCdService>) -> Result<Vec<String>, ApiError> {
    let mut lines = Vec::new();
    while let Some(line) = soon(logs.next()).await? {
        lines.push(line.text.into());
    }
    Ok(lines)
}

#[tokio::test]
async fn all_lines_are_told_from_some() {
    let sim = with_logs().await;
    let api = api(&sim);
    let mut logs = api.pod_logs(&LogQuery::new(target("web")));
    assert_eq!(lines(&mut logs).await.unwrap().len(), 3);
    assert_eq!(logs.end(), Some(LogsEnd::Complete));

    sim.faults().break_after(Method::PodLogs, 2);
    let mut logs = api.pod_logs(&LogQuery::new(target("web")));
    let error = lines(&mut logs).await.unwrap_err();
    assert!(
        matches!(error.reason(), Reason::Unreachable | Reason::Cut),
        "{error:?}"
    );
    assert_eq!(logs.end(), None);

    // What fails at once is no empty log either, however often it is asked.
    sim.accounts().expire(TOKEN);
    let mut logs = api.pod_logs(&LogQuery::new(target("web")));
    assert_eq!(reason(soon(logs.next()).await), Reason::Token);
    assert_eq!(soon(logs.next()).await.unwrap(), None);
    assert_eq!(logs.end(), None);
}

/// A stream that ends well without its mark was cut all the same.
#[tokio::test]
async fn an_end_without_the_mark_is_a_cut() {
    use octopus_argo_proto::argocd::application::LogEntry;
    use octopus_argo_proto::argocd::k8s::meta::Time;
    let line = LogEntry {
        content: "half".into(),
        time_stamp: Time::from_unix_seconds(1),
        last: false,
        time_stamp_str: "1970-01-01T00:00:01Z".into(),
        pod_name: "web-1".into(),
    };
    let api = Api::new(streams::Canned::messages([line]));
    let mut logs = api.pod_logs(&LogQuery::new(target("web")));
    assert_eq!(&*soon(logs.next()).await.unwrap().unwrap().text, "half");
    assert_eq!(reason(soon(logs.next()).await), Reason::Cut);
}

#[tokio::test]
async fn no_pods_is_not_an_empty_log() {
    let sim = sim().await;
    let mut logs = api(&sim).pod_logs(&LogQuery::new(target("web")));
    assert!(lines(&mut logs).await.unwrap().is_empty());
    assert_eq!(logs.end(), Some(LogsEnd::NoPods));
}

#[tokio::test]
async fn a_pod_that_is_refused_is_no_line() {
    let sim = with_logs().await;
    let why = "container \"web\" in pod \"web-2\" is waiting to start";
    sim.fleet().refuse_logs(&app("web"), "web-2", why).unwrap();
    let mut logs = api(&sim).pod_logs(&LogQuery::new(target("web")));
    assert_eq!(lines(&mut logs).await.unwrap().len(), 3);
    assert_eq!(logs.end(), Some(LogsEnd::Complete));
    let refusals: Vec<&str> = logs.refusals().collect();
    assert!(
        refusals.len() == 1 && refusals[0].contains("waiting to start"),
        "{refusals:?}"
    );
}

/// Up to 2.14 case counts on the server, since 3.0 it does not.
#[tokio::test]
async fn a_filter_means_the_same_everywhere() {
    for version in [ArgoCdVersion::V2_14, ArgoCdVersion::V3_5] {
        let sim = builder()
            .version(version)
            .token(TOKEN, access())
            .start()
            .await
            .unwrap();
        fill(&sim);
        let api = api(&sim);
        let count = async |query: LogQuery| lines(&mut api.pod_logs(&query)).await.unwrap().len();
        let query = || LogQuery::new(target("web"));
        assert_eq!(
            count(query().containing("Error", Case::Counts)).await,
            1,
            "{version:?}"
        );
        assert_eq!(
            count(query().containing("Error", Case::Ignored)).await,
            2,
            "{version:?}"
        );
        assert_eq!(
            count(query().without("error", Case::Ignored)).await,
            1,
            "{version:?}"
        );
        assert_eq!(
            count(query().without("error", Case::Counts)).await,
            2,
            "{version:?}"
        );
    }
}
