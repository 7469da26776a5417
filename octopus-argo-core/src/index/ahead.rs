//! A batch of edits: what they need is worked out once, and what they are going to touch is read before.
//!
//! An edit of a large index is some fifteen places that are in no cache, most of which are only found by way of another:
//! one after the other they are all that an edit takes time for. Here the places of many edits are read side by side,
//! step by step, so that the processor waits for all of them at once. Nothing is decided by that: what is read is read
//! again by the edit itself, which then finds it in the cache.

use std::hint::black_box;
use std::ops::Range;

use super::ScopeIndex;
use super::record::{CHUNK, Record};
use super::terms::{Kind, Text, key_of_term};
use crate::application::Application;

/// As many edits as are read for at once: their places still fit the first caches.
pub(super) const GROUP: usize = 32;

/// An edit that is to come, with the hashes that it needs.
#[derive(Clone, Debug)]
pub(super) struct Upsert<'a> {
    /// The number of its instance.
    pub(super) instance: u32,
    pub(super) application: &'a Application,
    /// What it is found by.
    pub(super) name_key: u64,
    pub(super) namespace: Option<Text<'a>>,
    /// The places of its sources in [`Batch::declared`].
    pub(super) sources: Range<usize>,
}

/// What one source declares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    pub(super) project: Option<Text<'a>>,
    pub(super) environment: Option<Text<'a>>,
    pub(super) tenant: Option<Text<'a>>,
}

/// Edits, and buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    pub(super) upserts: Vec<Upsert<'a>>,
    /// What the sources of all edits declare.
    pub(super) declared: Vec<Texts<'a>>,
    /// Of those who are there already.
    slots: Vec<Option<u32>>,
    numbers: Vec<u32>,
    keys: Vec<u64>,
}

impl<'a> Batch<'a> {
    /// With room for as many edits as are read for at once.
    pub(super) fn of_group() -> Self {
        Self {
            upserts: Vec::with_capacity(GROUP),
            declared: Vec::with_capacity(2 * GROUP),
            slots: Vec::with_capacity(GROUP),
            numbers: Vec::with_capacity(4 * GROUP),
            keys: Vec::with_capacity(8 * GROUP),
        }
    }

    pub(super) fn clear(&mut self) {
        self.upserts.clear();
        self.declared.clear();
    }

    /// What the sources of an edit declare.
    pub(super) fn declared_by(&self, upsert: &Upsert<'_>) -> &[Texts<'a>] {
        self.declared.get(upsert.sources.clone()).unwrap_or_default()
    }
}

impl ScopeIndex {
    /// Adds an edit to a batch.
    pub(super) fn prepare<'a>(&self, batch: &mut Batch<'a>, instance: u32, application: &'a Application) {
        let name = &application.name;
        let start = batch.declared.len();
        let hashed = |kind, text: Option<&'a str>| text.map(|text| Text::new(&self.version.hash, kind, text));
        for index in 0..application.sources.len() {
            let declared = application.declared(index);
            batch.declared.push(Texts {
                project: hashed(Kind::Project, declared.project),
                environment: hashed(Kind::Environment, declared.environment),
                tenant: hashed(Kind::Tenant, declared.tenant),
            });
        }
        let namespace = hashed(Kind::Namespace, name.namespace());
        batch.upserts.push(Upsert {
            instance,
            application,
            name_key: self.name_key(instance, namespace.map(|text| text.hash), name.name()),
            namespace,
            sources: start..batch.declared.len(),
        });
    }

    pub(super) fn read_ahead(&self, batch: &mut Batch<'_>) {
        let mut seen = 0_u64;
        let version = &self.version;
        let Batch {
            upserts,
            declared,
            slots,
            numbers,
            keys,
        } = batch;
        slots.clear();
        numbers.clear();
        keys.clear();
        // Who is there already, and which texts are known.
        for upsert in &*upserts {
            let space = version.space_of(upsert.instance);
            slots.push(self.names.first(upsert.name_key));
            for source in declared.get(upsert.sources.clone()).unwrap_or_default() {
                for (kind, text) in [(Kind::Project, source.project), (Kind::Tenant, source.tenant)] {
                    let key = text.map(|text| key_of_term(&version.hash, kind, space, text.hash));
                    numbers.extend(key.and_then(|key| self.numbers.first(key)));
                }
            }
        }
        for slot in slots.iter().flatten() {
            let chunk = version.applications.get(slot / CHUNK);
            seen ^= chunk.map_or(0, |chunk| chunk.first_byte(slot % CHUNK));
        }
        for number in &*numbers {
            seen ^= version.terms.first_byte(*number) ^ self.numbers.held(*number);
        }
        // Where pairs come and go.
        for (upsert, slot) in upserts.iter().zip(&*slots) {
            let space = version.space_of(upsert.instance);
            let record = slot.map_or(Record(&[]), |slot| version.record(slot));
            let after = declared.get(upsert.sources.clone()).unwrap_or_default();
            for (index, after) in after.iter().enumerate() {
                let before = self.source_keys(space, record.source(index));
                let after = self.keys_of(space, after);
                for (before, after) in before.into_iter().zip(after) {
                    if before != after {
                        keys.extend([before, after].into_iter().flatten());
                    }
                }
            }
        }
        seen ^= version.map.read_ahead(keys);
        // Otherwise all this would come to nothing, and be left out.
        black_box(seen);
    }

    /// What a source is going to be looked up by.
    fn keys_of(&self, space: u32, texts: &Texts<'_>) -> [Option<u64>; 2] {
        let [project, environment, tenant] =
            [texts.project, texts.environment, texts.tenant].map(|text| text.map(|text| text.hash));
        self.version
            .source_keys(self.version.terms.hash(space), project, environment, tenant)
    }
}
