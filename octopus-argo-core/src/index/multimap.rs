//! A persistent set of pairs of numbers, looked up by the first: one trie of hashes for everything the index looks up.
//!
//! A clone costs one reference count and is a snapshot. An edit copies the path to one leaf where a snapshot shares it,
//! and changes it in place where none does. Leaves hold plain numbers, so copying one is a `memcpy`: a trie of
//! reference-counted values would touch the count, and so the cache line, of each neighbour.

use std::sync::Arc;

/// How many children a branch has: four bits of the hash a level.
const FAN: usize = 16;
const BITS: u32 = 4;
/// Levels that the key decides. Further down, the values of one key are spread by a hash of their own.
const KEY_LEVELS: u32 = 64 / BITS;
const LEVELS: u32 = 2 * KEY_LEVELS;
/// The most entries of a leaf: 1 KiB, which is what an edit copies at most beside the branches above.
const LEAF: usize = 64;
/// A branch whose leaves together hold no more becomes a leaf again. Far from [`LEAF`], so that edits at the border do
/// not split and join by turns.
const JOIN: usize = LEAF / 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    key: u64,
    value: u64,
}

impl Pair {
    fn digit(self, level: u32) -> usize {
        if level < KEY_LEVELS {
            return digit(self.key, level);
        }
        digit(spread(self.value), level - KEY_LEVELS)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "four bits always fit")]
fn digit(bits: u64, level: u32) -> usize {
    ((bits >> (64 - BITS * (level + 1))) & (FAN as u64 - 1)) as usize
}

/// Values are slots, counted up from nothing; this spreads them over all bits. It is a bijection (Murmur's finaliser).
fn spread(value: u64) -> u64 {
    let value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    /// Sorted.
    Leaf(Arc<[Pair]>),
    Branch(Arc<[Self; FAN]>),
}

/// A set of pairs of a key, which has to be a good hash, and a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Multimap(Node);

impl Multimap {
    /// Adds a pair; false where it was there.
    pub(super) fn insert(&mut self, key: u64, value: u64) -> bool {
        self.0.insert(0, Pair { key, value })
    }

    /// Takes a pair away; false where it was not there.
    pub(super) fn remove(&mut self, key: u64, value: u64) -> bool {
        self.0.remove(0, Pair { key, value })
    }

    /// The values of a key, in no order that means anything. Allocates nothing.
    pub(super) fn values(&self, key: u64) -> Values<'_> {
        let mut node = &self.0;
        for level in 0..KEY_LEVELS {
            match node {
                Node::Branch(children) => node = children.get(digit(key, level)).unwrap_or(&Node::Empty),
                Node::Leaf(pairs) => return Values::of_leaf(pairs, key),
                Node::Empty => return Values::default(),
            }
        }
        // Only values of this key are below.
        match node {
            Node::Branch(children) => Values {
                key,
                below: Some(Below { children, path: 0 }),
                ..Values::default()
            },
            Node::Leaf(pairs) => Values::of_leaf(pairs, key),
            Node::Empty => Values::default(),
        }
    }
}

impl Node {
    fn insert(&mut self, level: u32, pair: Pair) -> bool {
        match self {
            Self::Empty => *self = Self::Leaf(Arc::new([pair])),
            Self::Leaf(pairs) => {
                let Err(at) = pairs.binary_search(&pair) else {
                    return false;
                };
                let (before, after) = pairs.split_at(at);
                let pairs = before.iter().chain(std::iter::once(&pair)).chain(after).copied();
                let pairs: Arc<[Pair]> = pairs.collect();
                *self = if pairs.len() > LEAF {
                    Self::split(pairs, level)
                } else {
                    Self::Leaf(pairs)
                };
            }
            Self::Branch(children) => {
                let child = Arc::make_mut(children).get_mut(pair.digit(level));
                return child.is_some_and(|child| child.insert(level + 1, pair));
            }
        }
        true
    }

    fn split(pairs: Arc<[Pair]>, level: u32) -> Self {
        if pairs.len() <= LEAF || level >= LEVELS {
            return Self::Leaf(pairs);
        }
        let mut parts: [Vec<Pair>; FAN] = Default::default();
        for pair in pairs.iter() {
            if let Some(part) = parts.get_mut(pair.digit(level)) {
                part.push(*pair);
            }
        }
        let children = parts.map(|part| match part.as_slice() {
            [] => Self::Empty,
            part => Self::split(part.into(), level + 1),
        });
        Self::Branch(Arc::new(children))
    }

    fn remove(&mut self, level: u32, pair: Pair) -> bool {
        match self {
            Self::Empty => return false,
            Self::Leaf(pairs) => {
                let Ok(at) = pairs.binary_search(&pair) else {
                    return false;
                };
                let (before, after) = pairs.split_at(at);
                let rest = before.iter().chain(after.get(1..).unwrap_or_default()).copied();
                let rest: Arc<[Pair]> = rest.collect();
                *self = if rest.is_empty() {
                    Self::Empty
                } else {
                    Self::Leaf(rest)
                };
            }
            Self::Branch(children) => {
                let child = Arc::make_mut(children).get_mut(pair.digit(level));
                if !child.is_some_and(|child| child.remove(level + 1, pair)) {
                    return false;
                }
                let left: Option<usize> = children.iter().map(Self::leaf_len).sum();
                if left.is_some_and(|left| left <= JOIN) {
                    *self = Self::join(&children[..]);
                }
            }
        }
        true
    }

    /// The number of entries, unless there are branches below.
    fn leaf_len(&self) -> Option<usize> {
        match self {
            Self::Empty => Some(0),
            Self::Leaf(pairs) => Some(pairs.len()),
            Self::Branch(_) => None,
        }
    }

    fn join(children: &[Self]) -> Self {
        let mut pairs: Vec<Pair> = Vec::new();
        for child in children {
            if let Self::Leaf(leaf) = child {
                pairs.extend_from_slice(leaf);
            }
        }
        pairs.sort_unstable();
        if pairs.is_empty() {
            Self::Empty
        } else {
            Self::Leaf(pairs.into())
        }
    }
}

/// The values of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Values<'a> {
    pairs: std::slice::Iter<'a, Pair>,
    key: u64,
    /// More leaves, where the key has more values than one holds.
    below: Option<Below<'a>>,
}

/// The leaves that are yet to come, in the order of the hashes of their values.
///
/// Each is found from the top again: that costs a step or two, and keeps what nearly every look-up does without small.
#[derive(Clone, Debug)]
struct Below<'a> {
    children: &'a [Node; FAN],
    /// The least hash of a value that has not come yet.
    path: u64,
}

impl<'a> Values<'a> {
    fn of_leaf(pairs: &'a [Pair], key: u64) -> Self {
        let rest = pairs.get(first(pairs, key)..).unwrap_or_default();
        Self {
            pairs: rest.iter(),
            key,
            below: None,
        }
    }
}

/// The position of the first pair of `key`, or where it would be.
///
/// Hashes are spread evenly, so the first and the last tell nearly where a key is. Halving the leaf touches five cold
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

/// Steps from a guess before it counts as bad: guesses are off by the square root of a leaf.
const NEAR: usize = 24;

impl<'a> Below<'a> {
    fn next_leaf(&mut self) -> Option<&'a [Pair]> {
        let (mut children, mut level) = (self.children, 0);
        loop {
            let node = children.get(digit(self.path, level))?;
            level += 1;
            if let Node::Branch(below) = node {
                children = below;
                continue;
            }
            let behind = self.path.checked_add(1 << (64 - BITS * level));
            // Digits below this level were nothing, or the leaf would have been passed.
            match (node, behind) {
                (Node::Leaf(pairs), behind) => {
                    self.path = behind.unwrap_or(u64::MAX);
                    self.children = if behind.is_some() { self.children } else { &NOTHING };
                    return Some(pairs);
                }
                (_, Some(behind)) => {
                    self.path = behind;
                    (children, level) = (self.children, 0);
                }
                (_, None) => return None,
            }
        }
    }
}

/// In place of children that have all come by.
static NOTHING: [Node; FAN] = [const { Node::Empty }; FAN];

impl Iterator for Values<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            match self.pairs.next() {
                Some(pair) if pair.key == self.key => return Some(pair.value),
                // The next key of the leaf: nothing more of ours is in it.
                Some(_) => self.pairs = std::slice::Iter::default(),
                None => self.pairs = self.below.as_mut()?.next_leaf()?.iter(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sorted(map: &Multimap, key: u64) -> Vec<u64> {
        let mut values: Vec<u64> = map.values(key).collect();
        values.sort_unstable();
        values
    }

    #[test]
    fn one_key_may_have_any_number_of_values() {
        let mut map = Multimap::default();
        for value in 0..10_000 {
            assert!(map.insert(7, value));
            assert!(map.insert(spread(value), value));
        }
        assert_eq!(sorted(&map, 7), (0..10_000).collect::<Vec<_>>());
        let before = map.clone();
        for value in 0..9_990 {
            assert!(map.remove(7, value) && !map.remove(7, value));
        }
        assert_eq!(sorted(&map, 7), (9_990..10_000).collect::<Vec<_>>());
        assert_eq!(before.values(7).count(), 10_000);
        assert_eq!(sorted(&map, spread(5)), [5]);
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_pairs(edits in proptest::collection::vec((any::<bool>(), 0_u64..4, 0_u64..400), 0..1500)) {
            let mut map = Multimap::default();
            let mut model = BTreeSet::new();
            let key = |key: u64| if key < 2 { key } else { spread(key) };
            for (insert, k, value) in edits {
                if insert {
                    prop_assert_eq!(map.insert(key(k), value), model.insert((k, value)));
                } else {
                    prop_assert_eq!(map.remove(key(k), value), model.remove(&(k, value)));
                }
            }
            for k in 0..5 {
                let expected: Vec<u64> = model.range((k, 0)..=(k, u64::MAX)).map(|pair| pair.1).collect();
                prop_assert_eq!(sorted(&map, key(k)), expected);
            }
        }
    }
}
