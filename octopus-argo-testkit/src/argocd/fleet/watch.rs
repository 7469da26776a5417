//! Who is told of changes.

use tokio::sync::mpsc;

use super::{Fleet, Record, State};
use crate::argocd::Faults;

/// A change of one application. Holds the whole object: the last known one, where it is gone.
#[derive(Clone, Debug)]
pub(in crate::argocd) struct Event {
    pub(in crate::argocd) kind: EventKind,
    pub(in crate::argocd) record: Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::argocd) enum EventKind {
    Added,
    Modified,
    Deleted,
}

impl EventKind {
    pub(in crate::argocd) const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// What there is, and what changes from then on.
#[derive(Debug)]
pub(in crate::argocd) struct Subscription {
    /// By namespace and name.
    pub(in crate::argocd) snapshot: Vec<Record>,
    pub(in crate::argocd) events: mpsc::Receiver<Event>,
}

pub(super) type Subscriber = mpsc::Sender<Event>;

impl Fleet {
    /// Begins to buffer changes. Nothing is lost between the snapshot and the first event.
    pub(in crate::argocd) fn subscribe(&self) -> Subscription {
        let (sender, events) = mpsc::channel(self.shared.watch_buffer);
        let mut state = self.state();
        state.subscribers.push(sender);
        Subscription {
            snapshot: state.applications.values().cloned().collect(),
            events,
        }
    }
}

impl State {
    /// Tells every subscriber. Whose buffer is full does not learn of this event, nor that it missed one.
    ///
    /// Rule: Argo CD `server/broadcast/broadcaster.go` (`notify`).
    pub(super) fn notify(&mut self, event: &Event, faults: &Faults) {
        if faults.takes_event(event.kind == EventKind::Deleted) {
            return;
        }
        let mut lost = 0;
        self.subscribers
            .retain(|subscriber| match subscriber.try_send(event.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    lost += 1;
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            });
        self.lost_events += lost;
    }
}
