//! A Kubernetes API server in a value: lists with selectors and pages, single objects, rights.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Ready;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use kube::client::Body;
use octopus_argo_client::kubernetes::Discovery;
use serde_json::{Value, json};
use tower_service::Service;

#[derive(Clone, Default)]
pub(crate) struct Cluster {
    /// By plural.
    objects: BTreeMap<&'static str, Vec<Value>>,
    /// Kinds that nobody has heard of.
    unknown: Vec<&'static str>,
    /// Plural, and the namespace or `*` for all together.
    forbidden: Vec<(&'static str, &'static str)>,
    /// What is answered instead, by plural.
    instead: Vec<(&'static str, StatusCode, String)>,
    /// Objects a page, whatever is asked for.
    page: Option<usize>,
    /// How many times the rest of a list is gone.
    gone: Arc<Mutex<usize>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    pub(crate) fn with(mut self, plural: &'static str, object: Value) -> Self {
        self.objects.entry(plural).or_default().push(object);
        self
    }

    pub(crate) fn without_kind(mut self, plural: &'static str) -> Self {
        self.unknown.push(plural);
        self
    }

    pub(crate) fn forbid(mut self, plural: &'static str, namespace: &'static str) -> Self {
        self.forbidden.push((plural, namespace));
        self
    }

    pub(crate) fn answer(
        mut self,
        plural: &'static str,
        status: StatusCode,
        body: impl Into<String>,
    ) -> Self {
        self.instead.push((plural, status, body.into()));
        self
    }

    pub(crate) fn pages_of(mut self, objects: usize) -> Self {
        self.page = Some(objects);
        self
    }

    pub(crate) fn gone_once(self) -> Self {
        *self.gone.lock().unwrap() = 1;
        self
    }

    pub(crate) fn discovery(&self) -> Discovery {
        Discovery::new(kube::Client::new(self.clone(), "default"))
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn handle(&self, method: &http::Method, uri: &http::Uri) -> (StatusCode, String) {
        self.asked.lock().unwrap().push(uri.to_string());
        assert_eq!(method, http::Method::GET, "nothing is changed");
        let mut parts: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
        let group = if parts.remove(0) == "api" { 1 } else { 2 };
        parts.drain(..group);
        let (namespace, plural, name) = match parts[..] {
            ["namespaces", namespace, plural] => (Some(namespace), plural, None),
            ["namespaces", namespace, plural, name] => (Some(namespace), plural, Some(name)),
            [plural] => (None, plural, None),
            _ => panic!("{uri}"),
        };
        let status = |status: StatusCode| {
            let body = json!({"kind": "Status", "status": "Failure", "code": status.as_u16(), "reason": "R"});
            (status, body.to_string())
        };
        if let Some((_, status, body)) = self.instead.iter().find(|(known, ..)| *known == plural) {
            return (*status, body.clone());
        }
        let place = namespace.unwrap_or("*");
        if self
            .forbidden
            .iter()
            .any(|(known, at)| *known == plural && *at == place)
        {
            return status(StatusCode::FORBIDDEN);
        }
        if self.unknown.contains(&plural) {
            return status(StatusCode::NOT_FOUND);
        }
        let query = query(uri.query().unwrap_or_default());
        let wanted = |object: &&Value| {
            let metadata = &object["metadata"];
            let labels = query
                .get("labelSelector")
                .and_then(|selector| selector.split_once('='));
            let fields = query
                .get("fieldSelector")
                .map(|selector| selector.strip_prefix("metadata.name=").unwrap());
            namespace.is_none_or(|namespace| metadata["namespace"] == namespace)
                && name.is_none_or(|name| metadata["name"] == name)
                && labels.is_none_or(|(key, value)| metadata["labels"][key] == value)
                && fields.is_none_or(|name| metadata["name"] == name)
        };
        let none = Vec::new();
        let found: Vec<&Value> = self
            .objects
            .get(plural)
            .unwrap_or(&none)
            .iter()
            .filter(wanted)
            .collect();
        if name.is_some() {
            return match found.first() {
                Some(object) => (StatusCode::OK, object.to_string()),
                None => status(StatusCode::NOT_FOUND),
            };
        }
        // The token has what a query must escape.
        let from = query
            .get("continue")
            .map_or(0, |token| token.strip_prefix("t/+=&").unwrap().parse().unwrap());
        if from > 0 && std::mem::take(&mut *self.gone.lock().unwrap()) > 0 {
            return status(StatusCode::GONE);
        }
        let limit = self.page.unwrap_or_else(|| query["limit"].parse().unwrap());
        let page: Vec<_> = found.iter().skip(from).take(limit).collect();
        let more = (from + page.len() < found.len()).then(|| format!("t/+=&{}", from + page.len()));
        // Go writes an empty list as null.
        let items = if page.is_empty() { Value::Null } else { json!(page) };
        (
            StatusCode::OK,
            json!({"metadata": {"continue": more}, "items": items}).to_string(),
        )
    }
}

impl Service<Request<Body>> for Cluster {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (status, body) = self.handle(request.method(), request.uri());
        let response = Response::builder()
            .status(status)
            .body(Full::new(Bytes::from(body)));
        std::future::ready(Ok(response.unwrap()))
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decoded(key), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A Deployment of Argo CD's API server, as the stock manifests have it.
pub(crate) fn api_server(namespace: &str, name: &str) -> Value {
    deployment(
        namespace,
        name,
        &[
            ("app.kubernetes.io/part-of", "argocd"),
            ("app.kubernetes.io/name", name),
            ("app.kubernetes.io/component", "server"),
        ],
    )
}

pub(crate) fn deployment(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "resourceVersion": "1"},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "quay.io/argoproj/argocd:v3.1.0"}]}}},
    })
}

pub(crate) fn service(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}]},
        "status": {"loadBalancer": {}},
    })
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub(crate) fn config_map(namespace: &str, name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace, "resourceVersion": "42"}, "data": data})
}

/// A cluster with one stock Argo CD.
pub(crate) fn stock() -> Cluster {
    Cluster::default()
        .with("deployments", api_server("argocd", "argocd-server"))
        .with("services", service("argocd", "argocd-server"))
}
