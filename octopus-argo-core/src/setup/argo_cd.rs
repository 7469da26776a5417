//! Which deployment is Argo CD's API server, and how a gateway reaches it.

/// Whether a deployment is Argo CD's API server, by its name and its label `app.kubernetes.io/component`.
///
/// A label that is not empty decides alone. Without one the name has to end in `-server` and must not be that of another
/// part of Argo CD.
///
/// ```
/// use octopus_argo_core::setup::is_api_server;
///
/// assert!(is_api_server("argocd-server", None));
/// assert!(is_api_server("my-own-name", Some("server")));
/// assert!(!is_api_server("argocd-repo-server", None));
/// assert!(!is_api_server("argocd-server", Some("repo-server")));
/// ```
///
/// Rule: OctopusDeploy/cli, `argocd`. Cases: `vectors/connection.json`.
#[must_use]
pub fn is_api_server(name: &str, component: Option<&str>) -> bool {
    match component {
        Some(component) if !component.is_empty() => component == "server",
        _ => name.ends_with("-server") && !OTHER_PARTS.iter().any(|part| name.ends_with(part)),
    }
}

const OTHER_PARTS: [&str; 7] = [
    "repo-server",
    "dex-server",
    "redis",
    "application-controller",
    "applicationset-controller",
    "notifications-controller",
    "commit-server",
];

/// Whether Argo CD serves without TLS, by the key `server.insecure` of its config map `argocd-cmd-params-cm`.
#[must_use]
pub fn is_plaintext(server_insecure: Option<&str>) -> bool {
    server_insecure.is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

/// A port of a Service in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePort<'a> {
    name: Option<&'a str>,
    port: u16,
}

impl<'a> ServicePort<'a> {
    /// A port with its name, where it has one.
    #[must_use]
    pub fn new(name: Option<&'a str>, port: u16) -> Self {
        Self { name, port }
    }
}

/// Where a gateway finds Argo CD within the cluster, and how it talks to it there: the chart's values
/// `gateway.argocd.serverGrpcUrl`, `plaintext` and `insecure`.
///
/// ```
/// use octopus_argo_core::setup::{ServiceAddress, ServicePort};
///
/// let ports = [ServicePort::new(Some("http"), 80), ServicePort::new(Some("https"), 8443)];
/// let address = ServiceAddress::new("argocd-server", "argocd", &ports, None);
/// assert_eq!(address.grpc_url(), "grpc://argocd-server.argocd.svc.cluster.local:8443");
/// assert!(address.is_insecure() && !address.is_plaintext());
/// ```
///
/// Rule: OctopusDeploy/cli, `argocd`. Cases: `vectors/connection.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    grpc_url: String,
    plaintext: bool,
}

impl ServiceAddress {
    /// The address of the Service `service`, given its ports in order and what `server.insecure` says.
    ///
    /// The port is the one called `https` (`http` without TLS), else the one with the usual number, else the first.
    #[must_use]
    pub fn new(
        service: &str,
        namespace: &str,
        ports: &[ServicePort<'_>],
        server_insecure: Option<&str>,
    ) -> Self {
        let plaintext = is_plaintext(server_insecure);
        let (usual_name, usual) = if plaintext { ("http", 80) } else { ("https", 443) };
        let port = ports
            .iter()
            .find(|port| port.name == Some(usual_name))
            .or_else(|| ports.iter().find(|port| port.port == usual))
            .or_else(|| ports.first())
            .map_or(usual, |port| port.port);
        let host = format!("grpc://{service}.{namespace}.svc.cluster.local");
        let grpc_url = if port == usual {
            host
        } else {
            format!("{host}:{port}")
        };
        Self { grpc_url, plaintext }
    }

    /// The address, `grpc://…`. The port is left out where it is 443, or 80 without TLS.
    #[must_use]
    pub fn grpc_url(&self) -> &str {
        &self.grpc_url
    }

    /// Whether there is no TLS.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        self.plaintext
    }

    /// Whether the certificate is not to be checked: with TLS always, because Argo CD makes its own certificate unless it
    /// is given one, and from outside the two cannot be told apart.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        !self.plaintext
    }
}

/// Where people find Argo CD's web pages: what its config map says under `url`, else the first host that an ingress
/// routes to it, else the name or address of its load balancer.
///
/// ```
/// use octopus_argo_core::setup::web_ui_url;
///
/// assert_eq!(web_ui_url(Some("https://argo.example.com"), None, None).unwrap(), "https://argo.example.com");
/// assert_eq!(web_ui_url(None, Some("argo.example.com"), None).unwrap(), "https://argo.example.com");
/// ```
#[must_use]
pub fn web_ui_url(
    configured: Option<&str>,
    ingress_host: Option<&str>,
    load_balancer: Option<&str>,
) -> Option<String> {
    let given = |text: Option<&str>| {
        text.map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    given(configured).or_else(|| {
        let host = given(ingress_host).or_else(|| given(load_balancer))?;
        Some(
            if host.contains(':') && !host.starts_with('[') && host.parse::<std::net::Ipv6Addr>().is_ok() {
                format!("https://[{host}]")
            } else {
                format!("https://{host}")
            },
        )
    })
}

/// The version of Argo CD by the image of its deployment: the tag; none where there is only a digest, or nothing.
///
/// ```
/// use octopus_argo_core::setup::image_version;
///
/// assert_eq!(image_version("quay.io/argoproj/argocd:v3.1.0@sha256:0123"), Some("v3.1.0"));
/// assert_eq!(image_version("registry.local:5000/argocd"), None);
/// ```
#[must_use]
pub fn image_version(image: &str) -> Option<&str> {
    let image = image.split_once('@').map_or(image, |(image, _)| image).trim();
    let (_, tag) = image.rsplit_once(':')?;
    (!tag.is_empty() && !tag.contains('/')).then_some(tag)
}

/// The addresses of an Argo CD that AWS runs (an EKS capability), out of the server address in its description.
///
/// It is reached with TLS, a certificate that is checked, and gRPC-Web.
///
/// ```
/// use octopus_argo_core::setup::ManagedEndpoint;
///
/// let endpoint = ManagedEndpoint::new("https://abc.eks-capabilities.eu-west-1.amazonaws.com/").unwrap();
/// assert_eq!(endpoint.grpc_url(), "grpc://abc.eks-capabilities.eu-west-1.amazonaws.com");
/// assert_eq!(endpoint.web_ui_url(), "https://abc.eks-capabilities.eu-west-1.amazonaws.com");
/// assert_eq!(ManagedEndpoint::new("  "), None);
/// ```
///
/// Rule: OctopusDeploy/cli `argocd/eks.go`. Cases: `vectors/connection.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedEndpoint {
    grpc_url: String,
    web_ui_url: String,
}

impl ManagedEndpoint {
    /// The two addresses; `None` for an empty text, which means that AWS is still creating it.
    #[must_use]
    pub fn new(endpoint: &str) -> Option<Self> {
        let mut rest = endpoint.trim();
        for scheme in ["https://", "http://"] {
            rest = strip_scheme(rest, scheme);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let host = strip_scheme(rest, "grpc://");
        (!host.is_empty()).then(|| Self {
            grpc_url: format!("grpc://{host}"),
            web_ui_url: format!("https://{host}"),
        })
    }

    /// For the gateway.
    #[must_use]
    pub fn grpc_url(&self) -> &str {
        &self.grpc_url
    }

    /// For people.
    #[must_use]
    pub fn web_ui_url(&self) -> &str {
        &self.web_ui_url
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> &'a str {
    match text.split_at_checked(scheme.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(scheme) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_name_then_number_then_place() {
        let address = |ports: &[ServicePort<'_>], insecure| {
            ServiceAddress::new("s", "n", ports, insecure)
                .grpc_url()
                .to_owned()
        };
        let named = |name, port| ServicePort::new(Some(name), port);
        let none = |port| ServicePort::new(None, port);
        let host = "grpc://s.n.svc.cluster.local";
        let both = [none(443), named("https", 8443), named("http", 8080)];
        assert_eq!(address(&both, None), format!("{host}:8443"));
        assert_eq!(address(&both, Some(" TRUE\n")), format!("{host}:8080"));
        assert_eq!(address(&[none(9), none(443)], None), host);
        assert_eq!(address(&[none(9), none(443)], Some("true")), format!("{host}:9"));
        assert_eq!(address(&[none(80)], None), format!("{host}:80"));
        assert_eq!(address(&[none(443)], Some("true")), format!("{host}:443"));
        assert_eq!(address(&[], None), host);
        assert_eq!(address(&[], Some("yes")), host);
    }

    #[test]
    fn a_label_beats_the_name_unless_it_is_empty() {
        assert!(is_api_server("argocd-server", Some("")));
        assert!(!is_api_server("argocd-server", Some("Server")));
        assert!(!is_api_server("server", None));
        for part in OTHER_PARTS {
            assert!(!is_api_server(&format!("argocd-{part}"), None), "{part}");
            assert!(is_api_server(&format!("argocd-{part}"), Some("server")), "{part}");
        }
    }

    #[test]
    fn a_tag_is_told_from_a_port_and_a_digest() {
        assert_eq!(image_version("argocd:v2.10.1"), Some("v2.10.1"));
        assert_eq!(image_version("r:5000/a/argocd:v2"), Some("v2"));
        for none in [
            "argocd",
            "argocd@sha256:00",
            "r:5000/argocd@sha256:00",
            "argocd:",
            "",
        ] {
            assert_eq!(image_version(none), None, "{none}");
        }
    }

    #[test]
    fn a_managed_endpoint_loses_scheme_and_one_slash() {
        let grpc = |text| ManagedEndpoint::new(text).unwrap().grpc_url().to_owned();
        assert_eq!(grpc("grpc://abc"), "grpc://abc");
        assert_eq!(grpc("HTTP://abc//"), "grpc://abc/");
        assert_eq!(grpc("https://abc/argo/"), "grpc://abc/argo");
        assert_eq!(ManagedEndpoint::new("https://"), None);
    }

    #[test]
    fn web_pages_are_where_the_first_that_knows_says() {
        let some = Some("https://own/argo");
        assert_eq!(web_ui_url(some, Some("i"), Some("l")).as_deref(), some);
        assert_eq!(web_ui_url(Some(" "), Some("i"), Some("l")).unwrap(), "https://i");
        assert_eq!(
            web_ui_url(None, None, Some("fd00::5")).unwrap(),
            "https://[fd00::5]"
        );
        assert_eq!(web_ui_url(None, Some(""), None), None);
    }
}
