//! What a server holds.

use crate::registry::Registry;

/// What a server holds now, for metrics. But for what gateways are connected and calls are open, all of it goes back to 0 by
/// itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Sessions of gateways: connected, interrupted, draining or in their handshake.
    pub sessions: usize,
    /// Calls that are open in them. One of each gateway with an inventory is the server's own, and has no end.
    pub open_calls: usize,
    /// Calls of which something here still holds an end, whether or not they are over: a response that nobody has read, for
    /// example.
    pub held_calls: usize,
    /// Calls that wait in line for a place among those that their gateway allows.
    pub waiting_calls: usize,
    /// Bytes that are kept: what has arrived and no caller has taken, and what was sent and its gateway has not acknowledged.
    pub buffered_bytes: u64,
    /// Tasks: two for each session, one for each inventory, one for each request that is not sent whole at once, and one that
    /// stores what was seen.
    pub tasks: usize,
}

impl ServerStats {
    pub(crate) fn of(registry: &Registry) -> Self {
        let (sessions, links) = registry.admissions.sessions();
        let mut stats = Self {
            sessions,
            waiting_calls: registry.lines.waiting(),
            tasks: registry.tasks.len() + registry.housekeeping.len(),
            ..Self::default()
        };
        for link in links {
            stats.open_calls += link.open_calls();
            stats.held_calls += link.held_calls();
            stats.buffered_bytes = stats.buffered_bytes.saturating_add(link.buffered_bytes());
        }
        stats
    }
}
