//! Why a source is out of scope.

use std::fmt;

use serde::Serialize;

use crate::annotation::{Key, Purpose};

/// One reason why a source is not touched by a deployment. A source may have several.
///
/// The codes are stable. `Display` gives the sentence, serde an object with `code` and the values. Several stand in the
/// order project, environment, tenant.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Conventions/ScopingAnnotationReader.cs`, which only says that a source is not
/// part of the deployment; telling why is ours.
///
/// ```
/// use octopus_argo_core::scope::Reason;
///
/// let reason = Reason::EnvironmentMismatch { found: "prod", wanted: "staging" };
/// assert_eq!(reason.code(), "environment-mismatch");
/// assert_eq!(reason.to_string(), "its environment is `prod`, not `staging`");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason<'a> {
    /// The application has several sources, and this one has no name that annotations could carry.
    UnnamedInMultiSource {
        /// How many sources there are.
        sources: usize,
    },
    /// No project is declared for the source.
    ProjectMissing {
        /// The annotation that would declare it.
        key: Key<'a>,
        /// The deployment's project.
        wanted: &'a str,
    },
    /// Another project is declared.
    ProjectMismatch {
        /// The declared project.
        found: &'a str,
        /// The deployment's project.
        wanted: &'a str,
    },
    /// No environment is declared for the source.
    EnvironmentMissing {
        /// The annotation that would declare it.
        key: Key<'a>,
        /// The deployment's environment.
        wanted: &'a str,
    },
    /// Another environment is declared.
    EnvironmentMismatch {
        /// The declared environment.
        found: &'a str,
        /// The deployment's environment.
        wanted: &'a str,
    },
    /// The deployment is for a tenant, and the source declares none.
    TenantMissing {
        /// The annotation that would declare it.
        key: Key<'a>,
        /// The deployment's tenant.
        wanted: &'a str,
    },
    /// The source declares a tenant, and the deployment is for none.
    TenantUnexpected {
        /// The declared tenant.
        found: &'a str,
    },
    /// Another tenant is declared.
    TenantMismatch {
        /// The declared tenant.
        found: &'a str,
        /// The deployment's tenant.
        wanted: &'a str,
    },
    /// The value stands in the template of an `ApplicationSet` and is decided only when that is rendered.
    TemplateExpression {
        /// What the annotation is for.
        purpose: Purpose,
        /// The expression.
        found: &'a str,
    },
}

impl Reason<'_> {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnnamedInMultiSource { .. } => "unnamed-in-multi-source",
            Self::ProjectMissing { .. } => "project-missing",
            Self::ProjectMismatch { .. } => "project-mismatch",
            Self::EnvironmentMissing { .. } => "environment-missing",
            Self::EnvironmentMismatch { .. } => "environment-mismatch",
            Self::TenantMissing { .. } => "tenant-missing",
            Self::TenantUnexpected { .. } => "tenant-unexpected",
            Self::TenantMismatch { .. } => "tenant-mismatch",
            Self::TemplateExpression { .. } => "template-expression",
        }
    }

    /// Which of project, environment and tenant keeps the source out; `None` where annotations are not even read.
    #[must_use]
    pub const fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::UnnamedInMultiSource { .. } => None,
            Self::ProjectMissing { .. } | Self::ProjectMismatch { .. } => Some(Purpose::Project),
            Self::EnvironmentMissing { .. } | Self::EnvironmentMismatch { .. } => Some(Purpose::Environment),
            Self::TenantMissing { .. } | Self::TenantUnexpected { .. } | Self::TenantMismatch { .. } => {
                Some(Purpose::Tenant)
            }
            Self::TemplateExpression { purpose, .. } => Some(*purpose),
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnnamedInMultiSource { sources } => {
                write!(
                    f,
                    "it has no name, and of {sources} sources only named ones can be annotated"
                )
            }
            Self::ProjectMissing { key, wanted } => {
                write!(f, "no `{key}` says that its project is `{wanted}`")
            }
            Self::EnvironmentMissing { key, wanted } => {
                write!(f, "no `{key}` says that its environment is `{wanted}`")
            }
            Self::TenantMissing { key, wanted } => write!(f, "no `{key}` says that its tenant is `{wanted}`"),
            Self::ProjectMismatch { found, wanted } => write!(f, "its project is `{found}`, not `{wanted}`"),
            Self::EnvironmentMismatch { found, wanted } => {
                write!(f, "its environment is `{found}`, not `{wanted}`")
            }
            Self::TenantMismatch { found, wanted } => write!(f, "its tenant is `{found}`, not `{wanted}`"),
            Self::TenantUnexpected { found } => {
                write!(f, "its tenant is `{found}`, and the deployment is untenanted")
            }
            Self::TemplateExpression { purpose, found } => {
                write!(
                    f,
                    "its {purpose} is decided when the template is rendered: `{found}`"
                )
            }
        }
    }
}
