//! Waiting for the tunnel, without losing why there is none.

use std::time::Duration;

use super::{Gateway, GatewayState};
use crate::connection::ConnectError;

impl Gateway {
    /// Why there was no tunnel last; `None` while there is one, and before the first attempt has ended.
    #[must_use]
    pub fn last_failure(&self) -> Option<ConnectError> {
        self.shared.last_failure()
    }

    /// Waits until the tunnel is open, for at most `limit`.
    ///
    /// # Errors
    /// [`NotConnectedError`], with what failed last as its source: a certificate that is refused never shows as a mere
    /// time-out.
    ///
    /// # Cancel safety
    /// Cancel-safe: it only waits.
    pub async fn connected(&self, limit: Duration) -> Result<(), NotConnectedError> {
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| *state != GatewayState::Connecting);
        let connected = tokio::time::timeout(limit, settled)
            .await
            .is_ok_and(|state| state.is_ok_and(|state| *state == GatewayState::Connected));
        if connected {
            return Ok(());
        }
        Err(NotConnectedError {
            source: self.last_failure(),
        })
    }
}

/// The tunnel was not opened in time, or never will be. The source says what failed last.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the gateway is not connected{}", if source.is_some() { "" } else { ": the first attempt has not ended" })]
pub struct NotConnectedError {
    source: Option<ConnectError>,
}

impl NotConnectedError {
    /// What failed last; `None` where the first attempt is still under way.
    #[must_use]
    pub fn last_failure(&self) -> Option<&ConnectError> {
        self.source.as_ref()
    }
}
