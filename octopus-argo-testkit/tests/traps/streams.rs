//! Connections that end under streams: restarts, GOAWAY, cuts. And a server that says what a test wants.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use octopus_argo_proto::argocd::{Filter, LogQuery, WatchEvent};
use octopus_argo_proto::prost::Message;
use octopus_argo_proto::prost::bytes::{BufMut as _, Bytes, BytesMut};
use octopus_argo_testkit::argocd::Method;
use tonic::body::Body;
use tonic::codegen::{Service, http};

use super::*;

#[tokio::test]
async fn a_restart_under_a_watch_is_said_and_can_be_tried_again() {
    for web in [false, true] {
        let sim = sim().await;
        let builder = argo_cd(&sim);
        let builder = if web { builder.grpc_web() } else { builder };
        let api = builder.build().unwrap().api();
        let mut watch = api.watch(&Filter::default());
        soon(watch.next()).await.unwrap().unwrap();
        soon(watch.next()).await.unwrap().unwrap();
        // GOAWAY first, then the cut.
        let sim = soon(sim.restart(Duration::from_millis(50))).await.unwrap();
        let error = soon(watch.next()).await.unwrap_err();
        assert_eq!(*error.reason(), Reason::Unreachable, "{error:?}");
        assert!(error.is_retryable());
        let mut watch = api.watch(&Filter::default());
        assert!(matches!(
            soon(watch.next()).await,
            Ok(Some(WatchEvent::Changed(_)))
        ));
        drop(sim);
    }
}

/// Logs and trees end with the server as well, and say so: never as if they were complete.
#[tokio::test]
async fn a_restart_under_logs_and_trees_is_said() {
    for web in [false, true] {
        let sim = sim().await;
        let lines = ["2026-05-19T09:27:22Z one"];
        sim.fleet().set_logs(&app("web"), "web-1", lines).unwrap();
        let builder = argo_cd(&sim);
        let builder = if web { builder.grpc_web() } else { builder };
        let api = builder.build().unwrap().api();
        let mut logs = api.pod_logs(&LogQuery::new(target("web")).follow());
        soon(logs.next()).await.unwrap().unwrap();
        let mut trees = api.watch_resource_tree(&target("web"));
        soon(trees.next()).await.unwrap().unwrap();
        let restarted = sim.restart(Duration::from_millis(50));
        // The tree is waited for meanwhile, so that its stream is asked for before the end.
        let (sim, tree) = soon(async { tokio::join!(restarted, trees.next()) }).await;
        assert_eq!(reason(tree), Reason::Unreachable, "web: {web}");
        assert_eq!(reason(soon(logs.next()).await), Reason::Unreachable, "web: {web}");
        assert_eq!(logs.end(), None);
        let mut trees = api.watch_resource_tree(&target("web"));
        soon(trees.next()).await.unwrap().unwrap();
        drop(sim);
    }
}

/// A token that ends under a stream does not end the stream; what begins afterwards takes the new one.
#[tokio::test]
async fn a_stream_outlives_its_token() {
    const NEXT: &str = "e30.e30.bmV4dA";
    let sim = sim().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, TOKEN).unwrap();
    let api = argo_cd(&sim)
        .tokens(Tokens::from_file(&path).unwrap())
        .build()
        .unwrap()
        .api();
    let mut watch = api.watch(&Filter::default().name(&app("web")));
    soon(watch.next()).await.unwrap().unwrap();
    sim.accounts().issue(NEXT, access());
    sim.accounts().expire(TOKEN);
    sim.fleet().annotate(&app("web"), "x", Some("1")).unwrap();
    soon(watch.next()).await.unwrap().unwrap();
    let mut later = api.watch(&Filter::default().name(&app("web")));
    assert_eq!(reason(soon(later.next()).await), Reason::Token);
    std::fs::write(&path, NEXT).unwrap();
    let mut later = api.watch(&Filter::default().name(&app("web")));
    soon(later.next()).await.unwrap().unwrap();
    sim.fleet().annotate(&app("web"), "x", Some("2")).unwrap();
    soon(watch.next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_go_on_past_a_goaway() {
    let sim = sim().await;
    let api = api(&sim);
    let mut watch = api.watch(&Filter::default().name(&app("web")));
    soon(watch.next()).await.unwrap().unwrap();
    sim.go_away();
    // New calls make a new connection; the stream that was open goes on.
    for _ in 0..3 {
        soon(api.get(&target("web"))).await.unwrap();
    }
    sim.fleet().annotate(&app("web"), "x", Some("1")).unwrap();
    soon(watch.next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_list_that_is_cut_is_no_list() {
    let sim = sim().await;
    let api = api(&sim);
    sim.faults().break_after(Method::List, 0);
    let error = soon(api.list(&Filter::default())).await.unwrap_err();
    assert!(
        matches!(error.reason(), Reason::Unreachable | Reason::Cut),
        "{error:?}"
    );
    assert_eq!(soon(api.list(&Filter::default())).await.unwrap().len(), 2);
    // One that ends as a whole one does, but says nothing at its end, was cut too.
    sim.faults().end_after(Method::List, 1);
    assert_eq!(reason(soon(api.list(&Filter::default())).await), Reason::Cut);
}

/// Answers every call with these messages and status OK.
#[derive(Clone, Debug)]
pub(crate) struct Canned(VecDeque<Bytes>);

impl Canned {
    pub(crate) fn messages<M: Message>(messages: impl IntoIterator<Item = M>) -> Self {
        let frame = |message: M| {
            let mut bytes = BytesMut::new();
            bytes.put_u8(0);
            bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
            message.encode(&mut bytes).unwrap();
            bytes.freeze()
        };
        Self(messages.into_iter().map(frame).collect())
    }
}

impl Service<http::Request<Body>> for Canned {
    type Response = http::Response<Answer>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Answer>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        ready(Ok(http::Response::new(Answer(self.0.clone(), false))))
    }
}

#[derive(Debug)]
pub(crate) struct Answer(VecDeque<Bytes>, bool);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.0.pop_front() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(message))));
        }
        if std::mem::replace(&mut self.1, true) {
            return Poll::Ready(None);
        }
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(http_body::Frame::trailers(trailers))))
    }
}
