//! A short log of what took the place of what, in something that snapshots share.
//!
//! It is to branches and chunks what the log of a [page](super::page) is to pairs: the writer appends what is new, with
//! the number of the version that it is part of, and a snapshot passes over what came later. So a branch is copied, with
//! a reference count for each child, only when its log is full.
//!
//! Costs memory: what has been replaced stays until the log is worked in. So whoever pushes says how many entries are
//! worth it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::page::Number;

/// The most entries of a log. More make copies rarer, and keep more of what has been replaced.
pub(super) const LOG: usize = 8;
/// Bits of a stamp that say which places an entry is about: five for the first, three for how many.
const PLACES: u32 = 8;
const FIRST: u32 = 5;

/// What has been put into places since the thing was made that the log is part of.
#[derive(Debug)]
pub(super) struct Log<T> {
    /// The number of the version above the places that are meant. Nothing where an entry is free.
    stamps: [AtomicU64; LOG],
    values: [OnceLock<T>; LOG],
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self {
            stamps: Default::default(),
            values: Default::default(),
        }
    }
}

/// Neighbouring places: as many as a power of two, the first of which is a multiple of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    first: usize,
    /// The power.
    bits: u32,
}

impl Places {
    /// Those that differ from `place` in the last `bits` bits only. Places are below 32.
    pub(super) fn around(place: usize, bits: u32) -> Self {
        Self {
            first: place >> bits << bits,
            bits,
        }
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.first..self.first + (1 << self.bits)
    }
}

impl<T> Log<T> {
    pub(super) fn is_empty(&self) -> bool {
        let first = self.stamps.first();
        first.is_none_or(|stamp| stamp.load(Ordering::Relaxed) == 0)
    }

    /// Writes an entry, visible from version `now` on; false where the log is full, or has `most` entries. For the one
    /// writer.
    pub(super) fn push(&self, now: Number, places: Places, value: T, most: usize) -> bool {
        let free = |stamp: &AtomicU64| stamp.load(Ordering::Relaxed) == 0;
        let Some(at) = self.stamps.iter().position(free).filter(|at| *at < most) else {
            return false;
        };
        let (Some(stamp), Some(entry)) = (self.stamps.get(at), self.values.get(at)) else {
            return false;
        };
        let written = entry.set(value).is_ok();
        let places = places.first as u64 | u64::from(places.bits) << FIRST;
        // 56 bits are left for the number: a thousand versions a second for two million years.
        stamp.store(now << PLACES | places, Ordering::Release);
        written
    }

    /// What version `at` has in a place, where that is in the log.
    #[inline]
    pub(super) fn last(&self, at: Number, place: usize) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        let mut last = None;
        for (stamp, value) in self.stamps.iter().zip(&self.values) {
            let stamp = stamp.load(Ordering::Relaxed);
            if stamp == 0 || stamp >> PLACES > at {
                break;
            }
            let (first, bits) = unpack(stamp);
            if (first ^ place) >> bits == 0 {
                last = Some(value);
            }
        }
        last?.get()
    }

    /// All entries in the order in which they came.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Places, &T)> {
        let entries = self.stamps.iter().zip(&self.values);
        entries.map_while(|(stamp, value)| {
            let (first, bits) = unpack(stamp.load(Ordering::Relaxed));
            Some((Places { first, bits }, value.get()?))
        })
    }
}

/// The first place that a stamp is about, and the bits of how many there are.
fn unpack(stamp: u64) -> (usize, u32) {
    let first = stamp & ((1 << FIRST) - 1);
    let bits = stamp >> FIRST & ((1 << (PLACES - FIRST)) - 1);
    (first as usize, bits as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_what_was_there_last() {
        let log = Log::default();
        assert!(log.is_empty() && log.last(9, 0).is_none());
        let entries = [
            (1, 5, 0),
            (1, 6, 1),
            (3, 31, 0),
            (3, 4, 2),
            (4, 0, 5),
            (6, 5, 0),
            (6, 5, 0),
            (7, 1, 0),
        ];
        for (value, (now, place, bits)) in entries.into_iter().enumerate() {
            assert!(log.push(now, Places::around(place, bits), value, LOG));
        }
        assert!(!log.push(8, Places::around(1, 0), 8, LOG), "it is full");
        for at in 0..9 {
            for place in 0..32 {
                let about = |entry: &(usize, (u64, usize, u32))| {
                    let (now, first, bits) = entry.1;
                    now <= at && Places::around(first, bits).range().contains(&place)
                };
                let expected = entries.into_iter().enumerate().rfind(about).map(|entry| entry.0);
                assert_eq!(log.last(at, place).copied(), expected, "{place} at {at}");
            }
        }
        assert_eq!(log.entries().count(), LOG);
        let log = Log::default();
        let push = |most| log.push(1, Places::around(0, 0), (), most);
        assert!(push(1) && !push(1) && push(2));
    }
}
