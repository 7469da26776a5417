//! Argo CD projects.

use octopus_argo_proto::argocd::k8s::meta::GroupKind;
use octopus_argo_proto::argocd::v1alpha1::{
    AppProject, AppProjectSpec, AppProjectStatus, ApplicationDestinationServiceAccount,
    ClusterResourceRestrictionItem, JwtToken, JwtTokens, OrphanedResourceKey,
    OrphanedResourcesMonitorSettings, ProjectRole, SignatureKey, SourceIntegrity, SourceIntegrityGit,
    SourceIntegrityGitPolicy, SourceIntegrityGitPolicyGpg, SourceIntegrityGitPolicyRepo, SyncWindow,
};

use super::node::Node;
use super::{metadata, source};
use crate::argocd::ArgoCdVersion;

pub(super) fn project(node: &Node<'_>) -> AppProject {
    AppProject {
        metadata: node.value("metadata", metadata::object_meta),
        spec: node.value("spec", spec),
        status: node.value("status", |node| AppProjectStatus {
            jwt_tokens_by_role: node.entries("jwtTokensByRole", |node| JwtTokens {
                items: node.list("items", token),
            }),
        }),
    }
}

fn spec(node: &Node<'_>) -> AppProjectSpec {
    AppProjectSpec {
        source_repos: node.texts("sourceRepos"),
        destinations: node.list("destinations", source::destination),
        description: node.text("description"),
        roles: node.list("roles", |node| ProjectRole {
            name: node.text("name"),
            description: node.text("description"),
            policies: node.texts("policies"),
            jwt_tokens: node.list("jwtTokens", token),
            groups: node.texts("groups"),
        }),
        cluster_resource_whitelist: node.list("clusterResourceWhitelist", cluster_resource),
        namespace_resource_blacklist: node.list("namespaceResourceBlacklist", group_kind),
        orphaned_resources: node.pointer("orphanedResources", |node| OrphanedResourcesMonitorSettings {
            warn: node.optional_flag("warn"),
            ignore: node.list("ignore", |node| OrphanedResourceKey {
                group: node.text("group"),
                kind: node.text("kind"),
                name: node.text("name"),
            }),
        }),
        sync_windows: node.list("syncWindows", sync_window),
        namespace_resource_whitelist: node.list("namespaceResourceWhitelist", group_kind),
        signature_keys: node.list("signatureKeys", |node| SignatureKey {
            key_id: node.text("keyID"),
        }),
        cluster_resource_blacklist: node.list("clusterResourceBlacklist", cluster_resource),
        source_namespaces: node.texts("sourceNamespaces"),
        permit_only_project_scoped_clusters: node.flag("permitOnlyProjectScopedClusters"),
        destination_service_accounts: node.list("destinationServiceAccounts", |node| {
            ApplicationDestinationServiceAccount {
                server: node.text("server"),
                namespace: node.text("namespace"),
                default_service_account: node.text("defaultServiceAccount"),
            }
        }),
        source_integrity: node.since(ArgoCdVersion::V3_5, |node| {
            node.pointer("sourceIntegrity", |node| SourceIntegrity {
                git: node.pointer("git", |node| SourceIntegrityGit {
                    policies: node.list("policies", integrity_policy),
                }),
            })
        }),
    }
}

fn integrity_policy(node: &Node<'_>) -> SourceIntegrityGitPolicy {
    SourceIntegrityGitPolicy {
        repos: node.list("repos", |node| SourceIntegrityGitPolicyRepo {
            url: node.text("url"),
        }),
        gpg: node.pointer("gpg", |node| SourceIntegrityGitPolicyGpg {
            mode: node.text("mode"),
            keys: node.texts("keys"),
        }),
    }
}

fn token(node: &Node<'_>) -> JwtToken {
    JwtToken {
        iat: node.number("iat"),
        exp: node.number("exp"),
        id: node.text("id"),
    }
}

fn sync_window(node: &Node<'_>) -> SyncWindow {
    SyncWindow {
        kind: node.text("kind"),
        schedule: node.text("schedule"),
        duration: node.text("duration"),
        applications: node.texts("applications"),
        namespaces: node.texts("namespaces"),
        clusters: node.texts("clusters"),
        manual_sync: node.flag("manualSync"),
        time_zone: node.text("timeZone"),
        and_operator: node.flag("andOperator"),
        description: node.since(ArgoCdVersion::V3_0, |node| node.text("description")),
        sync_overrun: node.since(ArgoCdVersion::V3_5, |node| node.flag("syncOverrun")),
    }
}

/// From 3.3 on the items have a name too.
fn cluster_resource(node: &Node<'_>) -> ClusterResourceRestrictionItem {
    ClusterResourceRestrictionItem {
        group: node.text("group"),
        kind: node.text("kind"),
        name: node.since(ArgoCdVersion::V3_5, |node| node.text("name")),
    }
}

fn group_kind(node: &Node<'_>) -> GroupKind {
    GroupKind {
        group: node.text("group"),
        kind: node.text("kind"),
    }
}
