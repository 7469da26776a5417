//! A set of pairs of numbers, looked up by the first: one trie of hashes for everything that the index looks up.
//!
//! A clone costs one reference count and is a snapshot. An edit is appended to the log of its [page](super::page),
//! shared or not. Where that is full, a new page is appended to the [log](super::log) of the branch; where that is full
//! as well, the branch and those above it are copied if a snapshot shares them. Pages hold plain numbers, so copying one
//! is a `memcpy`: a copy of a branch touches the count, and so the cache line, of each child.

use std::sync::Arc;

use super::log::{Log, Places};
use super::page::{Edit, JOIN, Number, PAIRS, Page, PageValues, Pair};

/// Children of a branch are two to the power of this. Copying a branch touches each of them.
const BITS: u32 = 4;
const FAN: usize = 1 << BITS;
/// Bits of a key. Further down, the values of one key are spread by a hash of their own.
const KEY: u32 = 64;
/// Bits of a whole pair, by which any two differ.
const WHOLE: u32 = 2 * KEY;

#[derive(Clone, Debug)]
enum Node {
    Leaf(Arc<Page>),
    Branch(Arc<Branch>),
}

/// What begins with the same bits, by the next few.
#[derive(Debug)]
struct Branch {
    /// What has taken the place of children since.
    log: Log<Node>,
    /// A page that is not as deep as the branch could tell apart stands in several neighbouring places.
    children: [Node; FAN],
}

/// A set of pairs of a key, which has to be a good hash, and a value. Edited by one, read by any number of its clones.
#[derive(Clone, Debug)]
pub(super) struct Multimap(Node);

impl Default for Multimap {
    fn default() -> Self {
        Self(Node::Leaf(Arc::new(Page::new(0, 0, []))))
    }
}

impl Multimap {
    /// Adds a pair that is not there, or takes one away that is, from version `now` on. Versions count upwards.
    pub(super) fn edit(&mut self, now: Number, key: u64, value: u64, edit: Edit) {
        let pair = Pair { key, value };
        let path = pair.path();
        if self.0.page(path).is_some_and(|page| page.push(now, pair, edit)) {
            return;
        }
        self.make_room(now, path);
        if let Some(page) = self.0.page(path) {
            page.push(now, pair, edit);
        }
    }

    /// Reads what edits of these keys are going to touch: all of them step by step, so that they wait for memory together.
    /// The answer means nothing.
    pub(super) fn read_ahead(&self, keys: &[u64]) -> u64 {
        /// As many as the processor can wait for at once, and a few more.
        const ABREAST: usize = 64;
        let mut seen = 0;
        for keys in keys.chunks(ABREAST) {
            let mut nodes = [&self.0; ABREAST];
            let mut depth = 0;
            let mut deeper = true;
            while std::mem::take(&mut deeper) && depth < KEY {
                for (node, key) in nodes.iter_mut().zip(keys) {
                    if let Node::Branch(branch) = *node {
                        *node = branch.child(digit_of_key(*key, depth), Number::MAX);
                        deeper = true;
                    }
                }
                depth += BITS;
            }
            for (node, _) in nodes.iter().zip(keys) {
                if let Node::Leaf(page) = node {
                    seen ^= page.first_words();
                }
            }
        }
        seen
    }

    /// Puts pages with free logs in the place of the one at `path`.
    fn make_room(&mut self, now: Number, path: u128) {
        let Some(page) = self.0.page(path) else {
            return;
        };
        let (mut depth, mut pairs) = (page.depth, page.merged());
        // Mostly there are too many for two pages to become one, and then nothing of the other is touched.
        while pairs.len() <= JOIN
            && let Some(above) = depth.checked_sub(1)
            && let Some(sibling) = self.0.page(path ^ bit(above))
            && sibling.depth == depth
        {
            let others = sibling.merged();
            if pairs.len() + others.len() > JOIN {
                break;
            }
            depth = above;
            pairs.extend(others);
            pairs.sort_unstable();
        }
        fill(pairs, depth, path, &mut |path, depth, pairs| {
            let page = Arc::new(Page::new(now, depth, pairs));
            if !self.0.append(now, path, &page) {
                self.0.put(0, path, &page);
            }
        });
    }

    /// The values of a key in version `at`, in no order that means anything. Allocates nothing.
    #[inline]
    pub(super) fn values(&self, key: u64, at: Number) -> Values<'_> {
        let (mut node, mut depth) = (&self.0, 0);
        while let Node::Branch(branch) = node
            && depth < KEY
        {
            node = branch.child(digit_of_key(key, depth), at);
            depth += BITS;
        }
        match node {
            Node::Leaf(page) => Values {
                of_page: Some(page.values(key, at)),
                below: None,
            },
            // Only values of this key are below.
            Node::Branch(_) => Values {
                of_page: None,
                below: Some(Below {
                    node,
                    from: Some(0),
                    key,
                    at,
                }),
            },
        }
    }
}

impl Node {
    /// The page that holds what begins as `path` does, with all edits.
    fn page(&self, path: u128) -> Option<&Page> {
        self.page_below(0, path, Number::MAX)
    }

    fn page_below(&self, mut depth: u32, path: u128, at: Number) -> Option<&Page> {
        let mut node = self;
        while depth <= WHOLE {
            match node {
                Self::Leaf(page) => return Some(page),
                Self::Branch(branch) => node = branch.child(digit(path, depth), at),
            }
            depth += BITS;
        }
        None
    }

    /// Makes a page, which holds what begins as `path` does, part of this root by way of a log, from version `now` on;
    /// false where that is full.
    fn append(&self, now: Number, path: u128, page: &Arc<Page>) -> bool {
        let (mut node, mut depth) = (self, 0);
        while let Self::Branch(branch) = node {
            let (place, below) = (digit(path, depth), depth + BITS);
            let child = branch.child(place, Number::MAX);
            if page.depth <= below {
                let span = below - page.depth;
                // What is replaced stays, so not much more than half as many as there are pages. And where the same page
                // stands in many places, a copy touches few counts.
                let most = (FAN / 2) >> span;
                let page = Self::Leaf(Arc::clone(page));
                return branch
                    .log
                    .push(now, Places::around(place, span), page, most.max(1));
            }
            if let Self::Leaf(_) = child {
                let mut child = child.clone();
                child.put(below, path, page);
                return branch.log.push(now, Places::around(place, 0), child, FAN / 2);
            }
            (node, depth) = (child, below);
        }
        false
    }

    /// Makes a page, which holds what begins as `path` does, part of what is below this node at `depth`, in the place of
    /// what was there.
    fn put(&mut self, depth: u32, path: u128, page: &Arc<Page>) {
        if page.depth <= depth {
            *self = Self::Leaf(Arc::clone(page));
            return;
        }
        if let Self::Leaf(_) = self {
            *self = Self::Branch(Arc::new(Branch {
                log: Log::default(),
                children: std::array::from_fn(|_| self.clone()),
            }));
        }
        let Self::Branch(branch) = self else {
            return;
        };
        let children = Branch::own(branch);
        let (place, below) = (digit(path, depth), depth + BITS);
        if page.depth > below {
            children[place].put(below, path, page);
        } else if let Some(places) = children.get_mut(Places::around(place, below - page.depth).range()) {
            places.fill(Self::Leaf(Arc::clone(page)));
        }
    }
}

impl Branch {
    #[inline]
    fn child(&self, place: usize, at: Number) -> &Node {
        self.log.last(at, place).unwrap_or(&self.children[place % FAN])
    }

    /// The children, shared with no snapshot and with the log worked in.
    fn own(this: &mut Arc<Self>) -> &mut [Node; FAN] {
        let own = Arc::make_mut(this);
        if !own.log.is_empty() {
            *own = own.clone();
        }
        &mut own.children
    }
}

impl Clone for Branch {
    /// With the log worked in.
    fn clone(&self) -> Self {
        Self {
            log: Log::default(),
            children: std::array::from_fn(|place| self.child(place, Number::MAX).clone()),
        }
    }
}

/// Divides pairs among pages that begin as `path` does, as many as it takes.
fn fill(mut pairs: Vec<Pair>, depth: u32, path: u128, each: &mut impl FnMut(u128, u32, Vec<Pair>)) {
    if pairs.len() <= PAIRS || depth >= WHOLE {
        // Values are spread below the key, so their own order was lost.
        if depth > KEY {
            pairs.sort_unstable();
        }
        each(path, depth, pairs);
        return;
    }
    if depth >= KEY {
        pairs.sort_unstable_by_key(|pair| pair.path());
    }
    let bit = bit(depth);
    let high = pairs.split_off(pairs.partition_point(|pair| pair.path() & bit == 0));
    fill(pairs, depth + 1, path & !bit, each);
    fill(high, depth + 1, path | bit, each);
}

impl Pair {
    /// All that two pairs may differ by, from the top.
    fn path(self) -> u128 {
        u128::from(self.key) << KEY | u128::from(spread(self.value))
    }
}

/// The bit of a path that decides at `depth`.
fn bit(depth: u32) -> u128 {
    1 << (WHOLE - 1 - depth)
}

fn digit(path: u128, depth: u32) -> usize {
    (path << depth >> (WHOLE - BITS)) as usize
}

/// The same, where the key alone decides. Half as many bits to shift.
fn digit_of_key(key: u64, depth: u32) -> usize {
    (key << depth >> (KEY - BITS)) as usize
}

/// Values are slots, counted up from nothing; this spreads them over all bits. It is a bijection (Murmur's finaliser).
fn spread(value: u64) -> u64 {
    let value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

/// The values of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Values<'a> {
    of_page: Option<PageValues<'a>>,
    /// More pages, where the key has more values than one holds.
    below: Option<Below<'a>>,
}

impl Iterator for Values<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        loop {
            if let Some(value) = self.of_page.as_mut().and_then(Iterator::next) {
                return Some(value);
            }
            self.of_page = Some(self.below.as_mut()?.next_page()?);
        }
    }
}

/// The pages that are yet to come, in the order of the hashes of their values.
///
/// Each is found from the top again: that costs a step or two, and keeps what nearly every look-up does without small.
#[derive(Clone, Debug)]
struct Below<'a> {
    node: &'a Node,
    /// The least hash of a value that has not come yet.
    from: Option<u64>,
    key: u64,
    at: Number,
}

impl<'a> Below<'a> {
    fn next_page(&mut self) -> Option<PageValues<'a>> {
        let from = self.from?;
        let page = self.node.page_below(KEY, from.into(), self.at)?;
        self.from = 1_u64
            .checked_shl(WHOLE - page.depth)
            .and_then(|wide| from.checked_add(wide));
        Some(page.values(self.key, self.at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sorted(map: &Multimap, key: u64, at: Number) -> Vec<u64> {
        let mut values: Vec<u64> = map.values(key, at).collect();
        values.sort_unstable();
        values
    }

    #[test]
    fn one_key_may_have_any_number_of_values() {
        let mut map = Multimap::default();
        for value in 0..10_000 {
            map.edit(1, 7, value, Edit::Add);
            map.edit(1, spread(value), value, Edit::Add);
        }
        assert_eq!(sorted(&map, 7, 1), (0..10_000).collect::<Vec<_>>());
        let before = map.clone();
        for value in 0..9_990 {
            map.edit(2, 7, value, Edit::Remove);
        }
        assert_eq!(sorted(&map, 7, 2), (9_990..10_000).collect::<Vec<_>>());
        assert_eq!(sorted(&before, 7, 1), (0..10_000).collect::<Vec<_>>());
        assert_eq!(sorted(&map, spread(5), 2), [5]);
    }

    #[test]
    fn what_is_taken_away_leaves_little_behind() {
        let mut map = Multimap::default();
        for value in 0..100_000 {
            map.edit(1, spread(value), value, Edit::Add);
        }
        let distinct = |map: &Multimap| {
            let mut pages = BTreeSet::new();
            each_page(&map.0, &mut |page| _ = pages.insert(Arc::as_ptr(page).addr()));
            pages.len()
        };
        let full = distinct(&map);
        for value in 0..100_000 {
            map.edit(2, spread(value), value, Edit::Remove);
        }
        let left = distinct(&map);
        assert!(full > 1000 && left * 4 < full, "{full} pages became {left}");
    }

    fn each_page(node: &Node, each: &mut impl FnMut(&Arc<Page>)) {
        match node {
            Node::Leaf(page) => each(page),
            Node::Branch(branch) => {
                (0..FAN).for_each(|place| each_page(branch.child(place, Number::MAX), each));
            }
        }
    }

    proptest! {
        /// Snapshots are taken between the edits, and all of them are held to the end.
        #[test]
        fn behaves_as_a_set_of_pairs(edits in proptest::collection::vec((0..20, 0_u64..4, 0_u64..400), 0..2500)) {
            let mut map = Multimap::default();
            let mut model = BTreeSet::new();
            let mut held = Vec::new();
            let mut now = 1;
            let key = |key: u64| if key < 2 { key } else { spread(key) };
            for (what, k, value) in edits {
                // A rare snapshot, and others one edit apart, so that a log holds edits of several versions.
                if what == 0 {
                    held.push((now, map.clone(), model.clone()));
                    now += 1;
                }
                // Few values for some keys, so that a pair is added and taken away within one log.
                let value = if k == 3 { value % 3 } else { value };
                let edit = if model.remove(&(k, value)) {
                    Edit::Remove
                } else {
                    model.insert((k, value));
                    Edit::Add
                };
                map.edit(now, key(k), value, edit);
            }
            held.push((Number::MAX >> 1, map, model));
            for (at, map, model) in held {
                for k in 0..5 {
                    let expected: Vec<u64> = model.range((k, 0)..=(k, u64::MAX)).map(|pair| pair.1).collect();
                    prop_assert_eq!(sorted(&map, key(k), at), expected);
                }
            }
        }
    }
}
