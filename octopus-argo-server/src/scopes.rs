//! The scope index over every record, kept up to date by what gateways send and by changes of records.
//!
//! Whoever needs both locks a replica first and the index second, so a record that comes while a gateway sends misses
//! nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octopus_argo_core::index::{self, Reader, ScopeIndex, Snapshot};
use octopus_argo_core::{Application, ApplicationName, EnvironmentSlug, SpaceId, TenantSlug};

use crate::registry::Registry;
use crate::{EnvironmentId, GatewayId, Instance, InstanceId, TenantId};

pub(crate) struct Scopes {
    writer: Mutex<Writer>,
    reader: Reader,
}

struct Writer {
    index: ScopeIndex,
    records: HashMap<InstanceId, Record>,
    of_gateway: HashMap<GatewayId, Vec<InstanceId>>,
    /// Counts the changes that programs have made, so that a list that was read before one is not taken for news.
    changes: u64,
}

/// What of a record the index depends on.
#[derive(PartialEq)]
struct Record {
    space: SpaceId,
    gateway: GatewayId,
    environments: BTreeSet<EnvironmentId>,
    tenants: BTreeSet<TenantId>,
}

impl Default for Scopes {
    fn default() -> Self {
        let index = ScopeIndex::new();
        Self {
            reader: index.reader(),
            writer: Mutex::new(Writer {
                index,
                records: HashMap::new(),
                of_gateway: HashMap::new(),
                changes: 0,
            }),
        }
    }
}

impl Scopes {
    /// The index as it is now. Waits for nobody.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.reader.snapshot()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record is new or has changed.
    pub(crate) fn set(&self, record: &Instance, registry: &Registry) {
        let replica = registry.replica(&record.gateway);
        replica.with_applications(|applications| {
            let mut writer = self.writer();
            writer.changes += 1;
            writer.set(record, applications);
            writer.index.publish();
        });
    }

    /// A record is gone.
    pub(crate) fn remove(&self, id: &InstanceId) {
        let mut writer = self.writer();
        writer.changes += 1;
        writer.remove(id);
        writer.index.publish();
    }

    /// How many changes there have been: to be asked before the store is asked for all records.
    pub(crate) fn changes(&self) -> u64 {
        self.writer().changes
    }

    /// Makes these records all that there are, unless one has changed since `changes` was asked; false then.
    pub(crate) fn reconcile(&self, changes: u64, records: &[Instance], registry: &Registry) -> bool {
        for record in records {
            let replica = registry.replica(&record.gateway);
            let current = replica.with_applications(|applications| {
                let mut writer = self.writer();
                let current = writer.changes == changes;
                if current && writer.set(record, applications) {
                    writer.index.publish();
                }
                current
            });
            if !current {
                return false;
            }
        }
        let mut writer = self.writer();
        if writer.changes != changes {
            return false;
        }
        let listed: BTreeSet<&InstanceId> = records.iter().map(|record| &record.id).collect();
        let gone: Vec<InstanceId> = writer
            .records
            .keys()
            .filter(|id| !listed.contains(id))
            .cloned()
            .collect();
        if !gone.is_empty() {
            for id in &gone {
                writer.remove(id);
            }
            writer.index.publish();
        }
        true
    }

    /// To tell the index what a gateway sends. All of it is visible when the feed is dropped.
    pub(crate) fn feed<'a>(&'a self, gateway: &'a GatewayId) -> Feed<'a> {
        let writer = self.writer();
        let instances = writer.of_gateway.get(gateway).cloned().unwrap_or_default();
        Feed {
            writer,
            instances: instances.iter().map(core_id).collect(),
            pending: Vec::new(),
            changed: false,
        }
    }
}

impl Writer {
    /// False where nothing has changed that concerns the index.
    fn set<'a>(&mut self, record: &Instance, applications: impl Iterator<Item = &'a Application>) -> bool {
        let new = Record {
            space: record.space.clone(),
            gateway: record.gateway.clone(),
            environments: record.environments.clone(),
            tenants: record.tenants.clone(),
        };
        let old = self.records.get(&record.id);
        if old == Some(&new) {
            return false;
        }
        let stays = old.is_some_and(|old| old.space == new.space && old.gateway == new.gateway);
        if old.is_some() && !stays {
            self.remove(&record.id);
        }
        self.index.set_instance(serving(record));
        if !stays {
            let id = core_id(&record.id);
            // It has just been set.
            let _ = self
                .index
                .upsert_all(applications.map(|application| (&id, application)));
            let ids = self.of_gateway.entry(record.gateway.clone()).or_default();
            ids.push(record.id.clone());
        }
        self.records.insert(record.id.clone(), new);
        true
    }

    fn remove(&mut self, id: &InstanceId) {
        let Some(record) = self.records.remove(id) else {
            return;
        };
        if let Some(ids) = self.of_gateway.get_mut(&record.gateway) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.of_gateway.remove(&record.gateway);
            }
        }
        self.index.remove_instance(&core_id(id));
    }
}

/// Edits of one gateway's applications, in each of its records.
pub(crate) struct Feed<'a> {
    writer: MutexGuard<'a, Writer>,
    instances: Vec<index::InstanceId>,
    /// Told to the index together, which takes a fraction of the time.
    pending: Vec<Arc<Application>>,
    changed: bool,
}

impl Feed<'_> {
    pub(crate) fn upsert(&mut self, application: Arc<Application>) {
        if !self.instances.is_empty() {
            self.pending.push(application);
        }
    }

    pub(crate) fn remove(&mut self, name: &ApplicationName) {
        self.tell();
        for id in &self.instances {
            self.changed |= self.writer.index.remove(id, name);
        }
    }

    fn tell(&mut self) {
        for id in &self.instances {
            let edits = self.pending.iter().map(|application| (id, &**application));
            let changes = self.writer.index.upsert_all(edits);
            self.changed |= changes.is_ok_and(|changes| changes.inserted + changes.replaced > 0);
        }
        self.pending.clear();
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        self.tell();
        if self.changed {
            self.writer.index.publish();
        }
    }
}

fn core_id(id: &InstanceId) -> index::InstanceId {
    index::InstanceId::new(id.as_str())
}

/// What a record may serve, for the index. Its references count as slugs; one that is blank as a slug would match nothing.
pub(crate) fn serving(record: &Instance) -> index::Instance {
    let mut instance = index::Instance::new(core_id(&record.id), record.space.clone());
    if !record.environments.is_empty() {
        let slugs = record
            .environments
            .iter()
            .filter_map(|id| id.as_str().parse::<EnvironmentSlug>().ok());
        instance = instance.permit_environments(slugs);
    }
    if !record.tenants.is_empty() {
        let slugs = record
            .tenants
            .iter()
            .filter_map(|id| id.as_str().parse::<TenantSlug>().ok());
        instance = instance.permit_tenants(slugs);
    }
    instance
}

#[cfg(test)]
mod tests {
    use octopus_argo_core::{Scope, Uid};
    use octopus_argo_proto::v1::{ApplicationRecord, Change, change};
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn gateway(name: &str) -> GatewayId {
        name.parse().unwrap()
    }

    fn record(number: i64, of: &str) -> Instance {
        let id = InstanceId::from_number(number).unwrap();
        Instance::new(id, format!("i-{number}").parse().unwrap(), gateway(of))
    }

    fn uid(number: u8) -> Uid {
        format!("00000000-0000-4000-8000-0000000000{number:02x}")
            .parse()
            .unwrap()
    }

    fn upsert(number: u8, name: &str, environment: &str) -> Change {
        let json = format!(
            r#"{{"metadata": {{"name": "{name}", "namespace": "argocd", "annotations": {{
                "argo.octopus.com/project": "shop", "argo.octopus.com/environment": "{environment}"}}}},
                "spec": {{"source": {{"repoURL": "https://git.example.test/a.git", "path": "."}}}}}}"#
        );
        let application = Application::from_json(json.as_bytes()).unwrap();
        let record = ApplicationRecord::new(uid(number), &application);
        Change {
            change: Some(change::Change::Upsert(record)),
        }
    }

    fn removed(number: u8) -> Change {
        let uid = bytes::Bytes::copy_from_slice(uid(number).as_bytes());
        Change {
            change: Some(change::Change::Removed(uid)),
        }
    }

    fn found(snapshot: &Snapshot, environment: &str) -> Vec<String> {
        let scope = Scope::from_texts("shop", environment, None).unwrap();
        let mut all: Vec<String> = snapshot
            .resolve(&scope)
            .map(|source| format!("{:?}", source.application()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn what_gateways_send_and_what_records_say_is_seen_at_once() {
        let registry = Registry::new(CancellationToken::new(), None);
        let scopes = &registry.scopes;
        let send = |name: &str, changes: Vec<Change>| {
            let gateway = gateway(name);
            registry.replica(&gateway).apply(changes, scopes, &gateway);
        };
        // Applications that came before the record count when it comes.
        send("g1", vec![upsert(1, "web", "prod"), upsert(2, "api", "test")]);
        assert!(found(&scopes.snapshot(), "prod").is_empty());
        scopes.set(&record(1, "g1"), &registry);
        let held = scopes.snapshot();
        assert_eq!(found(&held, "prod"), ["ArgoCDGateways-1:argocd/web"]);
        // Two records of one gateway, in two spaces; an application moves.
        scopes.set(&record(2, "g1").in_space("Spaces-2".parse().unwrap()), &registry);
        send("g1", vec![upsert(1, "web", "test")]);
        assert_eq!(
            found(&scopes.snapshot(), "test"),
            ["ArgoCDGateways-1:argocd/api", "ArgoCDGateways-1:argocd/web"]
        );
        assert_eq!(scopes.snapshot().counts().applications, 4);
        // A record that may not serve the environment, and then may again.
        let mut only = record(1, "g1");
        only.environments.insert("prod".parse().unwrap());
        scopes.set(&only, &registry);
        let snapshot = scopes.snapshot();
        let scope = Scope::from_texts("shop", "test", None).unwrap();
        assert!(found(&snapshot, "test").is_empty());
        assert_eq!(snapshot.left_out(&scope).count(), 2);
        scopes.set(&record(1, "g1"), &registry);
        assert_eq!(found(&scopes.snapshot(), "test").len(), 2);
        // Made anew under its name: the end of the first does not take the second away.
        send("g1", vec![upsert(3, "api", "test"), removed(2)]);
        assert_eq!(found(&scopes.snapshot(), "test").len(), 2);
        send("g1", vec![removed(3)]);
        assert_eq!(found(&scopes.snapshot(), "test"), ["ArgoCDGateways-1:argocd/web"]);
        // What comes and goes within a batch is gone, and what goes and comes is there.
        send(
            "g1",
            vec![
                upsert(4, "job", "prod"),
                removed(4),
                removed(1),
                upsert(5, "web", "prod"),
            ],
        );
        assert_eq!(found(&scopes.snapshot(), "prod"), ["ArgoCDGateways-1:argocd/web"]);
        assert!(found(&scopes.snapshot(), "test").is_empty());
        send("g1", vec![upsert(5, "web", "test")]);
        // Another gateway takes the record over.
        scopes.set(&record(1, "g2"), &registry);
        assert!(found(&scopes.snapshot(), "test").is_empty());
        scopes.remove(&record(2, "g1").id);
        assert_eq!(scopes.snapshot().counts().applications, 0);
        assert_eq!(found(&held, "prod"), ["ArgoCDGateways-1:argocd/web"]);
    }

    #[test]
    fn a_list_that_is_older_than_a_change_changes_nothing() {
        let registry = Registry::new(CancellationToken::new(), None);
        let scopes = &registry.scopes;
        let before = scopes.changes();
        assert!(scopes.reconcile(before, &[record(1, "g1"), record(2, "g2")], &registry));
        scopes.remove(&record(1, "g1").id);
        assert!(!scopes.reconcile(before, &[record(1, "g1"), record(2, "g2")], &registry));
        assert_eq!(scopes.snapshot().counts().instances, 1);
        assert!(scopes.reconcile(scopes.changes(), &[record(3, "g3")], &registry));
        let snapshot = scopes.snapshot();
        let ids: Vec<_> = snapshot
            .instances()
            .map(|instance| instance.id().as_str())
            .collect();
        assert_eq!(ids, ["ArgoCDGateways-3"]);
    }
}
