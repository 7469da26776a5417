//! One connection that carries the session.

use octopus_argo_proto::link::Link;
use octopus_argo_proto::session::{Attachment, Config as SessionConfig};
use octopus_argo_proto::tunnel::{self, Incoming};
use tonic::Status;

use super::rotation::{Odometer, Rotation};
use crate::connection::{self, Config, ConnectError, Connection};

/// A connection with the tunnel's stream open on it.
pub(super) struct Arm {
    pub(super) via: Attachment,
    pub(super) incoming: Incoming,
    pub(super) connection: Connection,
    pub(super) odometer: Odometer,
}

/// Opens the tunnel's stream on a connection.
///
/// Cancel-safe: the session learns that this connection will not be used.
pub(super) async fn open(
    link: &Link,
    via: Attachment,
    connection: Connection,
    odometer: Odometer,
) -> Result<Arm, ConnectError> {
    let mut guard = Unopened {
        link,
        via,
        opened: false,
    };
    let packets = odometer.count(link.packets(via));
    let opened = tokio::time::timeout(
        SessionConfig::HANDSHAKE_TIMEOUT,
        tunnel::open(connection.clone(), packets),
    );
    let incoming = opened
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the server did not answer in time")))
        .map_err(|status| ConnectError::refusal(&status).unwrap_or_else(|| ConnectError::tunnel(status)))?;
    guard.opened = true;
    Ok(Arm {
        via,
        incoming,
        connection,
        odometer,
    })
}

/// Connects anew, to take over from a connection that stands. `None`: the session is over by now.
///
/// Cancel-safe, as [`open`].
pub(super) async fn another(
    config: &Config,
    link: &Link,
    rotation: Rotation,
    jitter: f64,
) -> Option<Result<Arm, ConnectError>> {
    let connection = match connection::connect(config).await {
        Ok(connection) => connection,
        Err(error) => return Some(Err(error)),
    };
    let via = link.attach()?;
    Some(open(link, via, connection, rotation.begin(jitter)).await)
}

/// Tells the session that a connection was given up.
struct Unopened<'a> {
    link: &'a Link,
    via: Attachment,
    opened: bool,
}

impl Drop for Unopened<'_> {
    fn drop(&mut self) {
        if !self.opened {
            self.link.detach(self.via);
        }
    }
}
