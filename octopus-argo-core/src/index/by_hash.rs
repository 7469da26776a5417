//! Numbers by a hash of what they stand for. Only the writer looks names and texts up, so no snapshot pays for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

/// Numbers by hashes, of which two may be the same: who asks tells them apart.
#[derive(Debug, Default)]
pub(super) struct ByHash {
    first: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    /// Further numbers of hashes that are in the map. There is hardly ever one.
    others: Vec<(u64, u32)>,
}

impl ByHash {
    /// The number with this hash for which `is` holds.
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let first = self.first.get(&hash).copied()?;
        if is(first) {
            return Some(first);
        }
        let others = self.others.iter().filter(|other| other.0 == hash);
        others.map(|other| other.1).find(|number| is(*number))
    }

    /// The number with this hash, mostly.
    pub(super) fn first(&self, hash: u64) -> Option<u32> {
        self.first.get(&hash).copied()
    }

    /// Adds a number that is not there.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        match self.first.entry(hash) {
            Entry::Vacant(free) => {
                free.insert(number);
            }
            Entry::Occupied(_) => self.others.push((hash, number)),
        }
    }

    /// Takes a number away that is there.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        if let Some(other) = self.others.iter().position(|other| *other == (hash, number)) {
            self.others.swap_remove(other);
            return;
        }
        match self.others.iter().position(|other| other.0 == hash) {
            Some(next) => {
                let next = self.others.swap_remove(next).1;
                self.first.insert(hash, next);
            }
            None => {
                self.first.remove(&hash);
            }
        }
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not called: keys are whole numbers.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_hash_are_told_apart() {
        let numbers = [3, 5, 8];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut map = ByHash::default();
            for number in numbers {
                map.insert(7, number);
            }
            map.insert(9, 1);
            for (removed, at) in order.into_iter().enumerate() {
                assert_eq!(map.find(7, |number| number == numbers[at]), Some(numbers[at]));
                map.remove(7, numbers[at]);
                assert_eq!(map.find(7, |number| number == numbers[at]), None);
                let left = order[removed + 1..].iter().map(|at| numbers[*at]);
                assert!(
                    left.into_iter()
                        .all(|left| map.find(7, |number| number == left).is_some())
                );
            }
            assert_eq!(map.find(9, |_| true), Some(1));
            assert!(map.others.is_empty() && map.first.len() == 1);
        }
    }
}
