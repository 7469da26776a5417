//! Which gateways there are: their credentials, and their records in spaces.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use octopus_argo_core::SpaceId;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{GatewayId, InstanceId};

/// An instance of Argo CD as one space knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The record's id.
    pub id: InstanceId,
    /// The space that it belongs to.
    pub space: SpaceId,
    /// Its name, unique in the space.
    pub name: String,
    /// The gateway that reaches it.
    pub gateway: GatewayId,
}

impl Instance {
    /// A record with this id, in the default space.
    #[must_use]
    pub fn new(id: InstanceId, name: impl Into<String>, gateway: GatewayId) -> Self {
        Self {
            id,
            space: SpaceId::default(),
            name: name.into(),
            gateway,
        }
    }

    /// The same in this space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = space;
        self
    }
}

/// Why the store could not answer. What the database said is the source.
#[derive(Debug, thiserror::Error)]
#[error("the instance store does not answer")]
pub struct StoreError {
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// An error of the database behind a store.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

/// The instances that a server knows. Kept in memory by [`MemoryStore`]; an embedder may keep them elsewhere.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Whether `token` is the credential of this gateway. A gateway that is not known has none.
    ///
    /// Compare hashes, in constant time, and take as long for unknown gateways as for known ones.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be told now. The gateway is then asked to come again.
    async fn is_credential(&self, gateway: &GatewayId, token: &SecretString) -> Result<bool, StoreError>;

    /// Every record, in a fixed order.
    ///
    /// # Errors
    /// [`StoreError`]: they cannot be told now.
    async fn instances(&self) -> Result<Vec<Instance>, StoreError>;
}

/// The operating system has no randomness to give. Nothing secret can be made then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system has no randomness to give")]
#[non_exhaustive]
pub struct RandomnessError;

/// A gateway's credential: 256 random bits in hexadecimal. Shown once, when it is made; stored as a hash.
#[derive(Clone)]
pub struct GatewayToken(SecretString);

impl GatewayToken {
    /// Draws a new one from the operating system.
    ///
    /// # Errors
    /// [`RandomnessError`]: the operating system has no randomness to give.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| RandomnessError)?;
        let digit = |value: u8| {
            char::from(if value < 10 {
                b'0' + value
            } else {
                b'a' + value - 10
            })
        };
        let text: String = bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect();
        Ok(Self(text.into()))
    }

    /// The secret itself, to be handed to the gateway.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl fmt::Debug for GatewayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayToken(hidden)")
    }
}

/// A store that forgets when the process ends.
///
/// ```
/// use octopus_argo_server::{GatewayId, GatewayToken, Instance, MemoryStore};
///
/// let store = MemoryStore::default();
/// let gateway: GatewayId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?;
/// let token = GatewayToken::generate()?;
/// store.set_credential(&gateway, &token);
/// store.put(Instance::new("ArgoCDGateways-1".parse()?, "cluster-eu", gateway));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct MemoryStore {
    credentials: RwLock<HashMap<GatewayId, [u8; 32]>>,
    instances: RwLock<HashMap<InstanceId, Instance>>,
}

impl MemoryStore {
    /// Makes `token` the only credential of the gateway.
    pub fn set_credential(&self, gateway: &GatewayId, token: &GatewayToken) {
        let hash = hash(&token.0);
        self.credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(gateway.clone(), hash);
    }

    /// Takes the gateway's credential away. Live sessions are ended with [`Server::revoke`](crate::Server::revoke).
    pub fn remove_credential(&self, gateway: &GatewayId) {
        self.credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(gateway);
    }

    /// Adds a record, or replaces the one with its id.
    pub fn put(&self, instance: Instance) {
        self.instances
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(instance.id.clone(), instance);
    }

    /// Removes a record.
    pub fn remove(&self, id: &InstanceId) {
        self.instances
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

#[async_trait]
impl InstanceStore for MemoryStore {
    async fn is_credential(&self, gateway: &GatewayId, token: &SecretString) -> Result<bool, StoreError> {
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let known = credentials.get(gateway);
        let same = hash(token).ct_eq(known.unwrap_or(&[0; 32]));
        Ok(known.is_some() && bool::from(same))
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let instances = self.instances.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Instance> = instances.values().cloned().collect();
        all.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(all)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}
