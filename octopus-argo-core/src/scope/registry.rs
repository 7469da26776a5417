//! The registry that images without one come from.

use crate::application::Destination;

/// The registry where no cluster says otherwise.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The annotation on a cluster's secret that names its default registry. It never ends in a source's name.
pub const REGISTRY_ANNOTATION: &str = "argo.octopus.com/default-container-registry";

/// A cluster that Argo CD deploys to, as far as images need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// The address of its API server.
    pub server: Box<str>,
    /// Its name in Argo CD.
    pub name: Box<str>,
    /// The text of its [`REGISTRY_ANNOTATION`], as written.
    pub registry: Option<Box<str>>,
}

impl Cluster {
    /// A cluster with these two and no annotation.
    #[must_use]
    pub fn new(server: &str, name: &str) -> Self {
        Self {
            server: server.into(),
            name: name.into(),
            registry: None,
        }
    }

    /// The same with this text of the annotation.
    #[must_use]
    pub fn with_registry(mut self, text: &str) -> Self {
        self.registry = Some(text.into());
        self
    }
}

impl Destination {
    /// The registry that an image without one comes from: what the destination's cluster says, trimmed, or else
    /// [`DEFAULT_REGISTRY`]. Never blank.
    ///
    /// The cluster is found by its server, ignoring slashes at the end as Argo CD does, else by its name.
    ///
    /// Rule: ours; how Octopus Server finds the cluster is not public.
    ///
    /// ```
    /// use octopus_argo_core::Destination;
    /// use octopus_argo_core::scope::Cluster;
    ///
    /// let clusters = [Cluster::new("https://prod.example.test", "prod").with_registry(" registry.example.test ")];
    /// let mut destination = Destination::default();
    /// assert_eq!(destination.default_registry(&clusters), "docker.io");
    /// destination.name = Some("prod".into());
    /// assert_eq!(destination.default_registry(&clusters), "registry.example.test");
    /// ```
    #[must_use]
    pub fn default_registry<'c>(&self, clusters: &'c [Cluster]) -> &'c str {
        let by_server = self.server.as_deref().and_then(|wanted| {
            let wanted = wanted.trim_end_matches('/');
            clusters
                .iter()
                .find(|cluster| !wanted.is_empty() && cluster.server.trim_end_matches('/') == wanted)
        });
        let by_name = || {
            let wanted = self.name.as_deref().filter(|name| !name.is_empty())?;
            clusters.iter().find(|cluster| *cluster.name == *wanted)
        };
        by_server
            .or_else(by_name)
            .and_then(|cluster| cluster.registry.as_deref())
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .unwrap_or(DEFAULT_REGISTRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_goes_before_the_name_and_blank_is_none() {
        let clusters = [
            Cluster::new("https://a", "one").with_registry("a.example.test"),
            Cluster::new("https://b/", "two").with_registry("  "),
            Cluster::new("https://c", "three"),
        ];
        let registry = |server: Option<&str>, name: Option<&str>| {
            let destination = Destination {
                server: server.map(Box::from),
                name: name.map(Box::from),
                namespace: None,
            };
            destination.default_registry(&clusters)
        };
        assert_eq!(registry(Some("https://a/"), Some("two")), "a.example.test");
        assert_eq!(registry(Some("https://unknown"), Some("one")), "a.example.test");
        assert_eq!(registry(None, Some("One")), DEFAULT_REGISTRY);
        assert_eq!(registry(Some("https://b"), None), DEFAULT_REGISTRY);
        assert_eq!(registry(Some("https://c"), Some("one")), DEFAULT_REGISTRY);
        assert_eq!(registry(None, None), DEFAULT_REGISTRY);
    }
}
