//! Argo CD sets no deadline of its own, and several of its calls block for as long as they like.

use std::pin::Pin;

use octopus_argo_core::health::argocd::ResourceKey;
use octopus_argo_core::health::verify::Conditions;
use octopus_argo_proto::argocd::{
    Deadlines, Filter, LogQuery, Needs, Refresh, Right, SourceIndex, SyncFailure, SyncRequest,
};
use octopus_argo_testkit::argocd::{Hold, Method};

use super::*;

const LIMIT: Duration = Duration::from_millis(200);

fn hurried(sim: &ArgoCdSim, web: bool) -> Api<ArgoCdService> {
    let builder = argo_cd(sim);
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
        let api = hurried(&sim, web);
        let web_app = target("web");
        let key = ResourceKey::new("", "Service", "shop", "web");
        let first = SourceIndex::new(0);
        let filter = Filter::default();
        let sync = SyncRequest::new(target("web"));
        let right = Right::new("applications", "get", "*/*");
        let (mut watch, mut trees) = (api.watch(&filter), api.watch_resource_tree(&web_app));
        let mut logs = api.pod_logs(&LogQuery::new(target("web")));
        let calls: Vec<(&str, Called<'_>)> = vec![
            ("list", failing(api.list(&filter))),
            ("get", failing(api.get(&web_app))),
            ("refresh", failing(api.refresh(&web_app, Refresh::Hard))),
            ("watch", failing(watch.next())),
            ("resource_tree", failing(api.resource_tree(&web_app))),
            ("watch_resource_tree", failing(trees.next())),
            ("resource_health", failing(api.resource_health(&web_app))),
            ("managed_resources", failing(api.managed_resources(&web_app))),
            ("manifests", failing(api.manifests(&web_app, None))),
            ("resource", failing(api.resource(&web_app, &key))),
            ("events", failing(api.events(&web_app))),
            ("pod_logs", failing(logs.next())),
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
                "{name}, web: {web}: {late:?}"
            );
        }
        let conditions = Conditions::healthy("1".parse().unwrap(), "".parse().unwrap());
        let waited = soon(api.sync_and_wait(&sync, conditions)).await.unwrap_err();
        let SyncFailure::NotBegun { source, .. } = waited else {
            panic!("{waited:?}")
        };
        assert!(matches!(source.reason(), Reason::Deadline { .. }), "{source:?}");
    }
}

/// A stream that goes on and on ends at its limit too.
#[tokio::test]
async fn a_stream_that_is_alive_has_a_deadline() {
    let sim = sim().await;
    let mut watch = hurried(&sim, false).watch(&Filter::default());
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
