//! Interned texts: slugs within a space, names of spaces and namespaces. Each is kept once, and counted.

use std::sync::Arc;

use super::by_hash::ByHash;
use super::fold::{About, Hash};
use super::page::Edit;
use super::table::Table;
use crate::slug::same_slug;

/// What a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Space,
    Project,
    Environment,
    Tenant,
    /// The only one that is compared exactly.
    Namespace,
}

/// A text with its hash, which ignores case where the kind does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) hash: u64,
}

impl<'a> Text<'a> {
    pub(super) fn new(hash: &Hash, kind: Kind, text: &'a str) -> Self {
        let hash = if kind == Kind::Namespace {
            hash.text(text)
        } else {
            hash.slug(text)
        };
        Self { text, hash }
    }
}

/// A text that something refers to, by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Term {
    /// In the case in which it came first.
    pub(super) text: Arc<str>,
    /// Of the text, so that nobody has to touch it for a key.
    pub(super) hash: u64,
    pub(super) kind: Kind,
    pub(super) space: u32,
}

const CHUNK: u32 = 32;
type Chunk = [Term; CHUNK as usize];
/// How many sources declare each of the texts of a chunk, where they are environments or tenants. Apart from the texts,
/// because edits count, and copying a chunk of texts touches each of them. Not of projects, which are so many that the
/// counts are in no cache, and which can be counted when somebody asks.
type Counts = [u32; CHUNK as usize];

/// The texts by their numbers: what snapshots need.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    texts: Table<Chunk>,
    counts: Table<Counts>,
    /// Numbers below this one have been given.
    end: u32,
}

impl Terms {
    pub(super) fn get(&self, number: u32) -> Option<&Term> {
        self.texts.get(number / CHUNK)?.get((number % CHUNK) as usize)
    }

    pub(super) fn text(&self, number: u32) -> Option<&str> {
        self.get(number).map(|term| &*term.text)
    }

    /// The hash of a text.
    pub(super) fn hash(&self, number: u32) -> Option<u64> {
        self.get(number).map(|term| term.hash)
    }

    /// Any byte of a text.
    pub(super) fn first_byte(&self, number: u32) -> u64 {
        let text = self.text(number).unwrap_or_default();
        text.bytes().next().map_or(0, u64::from)
    }

    /// Every text of this kind, with its number.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = (u32, &Term)> {
        let all = (0..self.end).filter_map(|number| Some((number, self.get(number)?)));
        all.filter(move |(_, term)| term.kind == kind && !term.text.is_empty())
    }

    /// How many sources declare an environment or a tenant.
    pub(super) fn count(&self, number: u32) -> u32 {
        let counts = self.counts.get(number / CHUNK);
        let count = counts.and_then(|counts| counts.get((number % CHUNK) as usize));
        count.copied().unwrap_or_default()
    }

    /// One source more or less declares an environment or a tenant.
    pub(super) fn tell(&mut self, number: u32, edit: Edit) {
        let counts = Arc::make_mut(self.counts.entry(number / CHUNK));
        let count = &mut counts[(number % CHUNK) as usize];
        match edit {
            Edit::Add => *count += 1,
            Edit::Remove => *count -= 1,
        }
    }

    fn get_mut(&mut self, number: u32) -> &mut Term {
        let chunk = Arc::make_mut(self.texts.entry(number / CHUNK));
        &mut chunk[(number % CHUNK) as usize]
    }
}

/// The numbers by their texts: what only the writer needs.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_text: ByHash,
    /// How many refer to each number. Numbers without any are used again.
    held: Vec<u32>,
    free: Vec<u32>,
}

impl Numbers {
    /// The number of a text, which is interned with no one referring to it where it is new.
    pub(super) fn intern(
        &mut self,
        terms: &mut Terms,
        hash: &Hash,
        kind: Kind,
        space: u32,
        text: Text<'_>,
    ) -> u32 {
        let key = key_of_term(hash, kind, space, text.hash);
        if let Some(number) = self.find(terms, key, kind, space, text.text) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            terms.end += 1;
            terms.end - 1
        });
        *terms.get_mut(number) = Term {
            text: text.text.into(),
            hash: text.hash,
            kind,
            space,
        };
        self.by_text.insert(key, number);
        number
    }

    /// The number with this hash of a text, mostly.
    pub(super) fn first(&self, key: u64) -> Option<u32> {
        self.by_text.first(key)
    }

    /// How many refer to a number.
    pub(super) fn held(&self, number: u32) -> u64 {
        self.held.get(number as usize).copied().map_or(0, u64::from)
    }

    fn find(&self, terms: &Terms, key: u64, kind: Kind, space: u32, text: &str) -> Option<u32> {
        self.by_text.find(key, |number| {
            let term = terms.get(number);
            term.is_some_and(|term| {
                let same = if kind == Kind::Namespace {
                    *term.text == *text
                } else {
                    *term.text == *text || same_slug(&term.text, text)
                };
                same && term.kind == kind && term.space == space
            })
        })
    }

    /// One more refers to a text.
    pub(super) fn retain(&mut self, number: u32) {
        let number = number as usize;
        if number >= self.held.len() {
            self.held.resize(number + 1, 0);
        }
        self.held[number] += 1;
    }

    /// One less refers to a text; the last one frees its number.
    pub(super) fn release(&mut self, terms: &mut Terms, hash: &Hash, number: u32) {
        let held = &mut self.held[number as usize];
        *held -= 1;
        if *held == 0 {
            let term = std::mem::take(terms.get_mut(number));
            let key = key_of_term(hash, term.kind, term.space, term.hash);
            self.by_text.remove(key, number);
            self.free.push(number);
        }
    }
}

/// What a text of this hash is looked up by.
pub(super) fn key_of_term(hash: &Hash, kind: Kind, space: u32, text: u64) -> u64 {
    hash.key(About::Term, space << 3 | kind as u32, &[Some(text)])
}
