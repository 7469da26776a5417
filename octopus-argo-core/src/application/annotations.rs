//! The annotations that concern Octopus.

use std::cmp::Ordering;
use std::fmt;

use crate::annotation::{self, Key, Purpose};

/// The annotations of an application that concern Octopus, sorted by key; each key once.
///
/// ```
/// use octopus_argo_core::{Annotations, annotation::Purpose};
///
/// let annotations: Annotations =
///     [("argo.octopus.com/tenant", "  "), ("unrelated.example/key", "value")].into_iter().collect();
/// assert_eq!(annotations.iter().count(), 1);
/// assert_eq!(annotations.value(Purpose::Tenant, None), None);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Annotations(Box<[(Box<str>, Box<str>)]>);

impl Annotations {
    pub(crate) fn from_pairs(pairs: Vec<(Box<str>, Box<str>)>) -> Self {
        Self(sorted(pairs))
    }

    /// The value of exactly this key, as written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.find(|candidate| candidate.cmp(key))
    }

    fn find(&self, compare: impl Fn(&str) -> Ordering) -> Option<&str> {
        let index = self.0.binary_search_by(|(key, _)| compare(key)).ok()?;
        self.0.get(index).map(|(_, value)| &**value)
    }

    /// The text of the annotation for `purpose` on the source called `source`, as written, or `None` without one.
    #[must_use]
    pub fn raw(&self, purpose: Purpose, source: Option<&str>) -> Option<&str> {
        // Compares with the parts of the key, so that none is built: this is the resolver's innermost step.
        let dot = if source.is_some() { "." } else { "" };
        let parts = [purpose.as_str(), dot, source.unwrap_or_default()];
        self.find(|key| {
            // All but look-alikes begin alike, and a comparison of fixed length is a few instructions.
            match key.strip_prefix(START) {
                Some(rest) => compare(rest.as_bytes(), parts),
                None => key.cmp(START),
            }
        })
    }

    /// As [`Annotations::raw`], trimmed; a blank text counts as none.
    ///
    /// Rule: Octopus docs, "Scoping annotations"; Calamari, `source/Calamari/ArgoCD`.
    #[must_use]
    pub fn value(&self, purpose: Purpose, source: Option<&str>) -> Option<&str> {
        self.raw(purpose, source)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }

    /// [`Annotations::value`] for several purposes: of a few annotations, going over all once takes half as long.
    pub(crate) fn values<const N: usize>(
        &self,
        purposes: [Purpose; N],
        source: Option<&str>,
    ) -> [Option<&str>; N] {
        const FEW: usize = 12;
        if self.0.len() > FEW {
            return purposes.map(|purpose| self.value(purpose, source));
        }
        let mut values = [None; N];
        for (key, value) in &self.0 {
            let rest = key.strip_prefix(START);
            let purpose = match source {
                Some(name) => rest
                    .and_then(|rest| rest.strip_suffix(name))
                    .and_then(|rest| rest.strip_suffix('.')),
                None => rest,
            };
            let Some(purpose) = purpose else { continue };
            for (found, wanted) in values.iter_mut().zip(purposes) {
                if purpose == wanted.as_str() {
                    *found = Some(value.trim()).filter(|text| !text.is_empty());
                }
            }
        }
        values
    }

    /// Every key that Octopus reads, in its parts, with the value as written.
    pub fn parsed(&self) -> impl Iterator<Item = (Key<'_>, &str)> {
        self.iter()
            .filter_map(|(key, value)| Some((Key::parse(key)?, value)))
    }

    /// Every annotation kept, as written: those under the prefix and their look-alikes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether nothing was kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Annotations {
    /// Keeps what [`annotation::is_relevant`] accepts.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let relevant = pairs.into_iter().filter(|(key, _)| annotation::is_relevant(key));
        Self::from_pairs(relevant.map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// How every key begins that is read.
const START: &str = "argo.octopus.com/";

/// How `key` orders against the text that `parts` make together. A slice at a time: planning takes twice as long with bytes.
fn compare(mut key: &[u8], parts: [&str; 3]) -> Ordering {
    for part in parts {
        let Some((start, rest)) = key.split_at_checked(part.len()) else {
            // The key ends within the part: equal so far is less in the end.
            return key.cmp(part.as_bytes());
        };
        match start.cmp(part.as_bytes()) {
            Ordering::Equal => key = rest,
            other => return other,
        }
    }
    if key.is_empty() {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}

/// The pairs sorted by key. Of several pairs with one key the last is kept, as JSON readers do.
pub(crate) fn sorted(mut pairs: Vec<(Box<str>, Box<str>)>) -> Box<[(Box<str>, Box<str>)]> {
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    let ordered = pairs.len();
    if pairs
        .windows(2)
        .any(|pair| matches!(pair, [left, right] if left.0 == right.0))
    {
        let mut last: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(ordered);
        for pair in pairs {
            match last.last_mut() {
                Some(kept) if kept.0 == pair.0 => *kept = pair,
                _ => last.push(pair),
            }
        }
        pairs = last;
    }
    pairs.into_boxed_slice()
}

impl fmt::Debug for Annotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_of_equal_keys_counts() {
        let key = "argo.octopus.com/project";
        let annotations: Annotations = [
            (key, "first"),
            ("argo.octopus.com/environment", "e"),
            (key, "last"),
        ]
        .into_iter()
        .collect();
        assert_eq!(annotations.get(key), Some("last"));
        assert_eq!(annotations.iter().count(), 2);
    }

    #[test]
    fn keys_begin_with_the_prefix() {
        assert_eq!(START.strip_suffix('/'), Some(annotation::PREFIX));
    }

    proptest! {
        #[test]
        fn look_up_by_parts_equals_look_up_by_text(
            sources in proptest::collection::vec(proptest::option::of("[a-c./]{0,3}"), 0..6),
            index in 0..Purpose::ALL.len(),
            wanted in proptest::option::of("[a-c./]{0,3}"),
        ) {
            let purpose = Purpose::ALL[index];
            let pairs: Vec<_> = sources.iter().map(|source| purpose.key(source.as_deref()).to_string()).collect();
            let annotations: Annotations = pairs.iter().map(|key| (key.as_str(), "value")).collect();
            let text = purpose.key(wanted.as_deref()).to_string();
            prop_assert_eq!(annotations.raw(purpose, wanted.as_deref()), annotations.get(&text));
            prop_assert_eq!(annotations.get(&text).is_some(), sources.contains(&wanted));
        }

        #[test]
        fn values_all_at_once_equal_values_one_by_one(
            keys in proptest::collection::vec(
                (0..Purpose::ALL.len(), proptest::option::of("[a-c./]{0,3}"), "[ a]{0,2}"), 0..20),
            wanted in proptest::option::of("[a-c./]{0,3}"),
        ) {
            let pairs: Vec<_> = keys.iter()
                .map(|(purpose, source, value)| (Purpose::ALL[*purpose].key(source.as_deref()).to_string(), value))
                .collect();
            let annotations: Annotations = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let wanted = wanted.as_deref();
            let one_by_one = Purpose::ALL.map(|purpose| annotations.value(purpose, wanted));
            prop_assert_eq!(annotations.values(Purpose::ALL, wanted), one_by_one);
        }
    }
}
