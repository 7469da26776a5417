//! The live resources of an application.

use std::time::Duration;

use octopus_argo_core::health::HealthStatus;
use octopus_argo_core::health::argocd::{ResourceKey, ResourceTree};
use tokio::time::{Instant, sleep_until};
use tonic::Code;

use super::transport::Answers;
use super::{Api, ApiError, Call, Channel, Denied, Reason, Target};
use crate::argocd::application::ResourcesQuery;
use crate::argocd::v1alpha1::ApplicationTree;

/// How long after the stream was asked for the tree is read once more: until it stands, changes are not told.
const SETTLE: Duration = Duration::from_secs(2);

/// How often the tree is read in any case: Argo CD tells of changes through a channel that may lose some.
const REREAD: Duration = Duration::from_secs(60);

impl<S: Channel> Api<S> {
    /// The live resources. Argo CD may compare the application first, and is waited for up to the limit for slow calls.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Failed`] where the application has an error that keeps it from being compared.
    pub async fn resource_tree(&self, target: &Target) -> Result<ResourceTree, ApiError> {
        let answer = self.unary(Call::ResourceTree, query(target)).await;
        let tree: ApplicationTree = self.explained(answer, target).await?;
        Ok(ResourceTree::from(&tree))
    }

    /// The health of each resource of an application, wherever this Argo CD keeps it: since 3.0 in the resource tree.
    /// `None` for a resource whose kind has no check.
    ///
    /// # Errors
    /// As [`Api::get`] and [`Api::resource_tree`].
    pub async fn resource_health(
        &self,
        target: &Target,
    ) -> Result<Vec<(ResourceKey, Option<HealthStatus>)>, ApiError> {
        let fetched = self.get(target).await?;
        let tree = if fetched.detail.needs_tree() {
            self.resource_tree(target).await?
        } else {
            ResourceTree::default()
        };
        let health = fetched.detail.resource_health(&tree.nodes);
        let keys = fetched
            .detail
            .resources
            .iter()
            .map(octopus_argo_core::health::argocd::ResourceStatus::key);
        Ok(keys.zip(health).collect())
    }

    /// The live resources, now and whenever they change.
    ///
    /// Argo CD sends nothing at the beginning, and the same tree again and again later. So the tree is also read, at
    /// once, soon after the stream was asked for, and once a minute; only trees that differ are handed over.
    #[must_use]
    pub fn watch_resource_tree(&self, target: &Target) -> TreeWatch<S> {
        TreeWatch {
            api: self.clone(),
            target: target.clone(),
            answers: self.stream(Call::WatchResourceTree, query(target)),
            last: None,
            due: Instant::now(),
            reads: 0,
            over: false,
        }
    }
}

fn query(target: &Target) -> ResourcesQuery {
    ResourcesQuery {
        application_name: target.app(),
        app_namespace: target.namespace(),
        project: target.project_field(),
        ..ResourcesQuery::default()
    }
}

/// The live resources of an application as they change. Dropping it ends the call.
#[derive(Debug)]
pub struct TreeWatch<S> {
    api: Api<S>,
    target: Target,
    answers: Answers<ApplicationTree>,
    last: Option<ResourceTree>,
    /// When the tree is read next.
    due: Instant,
    reads: u32,
    over: bool,
}

impl<S: Channel> TreeWatch<S> {
    /// The next tree that differs from the one before, the first at once. `None` when the server has ended the stream.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Gone`] when the application was deleted.
    ///
    /// # Cancel safety
    /// Cancel-safe. A read of the tree that was under way is begun again.
    pub async fn next(&mut self) -> Result<Option<ResourceTree>, ApiError> {
        if self.over {
            return Ok(None);
        }
        let result = self.find().await;
        self.over = !matches!(result, Ok(Some(_)));
        result
    }

    async fn find(&mut self) -> Result<Option<ResourceTree>, ApiError> {
        loop {
            let tree = tokio::select! {
                biased;
                pushed = self.answers.next() => match pushed {
                    Ok(Some(tree)) => ResourceTree::from(&tree),
                    Ok(None) => return Ok(None),
                    Err(error) => return Err(Box::pin(self.explain(error)).await),
                },
                read = read(&self.api, &self.target, self.due) => {
                    let tree = read?;
                    self.reads += 1;
                    self.due = Instant::now() + if self.reads == 1 { SETTLE } else { REREAD };
                    tree
                }
            };
            if self.last.as_ref() != Some(&tree) {
                self.last = Some(tree.clone());
                return Ok(Some(tree));
            }
        }
    }

    /// Argo CD ends the stream of an application that was deleted with a code that means anything.
    ///
    /// Rule: Argo CD `controller/appcontroller.go` (`finalizeApplicationDeletion`).
    async fn explain(&self, error: ApiError) -> ApiError {
        if !matches!(error.code(), Code::Unknown | Code::Internal) {
            return Box::pin(self.api.explain(error, &self.target)).await;
        }
        let found = self
            .api
            .get(&self.target)
            .await
            .map_err(|error| error.reason().clone());
        match found {
            Err(Reason::NotFound | Reason::Denied(Denied::AbsentOrForbidden)) => {
                error.with_reason(Reason::Gone)
            }
            _ => error,
        }
    }
}

async fn read<S: Channel>(api: &Api<S>, target: &Target, due: Instant) -> Result<ResourceTree, ApiError> {
    sleep_until(due).await;
    api.resource_tree(target).await
}
