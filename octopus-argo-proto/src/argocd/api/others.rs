//! Calls whose answers are handed on as they come, or nearly.

use octopus_argo_core::health::argocd::ResourceKey;

use super::{Api, ApiError, Call, Channel, Target};
use crate::argocd::application::{
    ApplicationManifestQuery, ApplicationResourceEventsQuery, ApplicationResourceRequest,
    ApplicationResourceResponse, ApplicationSyncWindowsQuery, ApplicationSyncWindowsResponse, LinkInfo,
    LinksResponse, ListAppLinksRequest, ManagedResourcesResponse, ResourcesQuery, RevisionMetadataQuery,
};
use crate::argocd::cluster::{ClusterQuery, Settings, SettingsQuery};
use crate::argocd::events::{Event, EventList};
use crate::argocd::project::ProjectQuery;
use crate::argocd::repository::ManifestResponse;
use crate::argocd::v1alpha1::{
    AppProject, AppProjectList, ChartDetails, Cluster, ClusterList, ResourceDiff, RevisionMetadata,
};
use crate::argocd::version::VersionMessage;

/// One of an application's sources, counted from 0, as in `spec.sources`.
///
/// Argo CD itself counts from 0 in some requests and from 1 in others. This type knows which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIndex(u16);

impl SourceIndex {
    /// The source at this index.
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// Counted from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// Counted from 1: `sourcePositions`.
    pub(super) fn position(self) -> i64 {
        i64::from(self.0) + 1
    }
}

/// What Git wants of a resource, and what the cluster has. The values of Secrets are replaced by plus signs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagedState {
    /// Which resource.
    pub key: ResourceKey,
    /// The manifest in Git, as JSON; `None` where Git does not have it.
    pub target: Option<Box<str>>,
    /// The object in the cluster, as JSON; `None` where it is not there.
    pub live: Option<Box<str>>,
    /// The object in the cluster without what is not compared.
    pub normalized_live: Option<Box<str>>,
    /// What it would be after a sync.
    pub predicted_live: Option<Box<str>>,
    /// Whether the two differ.
    pub modified: bool,
    /// Whether it is a hook.
    pub hook: bool,
}

impl From<ResourceDiff> for ManagedState {
    fn from(wire: ResourceDiff) -> Self {
        // Absent is written as the JSON text for nothing.
        let json = |text: Option<String>| {
            text.filter(|text| !text.is_empty() && text != "null")
                .map(Box::from)
        };
        Self {
            key: ResourceKey::new(wire.group(), wire.kind(), wire.namespace(), wire.name()),
            modified: wire.modified(),
            hook: wire.hook(),
            target: json(wire.target_state),
            live: json(wire.live_state),
            normalized_live: json(wire.normalized_live_state),
            predicted_live: json(wire.predicted_live_state),
        }
    }
}

impl<S: Channel> Api<S> {
    /// The server's version. Without a token that is accepted only the version itself is filled in.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn version(&self) -> Result<VersionMessage, ApiError> {
        self.unary(Call::Version, ()).await
    }

    /// The server's settings. Without a token that is accepted some are left out.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn settings(&self) -> Result<Settings, ApiError> {
        self.unary(Call::Settings, SettingsQuery {}).await
    }

    /// Desired and live state of each resource of an application, without hooks.
    ///
    /// # Errors
    /// As [`Api::resource_tree`].
    pub async fn managed_resources(&self, target: &Target) -> Result<Vec<ManagedState>, ApiError> {
        let query = ResourcesQuery {
            application_name: target.app(),
            app_namespace: target.namespace(),
            project: target.project_field(),
            ..ResourcesQuery::default()
        };
        let answer = self.unary(Call::ManagedResources, query).await;
        let states: ManagedResourcesResponse = self.explained(answer, target).await?;
        Ok(states.items.into_iter().map(ManagedState::from).collect())
    }

    /// The manifests that Argo CD makes from Git, as JSON texts: those of the revisions that are set, or of this one of a
    /// single source.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn manifests(&self, target: &Target, revision: Option<&str>) -> Result<Vec<String>, ApiError> {
        let query = ApplicationManifestQuery {
            name: target.app(),
            revision: set(revision.unwrap_or_default()),
            app_namespace: target.namespace(),
            project: target.project_field(),
            ..ApplicationManifestQuery::default()
        };
        let answer = self.unary(Call::GetManifests, query).await;
        let manifests: ManifestResponse = self.explained(answer, target).await?;
        Ok(manifests.manifests)
    }

    /// The live object of one resource, as JSON.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Invalid`](super::Reason::Invalid) where it is not part of the application,
    /// [`Denied::Cluster`](super::Denied::Cluster) where its cluster does not let Argo CD read it.
    pub async fn resource(&self, target: &Target, key: &ResourceKey) -> Result<String, ApiError> {
        let request = ApplicationResourceRequest {
            name: target.app(),
            namespace: set(&key.namespace),
            resource_name: key.name.to_string(),
            // Must be there. Empty leaves the version to the tree.
            version: String::new(),
            group: set(&key.group),
            kind: key.kind.to_string(),
            app_namespace: target.namespace(),
            project: target.project_field(),
        };
        let answer = self.unary(Call::GetResource, request).await;
        let resource: ApplicationResourceResponse = self.explained(answer, target).await?;
        Ok(resource.manifest)
    }

    /// The Kubernetes events about the application object itself.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn events(&self, target: &Target) -> Result<Vec<Event>, ApiError> {
        self.list_events(target, None).await
    }

    /// The Kubernetes events about one of its resources, of which the tree gives the uid.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Invalid`](super::Reason::Invalid) where no node of the tree is all of this.
    pub async fn resource_events(
        &self,
        target: &Target,
        key: &ResourceKey,
        uid: &str,
    ) -> Result<Vec<Event>, ApiError> {
        self.list_events(target, Some((key, uid))).await
    }

    async fn list_events(
        &self,
        target: &Target,
        of: Option<(&ResourceKey, &str)>,
    ) -> Result<Vec<Event>, ApiError> {
        let key = of.map(|(key, _)| key);
        let query = ApplicationResourceEventsQuery {
            name: target.app(),
            resource_namespace: key.and_then(|key| set(&key.namespace)),
            resource_name: key.and_then(|key| set(&key.name)),
            resource_uid: of.and_then(|(_, uid)| set(uid)),
            app_namespace: target.namespace(),
            project: target.project_field(),
        };
        let answer = self.unary(Call::ListResourceEvents, query).await;
        let events: EventList = self.explained(answer, target).await?;
        Ok(events.items)
    }

    /// Who made a commit, and what they wrote. `revision` is a commit id, whole or shortened. Not for charts of a Helm
    /// repository.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Failed`](super::Reason::Failed) for what is no commit id.
    pub async fn revision_metadata(
        &self,
        target: &Target,
        source: SourceIndex,
        revision: &str,
    ) -> Result<RevisionMetadata, ApiError> {
        let answer = self
            .unary(Call::RevisionMetadata, revision_query(target, source, revision))
            .await;
        self.explained(answer, target).await
    }

    /// What a chart of a Helm repository says of itself. Servers from 2.8.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn chart_details(
        &self,
        target: &Target,
        source: SourceIndex,
        version: &str,
    ) -> Result<ChartDetails, ApiError> {
        let query = revision_query(target, source, version);
        let answer = self.unary(Call::RevisionChartDetails, query).await;
        self.explained(answer, target).await
    }

    /// The sync windows of an application, and whether one may sync by hand now.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn sync_windows(&self, target: &Target) -> Result<ApplicationSyncWindowsResponse, ApiError> {
        let query = ApplicationSyncWindowsQuery {
            name: target.app(),
            app_namespace: target.namespace(),
            project: target.project_field(),
        };
        // Not explained further: explaining a refused sync asks for this.
        self.unary(Call::GetApplicationSyncWindows, query).await
    }

    /// The links that the administrator has set up for an application. Servers from 2.6.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn links(&self, target: &Target) -> Result<Vec<LinkInfo>, ApiError> {
        let request = ListAppLinksRequest {
            name: target.app(),
            namespace: target.namespace(),
            project: target.project_field(),
        };
        let answer = self.unary(Call::ListLinks, request).await;
        let links: LinksResponse = self.explained(answer, target).await?;
        Ok(links.items)
    }

    /// All clusters that the account may see. A project token sees none but those of its project.
    ///
    /// # Errors
    /// [`ApiError`]. It never means that something is forbidden.
    pub async fn clusters(&self) -> Result<Vec<Cluster>, ApiError> {
        let clusters: ClusterList = self.unary(Call::ListClusters, ClusterQuery::default()).await?;
        Ok(clusters.items)
    }

    /// The cluster whose API server has this address.
    ///
    /// # Errors
    /// [`ApiError`]; [`Denied::AbsentOrForbidden`](super::Denied::AbsentOrForbidden) for one that is not there, too.
    pub async fn cluster(&self, server: &str) -> Result<Cluster, ApiError> {
        let query = ClusterQuery {
            server: server.trim_end_matches('/').to_owned(),
            ..ClusterQuery::default()
        };
        let answer: Result<Cluster, ApiError> = self.unary(Call::GetCluster, query).await;
        answer.map_err(|error| match error.reason() {
            super::Reason::Denied(super::Denied::Forbidden) => {
                error.with_reason(super::Reason::Denied(super::Denied::AbsentOrForbidden))
            }
            _ => error,
        })
    }

    /// All Argo CD projects that the account may see.
    ///
    /// # Errors
    /// [`ApiError`]. It never means that something is forbidden.
    pub async fn projects(&self) -> Result<Vec<AppProject>, ApiError> {
        let projects: AppProjectList = self.unary(Call::ListProjects, ProjectQuery::default()).await?;
        Ok(projects.items)
    }

    /// One Argo CD project.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn project(&self, name: &str) -> Result<AppProject, ApiError> {
        self.unary(
            Call::GetProject,
            ProjectQuery {
                name: name.to_owned(),
            },
        )
        .await
    }
}

fn set(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn revision_query(target: &Target, source: SourceIndex, revision: &str) -> RevisionMetadataQuery {
    RevisionMetadataQuery {
        name: target.app(),
        revision: revision.to_owned(),
        app_namespace: target.namespace(),
        project: target.project_field(),
        // The first is what servers take anyway, and those before 2.12 do not know the field.
        source_index: i32::try_from(source.index()).ok().filter(|index| *index > 0),
        version_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_states_are_none() {
        let state = ManagedState::from(ResourceDiff {
            kind: Some("Secret".into()),
            target_state: Some("null".into()),
            live_state: Some("{}".into()),
            normalized_live_state: Some(String::new()),
            ..ResourceDiff::default()
        });
        assert_eq!(
            (state.target, state.live.as_deref(), state.normalized_live),
            (None, Some("{}"), None)
        );
    }

    #[test]
    fn a_source_has_one_index_and_two_ways_to_write_it() {
        let second = SourceIndex::new(1);
        let target = Target::new(&octopus_argo_core::ApplicationName::new(None, "web"));
        assert_eq!(revision_query(&target, second, "abc").source_index, Some(1));
        assert_eq!(second.position(), 2);
        assert_eq!(
            revision_query(&target, SourceIndex::new(0), "abc").source_index,
            None
        );
    }
}
