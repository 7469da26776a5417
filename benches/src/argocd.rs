//! Argo CD's answer to List, some 5 kB an application, and a server that sends it in pieces.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body as HttpBody, Frame};
use octopus_argo_proto::argocd::k8s::meta::{ListMeta, ManagedFieldsEntry, ObjectMeta, Time};
use octopus_argo_proto::argocd::v1alpha1 as wire;
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::prost::bytes::{BufMut as _, Bytes, BytesMut};
use octopus_argo_proto::tonic::body::Body;
use octopus_argo_proto::tonic::codegen::{Service, http};

use crate::fleet;

/// How many bytes come at once: what HTTP/2 frames hold by default.
const PIECE: usize = 16 << 10;

/// The application with this number, with managed fields, resources and history as clusters have them, and with the empty
/// texts that Argo CD writes.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a literal")]
pub fn application(n: usize) -> wire::Application {
    let text = |text: &str| Some(text.to_owned());
    let application = fleet::application(n);
    let revision = format!("{n:040x}");
    let source = |name: &str, path: &str| wire::ApplicationSource {
        name: text(name),
        repo_url: text("https://git.example.test/platform/deploy.git"),
        path: text(path),
        target_revision: text("main"),
        chart: text(""),
        r#ref: text(""),
        helm: Some(Box::new(wire::ApplicationSourceHelm {
            value_files: vec!["values.yaml".into(), "values-production.yaml".into()],
            ..wire::ApplicationSourceHelm::default()
        })),
        ..wire::ApplicationSource::default()
    };
    let mut annotations: std::collections::BTreeMap<String, String> = application
        .annotations
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    annotations.insert(
        "notifications.argoproj.io/subscribe.on-sync-failed.slack".into(),
        "alerts".into(),
    );
    let kinds = [
        "Deployment",
        "Service",
        "ConfigMap",
        "Ingress",
        "ServiceAccount",
        "HorizontalPodAutoscaler",
        "Secret",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
    ];
    let resource = |kind: &&str| wire::ResourceStatus {
        group: text("apps"),
        version: text("v1"),
        kind: text(kind),
        namespace: text("payments"),
        name: Some(format!("app-{n}")),
        status: text("Synced"),
        hook: Some(false),
        requires_pruning: Some(false),
        sync_wave: Some(0),
        requires_deletion_confirmation: Some(false),
        health: None,
    };
    let history = |id: i64| wire::RevisionHistory {
        id: Some(id),
        revision: Some(revision.clone()),
        deployed_at: Some(Time::from_unix_seconds(1_778_000_000)),
        deploy_started_at: Some(Time::from_unix_seconds(1_778_000_000)),
        source: Some(wire::ApplicationSource {
            repo_url: text(""),
            path: text(""),
            target_revision: text(""),
            chart: text(""),
            ..wire::ApplicationSource::default()
        }),
        sources: application
            .sources
            .iter()
            .map(|_| source("web", "apps"))
            .collect(),
        revisions: application.sources.iter().map(|_| revision.clone()).collect(),
        initiated_by: Some(wire::OperationInitiator {
            username: text(""),
            automated: Some(true),
        }),
    };
    wire::Application {
        metadata: Some(ObjectMeta {
            name: text(application.name.name()),
            namespace: text("argocd"),
            generate_name: text(""),
            self_link: text(""),
            uid: Some(format!("b6fe7fa5-45d7-4feb-9734-{n:012x}")),
            resource_version: Some((48_366_430 + n).to_string()),
            generation: Some(7781),
            creation_timestamp: Some(Time::from_unix_seconds(1_757_000_000)),
            annotations,
            labels: [("example.test/team".to_owned(), "payments".to_owned())].into(),
            finalizers: vec!["resources-finalizer.argocd.argoproj.io".into()],
            managed_fields: ["argocd-application-controller", "argocd-server", "kubectl"]
                .map(managed)
                .into(),
            ..ObjectMeta::default()
        }),
        spec: Some(wire::ApplicationSpec {
            project: text("payments"),
            destination: Some(wire::ApplicationDestination {
                server: text("https://k8s.staging.example.test:6443"),
                namespace: text("payments"),
                name: text(""),
            }),
            sources: application
                .sources
                .iter()
                .map(|kept| source(kept.name().unwrap_or_default(), "apps"))
                .collect(),
            ..wire::ApplicationSpec::default()
        }),
        status: Some(wire::ApplicationStatus {
            resources: kinds.iter().map(resource).collect(),
            history: (0..10).map(history).collect(),
            health: Some(wire::AppHealthStatus {
                status: text("Healthy"),
                message: text(""),
                last_transition_time: Some(Time::from_unix_seconds(1_778_000_000)),
            }),
            sync: Some(wire::SyncStatus {
                status: text("Synced"),
                revision: text(""),
                revisions: application.sources.iter().map(|_| revision.clone()).collect(),
                ..wire::SyncStatus::default()
            }),
            operation_state: Some(Box::new(wire::OperationState {
                phase: text("Succeeded"),
                message: text("successfully synced (all tasks run)"),
                started_at: Some(Time::from_unix_seconds(1_778_000_000)),
                finished_at: Some(Time::from_unix_seconds(1_778_000_009)),
                ..wire::OperationState::default()
            })),
            reconciled_at: Some(Time::from_unix_seconds(1_778_000_010)),
            source_types: application.sources.iter().map(|_| "Helm".to_owned()).collect(),
            resource_health_source: text("appTree"),
            controller_namespace: text("argocd"),
            ..wire::ApplicationStatus::default()
        }),
        operation: None,
    }
}

fn managed(manager: &str) -> ManagedFieldsEntry {
    use octopus_argo_proto::argocd::k8s::meta::FieldsV1;
    let fields = r#"{"f:status":{".":{},"f:health":{".":{},"f:status":{}},"f:sync":{".":{},"f:comparedTo":{".":{},
        "f:destination":{},"f:source":{}},"f:status":{},"f:revision":{}},"f:resources":{},"f:history":{}}}"#;
    ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Update".to_owned()),
        api_version: Some("argoproj.io/v1alpha1".to_owned()),
        time: Some(Time::from_unix_seconds(1_778_000_000)),
        fields_type: Some("FieldsV1".to_owned()),
        fields_v1: Some(FieldsV1 {
            raw: Some(fields.as_bytes().to_vec().into()),
        }),
        subresource: Some(String::new()),
    }
}

/// The answer as one message.
#[must_use]
pub fn list(applications: usize) -> Vec<u8> {
    let metadata = Some(ListMeta {
        resource_version: Some("99".into()),
        ..ListMeta::default()
    });
    wire::ApplicationList {
        metadata,
        items: (0..applications).map(application).collect(),
    }
    .encode_to_vec()
}

/// Answers every call with a list: one that is there, or one that is made while it is sent, so that it is never held.
#[derive(Clone, Debug)]
pub enum Server {
    /// These bytes.
    Ready(Bytes),
    /// So many applications, and the size of their message.
    Made(usize, usize),
}

impl Server {
    /// Makes the applications while it sends them.
    #[must_use]
    pub fn made(applications: usize) -> Self {
        let length = (0..applications).map(|n| item(n).len()).sum();
        Self::Made(applications, length)
    }

    /// The size of the message in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Ready(bytes) => bytes.len(),
            Self::Made(_, length) => *length,
        }
    }
}

/// An application as an item of the list.
fn item(n: usize) -> Bytes {
    let application = application(n);
    let mut bytes = BytesMut::new();
    octopus_argo_proto::prost::encoding::message::encode(2, &application, &mut bytes);
    bytes.freeze()
}

impl Service<http::Request<Body>> for Server {
    type Response = http::Response<Answer>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Answer>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let mut header = BytesMut::new();
        header.put_u8(0);
        header.put_u32(u32::try_from(self.length()).unwrap_or(u32::MAX));
        ready(Ok(http::Response::new(Answer {
            ready: header.freeze(),
            server: self.clone(),
            sent: 0,
            over: false,
        })))
    }
}

/// The body: the message in pieces, then the trailers.
#[derive(Debug)]
pub struct Answer {
    ready: Bytes,
    server: Server,
    sent: usize,
    over: bool,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ready.is_empty() {
            let sent = self.sent;
            self.ready = match &self.server {
                Server::Ready(bytes) => bytes.slice(sent.min(bytes.len())..),
                Server::Made(count, _) if sent < *count => item(sent),
                Server::Made(..) => Bytes::new(),
            };
            self.sent = match &self.server {
                Server::Ready(bytes) => bytes.len(),
                Server::Made(..) => sent + 1,
            };
        }
        if self.ready.is_empty() {
            if std::mem::replace(&mut self.over, true) {
                return Poll::Ready(None);
            }
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let length = self.ready.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.ready.split_to(length)))))
    }
}
