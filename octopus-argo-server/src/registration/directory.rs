//! Which environments and tenants there are.

use std::error::Error;

use async_trait::async_trait;
use octopus_argo_core::SpaceId;
use octopus_argo_core::setup::KnownEnvironment;

/// The environments or tenants cannot be told now.
#[derive(Debug, thiserror::Error)]
#[error("the directory does not answer")]
pub struct DirectoryError(#[source] Box<dyn Error + Send + Sync>);

impl DirectoryError {
    /// With its reason, which is logged and not sent to callers.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Names the environments and tenants of a space, so that a registration may refer to them by name, slug or id, and one
/// that refers to anything else is refused.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// The environments.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn environments(&self, space: &SpaceId) -> Result<Vec<KnownEnvironment>, DirectoryError>;

    /// The tenants.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn tenants(&self, space: &SpaceId) -> Result<Vec<KnownEnvironment>, DirectoryError>;
}
