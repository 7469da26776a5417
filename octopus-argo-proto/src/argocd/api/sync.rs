//! Beginning and ending a sync.

use tonic::Code;

use super::applications::{Fetched, fetched};
use super::{Api, ApiError, Call, Channel, Reason, SourceIndex, Target};
use crate::argocd::application::{
    ApplicationSyncRequest, OperationTerminateRequest, OperationTerminateResponse, SyncOptions,
};
use crate::argocd::v1alpha1::{
    Info, SyncOperationResource, SyncStrategy, SyncStrategyApply, SyncStrategyHook,
};
use octopus_argo_core::health::argocd::ResourceKey;

/// What to sync, and how. By default as the application itself says, all resources, without pruning.
///
/// ```
/// use octopus_argo_core::ApplicationName;
/// use octopus_argo_proto::argocd::{SourceIndex, SyncRequest, Target};
///
/// let web = Target::new(&ApplicationName::new(None, "web")).in_project("shop");
/// let request = SyncRequest::new(web).prune().source_revision(SourceIndex::new(1), "v2");
/// # let _ = request;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SyncRequest {
    target: Target,
    revision: Option<String>,
    sources: Vec<(SourceIndex, String)>,
    strategy: Option<(Strategy, bool)>,
    options: Option<Vec<String>>,
    resources: Vec<ResourceKey>,
    manifests: Vec<String>,
    infos: Vec<(String, String)>,
    prune: bool,
    dry_run: bool,
}

/// How resources are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// With hooks, which is what Argo CD does where nothing is said.
    Hook,
    /// Without hooks.
    Apply,
}

impl SyncRequest {
    /// Syncs this application, to the revision that is set for it.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            revision: None,
            sources: Vec::new(),
            strategy: None,
            options: None,
            resources: Vec::new(),
            manifests: Vec::new(),
            infos: Vec::new(),
            prune: false,
            dry_run: false,
        }
    }

    /// To another revision of the only source. Empty means the revision that is set. Argo CD refuses it while it syncs
    /// the application by itself, except for a dry run.
    #[must_use]
    pub fn revision(mut self, revision: &str) -> Self {
        self.revision = (!revision.is_empty()).then(|| revision.to_owned());
        self
    }

    /// To another revision of one of several sources.
    #[must_use]
    pub fn source_revision(mut self, source: SourceIndex, revision: &str) -> Self {
        self.sources.push((source, revision.to_owned()));
        self
    }

    /// Removes resources that Git no longer has.
    #[must_use]
    pub fn prune(mut self) -> Self {
        self.prune = true;
        self
    }

    /// Changes nothing.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// How resources are applied.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some((strategy, false));
        self
    }

    /// As [`SyncRequest::strategy`], and deletes and creates what cannot be changed in place.
    #[must_use]
    pub fn danger_force(mut self, strategy: Strategy) -> Self {
        self.strategy = Some((strategy, true));
        self
    }

    /// Options in place of the application's own, for example `ServerSideApply=true`. No options at all are options too.
    #[must_use]
    pub fn options<'a>(mut self, options: impl IntoIterator<Item = &'a str>) -> Self {
        self.options = Some(options.into_iter().map(str::to_owned).collect());
        self
    }

    /// Only this resource, and others that are named. The sync is then a partial one, and leaves no history.
    #[must_use]
    pub fn resource(mut self, key: ResourceKey) -> Self {
        self.resources.push(key);
        self
    }

    /// Manifests in place of those in Git. They need the right `override`.
    #[must_use]
    pub fn danger_manifests(mut self, manifests: impl IntoIterator<Item = String>) -> Self {
        self.manifests.extend(manifests);
        self
    }

    /// A name and a value that stay with the operation, to know it again or for people to read.
    #[must_use]
    pub fn info(mut self, name: &str, value: &str) -> Self {
        self.infos.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Which application.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    pub(super) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    pub(super) fn brings_manifests(&self) -> bool {
        !self.manifests.is_empty()
    }

    pub(super) fn wants_replace(&self) -> bool {
        self.options
            .iter()
            .flatten()
            .any(|option| option == "Replace=true")
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = (&str, &str)> {
        self.infos
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The revisions asked for, by source.
    pub(super) fn wanted_revisions(&self) -> impl Iterator<Item = (usize, &str)> {
        let one = self.revision.as_deref().map(|revision| (0, revision));
        let several = self
            .sources
            .iter()
            .map(|(source, revision)| (source.index(), revision.as_str()));
        one.into_iter().chain(several)
    }

    pub(super) fn wire(&self) -> ApplicationSyncRequest {
        let resource = |key: &ResourceKey| SyncOperationResource {
            group: set(&key.group),
            kind: set(&key.kind),
            name: set(&key.name),
            namespace: set(&key.namespace),
        };
        ApplicationSyncRequest {
            name: self.target.app(),
            revision: self.revision.clone(),
            dry_run: self.dry_run.then_some(true),
            prune: self.prune.then_some(true),
            strategy: self.strategy.map(strategy),
            resources: self.resources.iter().map(resource).collect(),
            manifests: self.manifests.clone(),
            infos: self
                .infos()
                .map(|(name, value)| Info {
                    name: set(name),
                    value: set(value),
                })
                .collect(),
            retry_strategy: None,
            sync_options: self.options.clone().map(|items| SyncOptions { items }),
            app_namespace: self.target.namespace(),
            project: self.target.project_field(),
            source_positions: self.sources.iter().map(|(source, _)| source.position()).collect(),
            revisions: self
                .sources
                .iter()
                .map(|(_, revision)| revision.clone())
                .collect(),
        }
    }
}

fn set(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn strategy((strategy, force): (Strategy, bool)) -> SyncStrategy {
    let apply = SyncStrategyApply {
        force: force.then_some(true),
    };
    match strategy {
        Strategy::Apply => SyncStrategy {
            apply: Some(apply),
            hook: None,
        },
        Strategy::Hook => SyncStrategy {
            apply: None,
            hook: Some(SyncStrategyHook {
                sync_strategy_apply: Some(apply),
            }),
        },
    }
}

impl<S: Channel> Api<S> {
    /// Begins a sync, and does not wait for it: see [`Api::sync_and_wait`].
    ///
    /// The answer is the application with the operation accepted and not begun; without the state of any operation, and
    /// without the health of single resources.
    ///
    /// # Errors
    /// [`ApiError`]. A sync window is [`Denied::SyncWindow`](super::Denied::SyncWindow), a missing right
    /// [`Denied::MissingRight`](super::Denied::MissingRight), and what else Argo CD does not do now a
    /// [`Refusal`](super::Refusal). Codes do not tell these apart, so Argo CD is asked for the facts; they may have
    /// changed meanwhile.
    pub async fn sync(&self, request: &SyncRequest) -> Result<Fetched, ApiError> {
        match self.unary(Call::Sync, request.wire()).await {
            Ok(wire) => fetched(Call::Sync, &wire),
            Err(error) => Err(Box::pin(self.refused(error, request)).await),
        }
    }

    /// Asks the operation that is running to stop. It has ended once its phase says so.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::NothingRunning`] where there is none.
    pub async fn terminate(&self, target: &Target) -> Result<(), ApiError> {
        let request = OperationTerminateRequest {
            name: target.app(),
            app_namespace: target.namespace(),
            project: target.project_field(),
        };
        let answer: Result<OperationTerminateResponse, _> =
            self.unary(Call::TerminateOperation, request).await;
        match answer {
            Ok(_) => Ok(()),
            // The same code says that the application's project is missing, but then Get has it too.
            Err(error) if error.code() == Code::InvalidArgument && self.get(target).await.is_ok() => {
                Err(error.with_reason(Reason::NothingRunning))
            }
            Err(error) => Err(Box::pin(self.explain(error, target)).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use octopus_argo_core::ApplicationName;

    use super::*;

    #[test]
    fn what_is_not_asked_for_is_not_sent() {
        let web = Target::new(&ApplicationName::new(None, "web")).in_project("shop");
        let plain = SyncRequest::new(web).revision("").wire();
        assert_eq!(
            plain,
            ApplicationSyncRequest {
                name: "web".into(),
                project: Some("shop".into()),
                ..ApplicationSyncRequest::default()
            }
        );
    }

    #[test]
    fn positions_are_counted_from_one() {
        let web = Target::new(&ApplicationName::new(None, "web"));
        let request = SyncRequest::new(web).source_revision(SourceIndex::new(0), "a");
        let wire = request.source_revision(SourceIndex::new(2), "c").wire();
        assert_eq!(
            (&*wire.source_positions, &*wire.revisions),
            (&[1, 3][..], &["a".to_owned(), "c".to_owned()][..])
        );
    }

    #[test]
    fn no_options_are_options() {
        let web = Target::new(&ApplicationName::new(None, "web"));
        assert_eq!(SyncRequest::new(web.clone()).wire().sync_options, None);
        let none = SyncRequest::new(web).options([]).wire();
        assert_eq!(none.sync_options, Some(SyncOptions::default()));
    }
}
