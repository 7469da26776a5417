//! Which sources a deployment touches, over a whole fleet at once: spaces, instances, applications, sources.
//!
//! A [`ScopeIndex`] is edited application by application and gives the answers of
//! [`Application::resolve`] without looking at applications: one hash of the scope, one look-up, no allocation.
//! Readers hold [`Snapshot`]s: each is of one moment, and a writer neither waits for readers nor keeps them waiting.
//!
//! ```
//! use octopus_argo_core::index::{Instance, InstanceId, ScopeIndex};
//! use octopus_argo_core::{Application, Scope, SpaceId};
//!
//! let application = Application::from_json(
//!     br#"{
//!         "metadata": {"name": "web", "namespace": "argocd", "annotations": {
//!             "argo.octopus.com/project": "shop",
//!             "argo.octopus.com/environment": "staging"
//!         }},
//!         "spec": {"source": {"repoURL": "https://git.example.test/web.git", "path": "deploy"}}
//!     }"#,
//! )?;
//! let id = InstanceId::new("ArgoCDGateways-1");
//! let mut index = ScopeIndex::new();
//! let reader = index.reader();
//! index.set_instance(Instance::new(id.clone(), SpaceId::default()));
//! index.upsert(&id, &application)?;
//! index.publish();
//!
//! // On any thread, at any time:
//! let snapshot = reader.snapshot();
//! let scope = Scope::new("Shop".parse()?, "staging".parse()?);
//! let names: Vec<_> = snapshot.resolve(&scope).map(|source| source.application().name()).collect();
//! assert_eq!(names, ["web"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ahead;
mod by_hash;
mod fold;
mod instance;
mod log;
mod multimap;
mod page;
mod record;
mod snapshot;
mod table;
mod terms;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use self::ahead::{Batch, GROUP, Texts, Upsert};
use self::by_hash::ByHash;
use self::fold::About;
pub use self::instance::{Instance, InstanceId, NotPermitted};
use self::page::{Edit, Number};
use self::record::{CHUNK, NONE, Record, Slugs, UNNAMED};
pub use self::snapshot::{ApplicationRef, Counts, Gap, Snapshot, SourceRef, Sources};
use self::snapshot::{Registered, Version, pack};
use self::terms::{Kind, Numbers, Text};
use crate::application::Application;
use crate::name::ApplicationName;

/// Sources of a fleet by what they declare. See the [module](self).
///
/// There is one writer, the owner of this; any number of [`Reader`]s see what it has published.
#[derive(Debug)]
pub struct ScopeIndex {
    /// With all edits, of whatever version.
    version: Version,
    /// The version that edits are part of: the next that anybody gets to see.
    now: AtomicU64,
    published: Arc<ArcSwap<Version>>,
    instances: HashMap<InstanceId, u32>,
    numbers: Numbers,
    /// The slots of applications by instance and name.
    names: ByHash,
    free_slots: Vec<u32>,
    next_slot: u32,
    scratch: Scratch,
}

impl Default for ScopeIndex {
    fn default() -> Self {
        let version = Version {
            at: Number::MAX,
            ..Version::default()
        };
        Self {
            published: Arc::new(ArcSwap::from_pointee(Version {
                at: 0,
                ..version.clone()
            })),
            version,
            now: AtomicU64::new(1),
            instances: HashMap::new(),
            numbers: Numbers::default(),
            names: ByHash::default(),
            free_slots: Vec::new(),
            next_slot: 0,
            scratch: Scratch::default(),
        }
    }
}

/// Buffers that are used again, so that an edit allocates only what it keeps.
#[derive(Debug, Default)]
struct Scratch {
    old: Vec<u8>,
    new: Vec<u8>,
    slugs: Vec<Slugs>,
}

/// What a batch of edits did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// How many applications were not there before.
    pub inserted: usize,
    /// How many declared something else before.
    pub replaced: usize,
    /// How many declare what they did.
    pub unchanged: usize,
}

/// What an edit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The application was not there before.
    Inserted,
    /// It declared something else before.
    Replaced,
    /// It declares what it did: most updates of an application are about its status.
    Unchanged,
}

/// The instance has no record in the index: [`ScopeIndex::set_instance`] comes first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no instance is called {instance}")]
#[non_exhaustive]
pub struct UnknownInstance {
    /// The id that was asked for.
    pub instance: InstanceId,
}

impl ScopeIndex {
    /// An index of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the record of an instance or replaces it; its applications stay, and the new permissions hold for them.
    ///
    /// A record does not move between spaces: one with the id of another in another space comes without applications.
    pub fn set_instance(&mut self, instance: Instance) {
        let known = self.instances.get(instance.id()).copied();
        if let Some(number) = known {
            let moved = self
                .version
                .registered(number)
                .is_some_and(|registered| registered.instance.space() != instance.space());
            if moved {
                self.remove_instance(instance.id());
                return self.set_instance(instance);
            }
        }
        let space = Text::new(&self.version.hash, Kind::Space, instance.space().as_str());
        let space = self.intern(Kind::Space, 0, space);
        let instances = Arc::make_mut(&mut self.version.instances);
        let number = known.unwrap_or_else(|| {
            let number = instances
                .iter()
                .position(Option::is_none)
                .unwrap_or(instances.len());
            u32::try_from(number).unwrap_or(NONE)
        });
        if number as usize >= instances.len() {
            instances.push(None);
        }
        if let Some(place) = instances.get_mut(number as usize) {
            if known.is_none() {
                self.numbers.retain(space);
                self.version.counts.instances += 1;
                self.instances.insert(instance.id().clone(), number);
            }
            *place = Some(Arc::new(Registered { instance, space }));
        }
    }

    /// Takes the record of an instance away with all its applications; false where there is none. Takes as long as there
    /// are applications in the index, of any instance.
    pub fn remove_instance(&mut self, id: &InstanceId) -> bool {
        let Some(number) = self.instances.remove(id) else {
            return false;
        };
        // Goes over the whole fleet: instances come and go rarely, and a list for each would cost every application.
        for slot in 0..self.next_slot {
            let record = self.version.record(slot);
            if !record.is_empty() && record.instance() == number {
                self.remove_slot(slot);
            }
        }
        let place = Arc::make_mut(&mut self.version.instances).get_mut(number as usize);
        if let Some(registered) = place.and_then(Option::take) {
            self.release(registered.space);
            self.version.counts.instances -= 1;
        }
        true
    }

    /// Inserts an application of an instance, or replaces the one of its name.
    ///
    /// # Errors
    /// [`UnknownInstance`] where the instance has no record.
    pub fn upsert(
        &mut self,
        instance: &InstanceId,
        application: &Application,
    ) -> Result<Change, UnknownInstance> {
        let instance = self.number_of(instance)?;
        let mut batch = Batch::default();
        self.prepare(&mut batch, instance, application);
        Ok(batch
            .upserts
            .first()
            .map_or(Change::Unchanged, |upsert| self.put(upsert, &batch.declared)))
    }

    /// Does the same with many applications, in a large index in three quarters of the time or less: what they need is
    /// fetched from memory side by side. All that is at hand is one batch, such as a list that Argo CD gave.
    ///
    /// # Errors
    /// [`UnknownInstance`] where an instance has no record. What came before it is done, and nothing that comes after.
    pub fn upsert_all<'a>(
        &mut self,
        edits: impl IntoIterator<Item = (&'a InstanceId, &'a Application)>,
    ) -> Result<Changes, UnknownInstance> {
        let mut edits = edits.into_iter();
        let mut changes = Changes::default();
        let mut batch = Batch::of_group();
        loop {
            batch.clear();
            let mut failed = Ok(());
            for (instance, application) in edits.by_ref().take(GROUP) {
                match self.number_of(instance) {
                    Ok(instance) => self.prepare(&mut batch, instance, application),
                    Err(unknown) => {
                        failed = Err(unknown);
                        break;
                    }
                }
            }
            self.read_ahead(&mut batch);
            for upsert in &batch.upserts {
                *match self.put(upsert, batch.declared_by(upsert)) {
                    Change::Inserted => &mut changes.inserted,
                    Change::Replaced => &mut changes.replaced,
                    Change::Unchanged => &mut changes.unchanged,
                } += 1;
            }
            failed?;
            if batch.upserts.len() < GROUP {
                return Ok(changes);
            }
        }
    }

    fn number_of(&self, instance: &InstanceId) -> Result<u32, UnknownInstance> {
        let number = self.instances.get(instance).copied();
        number.ok_or_else(|| UnknownInstance {
            instance: instance.clone(),
        })
    }

    fn put(&mut self, upsert: &Upsert<'_>, declared: &[Texts<'_>]) -> Change {
        let mut scratch = std::mem::take(&mut self.scratch);
        let found = self.find(upsert.name_key, upsert.instance, &upsert.application.name);
        self.write_record(upsert, declared, &mut scratch);
        scratch.old.clear();
        if let Some(slot) = found {
            scratch.old.extend_from_slice(self.version.record(slot).0);
        }
        let change = if scratch.old == scratch.new {
            Change::Unchanged
        } else {
            let slot = found.unwrap_or_else(|| self.new_slot());
            let new = Record(&scratch.new);
            if found.is_none() {
                self.name(upsert.name_key, slot, new.namespace(), Edit::Add);
            }
            self.replace(slot, Record(&scratch.old), new);
            if found.is_some() {
                Change::Replaced
            } else {
                Change::Inserted
            }
        };
        self.scratch = scratch;
        change
    }

    /// Takes an application away; false where there is none of the name.
    pub fn remove(&mut self, instance: &InstanceId, name: &ApplicationName) -> bool {
        let number = self.instances.get(instance);
        let slot = number.and_then(|number| {
            let namespace = name.namespace().map(|text| self.version.hash.text(text));
            self.find(self.name_key(*number, namespace, name.name()), *number, name)
        });
        slot.is_some_and(|slot| {
            self.remove_slot(slot);
            true
        })
    }

    /// Makes all edits so far visible to [`Reader`]s, at once. Costs a few reference counts, and later the copies of
    /// what is edited while somebody holds the snapshot: publish a batch, not each edit.
    pub fn publish(&mut self) {
        self.published.store(self.seen());
    }

    /// The index with all edits so far, published or not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.seen())
    }

    /// What is there now, for somebody to see. Edits from here on are of a later version.
    fn seen(&self) -> Arc<Version> {
        Arc::new(Version {
            // Nobody edits while this is shared, so the number orders nothing but itself.
            at: self.now.fetch_add(1, Ordering::Relaxed),
            ..self.version.clone()
        })
    }

    /// A handle for readers on any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.published))
    }

    fn intern(&mut self, kind: Kind, space: u32, text: Text<'_>) -> u32 {
        let Version { terms, hash, .. } = &mut self.version;
        self.numbers.intern(terms, hash, kind, space, text)
    }

    fn release(&mut self, number: u32) {
        let Version { terms, hash, .. } = &mut self.version;
        self.numbers.release(terms, hash, number);
    }

    /// What an application is found by, given the hash of its namespace.
    fn name_key(&self, instance: u32, namespace: Option<u64>, name: &str) -> u64 {
        let hash = &self.version.hash;
        hash.key(About::Application, instance, &[namespace, Some(hash.text(name))])
    }

    fn find(&self, key: u64, instance: u32, name: &ApplicationName) -> Option<u32> {
        let Version { terms, .. } = &self.version;
        self.names.find(key, |slot| {
            let record = self.version.record(slot);
            record.instance() == instance
                && record.name() == name.name()
                && terms.text(record.namespace()) == name.namespace()
        })
    }

    /// Writes what is kept of an application into `scratch.new`. Interns its texts; nothing refers to them yet.
    fn write_record(&mut self, upsert: &Upsert<'_>, declared: &[Texts<'_>], scratch: &mut Scratch) {
        let Upsert {
            instance,
            application,
            ..
        } = *upsert;
        let namespace = upsert.namespace;
        let namespace = namespace.map_or(NONE, |text| self.intern(Kind::Namespace, 0, text));
        let space = self.version.space_of(instance);
        let multi = application.sources.is_multi();
        scratch.slugs.clear();
        for (source, declared) in application.sources.iter().zip(declared) {
            let mut number =
                |kind, text: Option<Text<'_>>| text.map_or(NONE, |text| self.intern(kind, space, text));
            let mut slugs = Slugs {
                project: number(Kind::Project, declared.project),
                environment: number(Kind::Environment, declared.environment),
                tenant: number(Kind::Tenant, declared.tenant),
            };
            if multi && source.name().is_none() {
                slugs.project = UNNAMED;
            }
            scratch.slugs.push(slugs);
        }
        let name = application.name.name();
        Record::write(&mut scratch.new, instance, namespace, name, &scratch.slugs);
    }

    fn new_slot(&mut self) -> u32 {
        self.free_slots.pop().unwrap_or_else(|| {
            self.next_slot += 1;
            self.next_slot - 1
        })
    }

    fn remove_slot(&mut self, slot: u32) {
        let old = self.version.record(slot).0.to_vec();
        let old = Record(&old);
        self.replace(slot, old, Record(&[]));
        let namespace = self.version.terms.hash(old.namespace());
        let key = self.name_key(old.instance(), namespace, old.name());
        self.name(key, slot, old.namespace(), Edit::Remove);
        self.free_slots.push(slot);
    }

    /// Puts `new` in the place of `old`, either of which may be empty, wherever they are known.
    fn replace(&mut self, slot: u32, old: Record<'_>, new: Record<'_>) {
        self.put_record(slot, new);
        let instance = if new.is_empty() {
            old.instance()
        } else {
            new.instance()
        };
        let space = self.version.space_of(instance);
        let changed = || {
            let sources = old.source_count().max(new.source_count());
            let pairs = (0..sources).map(|index| (index, old.source(index), new.source(index)));
            pairs.filter(|(_, before, after)| before != after)
        };
        // All texts of the new are held before any of the old is let go: another source may have had them.
        for slugs in changed().filter_map(|(_, _, after)| after) {
            slugs.terms().for_each(|term| self.numbers.retain(term));
            slugs
                .told()
                .for_each(|term| self.version.terms.tell(term, Edit::Add));
        }
        for (index, before, after) in changed() {
            let value = pack(slot, u32::try_from(index).unwrap_or(NONE));
            let (from, to) = (self.source_keys(space, before), self.source_keys(space, after));
            for (from, to) in from.into_iter().zip(to).filter(|(from, to)| from != to) {
                if let Some(key) = from {
                    self.edit(key, value, Edit::Remove);
                }
                if let Some(key) = to {
                    self.edit(key, value, Edit::Add);
                }
            }
        }
        for slugs in changed().filter_map(|(_, before, _)| before) {
            slugs
                .told()
                .for_each(|term| self.version.terms.tell(term, Edit::Remove));
            slugs.terms().for_each(|term| self.release(term));
        }
        self.count(slot, space, old, Edit::Remove);
        self.count(slot, space, new, Edit::Add);
    }

    fn put_record(&mut self, slot: u32, record: Record<'_>) {
        let (position, index) = (slot / CHUNK, slot % CHUNK);
        let applications = &mut self.version.applications;
        if let Some(own) = applications.own(position) {
            own.set(index, record.0);
            return;
        }
        let now = *self.now.get_mut();
        let shared = applications.get(position);
        if shared.is_some_and(|shared| shared.append(now, index, record.0)) {
            return;
        }
        let chunk = applications.entry(position);
        *chunk = Arc::new(chunk.with(index, record.0));
    }

    /// Makes an application known by its name, or forgets it.
    fn name(&mut self, key: u64, slot: u32, namespace: u32, edit: Edit) {
        let named = namespace != NONE;
        match edit {
            Edit::Add => {
                self.names.insert(key, slot);
                if named {
                    self.numbers.retain(namespace);
                }
            }
            Edit::Remove => {
                self.names.remove(key, slot);
                if named {
                    self.release(namespace);
                }
            }
        }
    }

    /// What a source is looked up by: its project and its scope.
    fn source_keys(&self, space: u32, slugs: Option<Slugs>) -> [Option<u64>; 2] {
        let terms = &self.version.terms;
        slugs.map_or([None; 2], |slugs| {
            let [project, environment, tenant] =
                [slugs.project, slugs.environment, slugs.tenant].map(|term| terms.hash(term));
            self.version
                .source_keys(terms.hash(space), project, environment, tenant)
        })
    }

    fn count(&mut self, slot: u32, space: u32, record: Record<'_>, edit: Edit) {
        if record.is_empty() {
            return;
        }
        let mapped = record.sources().filter(|source| source.is_mapped()).count();
        let counts = &mut self.version.counts;
        for (count, by) in [
            (&mut counts.applications, 1),
            (&mut counts.sources, record.source_count()),
            (&mut counts.mapped_sources, mapped),
            (&mut counts.unmapped_applications, usize::from(mapped == 0)),
        ] {
            match edit {
                Edit::Add => *count += by,
                Edit::Remove => *count -= by,
            }
        }
        if mapped == 0
            && let Some(space) = self.version.terms.hash(space)
        {
            let key = self.version.unmapped_key(space);
            self.edit(key, u64::from(slot), edit);
        }
    }

    fn edit(&mut self, key: u64, value: u64, edit: Edit) {
        self.version.map.edit(*self.now.get_mut(), key, value, edit);
    }
}

/// Gives snapshots of what a [`ScopeIndex`] has published. Cheap to clone; for any thread.
#[derive(Clone, Debug)]
pub struct Reader(Arc<ArcSwap<Version>>);

impl Reader {
    /// The index as it was last published. Neither waits for the writer nor makes it wait.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.load_full())
    }
}
