//! The calls about clusters.

use octopus_argo_proto::argocd::cluster::ClusterQuery;
use octopus_argo_proto::argocd::v1alpha1::ClusterList;
use tonic::Status;

use super::Api;
use super::exchange::Messages;
use super::json::unescaped;
use super::list::list_meta;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::ClusterObject;

/// Permitted clusters; no right is an empty list.
///
/// Rule: Argo CD `server/cluster/cluster.go` (`List`).
pub(super) fn list(api: &Api, caller: &Caller, query: ClusterQuery) -> Result<Messages, Status> {
    let query = Query::new(query);
    let clusters = api.fleet.clusters().into_iter();
    let items = clusters
        .filter(|cluster| query.means(cluster) && may(api, caller, cluster))
        .map(|cluster| cluster.wire)
        .collect();
    api.reply(&ClusterList {
        metadata: Some(list_meta(api, 0)),
        items,
    })
}

/// One cluster. Absent and forbidden look the same.
///
/// Rule: Argo CD `server/cluster/cluster.go` (`Get`, `getClusterWith403IfNotExist`).
pub(super) fn get(api: &Api, caller: &Caller, query: ClusterQuery) -> Result<Messages, Status> {
    let query = Query::new(query);
    let found = api
        .fleet
        .clusters()
        .into_iter()
        .find(|cluster| query.means(cluster));
    match found.filter(|cluster| may(api, caller, cluster)) {
        Some(cluster) => api.reply(&cluster.wire),
        None => Err(Status::permission_denied("permission denied")),
    }
}

fn may(api: &Api, caller: &Caller, cluster: &ClusterObject) -> bool {
    api.accounts.allows(caller, "clusters", "get", &cluster.object())
}

struct Query {
    server: String,
    name: String,
}

impl Query {
    /// `id` is another way to give the other two; it is unescaped as if it came from a URL, and a value that cannot be is
    /// taken as it is.
    ///
    /// Rule: Argo CD `server/server.go` (`bug21955WorkaroundInterceptor`).
    fn new(query: ClusterQuery) -> Self {
        let (mut server, mut name) = (query.server, query.name);
        if let Some(id) = query.id {
            let value = unescaped(&id.value).unwrap_or(id.value);
            match id.r#type.as_str() {
                "name" => name = value,
                "name_escaped" => name = unescaped(&value).unwrap_or(value),
                _ => server = value,
            }
        }
        Self { server, name }
    }

    fn means(&self, cluster: &ClusterObject) -> bool {
        let server = self.server.strip_suffix('/').unwrap_or(&self.server);
        (server.is_empty() || server == cluster.server())
            && (self.name.is_empty() || self.name == cluster.wire.name())
    }
}
