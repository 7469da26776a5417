//! One value of the chart: where it stands, what it holds, and what becomes of others beside it.

use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

use super::setting::{Kind, Setting};

/// A key of the chart's values, with the type of what it holds.
pub struct Key<T> {
    entry: Entry,
    holds: PhantomData<fn() -> T>,
}

/// A [`Key`] without its type: a row of the table of all keys, [`keys::ALL`](super::keys::ALL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) ordinal: u16,
    path: &'static str,
    kind: Kind,
    default: Default,
    replaced_by: Option<&'static str>,
    excludes: &'static [&'static str],
    outranks: Option<&'static str>,
    needs: Option<&'static str>,
    hidden: bool,
}

/// What a value is when nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Default {
    /// The empty text, list or object; `false`.
    Empty,
    /// `true`.
    On,
    /// A number.
    Int(u32),
    /// A text.
    Text(&'static str),
    /// A list of texts.
    Texts(&'static [&'static str]),
    /// The version of the application in the chart, `.Chart.AppVersion`.
    AppVersion,
    /// Whatever the chart says, which is not public; the library beneath the gateway takes this one.
    Library(&'static str),
}

impl Default {
    /// The default as a value; `None` where it depends on the chart's version.
    #[must_use]
    pub fn to_value(self, kind: Kind) -> Option<Value> {
        match self {
            Self::Empty => Some(kind.empty()),
            Self::On => Some(Value::Bool(true)),
            Self::Int(number) => Some(number.into()),
            Self::Text(text) => Some(text.into()),
            Self::Texts(texts) => Some(texts.into()),
            Self::AppVersion | Self::Library(_) => None,
        }
    }
}

impl Entry {
    /// The path below the root of the values, as `--set` takes it: no part of it holds a dot or a comma.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// What the value holds.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it is when nobody sets it.
    #[must_use]
    pub const fn default(&self) -> Default {
        self.default
    }

    /// Whether the value is a credential.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::ProjectTokens)
    }

    /// The key that replaces this one, which newer charts do not read.
    #[must_use]
    pub const fn replaced_by(&self) -> Option<&'static str> {
        self.replaced_by
    }

    /// The keys that must not be set beside this one.
    #[must_use]
    pub const fn excludes(&self) -> &'static [&'static str] {
        self.excludes
    }

    /// The key that has no effect while this one is on.
    #[must_use]
    pub const fn outranks(&self) -> Option<&'static str> {
        self.outranks
    }

    /// The key that must be on for this one to be.
    #[must_use]
    pub const fn needs(&self) -> Option<&'static str> {
        self.needs
    }

    /// Whether `Debug` leaves the value out.
    pub(super) const fn is_hidden(&self) -> bool {
        self.hidden || self.is_secret()
    }
}

impl<T: Setting> Key<T> {
    pub(super) const fn new(ordinal: u16, path: &'static str) -> Self {
        let entry = Entry {
            ordinal,
            path,
            kind: T::KIND,
            default: Default::Empty,
            replaced_by: None,
            excludes: &[],
            outranks: None,
            needs: None,
            hidden: false,
        };
        Self {
            entry,
            holds: PhantomData,
        }
    }

    /// The row of the table that this is.
    #[must_use]
    pub const fn entry(&self) -> Entry {
        self.entry
    }

    /// The path below the root of the values.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.entry.path
    }

    pub(super) const fn default(mut self, default: Default) -> Self {
        self.entry.default = default;
        self
    }

    pub(super) const fn on(self) -> Self {
        self.default(Default::On)
    }

    pub(super) const fn int(self, number: u32) -> Self {
        self.default(Default::Int(number))
    }

    pub(super) const fn text(self, text: &'static str) -> Self {
        self.default(Default::Text(text))
    }

    pub(super) const fn texts(self, texts: &'static [&'static str]) -> Self {
        self.default(Default::Texts(texts))
    }

    pub(super) const fn replaced_by(mut self, path: &'static str) -> Self {
        self.entry.replaced_by = Some(path);
        self
    }

    pub(super) const fn excludes(mut self, paths: &'static [&'static str]) -> Self {
        self.entry.excludes = paths;
        self
    }

    pub(super) const fn outranks(mut self, path: &'static str) -> Self {
        self.entry.outranks = Some(path);
        self
    }

    pub(super) const fn needs(mut self, path: &'static str) -> Self {
        self.entry.needs = Some(path);
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.entry.hidden = true;
        self
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.entry.path)
    }
}
