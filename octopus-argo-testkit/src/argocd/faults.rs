//! What can be made to go wrong while the server runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tonic::{Code, Status};

use super::Method;
use super::service::End;

/// Switches for what goes wrong with Argo CD now and then. A cheap handle: clones act on the same server, and the
/// switches keep their places over restarts. With none set, nothing goes wrong.
///
/// | switch | what the client sees | when real Argo CD does it |
/// |--------|----------------------|---------------------------|
/// | [`fail`](Self::fail) | an answer with a code | any cause: an overload, the cluster behind it, a bug |
/// | [`hold`](Self::hold) | no answer before its deadline | repo server or Redis slow, reconciliation queued |
/// | [`break_after`](Self::break_after) | a stream or answer torn off | a proxy's limit, a crash |
/// | [`end_after`](Self::end_after) | an answer that ends well and has no status | a proxy that hides a cut |
/// | [`fail_after`](Self::fail_after) | an error behind messages | what is watched goes away, or grows too large |
/// | [`drop_events`](Self::drop_events) | Watch events missing | its buffer of 1000 events was full |
/// | [`lose_deletes`](Self::lose_deletes) | no `DELETED` | the server learnt of deletions by relisting |
/// | [`open_watch_window`](Self::open_watch_window) | changes after the burst missing | always, for some milliseconds |
/// | [`refuse_revision`](Self::refuse_revision) | code 9 of Sync | the revision is not in the repository |
/// | [`forbid_replace`](Self::forbid_replace) | code 9 of Sync | the server's settings forbid Replace |
/// | [`refuse_namespace`](Self::refuse_namespace) | code 7 | the namespace is not enabled for the server |
///
/// Elsewhere: expired and revoked tokens in [`Accounts`](super::Accounts), restarts and cut connections in
/// [`ArgoCdSim`](super::ArgoCdSim), trees that are not in the cache and blocked sync windows in [`Fleet`](super::Fleet).
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// How many holds there are, per method.
    held: watch::Sender<BTreeMap<Method, usize>>,
    window_open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    failures: BTreeMap<Method, (Code, String, usize)>,
    ends: BTreeMap<Method, (usize, End)>,
    drop_events: u64,
    lose_deletes: bool,
    forbid_replace: bool,
    revisions: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Faults {
    /// The next `times` calls of `method` answer `code` with this message, after authentication, whatever they ask.
    /// Replaces what was set for the method; 0 times ends it.
    pub fn fail(&self, method: Method, code: Code, message: &str, times: usize) {
        let mut state = self.state();
        if times == 0 {
            state.failures.remove(&method);
        } else {
            state.failures.insert(method, (code, message.to_owned(), times));
        }
    }

    /// Calls of `method` wait, after authentication, until what this returns is dropped. Where the caller has allowed a
    /// time, the call ends with code 4 when it is over.
    #[must_use = "dropping it lets the calls go on"]
    pub fn hold(&self, method: Method) -> Hold {
        self.0
            .held
            .send_modify(|held| *held.entry(method).or_default() += 1);
        Hold {
            shared: self.0.clone(),
            method,
        }
    }

    /// The next call of `method` is torn off after this many messages: over HTTP/2 the call is reset, over HTTP/1.1 the
    /// connection closes in the middle of the body, without a trailer frame. Once.
    pub fn break_after(&self, method: Method, messages: usize) {
        self.end(method, messages, End::Broken);
    }

    /// The answer to the next call of `method` ends after this many messages as if it were whole, but without a status: over
    /// HTTP/2 there are no trailers, over gRPC-Web there is no trailer frame. Once.
    ///
    /// A proxy makes this of an answer that was cut before it, where it does not know how long the answer should have been.
    pub fn end_after(&self, method: Method, messages: usize) {
        self.end(method, messages, End::Unsaid);
    }

    /// The next call of `method` fails after this many messages: over HTTP/2 the status is in the trailers, over gRPC-Web in
    /// the last frame, where a client that looks for it in the headers alone finds none. With 0 messages it is in the headers.
    /// Once.
    pub fn fail_after(&self, method: Method, messages: usize, code: Code, message: &str) {
        self.end(method, messages, Status::new(code, message).into());
    }

    fn end(&self, method: Method, messages: usize, end: End) {
        self.state().ends.insert(method, (messages, end));
    }

    /// The next `events` changes are told to no Watch. Nobody learns that something was lost.
    ///
    /// Rule: Argo CD `server/broadcast/broadcaster.go` (`notify`).
    pub fn drop_events(&self, events: u64) {
        self.state().drop_events = events;
    }

    /// While on, no Watch is told of deletions, as where the server learns of one only by relisting. Default: off.
    pub fn lose_deletes(&self, on: bool) {
        self.state().lose_deletes = on;
    }

    /// From now on every Watch that begins stays between its first events and its subscription: what changes before
    /// [`Faults::close_watch_window`] is lost to it. Real Argo CD has this window in every Watch, some milliseconds long;
    /// the simulator has none unless it is asked to, so that tests do not depend on time.
    pub fn open_watch_window(&self) {
        self.0.window_open.send_replace(true);
    }

    /// Ends what [`Faults::open_watch_window`] began: the Watches that wait subscribe, and see what changes afterwards.
    pub fn close_watch_window(&self) {
        self.0.window_open.send_replace(false);
    }

    /// Git does not know this revision: Sync to it answers code 9, `RevisionMetadata` code 2.
    pub fn refuse_revision(&self, revision: &str) {
        self.state().revisions.insert(revision.to_owned());
    }

    /// While on, a Sync with the option `Replace=true` answers code 9. Default: off, as with Argo CD.
    pub fn forbid_replace(&self, on: bool) {
        self.state().forbid_replace = on;
    }

    /// Applications of this namespace are not served: code 7 for calls about one, silence in List and Watch. Default:
    /// every namespace is served; real Argo CD serves its own and those of `--application-namespaces`.
    pub fn refuse_namespace(&self, namespace: &str) {
        self.state().namespaces.insert(namespace.to_owned());
    }

    /// Waits while the method is held, then fails if it is to fail.
    pub(super) async fn before(&self, method: Method) -> Result<(), Status> {
        let mut held = self.0.held.subscribe();
        // The sender is in `self`, so this waits for holds alone.
        let _ = held.wait_for(|held| !held.contains_key(&method)).await;
        let mut state = self.state();
        let Some((code, message, times)) = state.failures.get_mut(&method) else {
            return Ok(());
        };
        let failure = Status::new(*code, message.clone());
        *times -= 1;
        if *times == 0 {
            state.failures.remove(&method);
        }
        Err(failure)
    }

    /// After how many messages the answer to this call ends, and how.
    pub(super) fn take_end(&self, method: Method) -> Option<(usize, End)> {
        self.state().ends.remove(&method)
    }

    /// Whether this change is to be kept from every Watch.
    pub(super) fn takes_event(&self, deletion: bool) -> bool {
        let mut state = self.state();
        if deletion && state.lose_deletes {
            return true;
        }
        let dropped = state.drop_events > 0;
        state.drop_events = state.drop_events.saturating_sub(1);
        dropped
    }

    pub(super) fn watch_window(&self) -> watch::Receiver<bool> {
        self.0.window_open.subscribe()
    }

    pub(super) fn knows_revision(&self, revision: &str) -> bool {
        !self.state().revisions.contains(revision)
    }

    pub(super) fn allows_replace(&self) -> bool {
        !self.state().forbid_replace
    }

    pub(super) fn serves(&self, namespace: &str) -> bool {
        !self.state().namespaces.contains(namespace)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps calls of one method waiting until it is dropped. Made by [`Faults::hold`].
#[derive(Debug)]
pub struct Hold {
    shared: Arc<Shared>,
    method: Method,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.held.send_modify(|held| {
            if let Some(holds) = held.get_mut(&self.method) {
                *holds -= 1;
                if *holds == 0 {
                    held.remove(&self.method);
                }
            }
        });
    }
}
