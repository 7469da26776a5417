//! A store that forgets when the process ends.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use octopus_argo_core::SpaceId;

use super::{
    Deleted, InstanceChange, InstancePage, InstanceQuery, InstanceStore, Observation, Registered,
    Registration, StoreError, TokenChoice,
};
use crate::{
    CredentialState, GatewayFacts, GatewayId, GatewayToken, HealthReport, Instance, InstanceId, InstanceName,
    Space, TokenHash,
};

/// A store that forgets when the process ends.
///
/// [`MemoryStore::put`] and its kin arrange what a test or a demonstration starts with. They check nothing and tell
/// nobody; in a running server records change through [`Instances`](crate::Instances).
///
/// ```
/// use octopus_argo_server::{GatewayId, GatewayToken, Instance, MemoryStore};
///
/// let store = MemoryStore::default();
/// let gateway: GatewayId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?;
/// let token = GatewayToken::generate()?;
/// store.set_credential(&gateway, &token);
/// store.put(Instance::new("ArgoCDGateways-1".parse()?, "cluster-eu".parse()?, gateway));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryStore(RwLock<State>);

struct State {
    spaces: BTreeMap<SpaceId, Space>,
    gateways: HashMap<GatewayId, Gateway>,
    /// Their facts are those of the gateway.
    instances: BTreeMap<InstanceId, Instance>,
    /// The number of the youngest record, so that none is given twice.
    last: i64,
}

#[derive(Default)]
struct Gateway {
    token: Option<TokenHash>,
    /// The token before, and until when it is good.
    before: Option<(TokenHash, SystemTime)>,
    facts: GatewayFacts,
}

impl Gateway {
    fn set(&mut self, token: TokenHash) {
        self.token = Some(token);
        self.before = None;
        self.facts.credential = CredentialState::Issued;
    }
}

impl State {
    fn known_space(&self, space: &SpaceId) -> Result<SpaceId, StoreError> {
        let known = self.spaces.get(space).map(|known| known.id.clone());
        known.ok_or_else(|| StoreError::unknown_space(space))
    }

    fn known_instance(&self, space: &SpaceId, id: &InstanceId) -> Result<&Instance, StoreError> {
        self.known_space(space)?;
        let known = self.instances.get(id).filter(|instance| instance.space == *space);
        known.ok_or_else(|| StoreError::unknown_instance(space, id))
    }

    fn known_gateway(&mut self, gateway: &GatewayId) -> Result<&mut Gateway, StoreError> {
        let known = self.gateways.get_mut(gateway);
        known.ok_or_else(|| StoreError::unknown_gateway(gateway))
    }

    fn in_space<'a>(&'a self, space: &'a SpaceId) -> impl Iterator<Item = &'a Instance> + 'a {
        let instances = self.instances.values();
        instances.filter(move |instance| instance.space == *space)
    }

    /// No other record of the space may have the name.
    fn check_name(
        &self,
        space: &SpaceId,
        name: &InstanceName,
        but: Option<&InstanceId>,
    ) -> Result<(), StoreError> {
        let folded = name.folded();
        let taken = self
            .in_space(space)
            .any(|other| Some(&other.id) != but && other.name.folded() == folded);
        if taken {
            return Err(StoreError::duplicate_name(space, name));
        }
        Ok(())
    }

    fn with_facts(&self, instance: &Instance) -> Instance {
        let mut instance = instance.clone();
        if let Some(gateway) = self.gateways.get(&instance.gateway) {
            instance.facts = gateway.facts.clone();
        }
        instance
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        let space = Space::default();
        Self(RwLock::new(State {
            spaces: BTreeMap::from([(space.id.clone(), space)]),
            gateways: HashMap::new(),
            instances: BTreeMap::new(),
            last: 0,
        }))
    }
}

impl MemoryStore {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `token` the only credential of the gateway.
    pub fn set_credential(&self, gateway: &GatewayId, token: &GatewayToken) {
        let mut state = self.write();
        state
            .gateways
            .entry(gateway.clone())
            .or_default()
            .set(token.hash());
    }

    /// Takes the gateway's credential away. Live sessions are ended with [`Server::revoke`](crate::Server::revoke).
    pub fn remove_credential(&self, gateway: &GatewayId) {
        let mut state = self.write();
        if let Some(gateway) = state.gateways.get_mut(gateway) {
            gateway.token = None;
            gateway.before = None;
            gateway.facts.credential = CredentialState::Revoked;
        }
    }

    /// Adds a record, or replaces the one with its id. Its space is added where it is not there.
    pub fn put(&self, instance: Instance) {
        let mut state = self.write();
        let space = &instance.space;
        if !state.spaces.contains_key(space) {
            let added = Space::new(space.clone(), space.as_str());
            state.spaces.insert(space.clone(), added);
        }
        let gateway = state.gateways.entry(instance.gateway.clone()).or_default();
        if gateway.token.is_none() {
            gateway.facts.credential = CredentialState::Revoked;
        }
        state.last = state.last.max(instance.id.number());
        state.instances.insert(instance.id.clone(), instance);
    }

    /// Removes a record.
    pub fn remove(&self, id: &InstanceId) {
        self.write().instances.remove(id);
    }
}

#[async_trait]
impl InstanceStore for MemoryStore {
    async fn authenticate(
        &self,
        gateway: &GatewayId,
        token: &TokenHash,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let state = self.read();
        let gateway = state.gateways.get(gateway);
        let token_now = gateway.and_then(|gateway| gateway.token.as_ref());
        let before = gateway.and_then(|gateway| gateway.before.as_ref());
        let before = before.filter(|(_, until)| now < *until).map(|(token, _)| token);
        Ok(token.is_any_of(token_now.into_iter().chain(before)))
    }

    async fn register(
        &self,
        registration: &Registration,
        token: &TokenHash,
    ) -> Result<Registered, StoreError> {
        let mut state = self.write();
        let Registration { name, gateway, .. } = registration;
        let space = state.known_space(&registration.space)?;
        state.check_name(&space, name, None)?;
        if state.in_space(&space).any(|other| other.gateway == *gateway) {
            return Err(StoreError::duplicate_gateway(&space, gateway));
        }
        let number = state.last.saturating_add(1);
        let id = InstanceId::from_number(number).ok_or_else(|| StoreError::backend("no number is left"))?;
        state.last = number;

        let known = state.gateways.contains_key(gateway);
        let entry = state.gateways.entry(gateway.clone()).or_default();
        let token_issued = entry.token.is_none() || registration.token == TokenChoice::Renew;
        if token_issued {
            entry.set(*token);
        }
        let installation = std::mem::take(&mut entry.facts.installation);
        entry.facts.installation = installation.updated_by(&registration.installation);

        let instance = Instance {
            id: id.clone(),
            space,
            name: name.clone(),
            gateway: gateway.clone(),
            environments: registration.environments.clone(),
            tenants: registration.tenants.clone(),
            web_ui: registration.web_ui.clone(),
            facts: entry.facts.clone(),
        };
        state.instances.insert(id, instance.clone());
        Ok(Registered::new(instance, token_issued, known))
    }

    async fn instance(&self, space: &SpaceId, id: &InstanceId) -> Result<Instance, StoreError> {
        let state = self.read();
        Ok(state.with_facts(state.known_instance(space, id)?))
    }

    async fn instances(&self, query: &InstanceQuery) -> Result<InstancePage, StoreError> {
        let state = self.read();
        if let Some(space) = &query.space {
            state.known_space(space)?;
        }
        let name = query.name.as_ref().map(|name| name.trim().to_lowercase());
        let part = query.name_contains.as_ref().map(|part| part.to_lowercase());
        let found: Vec<&Instance> = state
            .instances
            .values()
            .filter(|instance| {
                let folded = instance.name.folded();
                query.space.as_ref().is_none_or(|space| instance.space == *space)
                    && query
                        .gateway
                        .as_ref()
                        .is_none_or(|gateway| instance.gateway == *gateway)
                    && name.as_ref().is_none_or(|name| folded == *name)
                    && part.as_ref().is_none_or(|part| folded.contains(part.as_str()))
            })
            .collect();
        let total = found.len() as u64;
        let take = query
            .take
            .map_or(usize::MAX, |take| usize::try_from(take).unwrap_or(usize::MAX));
        let page = found
            .into_iter()
            .skip(usize::try_from(query.skip).unwrap_or(usize::MAX))
            .take(take)
            .map(|instance| state.with_facts(instance));
        Ok(InstancePage::new(page.collect(), total))
    }

    async fn modify(
        &self,
        space: &SpaceId,
        id: &InstanceId,
        change: &InstanceChange,
    ) -> Result<Instance, StoreError> {
        let mut state = self.write();
        let mut instance = state.known_instance(space, id)?.clone();
        if let Some(name) = &change.name {
            state.check_name(space, name, Some(id))?;
        }
        change.apply(&mut instance);
        let instance = state.with_facts(&instance);
        state.instances.insert(id.clone(), instance.clone());
        Ok(instance)
    }

    async fn delete(&self, space: &SpaceId, id: &InstanceId) -> Result<Deleted, StoreError> {
        let mut state = self.write();
        let instance = state.with_facts(state.known_instance(space, id)?);
        state.instances.remove(id);
        let was_last = !state
            .instances
            .values()
            .any(|other| other.gateway == instance.gateway);
        if was_last {
            state.gateways.remove(&instance.gateway);
        }
        Ok(Deleted::new(instance, was_last))
    }

    async fn gateway(&self, gateway: &GatewayId) -> Result<GatewayFacts, StoreError> {
        Ok(self.write().known_gateway(gateway)?.facts.clone())
    }

    async fn rotate(
        &self,
        gateway: &GatewayId,
        token: &TokenHash,
        overlap: Option<SystemTime>,
    ) -> Result<(), StoreError> {
        let mut state = self.write();
        let gateway = state.known_gateway(gateway)?;
        let before = gateway.token.zip(overlap.map(to_the_millisecond));
        gateway.set(*token);
        gateway.before = before;
        Ok(())
    }

    async fn revoke(&self, gateway: &GatewayId) -> Result<(), StoreError> {
        let mut state = self.write();
        let gateway = state.known_gateway(gateway)?;
        gateway.token = None;
        gateway.before = None;
        gateway.facts.credential = CredentialState::Revoked;
        Ok(())
    }

    async fn observe(&self, observations: &[Observation]) -> Result<(), StoreError> {
        let mut state = self.write();
        for observation in observations {
            let Some(gateway) = state.gateways.get_mut(&observation.gateway) else {
                continue;
            };
            let (facts, at) = (&mut gateway.facts, to_the_millisecond(observation.at));
            if observation.connected {
                facts.last_seen = facts.last_seen.max(Some(at));
            }
            let installation = std::mem::take(&mut facts.installation);
            facts.installation = installation.updated_by(&observation.installation);
            let newer = facts.health.as_ref().is_none_or(|known| known.checked <= at);
            if let Some(health) = observation.health.clone().filter(|_| newer) {
                facts.health = Some(HealthReport::new(health, at));
            }
        }
        Ok(())
    }

    async fn spaces(&self) -> Result<Vec<Space>, StoreError> {
        Ok(self.read().spaces.values().cloned().collect())
    }

    async fn put_space(&self, space: &Space) -> Result<(), StoreError> {
        let mut state = self.write();
        match state.spaces.get_mut(&space.id) {
            Some(known) => known.name.clone_from(&space.name),
            None => {
                state.spaces.insert(space.id.clone(), space.clone());
            }
        }
        Ok(())
    }

    async fn remove_space(&self, space: &SpaceId) -> Result<(), StoreError> {
        let mut state = self.write();
        state.known_space(space)?;
        if state.in_space(space).next().is_some() {
            return Err(StoreError::space_in_use(space));
        }
        state.spaces.remove(space);
        Ok(())
    }
}

/// What is kept of a time. Before 1970 there were no gateways.
pub(super) fn to_the_millisecond(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    UNIX_EPOCH + Duration::from_millis(millis)
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}
