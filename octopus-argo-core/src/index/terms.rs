//! Interned texts: slugs within a space, names of spaces and namespaces. Each is kept once, and counted.

use std::sync::Arc;

use super::fold::{About, Hash};
use super::multimap::Multimap;
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

/// A text that something refers to, by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Term {
    /// In the case in which it came first.
    pub(super) text: Arc<str>,
    pub(super) kind: Kind,
    pub(super) space: u32,
    /// How many refer to it. Numbers without any are used again.
    pub(super) count: u32,
}

const CHUNK: u32 = 32;
type Chunk = [Term; CHUNK as usize];

/// The texts by their numbers: what snapshots need.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    table: Table<Chunk>,
    /// Numbers below this one have been given.
    end: u32,
}

impl Terms {
    pub(super) fn get(&self, number: u32) -> Option<&Term> {
        self.table.get(number / CHUNK)?.get((number % CHUNK) as usize)
    }

    pub(super) fn text(&self, number: u32) -> Option<&str> {
        self.get(number).map(|term| &*term.text)
    }

    /// Every text that something refers to.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Term)> {
        let all = (0..self.end).filter_map(|number| Some((number, self.get(number)?)));
        all.filter(|(_, term)| term.count > 0)
    }

    /// One more refers to a text.
    pub(super) fn retain(&mut self, number: u32) {
        self.get_mut(number).count += 1;
    }

    fn get_mut(&mut self, number: u32) -> &mut Term {
        let chunk = Arc::make_mut(self.table.entry(number / CHUNK));
        &mut chunk[(number % CHUNK) as usize]
    }
}

/// The numbers by their texts: what only the writer needs.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_text: Multimap,
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
        text: &str,
    ) -> u32 {
        let key = key(hash, kind, space, text);
        if let Some(number) = self.find(terms, key, kind, space, text) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            terms.end += 1;
            terms.end - 1
        });
        *terms.get_mut(number) = Term {
            text: text.into(),
            kind,
            space,
            count: 0,
        };
        self.by_text.insert(key, u64::from(number));
        number
    }

    /// The number of a text that was interned.
    pub(super) fn number(
        &self,
        terms: &Terms,
        hash: &Hash,
        kind: Kind,
        space: u32,
        text: &str,
    ) -> Option<u32> {
        self.find(terms, key(hash, kind, space, text), kind, space, text)
    }

    fn find(&self, terms: &Terms, key: u64, kind: Kind, space: u32, text: &str) -> Option<u32> {
        let numbers = self
            .by_text
            .values(key)
            .filter_map(|number| u32::try_from(number).ok());
        numbers.into_iter().find(|number| {
            let term = terms.get(*number);
            term.is_some_and(|term| {
                let same = if kind == Kind::Namespace {
                    *term.text == *text
                } else {
                    same_slug(&term.text, text)
                };
                same && term.kind == kind && term.space == space
            })
        })
    }

    /// One less refers to a text; the last one frees its number.
    pub(super) fn release(&mut self, terms: &mut Terms, hash: &Hash, number: u32) {
        let term = terms.get_mut(number);
        term.count -= 1;
        if term.count == 0 {
            let key = key(hash, term.kind, term.space, &term.text);
            *term = Term::default();
            self.by_text.remove(key, u64::from(number));
            self.free.push(number);
        }
    }
}

fn key(hash: &Hash, kind: Kind, space: u32, text: &str) -> u64 {
    let space = space << 3 | kind as u32;
    match kind {
        Kind::Namespace => hash.texts(About::Term, space, &[Some(text)]),
        _ => hash.slugs(About::Term, space, &[Some(text)]),
    }
}
