//! Why a store does not do what it was asked.

use octopus_argo_core::SpaceId;

use crate::{GatewayId, InstanceId, InstanceName, RandomnessError};

/// Why a store did not do what it was asked. Nothing has changed then, except perhaps after [`StoreError::Backend`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such space.
    #[error("there is no space {space}")]
    #[non_exhaustive]
    UnknownSpace {
        /// The id that was given.
        space: SpaceId,
    },
    /// The space has records.
    #[error("space {space} has instances")]
    #[non_exhaustive]
    SpaceInUse {
        /// The space.
        space: SpaceId,
    },
    /// There is no such record in this space.
    #[error("there is no instance {instance} in space {space}")]
    #[non_exhaustive]
    UnknownInstance {
        /// The space.
        space: SpaceId,
        /// The id that was given.
        instance: InstanceId,
    },
    /// No record is of this gateway.
    #[error("there is no gateway {gateway}")]
    #[non_exhaustive]
    UnknownGateway {
        /// The id that was given.
        gateway: GatewayId,
    },
    /// Another record of the space has this name.
    #[error("an instance named {name:?} exists in space {space} already", name = name.as_str())]
    #[non_exhaustive]
    DuplicateName {
        /// The space.
        space: SpaceId,
        /// The name that was given.
        name: InstanceName,
    },
    /// The gateway has a record in this space already, under another name.
    #[error("gateway {gateway} has an instance in space {space} already")]
    #[non_exhaustive]
    DuplicateGateway {
        /// The space.
        space: SpaceId,
        /// The gateway.
        gateway: GatewayId,
    },
    /// No token can be made.
    #[error("no token can be made")]
    Randomness(#[from] RandomnessError),
    /// The database does not answer, or not as expected. What it said is the source. It may help to try again; what was
    /// asked may have been done.
    #[error("the instance store does not answer")]
    #[non_exhaustive]
    Backend {
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// An error of the database behind a store.
    pub fn backend(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend {
            source: source.into(),
        }
    }

    /// There is no such space.
    #[must_use]
    pub fn unknown_space(space: &SpaceId) -> Self {
        Self::UnknownSpace { space: space.clone() }
    }

    /// The space has records.
    #[must_use]
    pub fn space_in_use(space: &SpaceId) -> Self {
        Self::SpaceInUse { space: space.clone() }
    }

    /// There is no such record in this space.
    #[must_use]
    pub fn unknown_instance(space: &SpaceId, instance: &InstanceId) -> Self {
        Self::UnknownInstance {
            space: space.clone(),
            instance: instance.clone(),
        }
    }

    /// No record is of this gateway.
    #[must_use]
    pub fn unknown_gateway(gateway: &GatewayId) -> Self {
        Self::UnknownGateway {
            gateway: gateway.clone(),
        }
    }

    /// Another record of the space has this name.
    #[must_use]
    pub fn duplicate_name(space: &SpaceId, name: &InstanceName) -> Self {
        Self::DuplicateName {
            space: space.clone(),
            name: name.clone(),
        }
    }

    /// The gateway has a record in this space already.
    #[must_use]
    pub fn duplicate_gateway(space: &SpaceId, gateway: &GatewayId) -> Self {
        Self::DuplicateGateway {
            space: space.clone(),
            gateway: gateway.clone(),
        }
    }

    /// Whether the same again may succeed: the database is at fault, and not what was asked.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Backend { .. })
    }
}
