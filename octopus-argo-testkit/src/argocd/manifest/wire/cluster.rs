//! Destination clusters.

use octopus_argo_proto::argocd::v1alpha1::{
    AwsAuthConfig, Cluster, ClusterCacheInfo, ClusterConfig, ClusterInfo, ConnectionState,
    ExecProviderConfig, TlsClientConfig,
};

use super::node::Node;
use crate::argocd::ArgoCdVersion;

/// Without credentials, which the server blanks; since 3.2 it also leaves out how they are obtained.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go` (`Cluster.Sanitized`), `server/cluster/cluster.go`.
pub(super) fn cluster(node: &Node<'_>) -> Cluster {
    Cluster {
        server: node.plain(server(node)),
        name: node.text("name"),
        config: node.value("config", config),
        connection_state: node.value("connectionState", connection_state),
        server_version: node.text("serverVersion"),
        namespaces: node.texts("namespaces"),
        refresh_requested_at: node.optional_time("refreshRequestedAt"),
        info: node.value("info", |node| ClusterInfo {
            connection_state: node.value("connectionState", connection_state),
            server_version: node.text("serverVersion"),
            cache_info: node.value("cacheInfo", |node| ClusterCacheInfo {
                resources_count: node.number("resourcesCount"),
                apis_count: node.number("apisCount"),
                last_cache_sync_time: node.optional_time("lastCacheSyncTime"),
            }),
            applications_count: node.number("applicationsCount"),
            api_versions: node.texts("apiVersions"),
        }),
        shard: node.optional_number("shard"),
        cluster_resources: node.flag("clusterResources"),
        project: node.text("project"),
        labels: mirrored(node, "labels"),
        annotations: mirrored(node, "annotations"),
    }
}

/// Without a trailing slash.
fn server(node: &Node<'_>) -> String {
    let server = node.optional_text("server").unwrap_or_default();
    server
        .strip_suffix('/')
        .map_or_else(|| server.clone(), str::to_owned)
}

/// Labels and annotations of the Secret, without Argo CD's own.
///
/// Rule: Argo CD `util/db/cluster.go` (`SecretToCluster`).
fn mirrored(node: &Node<'_>, key: &str) -> std::collections::BTreeMap<String, String> {
    let mut map = node.text_map(key);
    for own in [
        "argocd.argoproj.io/secret-type",
        "kubectl.kubernetes.io/last-applied-configuration",
        "managed-by",
    ] {
        map.remove(own);
    }
    map
}

fn config(node: &Node<'_>) -> ClusterConfig {
    let older = node.before(ArgoCdVersion::V3_5);
    ClusterConfig {
        username: if older {
            node.text("username")
        } else {
            node.plain(String::new())
        },
        password: node.plain(String::new()),
        bearer_token: node.plain(String::new()),
        tls_client_config: node.value("tlsClientConfig", |node| TlsClientConfig {
            insecure: node.flag("insecure"),
            server_name: node.text("serverName"),
            ..TlsClientConfig::default()
        }),
        aws_auth_config: node.pointer("awsAuthConfig", |node| AwsAuthConfig {
            cluster_name: node.text("clusterName"),
            role_arn: node.text("roleARN"),
            profile: node.text("profile"),
        }),
        exec_provider_config: node
            .pointer("execProviderConfig", |node| ExecProviderConfig {
                command: node.text("command"),
                args: node.texts("args"),
                env: node.text_map("env"),
                api_version: node.text("apiVersion"),
                install_hint: node.text("installHint"),
                provide_cluster_info: node.flag("provideClusterInfo"),
                config: node.raw_extension("config"),
            })
            .filter(|_| older),
        disable_compression: node.flag("disableCompression"),
        proxy_url: node.text("proxyUrl"),
    }
}

fn connection_state(node: &Node<'_>) -> ConnectionState {
    ConnectionState {
        status: node.text("status"),
        message: node.text("message"),
        attempted_at: node.optional_time("attemptedAt"),
    }
}
