//! Which sources of an application a deployment touches, and why not the others.
//!
//! [`Application::resolve`] compares what the annotations declare for each source with a [`Scope`] and gives every
//! reason at once; the [`Resolution`] then tells what is wrong with the application as a whole
//! ([`Finding`]s) and what its author probably meant ([`Hint`]s). [`Application::plan`] goes on to what a [`Step`] does
//! to each source in scope.
//!
//! ```
//! use octopus_argo_core::{Application, Scope};
//!
//! let application = Application::from_json(
//!     br#"{
//!         "metadata": {"name": "web", "annotations": {
//!             "argo.octopus.com/project": "shop",
//!             "argo.octopus.com/environment": "staging"
//!         }},
//!         "spec": {"source": {"repoURL": "https://git.example.test/web.git", "path": "deploy"}}
//!     }"#,
//! )?;
//! let staging = Scope::new("shop".parse()?, "Staging".parse()?);
//! assert!(application.resolve(&staging).is_match());
//!
//! let acme = staging.with_tenant("acme".parse()?);
//! let resolution = application.resolve(&acme);
//! let why: Vec<_> = resolution.sources()[0].reasons().iter().map(|reason| reason.code()).collect();
//! assert_eq!(why, ["tenant-missing"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
mod address;
mod annotate;
mod concern;
mod finding;
mod hint;
mod near;
pub(crate) use near::is_one_mistake;
mod plan;
mod reason;
mod registry;
mod resolve;
mod revision;
mod step;
mod values;

use std::fmt;

use serde::Serialize;

pub use action::{Action, Obstacle, OutputFolder};
pub use address::{AddressError, Credential, clone_address};
pub use annotate::{ScopeAnnotations, annotations_for};
pub use concern::{Concern, is_git};
pub use finding::{Finding, Severity};
pub use hint::Hint;
pub use plan::{Plan, Update};
pub use reason::Reason;
pub use registry::{Cluster, DEFAULT_REGISTRY, REGISTRY_ANNOTATION};
pub use resolve::{Declared, Resolution, SourceMatch};
pub use revision::Revision;
pub use step::{HelmPaths, Step};
pub use values::{HelmValues, IMPLICIT_VALUES_FILES, ImagePaths, RefValues};

use crate::slug::{EnvironmentSlug, ProjectSlug, SlugError, SpaceId, TenantSlug};

#[cfg(doc)]
use crate::Application;

/// What a deployment is for: a project, an environment and perhaps a tenant, in a space.
///
/// The space is the default one unless said otherwise. It chooses between records of instances; a single application
/// knows nothing of spaces, so resolving one does not look at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Scope {
    space: SpaceId,
    project: ProjectSlug,
    environment: EnvironmentSlug,
    tenant: Option<TenantSlug>,
}

impl Scope {
    /// The scope of an untenanted deployment in the default space.
    #[must_use]
    pub fn new(project: ProjectSlug, environment: EnvironmentSlug) -> Self {
        Self {
            space: SpaceId::default(),
            project,
            environment,
            tenant: None,
        }
    }

    /// The scope for texts as a deployment hands them over: trimmed, and with a blank tenant meaning none.
    ///
    /// # Errors
    /// [`ScopeError`] names the mandatory text that is blank.
    ///
    /// ```
    /// use octopus_argo_core::{Scope, ScopeError};
    ///
    /// assert_eq!(Scope::from_texts("shop", " staging ", Some("")), Scope::from_texts("Shop", "staging", None));
    /// assert_eq!(Scope::from_texts("shop", " ", None), Err(ScopeError::Environment));
    /// ```
    pub fn from_texts(project: &str, environment: &str, tenant: Option<&str>) -> Result<Self, ScopeError> {
        let project = project.parse().map_err(|SlugError::Blank| ScopeError::Project)?;
        let environment = environment
            .parse()
            .map_err(|SlugError::Blank| ScopeError::Environment)?;
        let tenant = tenant.and_then(|tenant| tenant.parse().ok());
        Ok(Self {
            tenant,
            ..Self::new(project, environment)
        })
    }

    /// The same for this tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: TenantSlug) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// The same in this space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = space;
        self
    }

    /// The space that the deployment happens in.
    #[must_use]
    pub fn space(&self) -> &SpaceId {
        &self.space
    }

    /// The project that is deployed.
    #[must_use]
    pub fn project(&self) -> &ProjectSlug {
        &self.project
    }

    /// The environment that it is deployed to.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentSlug {
        &self.environment
    }

    /// The tenant that it is deployed for, if any.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantSlug> {
        self.tenant.as_ref()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.project, self.environment)?;
        match &self.tenant {
            Some(tenant) => write!(f, " for tenant {tenant}"),
            None => write!(f, ", untenanted"),
        }
    }
}

/// Which text of a deployment's scope is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// The project's slug is blank.
    #[error("a deployment needs a project slug")]
    Project,
    /// The environment's slug is blank.
    #[error("a deployment needs an environment slug")]
    Environment,
}

/// The findings and hints of an application that do not depend on a deployment.
pub(crate) fn lint_parts(
    application: &crate::Application,
    template: bool,
) -> (Vec<Finding<'_>>, Vec<Hint<'_>>) {
    (
        finding::of_application(application),
        hint::without_scope(application, template),
    )
}

/// What concerns a source whatever a step does to it.
pub(crate) fn concerns_of(source: &crate::Source) -> impl Iterator<Item = Concern<'_>> {
    concern::of_source(source)
}
