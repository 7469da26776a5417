//! Which gateway is connected by which session.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octopus_argo_proto::link::Link;
use octopus_argo_proto::session::{GoodbyeReason, InstanceId as ProcessId, Peer, SessionId};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admissions;
use crate::housekeeping::Sightings;
use crate::line::Lines;
use crate::replica::Replica;
use crate::scopes::Scopes;
use crate::watch::Hook;
use crate::{Connection, GatewayId, ServerEvent, TunnelError};

/// How many events a slow listener may be behind before it misses some.
const EVENTS: usize = 1024;

/// How many ended sessions of a gateway wait with their goodbye. One has one at a time; more are competing processes.
const MOST_PARTING: usize = 8;

pub(crate) struct Registry {
    entries: Mutex<HashMap<GatewayId, Entry>>,
    /// Every session there is, live, draining or in its handshake, by the credential that it came with.
    pub(crate) admissions: Arc<Admissions>,
    /// Which sources deployments touch, over all records.
    pub(crate) scopes: Scopes,
    events: broadcast::Sender<ServerEvent>,
    pub(crate) hook: Option<Arc<dyn Hook>>,
    /// The lines of calls that wait for a place.
    pub(crate) lines: Lines,
    /// What was seen of gateways and is not stored yet.
    pub(crate) sightings: Sightings,
    /// Every task that the server started, but for the one that stores what the others saw and so outlives them.
    pub(crate) tasks: TaskTracker,
    pub(crate) housekeeping: TaskTracker,
    pub(crate) housekept: AtomicBool,
    pub(crate) stopping: CancellationToken,
    /// Whether gateways are let in, for health checks.
    pub(crate) serving: watch::Sender<bool>,
}

struct Entry {
    session: Option<Live>,
    /// Sessions that ended while their gateway was away, and the goodbye that it is to find when it comes back.
    parting: Vec<Parting>,
    /// It was deleted. Nothing is kept of it when its session is over.
    forgotten: bool,
    offline_since: Option<Instant>,
    replica: Arc<Replica>,
}

struct Parting {
    session: SessionId,
    link: Link,
    until: std::time::Instant,
}

struct Live {
    id: SessionId,
    process: Option<ProcessId>,
    peer: Peer,
    link: Link,
    since: Instant,
    /// When the connection was lost that it waits for.
    interrupted: Option<Instant>,
    retire: Retire,
}

/// Tells the task of a session that it should take no further calls, and why.
pub(crate) type Retire = watch::Sender<Option<GoodbyeReason>>;

impl Registry {
    pub(crate) fn new(stopping: CancellationToken, hook: Option<Arc<dyn Hook>>) -> Self {
        Self {
            entries: Mutex::default(),
            admissions: Arc::default(),
            scopes: Scopes::default(),
            events: broadcast::channel(EVENTS).0,
            hook,
            lines: Lines::default(),
            sightings: Sightings::default(),
            tasks: TaskTracker::new(),
            housekeeping: TaskTracker::new(),
            housekept: AtomicBool::new(false),
            stopping,
            serving: watch::channel(true).0,
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<GatewayId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<ServerEvent> {
        self.events.subscribe()
    }

    pub(crate) fn tell(&self, event: ServerEvent) {
        if let Some(hook) = &self.hook {
            hook.event(&event);
        }
        // Nobody listening is not an error.
        let _ = self.events.send(event);
    }

    /// The session to call a gateway through.
    pub(crate) fn live(&self, gateway: &GatewayId) -> Result<Link, TunnelError> {
        let entries = self.entries();
        let Some(entry) = entries.get(gateway) else {
            return Err(TunnelError::offline(None));
        };
        match &entry.session {
            Some(live) => Ok(live.link.clone()),
            None => Err(TunnelError::offline(
                entry.offline_since.map(|since| since.elapsed()),
            )),
        }
    }

    /// How a gateway is connected.
    pub(crate) fn connection(&self, gateway: &GatewayId) -> Connection {
        let entries = self.entries();
        match entries.get(gateway) {
            None => Connection::Never,
            Some(Entry {
                session: Some(live), ..
            }) => match live.interrupted {
                Some(since) => Connection::Interrupted {
                    for_: since.elapsed(),
                },
                None => Connection::Online {
                    for_: live.since.elapsed(),
                    version: live.peer.version.clone(),
                    round_trip: live.link.round_trip(),
                },
            },
            Some(Entry { offline_since, .. }) => {
                offline_since.map_or(Connection::Never, |since| Connection::Offline {
                    for_: since.elapsed(),
                })
            }
        }
    }

    /// What is known of a gateway's applications; kept over reconnections.
    pub(crate) fn replica(&self, gateway: &GatewayId) -> Arc<Replica> {
        let mut entries = self.entries();
        entries
            .entry(gateway.clone())
            .or_insert_with(Entry::new)
            .replica
            .clone()
    }

    /// Makes `link` the session of its gateway. The one before it ends: at once if another process had it, which is
    /// told that it was superseded; after its open calls if it was the same process that came back.
    pub(crate) fn attach(&self, gateway: &GatewayId, link: &Link, peer: &Peer, retire: Retire) {
        let live = Live {
            id: peer.session,
            process: peer.instance,
            peer: peer.clone(),
            link: link.clone(),
            since: Instant::now(),
            interrupted: None,
            retire,
        };
        let before = {
            let mut entries = self.entries();
            let entry = entries.entry(gateway.clone()).or_insert_with(Entry::new);
            entry.forgotten = false;
            entry.session.replace(live)
        };
        if self.tasks.is_closed() {
            self.retire_all(GoodbyeReason::Shutdown);
        }
        if let Some(before) = before {
            if before.process != peer.instance {
                self.part(
                    gateway,
                    &before,
                    GoodbyeReason::Superseded,
                    "another process came with the same credential",
                );
                self.tell(ServerEvent::Superseded {
                    gateway: gateway.clone(),
                });
            } else if before.link.detached_until().is_some() {
                // The process has begun anew, so it will not come back for the old one.
                before.link.lost();
            } else {
                before.retire.send_replace(Some(GoodbyeReason::Rotation));
            }
        }
        self.tell(ServerEvent::Connected {
            gateway: gateway.clone(),
            version: peer.version.clone(),
        });
    }

    /// Ends a session with a goodbye. A gateway that is away finds it when it comes back for the session.
    fn part(&self, gateway: &GatewayId, live: &Live, reason: GoodbyeReason, message: &str) {
        let until = live.link.detached_until();
        live.link.leave(reason, message);
        let Some(until) = until else { return };
        let now = Instant::now().into_std();
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(gateway) {
            entry.parting.retain(|parting| parting.until > now);
            if entry.parting.len() < MOST_PARTING {
                entry.parting.push(Parting {
                    session: live.id,
                    link: live.link.clone(),
                    until,
                });
            }
        }
    }

    /// A session that a gateway may go on with, or whose goodbye waits for it.
    pub(crate) fn resumable(&self, gateway: &GatewayId, session: SessionId) -> Option<Link> {
        let entries = self.entries();
        let entry = entries.get(gateway)?;
        let live = entry.session.as_ref().filter(|live| live.id == session);
        let parting = entry.parting.iter().find(|parting| parting.session == session);
        live.map(|live| &live.link)
            .or_else(|| parting.map(|parting| &parting.link))
            .cloned()
    }

    /// The connection of a session is gone, and its gateway may come back.
    pub(crate) fn interrupted(&self, gateway: &GatewayId, session: SessionId) {
        if self.with_live(gateway, session, |live| live.interrupted = Some(Instant::now())) {
            self.tell(ServerEvent::Interrupted {
                gateway: gateway.clone(),
            });
        }
    }

    /// A gateway went on with its session.
    pub(crate) fn resumed(&self, gateway: &GatewayId, session: SessionId) {
        let mut away = None;
        if self.with_live(gateway, session, |live| away = live.interrupted.take()) {
            self.tell(ServerEvent::Resumed {
                gateway: gateway.clone(),
                away: away.map_or(std::time::Duration::ZERO, |since| since.elapsed()),
            });
        }
    }

    fn with_live(&self, gateway: &GatewayId, session: SessionId, act: impl FnOnce(&mut Live)) -> bool {
        let mut entries = self.entries();
        let entry = entries.get_mut(gateway);
        let live = entry.and_then(|entry| entry.session.as_mut().filter(|live| live.id == session));
        live.map(act).is_some()
    }

    /// Forgets a gateway that is deleted: whoever registers under its id is another one.
    pub(crate) fn forget(&self, gateway: &GatewayId) {
        let mut entries = self.entries();
        match entries.get_mut(gateway) {
            // Its session is ending, and is to be told of when it has.
            Some(entry) if entry.session.is_some() => entry.forgotten = true,
            _ => drop(entries.remove(gateway)),
        }
    }

    /// The session is over. Does nothing if the gateway has another one by now.
    pub(crate) fn detach(&self, gateway: &GatewayId, session: SessionId) -> bool {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(gateway) else {
            return false;
        };
        let was_live = entry.session.take_if(|live| live.id == session).is_some();
        if was_live && entry.forgotten {
            entries.remove(gateway);
        } else if was_live {
            entry.offline_since = Some(Instant::now());
        }
        was_live
    }

    /// Lets every live session run out.
    pub(crate) fn retire_all(&self, reason: GoodbyeReason) {
        for live in self.entries().values().filter_map(|entry| entry.session.as_ref()) {
            live.retire.send_replace(Some(reason));
        }
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            session: None,
            parting: Vec::new(),
            forgotten: false,
            offline_since: None,
            replica: Arc::default(),
        }
    }
}
