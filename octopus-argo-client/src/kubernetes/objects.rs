//! Objects of Kubernetes, as far as they matter here. What else they hold is passed over.

use std::collections::BTreeMap;

use octopus_argo_core::setup::{Deployment, Route, Service};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: ListMetadata,
    #[serde(deserialize_with = "or_empty")]
    pub(super) items: Vec<T>,
}

#[derive(Default, Deserialize)]
pub(super) struct ListMetadata {
    #[serde(rename = "continue")]
    pub(super) more: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) resource_version: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    labels: BTreeMap<String, String>,
}

/// An object of which only the name matters.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct DeploymentObject {
    metadata: Metadata,
    #[serde(default)]
    spec: DeploymentSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeploymentSpec {
    template: PodTemplate,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodTemplate {
    spec: PodSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    #[serde(deserialize_with = "or_empty")]
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    image: String,
}

impl From<DeploymentObject> for Deployment {
    fn from(object: DeploymentObject) -> Self {
        let mut metadata = object.metadata;
        let mut deployment = Self::new(metadata.namespace, metadata.name);
        deployment.component = metadata.labels.remove("app.kubernetes.io/component");
        deployment.images = object
            .spec
            .template
            .spec
            .containers
            .into_iter()
            .map(|container| container.image)
            .collect();
        deployment
    }
}

#[derive(Deserialize)]
pub(super) struct ConfigMapObject {
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct ServiceObject {
    #[serde(default)]
    spec: ServiceSpec,
    #[serde(default)]
    status: ServiceStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    #[serde(deserialize_with = "or_empty")]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    name: Option<String>,
    port: u16,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceStatus {
    load_balancer: LoadBalancer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    #[serde(deserialize_with = "or_empty")]
    ingress: Vec<Entrance>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entrance {
    hostname: Option<String>,
    ip: Option<String>,
}

impl From<ServiceObject> for Service {
    fn from(object: ServiceObject) -> Self {
        let mut service = Self::default();
        service.ports = object
            .spec
            .ports
            .into_iter()
            .map(|port| (port.name, port.port))
            .collect();
        let entrances = object.status.load_balancer.ingress.into_iter();
        // The name, where there are both.
        let address = |entrance: Entrance| entrance.hostname.filter(|name| !name.is_empty()).or(entrance.ip);
        service.load_balancers = entrances.filter_map(address).collect();
        service
    }
}

#[derive(Deserialize)]
pub(super) struct IngressObject {
    #[serde(default)]
    spec: IngressSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressSpec {
    #[serde(deserialize_with = "or_empty")]
    rules: Vec<IngressRule>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressRule {
    host: String,
    http: IngressHttp,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressHttp {
    #[serde(deserialize_with = "or_empty")]
    paths: Vec<IngressPath>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressPath {
    backend: IngressBackend,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IngressBackend {
    service: Option<ServiceName>,
}

#[derive(Deserialize)]
struct ServiceName {
    name: String,
}

impl From<IngressObject> for Route {
    fn from(object: IngressObject) -> Self {
        let mut route = Self::default();
        for rule in object.spec.rules {
            let services = rule
                .http
                .paths
                .into_iter()
                .filter_map(|path| path.backend.service);
            route
                .hosts
                .push((rule.host, services.map(|service| service.name).collect()));
        }
        route
    }
}

#[derive(Deserialize)]
pub(super) struct HttpRouteObject {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: HttpRouteSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HttpRouteSpec {
    #[serde(deserialize_with = "or_empty")]
    hostnames: Vec<String>,
    #[serde(deserialize_with = "or_empty")]
    rules: Vec<HttpRouteRule>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HttpRouteRule {
    #[serde(deserialize_with = "or_empty")]
    backend_refs: Vec<BackendRef>,
}

#[derive(Deserialize)]
struct BackendRef {
    kind: Option<String>,
    namespace: Option<String>,
    name: String,
}

impl From<HttpRouteObject> for Route {
    fn from(object: HttpRouteObject) -> Self {
        let own = object.metadata.namespace;
        let backends = object.spec.rules.into_iter().flat_map(|rule| rule.backend_refs);
        let here = |backend: &BackendRef| {
            backend.kind.as_deref().is_none_or(|kind| kind == "Service")
                && backend
                    .namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == own)
        };
        let services: Vec<_> = backends.filter(here).map(|backend| backend.name).collect();
        let mut route = Self::default();
        route.hosts = object
            .spec
            .hostnames
            .into_iter()
            .map(|host| (host, services.clone()))
            .collect();
        route
    }
}

/// `null` where a list or map may stand, as Go writes an empty one.
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
