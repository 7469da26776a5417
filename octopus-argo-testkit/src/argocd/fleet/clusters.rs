//! The clusters that applications are deployed to.

use octopus_argo_proto::argocd::v1alpha1::Cluster;
use serde_json::{Value, json};

use super::Fleet;
use crate::argocd::manifest::{self, ManifestError};

/// A cluster, by its server.
#[derive(Clone, Debug)]
pub(in crate::argocd) struct ClusterObject {
    pub(in crate::argocd) wire: Cluster,
}

impl ClusterObject {
    pub(in crate::argocd) fn server(&self) -> &str {
        self.wire.server()
    }

    /// The object that policies name. A project-scoped cluster is named with its project.
    ///
    /// Rule: Argo CD `server/cluster/cluster.go` (`CreateClusterRBACObject`).
    pub(in crate::argocd) fn object(&self) -> String {
        match self.wire.project() {
            "" => self.server().to_owned(),
            project => format!("{project}/{}", self.server()),
        }
    }
}

impl Fleet {
    /// Adds a cluster, or replaces the one with the same server. In the JSON of Argo CD: `server`, `name`, `project`,
    /// `labels`, `annotations`, `namespaces`, `config`, `info` and so on. Credentials in `config` are never answered.
    ///
    /// The cluster that Argo CD itself runs in is there from the start: `https://kubernetes.default.svc`, `in-cluster`.
    ///
    /// # Errors
    /// [`ManifestError::WrongType`].
    pub fn set_cluster(&self, json: &Value) -> Result<(), ManifestError> {
        let wire = manifest::cluster(json, self.encoding())?;
        let mut state = self.state();
        state.clusters.retain(|cluster| cluster.server() != wire.server());
        state.clusters.push(ClusterObject { wire });
        Ok(())
    }

    /// Removes a cluster. Whoever asks for it then learns what it learns of a forbidden one: code 7.
    pub fn remove_cluster(&self, server: &str) {
        self.state().clusters.retain(|cluster| cluster.server() != server);
    }

    pub(in crate::argocd) fn clusters(&self) -> Vec<ClusterObject> {
        self.state().clusters.clone()
    }

    pub(in crate::argocd) fn add_own_cluster(&self) {
        let own = json!({
            "server": "https://kubernetes.default.svc",
            "name": "in-cluster",
            "config": {"tlsClientConfig": {"insecure": false}},
            "connectionState": {"status": "Successful"},
            "serverVersion": self.encoding().version.kubernetes(),
            "info": {
                "connectionState": {"status": "Successful"},
                "serverVersion": self.encoding().version.kubernetes(),
            },
        });
        if self.set_cluster(&own).is_err() {
            unreachable!("the simulator's own cluster is well-formed");
        }
    }
}
