//! What is done beside the sessions: noting what was seen of gateways, and looking after their credentials.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use octopus_argo_core::health::octopus::InstanceHealth;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::instances::{Doubt, Instances};
use crate::registry::Registry;
use crate::store::{InstanceStore, Observation};
use crate::{GatewayId, Installation, ServerEvent};

/// What was seen and is not stored yet: one for each gateway, however much happens.
#[derive(Default)]
pub(crate) struct Sightings {
    pending: Mutex<HashMap<GatewayId, Observation>>,
    there: Notify,
}

/// How long sightings are gathered before they are stored in one transaction: when a thousand gateways come back, a
/// transaction each would keep a database busy for seconds.
const GATHER: Duration = Duration::from_millis(500);

/// How long to wait after the store has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How often the credentials of all sessions are looked after: what somebody else did to the database, or an overlap
/// that is over, takes effect within this time.
const LOOK_AFTER: Duration = Duration::from_secs(60);

/// How long sightings may take to store, so that a store that hangs does not keep the server from ending.
const LAST: Duration = Duration::from_secs(5);

impl Sightings {
    fn pending(&self) -> MutexGuard<'_, HashMap<GatewayId, Observation>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A gateway is connected now, or was until now.
    pub(crate) fn connected(&self, gateway: &GatewayId, installation: Installation) {
        let observation = Observation::new(gateway.clone(), SystemTime::now())
            .connected()
            .installation(installation);
        self.add(observation);
    }

    /// A gateway was found to be so.
    pub(crate) fn health(&self, gateway: &GatewayId, health: InstanceHealth, installation: Installation) {
        let observation = Observation::new(gateway.clone(), SystemTime::now())
            .health(health)
            .installation(installation);
        self.add(observation);
    }

    fn add(&self, newer: Observation) {
        let mut pending = self.pending();
        let merged = match pending.remove(&newer.gateway) {
            Some(older) => merged(older, newer),
            None => newer,
        };
        pending.insert(merged.gateway.clone(), merged);
        drop(pending);
        self.there.notify_one();
    }

    /// Stores what there is. What cannot be stored is kept for the next time.
    async fn store(&self, store: &dyn InstanceStore) -> bool {
        let observations: Vec<Observation> = self.pending().drain().map(|(_, seen)| seen).collect();
        match tokio::time::timeout(LAST, store.observe(&observations)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was seen of gateways is not stored yet"
            ),
            Err(_) => tracing::warn!("what was seen of gateways is not stored yet: the store takes too long"),
        }
        let mut pending = self.pending();
        for older in observations {
            let merged = match pending.remove(&older.gateway) {
                Some(newer) => merged(older, newer),
                None => older,
            };
            pending.insert(merged.gateway.clone(), merged);
        }
        false
    }
}

fn merged(older: Observation, newer: Observation) -> Observation {
    let mut merged = Observation::new(newer.gateway, newer.at);
    merged.connected = older.connected || newer.connected;
    merged.installation = older.installation.updated_by(&newer.installation);
    merged.health = newer.health.or(older.health);
    merged
}

/// Runs until the server ends and all its sessions have.
pub(crate) async fn run(registry: Arc<Registry>, store: Arc<dyn InstanceStore>) {
    rounds(&registry, &store).await;
    // Whoever is still connected is seen until then.
    registry.tasks.close();
    let _ = tokio::time::timeout(LAST, registry.tasks.wait()).await;
    registry.sightings.store(&*store).await;
}

async fn rounds(registry: &Arc<Registry>, store: &Arc<dyn InstanceStore>) {
    let instances = Instances::new(store.clone(), registry.clone());
    let mut look_after = tokio::time::interval(LOOK_AFTER);
    look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = registry.stopping.cancelled() => return,
            _ = look_after.tick() => {
                let round = look_after_all(registry, &instances);
                registry.stopping.run_until_cancelled(round).await;
            }
            () = registry.sightings.there.notified() => {
                // Only waits are cut short: what is being stored is stored.
                let wait = |time| registry.stopping.run_until_cancelled(tokio::time::sleep(time));
                wait(GATHER).await;
                if !registry.sightings.store(&**store).await {
                    registry.sightings.there.notify_one();
                    wait(AFTER_FAILURE).await;
                }
            }
        }
    }
}

async fn look_after_all(registry: &Registry, instances: &Instances) {
    for gateway in registry.admissions.gateways() {
        if registry.live(&gateway).is_ok() {
            registry.sightings.connected(&gateway, Installation::default());
        }
        if !instances.recheck(&gateway, Doubt::Stays).await {
            // It would not answer for the others either.
            return;
        }
    }
}

impl Registry {
    /// Notes and tells what was found of a gateway's health.
    pub(crate) fn checked(&self, gateway: &GatewayId, health: InstanceHealth, installation: Installation) {
        self.sightings.health(gateway, health.clone(), installation);
        self.tell(ServerEvent::HealthChecked {
            gateway: gateway.clone(),
            health,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn what_is_newer_adds_to_what_is_older() {
        let gateway: GatewayId = "one".parse().unwrap();
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let mut versions = Installation {
            gateway_version: Some("1.0.0".to_owned()),
            ..Installation::default()
        };
        let older = Observation::new(gateway.clone(), at(1))
            .connected()
            .installation(versions.clone())
            .health(InstanceHealth::Healthy);
        let more = Installation {
            argo_cd_version: Some("v3.4.1".to_owned()),
            ..Installation::default()
        };
        let newer = Observation::new(gateway.clone(), at(2)).installation(more);
        versions.argo_cd_version = Some("v3.4.1".to_owned());
        let expected = Observation::new(gateway, at(2))
            .connected()
            .installation(versions)
            .health(InstanceHealth::Healthy);
        assert_eq!(merged(older, newer), expected);
    }
}
