//! The record of an Argo CD instance in one space.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::scope::Scope;
use crate::slug::{EnvironmentSlug, SpaceId, TenantSlug};

/// The id of an Argo CD instance's record in one space, for example `ArgoCDGateways-1`. Compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// The id with this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for InstanceId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An Argo CD instance as one space sees it: which environments and tenants it may serve there.
///
/// It may serve all of them unless it is told which.
///
/// ```
/// use octopus_argo_core::SpaceId;
/// use octopus_argo_core::index::{Instance, InstanceId};
///
/// let instance = Instance::new(InstanceId::new("ArgoCDGateways-1"), SpaceId::default())
///     .permit_environments(["staging".parse()?, "production".parse()?]);
/// # Ok::<(), octopus_argo_core::SlugError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Instance {
    id: InstanceId,
    space: SpaceId,
    environments: Option<Box<[EnvironmentSlug]>>,
    tenants: Option<Box<[TenantSlug]>>,
}

impl Instance {
    /// An instance that may serve everything in `space`.
    #[must_use]
    pub fn new(id: InstanceId, space: SpaceId) -> Self {
        Self {
            id,
            space,
            environments: None,
            tenants: None,
        }
    }

    /// The same for these environments only.
    #[must_use]
    pub fn permit_environments(mut self, environments: impl IntoIterator<Item = EnvironmentSlug>) -> Self {
        let mut environments: Vec<_> = environments.into_iter().collect();
        environments.sort();
        self.environments = Some(environments.into());
        self
    }

    /// The same for these tenants only. Deployments without a tenant are permitted all the same.
    #[must_use]
    pub fn permit_tenants(mut self, tenants: impl IntoIterator<Item = TenantSlug>) -> Self {
        let mut tenants: Vec<_> = tenants.into_iter().collect();
        tenants.sort();
        self.tenants = Some(tenants.into());
        self
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// The space that the record belongs to.
    #[must_use]
    pub fn space(&self) -> &SpaceId {
        &self.space
    }

    /// What keeps a deployment of `scope` from this instance, if anything.
    #[must_use]
    pub fn refuses(&self, scope: &Scope) -> Option<NotPermitted> {
        let environments = self.environments.as_deref();
        if environments.is_some_and(|permitted| permitted.binary_search(scope.environment()).is_err()) {
            return Some(NotPermitted::Environment);
        }
        let (tenants, tenant) = (self.tenants.as_deref()?, scope.tenant()?);
        tenants
            .binary_search(tenant)
            .is_err()
            .then_some(NotPermitted::Tenant)
    }
}

/// Why a source that declares the scope is left out all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotPermitted {
    /// Its instance may not serve the environment.
    Environment,
    /// Its instance may not serve the tenant.
    Tenant,
}

impl NotPermitted {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Environment => "environment-not-permitted",
            Self::Tenant => "tenant-not-permitted",
        }
    }
}

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Environment => "its instance is not permitted to serve the environment",
            Self::Tenant => "its instance is not permitted to serve the tenant",
        })
    }
}
