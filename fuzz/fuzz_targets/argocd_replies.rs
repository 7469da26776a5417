//! No answer to any call of Argo CD's API makes it panic, hang or hand over more than came: whatever the status, the frames,
//! the messages and the end.
#![no_main]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::Frame;
use libfuzzer_sys::fuzz_target;
use octopus_argo_core::ApplicationName;
use octopus_argo_core::health::argocd::ResourceKey;
use octopus_argo_proto::argocd::{Api, Filter, LogQuery, Right, SourceIndex, SyncRequest, Target};
use octopus_argo_proto::prost::bytes::Bytes;
use tonic::body::Body;
use tonic::codegen::{Service, http};

fuzz_target!(|bytes: &[u8]| {
    let [call, shape, body @ ..] = bytes else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing");
    let api = Api::new(Canned {
        shape: *shape,
        body: Bytes::copy_from_slice(body),
    });
    runtime.block_on(answer(&api, *call));
});

/// Makes one call, and reads its answer to the end.
async fn answer(api: &Api<Canned>, call: u8) {
    let web = Target::new(&ApplicationName::new(Some("team"), "web")).in_project("shop");
    let first = SourceIndex::new(0);
    let failed = match call % 21 {
        0 => api.list(&Filter::default()).await.is_err(),
        1 => api.get(&web).await.is_err(),
        2 => api.resource_tree(&web).await.is_err(),
        3 => api.managed_resources(&web).await.is_err(),
        4 => api.manifests(&web, None).await.is_err(),
        5 => {
            let key = ResourceKey::new("", "Service", "shop", "web");
            api.resource(&web, &key).await.is_err()
        }
        6 => api.events(&web).await.is_err(),
        7 => api.sync(&SyncRequest::new(web)).await.is_err(),
        8 => api.terminate(&web).await.is_err(),
        9 => api.revision_metadata(&web, first, "abc").await.is_err(),
        10 => api.chart_details(&web, first, "1").await.is_err(),
        11 => api.sync_windows(&web).await.is_err(),
        12 => api.links(&web).await.is_err(),
        13 => api.clusters().await.is_err(),
        14 => api.version().await.is_err(),
        15 => api.user().await.is_err(),
        16 => api
            .can_i(&Right::new("applications", "get", "*/*"))
            .await
            .is_err(),
        17 => api.settings().await.is_err(),
        18 => api.projects().await.is_err(),
        19 => {
            let mut watch = api.watch(&Filter::default());
            while let Ok(Some(_)) = watch.next().await {}
            matches!(watch.next().await, Ok(None))
        }
        _ => {
            let mut logs = api.pod_logs(&LogQuery::new(web));
            while let Ok(Some(_)) = logs.next().await {}
            let _ = logs.refusals().count();
            assert!(matches!(logs.next().await, Ok(None)), "an end stays the end");
            false
        }
    };
    let _ = failed;
}

/// Answers every call with this body, in pieces and with an end that the shape says.
#[derive(Clone)]
struct Canned {
    shape: u8,
    body: Bytes,
}

impl Service<http::Request<Body>> for Canned {
    type Response = http::Response<Answer>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Answer>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let piece = usize::from(self.shape >> 5) * 7 + 1;
        let mut frames: VecDeque<Frame<Bytes>> = self
            .body
            .chunks(piece)
            .map(|piece| Frame::data(self.body.slice_ref(piece)))
            .collect();
        let mut answer = http::Response::new(Answer(VecDeque::new()));
        let code = http::HeaderValue::from(u16::from(self.shape & 0x1f));
        match self.shape & 0x1f {
            // Codes that there are, in the trailers.
            0..=16 => {
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", code);
                frames.push_back(Frame::trailers(trailers));
            }
            // In the headers.
            17..=20 => {
                answer
                    .headers_mut()
                    .insert("grpc-status", http::HeaderValue::from(u16::from(self.shape & 3)));
            }
            // Nowhere.
            21..=24 => {}
            // Another status of HTTP.
            status => {
                *answer.status_mut() = http::StatusCode::from_u16(400 + u16::from(status))
                    .unwrap_or(http::StatusCode::BAD_GATEWAY);
            }
        }
        answer.body_mut().0 = frames;
        ready(Ok(answer))
    }
}

struct Answer(VecDeque<Frame<Bytes>>);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
