//! The annotations that concern Octopus.

use std::fmt;

use crate::annotation::{self, Key, Purpose};

/// The annotations of an application that concern Octopus, in the order of their appearance.
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
        Self(pairs.into_boxed_slice())
    }

    /// The value of exactly this key, as written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(candidate, _)| *candidate == key)
            .map(|(_, value)| value)
    }

    /// The text of the annotation for `purpose` on the source called `source`, as written, or `None` without one.
    #[must_use]
    pub fn raw(&self, purpose: Purpose, source: Option<&str>) -> Option<&str> {
        let wanted = purpose.key(source);
        self.parsed()
            .find(|(key, _)| *key == wanted)
            .map(|(_, value)| value)
    }

    /// As [`Annotations::raw`], trimmed; a blank text counts as none.
    ///
    /// Rule: `scoping.md` §5.
    #[must_use]
    pub fn value(&self, purpose: Purpose, source: Option<&str>) -> Option<&str> {
        self.raw(purpose, source)
            .map(str::trim)
            .filter(|text| !text.is_empty())
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
        Self(relevant.map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl fmt::Debug for Annotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
