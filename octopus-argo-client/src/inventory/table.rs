//! What Argo CD holds, as far as it is told: the latest record of each application.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use octopus_argo_core::{Application, Uid};
use octopus_argo_proto::prost::Message as _;
use octopus_argo_proto::v1::{ApplicationRecord, ArgoCdState};
use tokio::sync::watch;

/// The latest record of each application, ordered by when it last changed.
///
/// Each listener asks for what changed since it last asked. However slow it is, it costs nothing while it does not ask,
/// and sees each application at most once per question: changes in between are skipped.
pub(crate) struct Table {
    state: RwLock<State>,
    /// The generation, for those who wait for the next.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    records: HashMap<Uid, Entry>,
    by_generation: BTreeMap<u64, Uid>,
    generation: u64,
    /// The generation of the last removal.
    removed: u64,
    /// Whether all applications have been listed once.
    complete: bool,
    argo_cd: ArgoCdState,
    argo_cd_generation: u64,
}

struct Entry {
    record: Arc<ApplicationRecord>,
    generation: u64,
    version: u64,
}

/// News end behind the record that brings them over this size, in bytes. A reader has to hold what it is sent at once.
const MOST_BYTES: usize = 256 << 10;

/// What one listener has been told.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    generation: u64,
    /// The last removal that was looked at.
    removed: u64,
    told: HashMap<Uid, u64>,
    complete: bool,
}

/// What a listener has not been told yet.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) records: Vec<Arc<ApplicationRecord>>,
    pub(crate) removed: Vec<Uid>,
    pub(crate) argo_cd: Option<ArgoCdState>,
    /// The snapshot is complete with these, and this is how many applications there are.
    pub(crate) complete: Option<usize>,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.removed.is_empty()
            && self.argo_cd.is_none()
            && self.complete.is_none()
    }
}

impl Listener {
    /// A listener that holds these records already, by uid and digest.
    pub(crate) fn knowing(told: HashMap<Uid, u64>) -> Self {
        Self {
            told,
            ..Self::default()
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            state: RwLock::default(),
            changed: watch::channel(0).0,
        }
    }
}

impl Table {
    fn change(&self, action: impl FnOnce(&mut State)) {
        let generation = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            action(&mut state);
            state.generation
        };
        self.changed
            .send_if_modified(|before| std::mem::replace(before, generation) != generation);
    }

    /// Takes the state of an application at `version`, unless a newer one is here or nothing that is told has changed.
    pub(crate) fn upsert(&self, application: &Application, version: u64) {
        let Some(uid) = application.uid else { return };
        let record = ApplicationRecord::new(uid, application);
        self.change(|state| state.upsert(uid, record, version));
    }

    /// An application is gone.
    pub(crate) fn remove(&self, uid: Uid) {
        self.change(|state| state.remove(uid));
    }

    /// These are all applications that there were at `version`: whatever else is here is gone, unless it is newer than
    /// that. Of several servers the one that was asked may be behind.
    pub(crate) fn complete(&self, all: &std::collections::HashSet<Uid>, version: u64) {
        self.change(|state| {
            let gone: Vec<Uid> = state
                .records
                .iter()
                .filter(|(uid, entry)| !all.contains(uid) && entry.version <= version)
                .map(|(uid, _)| *uid)
                .collect();
            for uid in gone {
                state.remove(uid);
            }
            if !state.complete {
                state.complete = true;
                state.generation += 1;
            }
        });
    }

    /// How it is with Argo CD.
    pub(crate) fn argo_cd(&self, argo_cd: ArgoCdState) {
        self.change(|state| {
            if state.argo_cd != argo_cd || state.argo_cd_generation == 0 {
                state.generation += 1;
                state.argo_cd_generation = state.generation;
                state.argo_cd = argo_cd;
            }
        });
    }

    /// Told when something has changed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What `listener` has not been told, at most `most` records of it.
    pub(crate) fn news(&self, listener: &mut Listener, most: usize) -> News {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut news = News::default();
        let since = listener.generation;
        if state.argo_cd_generation > since {
            news.argo_cd = Some(state.argo_cd.clone());
        }
        let mut caught_up = true;
        let mut bytes = 0;
        for (&generation, uid) in state.by_generation.range(since + 1..) {
            if news.records.len() == most || bytes > MOST_BYTES {
                caught_up = false;
                break;
            }
            listener.generation = generation;
            let Some(entry) = state.records.get(uid) else {
                continue;
            };
            if listener.told.insert(*uid, entry.record.digest) != Some(entry.record.digest) {
                bytes += entry.record.encoded_len();
                news.records.push(entry.record.clone());
            }
        }
        if caught_up {
            listener.generation = state.generation;
            if state.complete && (!listener.complete || state.removed > listener.removed) {
                listener.removed = state.removed;
                let gone = listener
                    .told
                    .keys()
                    .filter(|uid| !state.records.contains_key(uid));
                news.removed = gone.copied().collect();
                for uid in &news.removed {
                    listener.told.remove(uid);
                }
            }
            if state.complete && !listener.complete {
                listener.complete = true;
                news.complete = Some(state.records.len());
            }
        }
        news
    }
}

impl State {
    fn upsert(&mut self, uid: Uid, record: ApplicationRecord, version: u64) {
        let before = self.records.get(&uid);
        if before.is_some_and(|before| before.version > version) {
            return;
        }
        if let Some(entry) = self
            .records
            .get_mut(&uid)
            .filter(|entry| entry.record.digest == record.digest)
        {
            entry.version = version;
            return;
        }
        self.generation += 1;
        let entry = Entry {
            record: Arc::new(record),
            generation: self.generation,
            version,
        };
        self.by_generation.insert(self.generation, uid);
        if let Some(before) = self.records.insert(uid, entry) {
            self.by_generation.remove(&before.generation);
        }
    }

    fn remove(&mut self, uid: Uid) {
        if let Some(entry) = self.records.remove(&uid) {
            self.by_generation.remove(&entry.generation);
            self.generation += 1;
            self.removed = self.generation;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use octopus_argo_core::ApplicationName;

    use super::*;

    fn application(number: u8, project: &str) -> Application {
        let mut application =
            Application::new(ApplicationName::new(Some("argocd"), &format!("app-{number}")));
        application.uid = Some(Uid::from_bytes([number; 16]));
        application.project = Some(project.into());
        application
    }

    fn names(news: &News) -> Vec<&str> {
        news.records.iter().map(|record| record.name.as_str()).collect()
    }

    #[test]
    fn a_listener_hears_the_snapshot_then_what_changes() {
        let table = Table::default();
        let mut listener = Listener::default();
        table.upsert(&application(1, "a"), 1);
        table.upsert(&application(2, "a"), 2);
        assert_eq!(names(&table.news(&mut listener, 10)), ["app-1", "app-2"]);
        let all = HashSet::from([Uid::from_bytes([1; 16]), Uid::from_bytes([2; 16])]);
        table.complete(&all, u64::MAX);
        assert_eq!(table.news(&mut listener, 10).complete, Some(2));
        assert!(table.news(&mut listener, 10).is_empty());

        table.upsert(&application(1, "a"), 3);
        assert!(
            table.news(&mut listener, 10).is_empty(),
            "nothing that is told has changed"
        );
        table.upsert(&application(1, "b"), 4);
        table.upsert(&application(1, "c"), 5);
        let news = table.news(&mut listener, 10);
        assert_eq!(
            (names(&news), news.records[0].project.as_str()),
            (vec!["app-1"], "c"),
            "conflated"
        );
        table.upsert(&application(1, "old"), 2);
        assert!(
            table.news(&mut listener, 10).is_empty(),
            "an older state is no news"
        );
        table.remove(Uid::from_bytes([2; 16]));
        assert_eq!(table.news(&mut listener, 10).removed, [Uid::from_bytes([2; 16])]);
    }

    #[test]
    fn a_listener_that_knows_hears_the_difference() {
        let table = Table::default();
        for number in 1..=3 {
            table.upsert(&application(number, "a"), number.into());
        }
        table.complete(
            &(1..=3).map(|number| Uid::from_bytes([number; 16])).collect(),
            u64::MAX,
        );
        let digest = |number: u8, project| {
            ApplicationRecord::new(Uid::from_bytes([number; 16]), &application(number, project)).digest
        };
        let told = [(1, digest(1, "a")), (2, digest(2, "before")), (9, 7)];
        let mut listener = Listener::knowing(
            told.into_iter()
                .map(|(number, digest)| (Uid::from_bytes([number; 16]), digest))
                .collect(),
        );
        let news = table.news(&mut listener, 10);
        assert_eq!(names(&news), ["app-2", "app-3"]);
        assert_eq!(
            (news.removed, news.complete),
            (vec![Uid::from_bytes([9; 16])], Some(3))
        );
    }

    #[test]
    fn long_news_come_in_parts() {
        let table = Table::default();
        for number in 1..=5 {
            table.upsert(&application(number, "a"), 1);
        }
        table.complete(
            &(1..=5).map(|number| Uid::from_bytes([number; 16])).collect(),
            u64::MAX,
        );
        let mut listener = Listener::default();
        let parts: Vec<_> = (0..3).map(|_| table.news(&mut listener, 2)).collect();
        assert_eq!(
            parts.iter().map(|news| news.records.len()).collect::<Vec<_>>(),
            [2, 2, 1]
        );
        assert_eq!(
            parts.iter().map(|news| news.complete).collect::<Vec<_>>(),
            [None, None, Some(5)]
        );
        assert!(table.news(&mut listener, 2).is_empty());
    }
}
