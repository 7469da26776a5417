//! A page of the [multimap](super::multimap): pairs that do not change, and a short log of edits that grows in place.
//!
//! A snapshot shares its pages with the writer, and the writer appends to them all the same: each edit carries the
//! number of the version in which it was made, and a snapshot passes over those that came later. So an edit touches
//! two or three lines of memory, and copies nothing until the log is full; then a page without a log takes its place,
//! and whoever holds the old one keeps it as it was.
//!
//! Nothing waits for anything: places of the log are written once, the number last, and are read as they come. What a
//! snapshot may see was written before the snapshot was made; what is being written carries a later number, or none.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The most edits of a log. A longer one makes copies rarer, costs memory (20 bytes each) and every look-up a step.
pub(super) const LOG: usize = 16;
/// The most pairs of a page that has just been made, more of which are two pages: 1 KiB, which `malloc` gives from a
/// list of its own.
pub(super) const PAIRS: usize = 64;
/// Two neighbours with no more than this together become one. Far from [`PAIRS`], so that edits at the border do not
/// split and join by turns.
pub(super) const JOIN: usize = PAIRS / 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) key: u64,
    pub(super) value: u64,
}

/// What is done to a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Add,
    Remove,
}

/// The number of a version, counted up from one. What was edited in it or before is part of it.
pub(super) type Number = u64;

/// More versions than a page's log can count: half a year of a hundred a second.
const LATEST: u32 = u32::MAX >> 1;

/// The pairs whose hash begins with the same `depth` bits.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) depth: u32,
    /// Sorted. All of them are older than the page.
    pairs: Box<[Pair]>,
    /// The version in which it was made.
    made: Number,
    /// The number of the version, counted from `made` so that all fit one line of memory, twice, and one more for a
    /// removal. Nothing at places that are free.
    stamps: [AtomicU32; LOG],
    keys: [AtomicU64; LOG],
    values: [AtomicU64; LOG],
}

impl Page {
    /// A page of pairs, which have to be sorted, made in version `now`.
    pub(super) fn new(now: Number, depth: u32, pairs: impl Into<Box<[Pair]>>) -> Self {
        Self {
            depth,
            made: now,
            pairs: pairs.into(),
            stamps: Default::default(),
            keys: Default::default(),
            values: Default::default(),
        }
    }

    /// Writes an edit into the log, visible from version `now` on; false where the log is full. For the one writer.
    pub(super) fn push(&self, now: Number, pair: Pair, edit: Edit) -> bool {
        let free = |stamp: &AtomicU32| stamp.load(Ordering::Relaxed) == 0;
        let Some(at) = self.stamps.iter().position(free) else {
            return false;
        };
        let number = self.since(now);
        if number == LATEST {
            // As good as full: another page counts from its own beginning.
            return false;
        }
        let places = (self.stamps.get(at), self.keys.get(at), self.values.get(at));
        let (Some(stamp), Some(key), Some(value)) = places else {
            return false;
        };
        key.store(pair.key, Ordering::Relaxed);
        value.store(pair.value, Ordering::Relaxed);
        stamp.store(number << 1 | u32::from(edit == Edit::Remove), Ordering::Release);
        true
    }

    /// A version as the log counts them, from one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is not above a number that fits"
    )]
    fn since(&self, at: Number) -> u32 {
        at.saturating_sub(self.made).saturating_add(1).min(LATEST.into()) as u32
    }

    /// A word of each line of memory that an edit is going to touch.
    pub(super) fn first_words(&self) -> u64 {
        /// Pairs in a line.
        const LINE: usize = 4;
        let free = |stamp: &AtomicU32| stamp.load(Ordering::Relaxed) == 0;
        if let Some(at) = self.stamps.iter().position(free) {
            let word = |log: &[AtomicU64; LOG]| log.get(at).map_or(0, |word| word.load(Ordering::Relaxed));
            return word(&self.keys) ^ word(&self.values);
        }
        // The log is full, so the pairs are going to be read as well.
        let log = [&self.keys, &self.values]
            .into_iter()
            .flat_map(|log| log.iter().step_by(2 * LINE));
        let log = log.fold(0, |seen, word| seen ^ word.load(Ordering::Relaxed));
        self.pairs
            .iter()
            .step_by(LINE)
            .fold(log, |seen, pair| seen ^ pair.key)
    }

    /// The edits that are part of version `at`, in the order in which they came.
    fn log(&self, at: Number) -> impl Iterator<Item = (Pair, Edit)> + '_ {
        let places = self.stamps.iter().zip(&self.keys).zip(&self.values);
        let at = self.since(at);
        places.map_while(move |((stamp, key), value)| {
            let edit = visible(stamp, at)?;
            let pair = Pair {
                key: key.load(Ordering::Relaxed),
                value: value.load(Ordering::Relaxed),
            };
            Some((pair, edit))
        })
    }

    /// The page with its log worked in.
    pub(super) fn merged(&self) -> Vec<Pair> {
        // The last word on each pair that the log knows, sorted.
        let mut edits: [Option<(Pair, Edit)>; LOG] = [None; LOG];
        let mut count = 0;
        for (pair, edit) in self.log(Number::MAX) {
            let known = edits
                .iter_mut()
                .take(count)
                .flatten()
                .find(|known| known.0 == pair);
            if let Some(known) = known {
                known.1 = edit;
            } else if let Some(free) = edits.get_mut(count) {
                *free = Some((pair, edit));
                count += 1;
            }
        }
        let edits = edits.get_mut(..count).unwrap_or_default();
        edits.sort_unstable_by_key(|edit| edit.map(|edit| edit.0));
        let added = edits.iter().flatten().filter(|edit| edit.1 == Edit::Add).count();
        let mut merged = Vec::with_capacity((self.pairs.len() + 2 * added).saturating_sub(count));
        let mut rest = &*self.pairs;
        for (pair, edit) in edits.iter().flatten() {
            let (before, after) = rest.split_at(rest.partition_point(|known| known < pair));
            merged.extend_from_slice(before);
            if *edit == Edit::Add {
                merged.push(*pair);
            }
            rest = match after.split_first() {
                Some((same, after)) if same == pair => after,
                _ => after,
            };
        }
        merged.extend_from_slice(rest);
        merged
    }

    /// The values of `key` in version `at`.
    pub(super) fn values(&self, key: u64, at: Number) -> PageValues<'_> {
        let rest = self.pairs.get(first(&self.pairs, key)..).unwrap_or_default();
        let mut edits = 0;
        let at = self.since(at);
        // Mostly there are none, and their keys are another line of memory.
        for (place, (stamp, edited)) in self.stamps.iter().zip(&self.keys).enumerate() {
            if visible(stamp, at).is_none() {
                break;
            }
            edits |= u16::from(edited.load(Ordering::Relaxed) == key) << place;
        }
        PageValues {
            page: self,
            pairs: rest.iter(),
            key,
            edits,
        }
    }
}

/// What was done at a place of the log, if it was done in version `at` or before.
fn visible(stamp: &AtomicU32, at: u32) -> Option<Edit> {
    let stamp = stamp.load(Ordering::Relaxed);
    (stamp != 0 && stamp >> 1 <= at).then(|| edit(stamp))
}

fn edit(stamp: u32) -> Edit {
    if stamp & 1 == 0 { Edit::Add } else { Edit::Remove }
}

/// The position of the first pair of `key`, or where it would be.
///
/// Hashes are spread evenly, so the first and the last tell nearly where a key is. Halving the page touches five cold
/// lines of memory, and guessing one or two.
fn first(pairs: &[Pair], key: u64) -> usize {
    let (Some(low), Some(high)) = (pairs.first(), pairs.last()) else {
        return 0;
    };
    if key <= low.key {
        return 0;
    }
    if key > high.key {
        return pairs.len();
    }
    let last = pairs.len() - 1;
    // Half the bits are enough for a guess, and divide four times as fast as 128.
    let (from_low, span) = ((key - low.key) >> 32, (high.key - low.key) >> 32);
    let guess = (from_low * last as u64).checked_div(span).unwrap_or_default();
    let mut at = usize::try_from(guess).unwrap_or(last).min(last);
    // A few steps bring a good guess home. A bad one, where one key has many values, is halved after all.
    for _ in 0..NEAR {
        let below = |at: usize| pairs.get(at).is_some_and(|pair| pair.key < key);
        match (below(at), at.checked_sub(1).is_none_or(below)) {
            (true, _) => at += 1,
            (false, true) => return at,
            (false, false) => at -= 1,
        }
    }
    pairs.partition_point(|pair| pair.key < key)
}

/// Steps from a guess before it counts as bad: guesses are off by the square root of a page.
const NEAR: usize = 24;

/// The values of one key in one page.
#[derive(Clone, Debug)]
pub(super) struct PageValues<'a> {
    page: &'a Page,
    /// From the first pair of the key on.
    pairs: std::slice::Iter<'a, Pair>,
    key: u64,
    /// A bit for each place of the log that is about the key, and has not been gone by.
    edits: u16,
}

impl PageValues<'_> {
    /// What the log says last of a value of the key, from place `from` on.
    fn last_edit(&self, value: u64, from: usize) -> Option<Edit> {
        let mut left = u32::from(self.edits) >> from << from;
        // The last first: it is the one that counts.
        while let Some(place) = left.checked_ilog2() {
            left ^= 1 << place;
            let place = place as usize;
            let edited = self.page.values.get(place)?;
            if edited.load(Ordering::Relaxed) == value {
                let stamp = self.page.stamps.get(place)?;
                return Some(edit(stamp.load(Ordering::Relaxed)));
            }
        }
        None
    }

    fn next_of_pairs(&mut self) -> Option<u64> {
        while let Some(pair) = self.pairs.next() {
            if pair.key != self.key {
                break;
            }
            if self.edits == 0 || self.last_edit(pair.value, 0) != Some(Edit::Remove) {
                return Some(pair.value);
            }
        }
        // The next key of the page: nothing more of ours is in it.
        self.pairs = std::slice::Iter::default();
        None
    }

    #[cold]
    fn next_of_log(&mut self) -> Option<u64> {
        while self.edits != 0 {
            let place = self.edits.trailing_zeros() as usize;
            let value = self.page.values.get(place)?.load(Ordering::Relaxed);
            let word = self.last_edit(value, place + 1);
            let added = self
                .page
                .stamps
                .get(place)
                .map(|stamp| edit(stamp.load(Ordering::Relaxed)));
            self.edits &= self.edits - 1;
            let pair = Pair { key: self.key, value };
            // The last word on a pair counts, and those of the page itself came before.
            if word.is_none() && added == Some(Edit::Add) && self.page.pairs.binary_search(&pair).is_err() {
                return Some(value);
            }
        }
        None
    }
}

impl Iterator for PageValues<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        self.next_of_pairs().or_else(|| {
            if self.edits == 0 {
                return None;
            }
            self.next_of_log()
        })
    }
}
