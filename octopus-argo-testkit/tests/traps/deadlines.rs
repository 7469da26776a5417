//! Argo CD sets no deadline of its own, and several of its calls block for as long as they like.

use std::pin::Pin;

use octopus_argo_core::health::argocd::ResourceKey;
use octopus_argo_core::health::verify::Conditions;
use octopus_argo_proto::argocd::{
    Deadlines, Filter, LogQuery, Needs, Refresh, Right, SourceIndex, SyncFailure, SyncRequest,
};
use octopus_argo_testkit::argocd::{Hold, Method};
use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_millis(200);

fn hurried(builder: ArgoCdBuilder, web: bool) -> Api<ArgoCdService> {
    let builder = if web { builder.grpc_web() } else { builder };
    let deadlines = Deadlines::default()
        .with_read(LIMIT)
        .with_slow(LIMIT)
        .with_list(LIMIT)
        .with_stream(LIMIT);
    builder.build().unwrap().api().deadlines(deadlines)
}

type Called<'a> = Pin<Box<dyn Future<Output = Reason> + 'a>>;

/// The reason for which a call fails.
fn failing<'a, T: std::fmt::Debug>(call: impl Future<Output = Result<T, ApiError>> + 'a) -> Called<'a> {
    Box::pin(async { reason(call.await) })
}

/// None of the calls is answered, and each ends by itself at its limit, over HTTP/2 and as gRPC-Web.
#[tokio::test]
async fn every_call_has_a_deadline() {
    for web in [false, true] {
        let sim = sim().await;
        let _holds: Vec<Hold> = Method::ALL
            .iter()
            .map(|method| sim.faults().hold(*method))
            .collect();
        every_call_is_late(&hurried(argo_cd(&sim), web)).await;
    }
}

/// The same where nobody is there to keep the limit that is sent along: this side keeps it as well.
#[tokio::test]
async fn every_call_has_a_deadline_of_its_own() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let accepting = async {
        let mut accepted = Vec::new();
        loop {
            accepted.push(silent.accept().await.unwrap());
        }
    };
    let calling = async {
        for web in [false, true] {
            let tokens = Tokens::new(TOKEN.into()).unwrap();
            let builder = ArgoCd::builder(&address).danger_plaintext().tokens(tokens);
            every_call_is_late(&hurried(builder, web)).await;
        }
    };
    tokio::select! {
        () = calling => {}
        () = accepting => {}
    }
}

async fn every_call_is_late(api: &Api<ArgoCdService>) {
    let web_app = target("web");
    let key = ResourceKey::new("", "Service", "shop", "web");
    let first = SourceIndex::new(0);
    let filter = Filter::default();
    let sync = SyncRequest::new(target("web"));
    let right = Right::new("applications", "get", "*/*");
    // A stream's time runs from its beginning, so none is begun before its turn.
    let watch = async { api.watch(&filter).next().await };
    let trees = async { api.watch_resource_tree(&web_app).next().await };
    let logs = async { api.pod_logs(&LogQuery::new(target("web"))).next().await };
    let calls: Vec<(&str, Called<'_>)> = vec![
        ("list", failing(api.list(&filter))),
        ("get", failing(api.get(&web_app))),
        ("refresh", failing(api.refresh(&web_app, Refresh::Hard))),
        ("watch", failing(watch)),
        ("resource_tree", failing(api.resource_tree(&web_app))),
        ("watch_resource_tree", failing(trees)),
        ("resource_health", failing(api.resource_health(&web_app))),
        ("managed_resources", failing(api.managed_resources(&web_app))),
        ("manifests", failing(api.manifests(&web_app, None))),
        ("resource", failing(api.resource(&web_app, &key))),
        ("events", failing(api.events(&web_app))),
        ("pod_logs", failing(logs)),
        ("sync", failing(api.sync(&sync))),
        ("terminate", failing(api.terminate(&web_app))),
        (
            "revision_metadata",
            failing(api.revision_metadata(&web_app, first, "abc")),
        ),
        (
            "chart_details",
            failing(api.chart_details(&web_app, first, "1.0.0")),
        ),
        ("sync_windows", failing(api.sync_windows(&web_app))),
        ("links", failing(api.links(&web_app))),
        ("clusters", failing(api.clusters())),
        ("cluster", failing(api.cluster("https://kubernetes.default.svc"))),
        ("version", failing(api.version())),
        ("user", failing(api.user())),
        ("can_i", failing(api.can_i(&right))),
        ("settings", failing(api.settings())),
        ("projects", failing(api.projects())),
        ("project", failing(api.project("shop"))),
        ("probe", failing(api.probe(Needs::default()))),
    ];
    for (name, call) in calls {
        let late = soon(call).await;
        assert!(
            matches!(late, Reason::Deadline { after, .. } if after == LIMIT),
            "{name}: {late:?}"
        );
    }
    let conditions = Conditions::healthy("1".parse().unwrap(), "".parse().unwrap());
    let waited = soon(api.sync_and_wait(&sync, conditions)).await.unwrap_err();
    let SyncFailure::NotBegun { source, .. } = waited else {
        panic!("{waited:?}")
    };
    assert!(matches!(source.reason(), Reason::Deadline { .. }), "{source:?}");
}

/// A stream that goes on and on ends at its limit too.
#[tokio::test]
async fn a_stream_that_is_alive_has_a_deadline() {
    let sim = sim().await;
    let mut watch = hurried(argo_cd(&sim), false).watch(&Filter::default());
    let end = soon(async {
        loop {
            sim.fleet().annotate(&app("web"), "x", Some("1")).unwrap();
            if let Err(error) = watch.next().await {
                return error;
            }
        }
    });
    assert!(matches!(end.await.reason(), Reason::Deadline { .. }));
}
