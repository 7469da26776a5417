//! The calls about applications.

use octopus_argo_proto::argocd::application::application_service_server::ApplicationService;
use octopus_argo_proto::argocd::application::{
    ApplicationManifestQuery, ApplicationPodLogsQuery, ApplicationQuery, ApplicationResourceEventsQuery,
    ApplicationResourceRequest, ApplicationResourceResponse, ApplicationSyncRequest,
    ApplicationSyncWindowsQuery, ApplicationSyncWindowsResponse, LinksResponse, ListAppLinksRequest,
    LogEntry, ManagedResourcesResponse, OperationTerminateRequest, OperationTerminateResponse,
    ResourcesQuery, RevisionMetadataQuery,
};
use octopus_argo_proto::argocd::events::EventList;
use octopus_argo_proto::argocd::k8s::meta::ListMeta;
use octopus_argo_proto::argocd::repository::ManifestResponse;
use octopus_argo_proto::argocd::v1alpha1::{
    Application, ApplicationList, ApplicationTree, ApplicationWatchEvent, ChartDetails, RevisionMetadata,
};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};

use super::gate::{Filter, Target, projects};
use super::{Api, caller, pod_logs, sync, watch};
use crate::argocd::fleet::Record;

#[async_trait]
impl ApplicationService for Api {
    /// Everything in one message, sorted by name. No right is no error: an empty list.
    ///
    /// Rule: Argo CD `server/application/application.go` (`List`).
    async fn list(&self, request: Request<ApplicationQuery>) -> Result<Response<ApplicationList>, Status> {
        let caller = caller(&request);
        let filter = Filter::new(request.into_inner()).map_err(|error| Status::unknown(error.to_string()))?;
        let (records, version) = self.fleet.snapshot();
        let mut records: Vec<Record> = records
            .into_iter()
            .filter(|record| filter.matches(record) && self.may(&caller, "get", record))
            .collect();
        records.sort_by(|one, other| one.name().name().cmp(other.name().name()));
        if filter.name.is_some() {
            records.truncate(1);
        }
        let list = ApplicationList {
            metadata: Some(ListMeta {
                self_link: Some(String::new()),
                resource_version: Some(version.to_string()),
                r#continue: Some(String::new()),
                ..ListMeta::default()
            }),
            items: records.iter().map(without_resource_health).collect(),
        };
        self.fitting(list).map(Response::new)
    }

    /// One application. A `refresh`, whatever its value, is carried out at once by a controller that has nothing else
    /// to do.
    ///
    /// Rule: Argo CD `server/application/application.go` (`Get`).
    async fn get(&self, request: Request<ApplicationQuery>) -> Result<Response<Application>, Status> {
        let caller = caller(&request);
        let query = request.into_inner();
        let projects = projects(&query);
        if projects.len() > 1 {
            return Err(Status::invalid_argument(
                "multiple projects specified - the get endpoint accepts either zero or one project",
            ));
        }
        let target = Target {
            name: query.name.as_deref().unwrap_or_default(),
            namespace: query.app_namespace.as_deref(),
            project: projects.first().copied(),
        };
        let mut record = self.get_application(&caller, target, "get")?;
        if query.refresh.is_some() {
            // An application that is deleted just now is answered as it was.
            let _ = self.fleet.reconcile(record.name());
            record = self.fleet.record(record.name()).unwrap_or(record);
        }
        self.fitting(record.wire.as_ref().clone()).map(Response::new)
    }

    type WatchStream = BoxStream<ApplicationWatchEvent>;

    async fn watch(&self, request: Request<ApplicationQuery>) -> Result<Response<Self::WatchStream>, Status> {
        let caller = caller(&request);
        let events = watch::watch(self.clone(), caller, request.into_inner())?;
        Ok(Response::new(Box::pin(events)))
    }

    type PodLogsStream = BoxStream<LogEntry>;

    async fn pod_logs(
        &self,
        request: Request<ApplicationPodLogsQuery>,
    ) -> Result<Response<Self::PodLogsStream>, Status> {
        let caller = caller(&request);
        let entries = pod_logs::pod_logs(self, &caller, &request.into_inner())?;
        Ok(Response::new(entries))
    }

    async fn sync(&self, request: Request<ApplicationSyncRequest>) -> Result<Response<Application>, Status> {
        let caller = caller(&request);
        let record = sync::sync(self, &caller, request.into_inner())?;
        self.fitting(without_resource_health(&record)).map(Response::new)
    }

    async fn resource_tree(&self, _: Request<ResourcesQuery>) -> Result<Response<ApplicationTree>, Status> {
        Err(not_simulated())
    }

    type WatchResourceTreeStream = BoxStream<ApplicationTree>;

    async fn watch_resource_tree(
        &self,
        _: Request<ResourcesQuery>,
    ) -> Result<Response<Self::WatchResourceTreeStream>, Status> {
        Err(not_simulated())
    }

    async fn managed_resources(
        &self,
        _: Request<ResourcesQuery>,
    ) -> Result<Response<ManagedResourcesResponse>, Status> {
        Err(not_simulated())
    }

    async fn get_manifests(
        &self,
        _: Request<ApplicationManifestQuery>,
    ) -> Result<Response<ManifestResponse>, Status> {
        Err(not_simulated())
    }

    async fn get_resource(
        &self,
        _: Request<ApplicationResourceRequest>,
    ) -> Result<Response<ApplicationResourceResponse>, Status> {
        Err(not_simulated())
    }

    async fn list_resource_events(
        &self,
        _: Request<ApplicationResourceEventsQuery>,
    ) -> Result<Response<EventList>, Status> {
        Err(not_simulated())
    }

    async fn terminate_operation(
        &self,
        _: Request<OperationTerminateRequest>,
    ) -> Result<Response<OperationTerminateResponse>, Status> {
        Err(not_simulated())
    }

    async fn revision_metadata(
        &self,
        _: Request<RevisionMetadataQuery>,
    ) -> Result<Response<RevisionMetadata>, Status> {
        Err(not_simulated())
    }

    async fn revision_chart_details(
        &self,
        _: Request<RevisionMetadataQuery>,
    ) -> Result<Response<ChartDetails>, Status> {
        Err(not_simulated())
    }

    async fn get_application_sync_windows(
        &self,
        _: Request<ApplicationSyncWindowsQuery>,
    ) -> Result<Response<ApplicationSyncWindowsResponse>, Status> {
        Err(not_simulated())
    }

    async fn list_links(&self, _: Request<ListAppLinksRequest>) -> Result<Response<LinksResponse>, Status> {
        Err(not_simulated())
    }
}

fn not_simulated() -> Status {
    Status::unimplemented("this method is not simulated")
}

/// As List and Sync answer: where health is kept in the resource tree, resources come without it.
///
/// Rule: Argo CD `server/application/application.go`, where only Get and Watch call `inferResourcesStatusHealth`.
fn without_resource_health(record: &Record) -> Application {
    let mut wire = record.wire.as_ref().clone();
    if let Some(status) = &mut wire.status
        && status.resource_health_source.as_deref() == Some("appTree")
    {
        for resource in &mut status.resources {
            resource.health = None;
        }
    }
    wire
}
