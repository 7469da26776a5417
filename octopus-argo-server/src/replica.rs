//! What is known of the applications behind one gateway.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use octopus_argo_core::health::octopus::ArgoProbe;
use octopus_argo_core::{Application, ApplicationName, Uid};
use octopus_argo_proto::inventory::uid_from_wire;
use octopus_argo_proto::v1::{self, change};

use crate::GatewayId;
use crate::scopes::Scopes;

/// What a gateway says of its Argo CD.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArgoCd {
    /// Whether the gateway can see it; `None` before it has said so.
    pub reachable: Option<bool>,
    /// What is wrong, where something is, in words.
    pub problem: Option<String>,
    /// What kind of problem it is.
    pub probe: ArgoProbe,
    /// Its version, once known.
    pub version: Option<String>,
}

impl Default for ArgoCd {
    fn default() -> Self {
        Self {
            reachable: None,
            problem: None,
            probe: ArgoProbe::NotTested,
            version: None,
        }
    }
}

/// What the gateway found, in the terms of the health of an instance.
fn probe(state: &v1::ArgoCdState) -> ArgoProbe {
    match (state.reachable, state.kind()) {
        (true, _) => ArgoProbe::Ok,
        (false, v1::ArgoCdProblem::NotTrusted) => ArgoProbe::TlsError,
        (false, v1::ArgoCdProblem::TokenRefused) => ArgoProbe::Unauthenticated,
        (false, _) => ArgoProbe::Unreachable,
    }
}

/// The applications of one gateway. Kept while it is away: what was last known is better than nothing.
#[derive(Default)]
pub(crate) struct Replica {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    applications: HashMap<Uid, Held>,
    /// Who has a name: one that is made anew comes before the end of the one before it.
    names: HashMap<ApplicationName, Uid>,
    argo_cd: ArgoCd,
    complete: bool,
}

struct Held {
    digest: u64,
    application: Arc<Application>,
}

/// The most applications that are kept of one gateway: ten times the largest Argo CD that is known to work. A gateway
/// that sends more must not fill the server's memory.
const MOST_APPLICATIONS: usize = 200_000;

/// What a batch of changes did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) changed: bool,
    /// The number of applications, if the snapshot is complete with this batch.
    pub(crate) completed: Option<usize>,
}

impl Replica {
    /// What is held, so that only the difference is sent.
    pub(crate) fn known(&self) -> Vec<v1::Known> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let known = state.applications.iter().map(|(uid, held)| v1::Known {
            uid: bytes::Bytes::copy_from_slice(uid.as_bytes()),
            digest: held.digest,
        });
        known.collect()
    }

    /// Takes a batch of changes. What cannot be read is left out and counted as no change; it is the gateway's fault,
    /// and one bad record must not hide the others.
    ///
    /// The index hears of it before this returns.
    pub(crate) fn apply(&self, changes: Vec<v1::Change>, scopes: &Scopes, gateway: &GatewayId) -> Effect {
        let mut effect = Effect::default();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut feed = scopes.feed(gateway);
        for change in changes {
            match change.change {
                Some(change::Change::Upsert(record)) => {
                    let digest = record.digest;
                    let Ok(application) = Application::try_from(record) else {
                        continue;
                    };
                    let Some(uid) = application.uid else { continue };
                    let room = state.applications.len() < MOST_APPLICATIONS;
                    if !room && !state.applications.contains_key(&uid) {
                        continue;
                    }
                    let before = state
                        .applications
                        .get(&uid)
                        .map(|held| held.application.name.clone());
                    if let Some(before) = before.filter(|before| *before != application.name)
                        && state.names.get(&before) == Some(&uid)
                    {
                        state.names.remove(&before);
                        feed.remove(&before);
                    }
                    let application = Arc::new(application);
                    feed.upsert(Arc::clone(&application));
                    state.names.insert(application.name.clone(), uid);
                    state.applications.insert(uid, Held { digest, application });
                    effect.changed = true;
                }
                Some(change::Change::Removed(uid)) => {
                    let Ok(uid) = uid_from_wire(&uid) else { continue };
                    let Some(held) = state.applications.remove(&uid) else {
                        continue;
                    };
                    let name = &held.application.name;
                    if state.names.get(name) == Some(&uid) {
                        state.names.remove(name);
                        feed.remove(name);
                    }
                    effect.changed = true;
                }
                Some(change::Change::SnapshotEnd(_)) => {
                    state.complete = true;
                    effect.completed = Some(state.applications.len());
                }
                Some(change::Change::ArgoCd(argo_cd)) => {
                    let text = |text: String| (!text.is_empty()).then_some(text);
                    state.argo_cd = ArgoCd {
                        reachable: Some(argo_cd.reachable),
                        probe: probe(&argo_cd),
                        problem: text(argo_cd.problem),
                        version: text(argo_cd.version).or_else(|| state.argo_cd.version.take()),
                    };
                    effect.changed = true;
                }
                None => {}
            }
        }
        effect
    }

    /// Works on the applications, one for each name, while none of them changes.
    pub(crate) fn with_applications<T>(
        &self,
        work: impl FnOnce(&mut dyn Iterator<Item = &Application>) -> T,
    ) -> T {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let named = state.names.values().filter_map(|uid| state.applications.get(uid));
        work(&mut named.map(|held| &*held.application))
    }

    /// What the gateway says of Argo CD.
    pub(crate) fn argo_cd(&self) -> ArgoCd {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.argo_cd.clone()
    }

    /// What is known now. Cheap: applications are shared.
    pub(crate) fn snapshot(&self) -> (Vec<Arc<Application>>, ArgoCd, bool) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut applications: Vec<_> = state
            .applications
            .values()
            .map(|held| held.application.clone())
            .collect();
        applications.sort_by(|left, right| left.name.cmp(&right.name));
        (applications, state.argo_cd.clone(), state.complete)
    }
}
