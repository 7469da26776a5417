//! What a gateway holds.

use std::sync::PoisonError;

use super::Gateway;

/// What a gateway holds now, for metrics. All of it is 0 while there is no session, and but for what calls are open all of it
/// goes back to 0 by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayStats {
    /// Calls of the server that are open. A server asks for the inventory in one that has no end.
    pub open_calls: usize,
    /// Calls of which something here still holds an end, whether or not they are over: a service that reads on, for example.
    pub held_calls: usize,
    /// Bytes that are kept: what has arrived and no service has taken, and what was sent and the server has not acknowledged.
    pub buffered_bytes: u64,
}

impl Gateway {
    /// What it holds now.
    #[must_use]
    pub fn stats(&self) -> GatewayStats {
        let link = self.shared.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.as_ref()
            .map_or_else(GatewayStats::default, |link| GatewayStats {
                open_calls: link.open_calls(),
                held_calls: link.held_calls(),
                buffered_bytes: link.buffered_bytes(),
            })
    }
}
