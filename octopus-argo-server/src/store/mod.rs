//! Which gateways there are: their credentials, and their records in spaces.

mod error;
pub use error::StoreError;

mod request;
pub use request::{
    Deleted, InstanceChange, InstancePage, InstanceQuery, Observation, Registered, Registration, TokenChoice,
};

mod memory;
pub use memory::MemoryStore;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "postgres")]
pub use sql::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sql::SqliteStore;

use std::time::SystemTime;

use async_trait::async_trait;
use octopus_argo_core::SpaceId;

use crate::{GatewayFacts, GatewayId, Instance, InstanceId, Space, TokenHash};

/// The instances that a server knows, and what admits their gateways.
///
/// [`MemoryStore`] keeps them in memory; the features `sqlite` and `postgres` in a database. An embedder may keep them
/// elsewhere: `tests/store` in this crate's repository holds any implementation against the rules below.
///
/// [`Instances`](crate::Instances) is what programs call: it makes the tokens, tells of every change and ends sessions.
/// A store keeps records and nothing more:
///
/// - Every operation happens altogether or not at all, also against others at the same time and against the death of
///   the process. When it has returned `Ok`, it is kept.
/// - It sees hashes of tokens, never tokens.
/// - Times come in as arguments, and are kept to the millisecond.
/// - Spaces, names and gateways compare without regard to case ([`InstanceName::folded`](crate::InstanceName::folded)).
///
/// A gateway has one credential however many records it has. It begins with the first record and ends with the last.
///
/// # Cancel safety
/// A future that is dropped may still have taken effect, or may not; never in part.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Whether `token` is the credential of this gateway at this time. A gateway that is not known has none.
    ///
    /// Compare with [`TokenHash::is_any_of`], for unknown gateways as well.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: it cannot be told now. The gateway is then asked to come again.
    async fn authenticate(
        &self,
        gateway: &GatewayId,
        token: &TokenHash,
        now: SystemTime,
    ) -> Result<bool, StoreError>;

    /// Adds a record.
    ///
    /// `token` becomes the only credential of the gateway, unless the registration asks to preserve the one that it has
    /// ([`TokenChoice::Preserve`]). Where it has none, because it is new or was revoked, it gets `token` all the same.
    ///
    /// Rule: the same name again is refused, for the same gateway too; one record for each gateway and space. Public
    /// facts of Octopus's registration, except what happens to a second record in one space, which is not public.
    ///
    /// # Errors
    /// [`StoreError::UnknownSpace`], [`StoreError::DuplicateName`], [`StoreError::DuplicateGateway`], in this order;
    /// nothing is changed then.
    async fn register(
        &self,
        registration: &Registration,
        token: &TokenHash,
    ) -> Result<Registered, StoreError>;

    /// A record.
    ///
    /// # Errors
    /// [`StoreError::UnknownSpace`], or [`StoreError::UnknownInstance`] if there is none in this space.
    async fn instance(&self, space: &SpaceId, id: &InstanceId) -> Result<Instance, StoreError>;

    /// The records that a query asks for, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::UnknownSpace`] if the query names one that is not there.
    async fn instances(&self, query: &InstanceQuery) -> Result<InstancePage, StoreError>;

    /// Changes a record, and gives it as it is then.
    ///
    /// # Errors
    /// As [`InstanceStore::instance`], and [`StoreError::DuplicateName`]; nothing is changed then.
    async fn modify(
        &self,
        space: &SpaceId,
        id: &InstanceId,
        change: &InstanceChange,
    ) -> Result<Instance, StoreError>;

    /// Removes a record, and with a gateway's last one the gateway and its credential.
    ///
    /// # Errors
    /// As [`InstanceStore::instance`].
    async fn delete(&self, space: &SpaceId, id: &InstanceId) -> Result<Deleted, StoreError>;

    /// What is known of a gateway.
    ///
    /// # Errors
    /// [`StoreError::UnknownGateway`].
    async fn gateway(&self, gateway: &GatewayId) -> Result<GatewayFacts, StoreError>;

    /// Makes `token` the credential of a gateway. The one before it is good until `overlap`, if that is given, and any
    /// before that one no longer. Without it there is no overlap. A gateway that was revoked is admitted again.
    ///
    /// # Errors
    /// [`StoreError::UnknownGateway`].
    async fn rotate(
        &self,
        gateway: &GatewayId,
        token: &TokenHash,
        overlap: Option<SystemTime>,
    ) -> Result<(), StoreError>;

    /// Takes every credential of a gateway away. Its records stay. Once more does nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownGateway`].
    async fn revoke(&self, gateway: &GatewayId) -> Result<(), StoreError>;

    /// Notes what was seen of gateways, all of it at once. Those that are not known any more are passed over, and what
    /// is older than what is known changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    async fn observe(&self, observations: &[Observation]) -> Result<(), StoreError>;

    /// The spaces, in the order of their ids. A new store has the default one.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    async fn spaces(&self) -> Result<Vec<Space>, StoreError>;

    /// Adds a space, or renames the one with its id.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    async fn put_space(&self, space: &Space) -> Result<(), StoreError>;

    /// Removes a space that has no records.
    ///
    /// # Errors
    /// [`StoreError::UnknownSpace`], [`StoreError::SpaceInUse`].
    async fn remove_space(&self, space: &SpaceId) -> Result<(), StoreError>;
}
