//! The values of one installation.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::key::{Entry, Key};
use super::keys;
use super::setting::Setting;
use crate::SpaceId;

/// The values of one installation of the gateway's chart: what is set, and what the chart makes of the rest.
///
/// A value that equals the chart's default may be set all the same: it is then written out where everything that is set
/// is asked for, and so survives a change of the default. Values of keys that this crate does not know are kept as they
/// are.
///
/// ```
/// use octopus_argo_core::helm::{HelmValues, Show, keys};
///
/// let values = HelmValues::new()
///     .with(keys::GATEWAY_OCTOPUS_SERVER_GRPC_URL, "grpc://shop.octopus.app:8443".to_owned())
///     .with(keys::GATEWAY_ARGOCD_PLAINTEXT, true)
///     .with(keys::AUTO_UPDATE_ENABLED, true);
/// assert_eq!(values.effective(keys::REPLICA_COUNT), Some(1));
/// assert_eq!(
///     values.to_yaml(Show::Changes).as_str(),
///     "gateway:\n  octopus:\n    serverGrpcUrl: \"grpc://shop.octopus.app:8443\"\n  argocd:\n    plaintext: true\n"
/// );
/// ```
///
/// `Debug` shows no credential, no `extraEnv`, and of unknown keys only their paths.
#[derive(Clone, Default, PartialEq)]
pub struct HelmValues {
    set: BTreeMap<u16, Value>,
    /// By the parts of their path, because a part may hold a dot.
    pub(super) unknown: BTreeMap<Vec<String>, Value>,
}

impl HelmValues {
    /// Nothing is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    #[must_use]
    pub fn with<T: Setting>(mut self, key: Key<T>, value: T) -> Self {
        self.set(key, value);
        self
    }

    /// Sets `key` to `value`.
    pub fn set<T: Setting>(&mut self, key: Key<T>, value: T) {
        self.put(&key.entry(), value.into_value());
    }

    /// Forgets what was set, so that the chart's default counts.
    pub fn unset<T: Setting>(&mut self, key: Key<T>) {
        self.set.remove(&key.entry().ordinal);
    }

    /// What `key` was set to.
    #[must_use]
    pub fn get<T: Setting>(&self, key: Key<T>) -> Option<T> {
        T::from_value(self.value(&key.entry())?).ok()
    }

    /// What `key` comes to: what it was set to, or the chart's default where that is known.
    #[must_use]
    pub fn effective<T: Setting>(&self, key: Key<T>) -> Option<T> {
        self.get(key).or_else(|| {
            let entry = key.entry();
            T::from_value(&entry.default().to_value(entry.kind())?).ok()
        })
    }

    /// The keys that are set, in the chart's order.
    pub fn keys(&self) -> impl Iterator<Item = &'static Entry> {
        keys::ALL.iter().filter(|entry| self.value(entry).is_some())
    }

    /// The paths of keys that this crate does not know.
    pub fn unknown_keys(&self) -> impl Iterator<Item = String> {
        self.unknown.keys().map(|path| path.join("."))
    }

    /// The spaces to register in, `spaceId` first and none twice.
    #[must_use]
    pub fn spaces(&self) -> Vec<SpaceId> {
        let one = self.get(keys::REGISTRATION_OCTOPUS_SPACE_ID);
        let several = self.get(keys::REGISTRATION_OCTOPUS_SPACE_IDS).unwrap_or_default();
        let mut spaces = Vec::new();
        for space in one.into_iter().chain(several) {
            if let Ok(space) = space.parse()
                && !spaces.contains(&space)
            {
                spaces.push(space);
            }
        }
        spaces
    }

    /// The paths of the credentials that are in here.
    pub fn secret_keys(&self) -> impl Iterator<Item = &'static str> {
        self.keys()
            .filter(|entry| entry.is_secret() && self.is_filled(entry))
            .map(Entry::path)
    }

    /// Sets everything that is set in `other`, too, where it wins.
    pub fn merge(&mut self, other: Self) {
        self.set.extend(other.set);
        self.unknown.extend(other.unknown);
    }

    /// What stands at `entry`.
    pub(super) fn value(&self, entry: &Entry) -> Option<&Value> {
        self.set.get(&entry.ordinal)
    }

    pub(super) fn put(&mut self, entry: &Entry, value: Value) {
        self.set.insert(entry.ordinal, value);
    }

    /// Whether something other than the empty value is set.
    pub(super) fn is_filled(&self, entry: &Entry) -> bool {
        self.value(entry)
            .is_some_and(|value| *value != entry.kind().empty())
    }

    /// As [`is_filled`](Self::is_filled), by the path of a known key.
    pub(super) fn has(&self, path: &str) -> bool {
        find(path).is_some_and(|entry| self.is_filled(entry))
    }

    /// Whether the known key at `path` is `true`, by default or because it was set.
    pub(super) fn is_on(&self, path: &str) -> bool {
        find(path).is_some_and(|entry| {
            let set = self.value(entry).cloned();
            set.or_else(|| entry.default().to_value(entry.kind())) == Some(Value::Bool(true))
        })
    }
}

/// The row of a known key.
pub(super) fn find(path: &str) -> Option<&'static Entry> {
    keys::ALL.iter().find(|entry| entry.path() == path)
}

impl fmt::Debug for HelmValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for entry in self.keys() {
            match self.value(entry) {
                Some(value) if !entry.is_hidden() => map.entry(&entry.path(), value),
                _ => map.entry(&entry.path(), &format_args!("..")),
            };
        }
        for path in self.unknown_keys() {
            map.entry(&path, &format_args!(".."));
        }
        map.finish()
    }
}
