//! Which Argo CDs there are in a cluster, out of what its API server tells. Rules only: whoever asks the cluster fills in
//! plain structs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::argo_cd::{ServiceAddress, ServicePort, image_version, is_api_server, web_ui_url};

/// What Deployments of Argo CD are looked for by, in this order.
pub const LABEL_SELECTORS: [&str; 3] = [
    "app.kubernetes.io/part-of=argocd",
    "app.kubernetes.io/name=argocd-server",
    "app=argocd-server",
];

/// The config map that every Argo CD has, with its web address and accounts.
pub const CONFIG_MAP: &str = "argocd-cm";

/// The config map that says whether Argo CD serves TLS.
pub const PARAMETERS_CONFIG_MAP: &str = "argocd-cmd-params-cm";

/// The config map with the rights.
pub const RBAC_CONFIG_MAP: &str = "argocd-rbac-cm";

/// A Deployment, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The label `app.kubernetes.io/component`.
    pub component: Option<String>,
    /// The images of its containers.
    pub images: Vec<String>,
}

impl Deployment {
    /// A Deployment without a label and images.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            ..Self::default()
        }
    }

    fn is_api_server(&self) -> bool {
        is_api_server(&self.name, self.component.as_deref())
    }

    fn has_argo_cd_image(&self) -> bool {
        let known = |image: &String| image.contains("argocd") || image.contains("argo-cd");
        self.images.iter().any(known)
    }
}

/// Argo CD's API servers among Deployments, each once, in their order.
///
/// `found` are those with one of the [`LABEL_SELECTORS`], one selector after the other.
///
/// Rule: OctopusDeploy/cli, `argocd`.
#[must_use]
pub fn api_servers(found: impl IntoIterator<Item = Deployment>) -> Vec<Deployment> {
    let mut seen = BTreeSet::new();
    let mut servers: Vec<_> = found.into_iter().filter(Deployment::is_api_server).collect();
    servers.retain(|server| seen.insert((server.namespace.clone(), server.name.clone())));
    servers
}

/// The same where the labels gave nothing: of all Deployments in namespaces that hold a [`CONFIG_MAP`], those with an
/// image of Argo CD.
#[must_use]
pub fn api_servers_by_image(found: impl IntoIterator<Item = Deployment>) -> Vec<Deployment> {
    api_servers(found.into_iter().filter(Deployment::has_argo_cd_image))
}

/// A Service, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// Its ports, in order: name, if it has one, and number.
    pub ports: Vec<(Option<String>, u16)>,
    /// The host names and addresses of its load balancer.
    pub load_balancers: Vec<String>,
}

/// What routes requests from outside to Services: an Ingress or an `HTTPRoute`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Host names, each with the Services (by name, in the route's namespace) that it leads to.
    pub hosts: Vec<(String, Vec<String>)>,
}

impl Route {
    /// The first host that leads to `service`. A wildcard is no address.
    #[must_use]
    pub fn host_of(&self, service: &str) -> Option<&str> {
        let leads = |(host, services): &&(String, Vec<String>)| {
            !host.is_empty() && !host.contains('*') && services.iter().any(|known| known == service)
        };
        self.hosts.iter().find(leads).map(|(host, _)| host.as_str())
    }
}

/// What one namespace tells about the Argo CD in it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Surroundings {
    /// The Service with the name of the Deployment.
    pub service: Option<Service>,
    /// What [`PARAMETERS_CONFIG_MAP`] holds.
    pub parameters: BTreeMap<String, String>,
    /// What [`CONFIG_MAP`] holds.
    pub config: BTreeMap<String, String>,
    /// Ingresses first, then `HTTPRoute`s.
    pub routes: Vec<Route>,
    /// Whether an `argocds` resource is there, so that an operator would undo changes to config maps.
    pub operator_managed: bool,
    /// What could not be read, because somebody may not read it.
    pub unread: Vec<Unread>,
}

/// Something that could not be read, so that the answer is a guess there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unread {
    /// Whether Argo CD serves TLS: taken to be so.
    Parameters,
    /// Its web address and accounts.
    Config,
    /// Ingresses.
    Ingresses,
    /// `HTTPRoute`s.
    HttpRoutes,
    /// Whether an operator manages it: taken not to be so.
    Operator,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameters => "argocd-cmd-params-cm may not be read: Argo CD is taken to serve TLS",
            Self::Config => "argocd-cm may not be read: its web address is not known from there",
            Self::Ingresses => "ingresses may not be listed: its web address is not known from there",
            Self::HttpRoutes => "httproutes may not be listed: its web address is not known from there",
            Self::Operator => "argocds may not be listed: no operator is taken to manage it",
        })
    }
}

/// An Argo CD in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundArgoCd {
    /// Its namespace.
    pub namespace: String,
    /// The name of its API server's Deployment, and of the Service.
    pub name: String,
    /// Where a gateway reaches it, and how.
    pub address: ServiceAddress,
    /// Where people reach it.
    pub web_ui_url: Option<String>,
    /// Its version, by the tag of its image.
    pub version: Option<String>,
    /// Whether an operator manages it: account and rights then belong into the `ArgoCD` resource.
    pub operator_managed: bool,
    /// Where the above is a guess.
    pub unread: Vec<Unread>,
}

/// An API server that no gateway can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{namespace}/{name}: {why}")]
#[non_exhaustive]
pub struct Skipped {
    /// The namespace.
    pub namespace: String,
    /// The name of the Deployment.
    pub name: String,
    /// Why.
    pub why: SkipReason,
}

/// Why an API server cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// There is no Service with the name of the Deployment.
    #[error("no service has the name of the deployment")]
    NoService,
    /// The Service may not be read.
    #[error("its service may not be read")]
    ServiceForbidden,
}

impl Skipped {
    /// An API server and why it was passed over.
    #[must_use]
    pub fn new(server: &Deployment, why: SkipReason) -> Self {
        Self {
            namespace: server.namespace.clone(),
            name: server.name.clone(),
            why,
        }
    }
}

/// What an API server in its surroundings comes to.
///
/// ```
/// use octopus_argo_core::setup::{Deployment, Service, Surroundings, describe};
///
/// let server = Deployment::new("argocd", "argocd-server");
/// let mut surroundings = Surroundings::default();
/// surroundings.service = Some(Service::default());
/// surroundings.config.insert("url".into(), "https://argo.example.com".into());
/// let found = describe(&server, &surroundings)?;
/// assert_eq!(found.address.grpc_url(), "grpc://argocd-server.argocd.svc.cluster.local");
/// assert_eq!(found.web_ui_url.as_deref(), Some("https://argo.example.com"));
/// # Ok::<(), octopus_argo_core::setup::Skipped>(())
/// ```
///
/// # Errors
/// [`Skipped`] without a Service.
///
/// Rule: OctopusDeploy/cli, `argocd`. `HTTPRoute`s are an addition of this SDK; they count after ingresses.
pub fn describe(server: &Deployment, surroundings: &Surroundings) -> Result<FoundArgoCd, Skipped> {
    let service = surroundings
        .service
        .as_ref()
        .ok_or_else(|| Skipped::new(server, SkipReason::NoService))?;
    let ports: Vec<_> = service
        .ports
        .iter()
        .map(|(name, port)| ServicePort::new(name.as_deref(), *port))
        .collect();
    let insecure = surroundings.parameters.get("server.insecure").map(String::as_str);
    let host = surroundings
        .routes
        .iter()
        .find_map(|route| route.host_of(&server.name));
    let balancer = service
        .load_balancers
        .iter()
        .find(|balancer| !balancer.is_empty());
    let version = server.images.iter().find_map(|image| image_version(image));
    Ok(FoundArgoCd {
        namespace: server.namespace.clone(),
        name: server.name.clone(),
        address: ServiceAddress::new(&server.name, &server.namespace, &ports, insecure),
        web_ui_url: web_ui_url(
            surroundings.config.get("url").map(String::as_str),
            host,
            balancer.map(String::as_str),
        ),
        version: version.map(str::to_owned),
        operator_managed: surroundings.operator_managed,
        unread: surroundings.unread.clone(),
    })
}

/// Why none of the Argo CDs was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// There is none.
    #[error("no Argo CD was found")]
    None,
    /// There is none in this namespace.
    #[error("no Argo CD was found in namespace {namespace}, but in {}", .others.join(", "))]
    #[non_exhaustive]
    NotThere {
        /// The namespace.
        namespace: String,
        /// Where there is one.
        others: Vec<String>,
    },
    /// There are several, and nobody said which.
    #[error("several Argo CDs were found: name the namespace of one, {}", .namespaces.join(", "))]
    #[non_exhaustive]
    Several {
        /// Their namespaces.
        namespaces: Vec<String>,
    },
}

/// The Argo CD that is meant: the one in `namespace`, or the only one.
///
/// # Errors
/// [`ChooseError`].
pub fn choose<'a>(found: &'a [FoundArgoCd], namespace: Option<&str>) -> Result<&'a FoundArgoCd, ChooseError> {
    let mut meant = found
        .iter()
        .filter(|argo_cd| namespace.is_none_or(|namespace| argo_cd.namespace == namespace));
    let namespaces = || found.iter().map(|argo_cd| argo_cd.namespace.clone()).collect();
    match (meant.next(), meant.next(), namespace) {
        (Some(only), None, _) => Ok(only),
        (Some(_), Some(_), _) => Err(ChooseError::Several {
            namespaces: namespaces(),
        }),
        (None, _, Some(namespace)) if !found.is_empty() => Err(ChooseError::NotThere {
            namespace: namespace.to_owned(),
            others: namespaces(),
        }),
        (None, ..) => Err(ChooseError::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(namespace: &str, name: &str, component: Option<&str>) -> Deployment {
        Deployment {
            component: component.map(str::to_owned),
            images: vec!["quay.io/argoproj/argocd:v3.1.0@sha256:01".to_owned()],
            ..Deployment::new(namespace, name)
        }
    }

    #[test]
    fn each_api_server_counts_once_and_other_parts_do_not() {
        let found = api_servers([
            server("b", "argocd-server", Some("server")),
            server("b", "argocd-repo-server", Some("repo-server")),
            server("a", "argocd-server", None),
            server("b", "argocd-server", Some("server")),
            server("a", "argocd-dex-server", None),
        ]);
        let names: Vec<_> = found
            .iter()
            .map(|found| (found.namespace.as_str(), found.name.as_str()))
            .collect();
        assert_eq!(names, [("b", "argocd-server"), ("a", "argocd-server")]);
        let strangers = [
            Deployment::new("a", "web-server"),
            server("a", "gitops-server", None),
        ];
        let by_image = api_servers_by_image(strangers);
        assert_eq!(by_image.len(), 1);
        assert_eq!(by_image[0].name, "gitops-server");
    }

    #[test]
    fn the_web_address_comes_from_the_first_that_knows_one() {
        let server = server("argocd", "argocd-server", None);
        let host = |host: &str, service: &str| (host.to_owned(), vec![service.to_owned()]);
        let mut surroundings = Surroundings {
            service: Some(Service {
                ports: vec![(Some("http".into()), 80), (Some("https".into()), 443)],
                load_balancers: vec![String::new(), "lb.example.com".into()],
            }),
            ..Surroundings::default()
        };
        let url = |surroundings: &Surroundings| describe(&server, surroundings).unwrap().web_ui_url.unwrap();
        assert_eq!(url(&surroundings), "https://lb.example.com");
        surroundings.routes = vec![
            Route {
                hosts: vec![
                    host("other.example.com", "other"),
                    host("*.example.com", "argocd-server"),
                ],
            },
            Route {
                hosts: vec![
                    host("", "argocd-server"),
                    host("argo.example.com", "argocd-server"),
                ],
            },
        ];
        assert_eq!(url(&surroundings), "https://argo.example.com");
        surroundings
            .config
            .insert("url".into(), " https://cd.example.com ".into());
        assert_eq!(url(&surroundings), "https://cd.example.com");
    }

    #[test]
    fn the_tls_mode_follows_the_parameters() {
        let server = server("argocd", "argocd-server", None);
        let mut surroundings = Surroundings {
            service: Some(Service::default()),
            ..Surroundings::default()
        };
        let found = describe(&server, &surroundings).unwrap();
        assert!(found.address.is_insecure() && !found.address.is_plaintext());
        assert_eq!(found.version.as_deref(), Some("v3.1.0"));
        surroundings
            .parameters
            .insert("server.insecure".into(), " True\n".into());
        assert!(describe(&server, &surroundings).unwrap().address.is_plaintext());
        surroundings.service = None;
        assert_eq!(
            describe(&server, &surroundings).unwrap_err().why,
            SkipReason::NoService
        );
    }

    #[test]
    fn one_is_chosen_or_the_reason_given() {
        let found = |namespaces: &[&str]| {
            let surroundings = Surroundings {
                service: Some(Service::default()),
                ..Surroundings::default()
            };
            let one = |namespace: &&str| {
                describe(&server(namespace, "argocd-server", None), &surroundings).unwrap()
            };
            namespaces.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(choose(&[], None), Err(ChooseError::None));
        assert_eq!(choose(&[], Some("a")), Err(ChooseError::None));
        assert_eq!(choose(&found(&["a"]), None).unwrap().namespace, "a");
        assert_eq!(choose(&found(&["a", "b"]), Some("b")).unwrap().namespace, "b");
        assert!(
            matches!(choose(&found(&["a", "b"]), None), Err(ChooseError::Several { namespaces }) if namespaces.len() == 2)
        );
        assert!(matches!(
            choose(&found(&["a"]), Some("b")),
            Err(ChooseError::NotThere { .. })
        ));
    }
}
