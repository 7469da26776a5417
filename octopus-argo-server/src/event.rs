//! What a server tells of its gateways.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;
use octopus_argo_proto::session::CloseReason;

use crate::{GatewayId, Instance, Space};

/// Something that happened to a gateway or to a record.
///
/// Changes of records are told when they are stored, and only those that are made through this server: a database that
/// others write to changes without a word.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A gateway is connected and can be called.
    Connected {
        /// The gateway.
        gateway: GatewayId,
        /// The version of its program, as it says.
        version: String,
    },
    /// A gateway is older than the version that the server recommends. Comes after that it is connected.
    Outdated {
        /// The gateway.
        gateway: GatewayId,
        /// The version of its program, as it says.
        version: String,
        /// The version that it should have.
        recommended: String,
    },
    /// A gateway's session was ended, because another process came with its credential.
    Superseded {
        /// The gateway.
        gateway: GatewayId,
    },
    /// The connection of a gateway was lost. It may come back for its session, whose calls wait; otherwise
    /// [`ServerEvent::Disconnected`] follows.
    Interrupted {
        /// The gateway.
        gateway: GatewayId,
    },
    /// A gateway went on with its session over another connection: it came back after a cut, or replaced a connection
    /// before something on the way would have cut it.
    Resumed {
        /// The gateway.
        gateway: GatewayId,
        /// How long it was away; zero where the old connection still stood.
        away: Duration,
    },
    /// A gateway is no longer connected.
    Disconnected {
        /// The gateway.
        gateway: GatewayId,
        /// Why.
        reason: CloseReason,
    },
    /// All applications of a gateway are known.
    InventoryComplete {
        /// The gateway.
        gateway: GatewayId,
        /// How many there are.
        applications: usize,
    },
    /// Applications of a gateway have changed.
    InventoryChanged {
        /// The gateway.
        gateway: GatewayId,
    },
    /// Somebody came with an id or a token that is not known.
    Refused {
        /// The gateway that it wanted to be, where it gave a usable id.
        gateway: Option<GatewayId>,
    },
    /// A gateway has a new record.
    Registered {
        /// The record.
        instance: Arc<Instance>,
        /// Whether the gateway has a new token with it.
        token_issued: bool,
    },
    /// A record has changed.
    Modified {
        /// As it is now.
        instance: Arc<Instance>,
    },
    /// A record is gone.
    Deleted {
        /// As it was.
        instance: Arc<Instance>,
        /// Whether the gateway has no record any more, and so no credential.
        was_last: bool,
    },
    /// A gateway was given a new token.
    TokenRotated {
        /// The gateway.
        gateway: GatewayId,
        /// Until when the old one is good, if it still is.
        old_until: Option<SystemTime>,
    },
    /// A gateway's credential was taken away.
    Revoked {
        /// The gateway.
        gateway: GatewayId,
    },
    /// What is known of a gateway's health is new: it has told how it finds Argo CD, it is gone, or somebody checked.
    HealthChecked {
        /// The gateway.
        gateway: GatewayId,
        /// What it found.
        health: InstanceHealth,
    },
    /// A space is there, or has another name.
    SpacePut {
        /// The space.
        space: Space,
    },
    /// A space is gone.
    SpaceRemoved {
        /// Its id.
        space: SpaceId,
    },
}

/// How a gateway is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// It can be called.
    Online {
        /// For how long.
        for_: Duration,
        /// The version of its program, as it says.
        version: String,
        /// What the last heartbeat took, once there was one.
        round_trip: Option<Duration>,
    },
    /// Its connection was lost, and it may come back for its session. Calls are taken, and wait.
    Interrupted {
        /// For how long.
        for_: Duration,
    },
    /// It was connected, and is not now.
    Offline {
        /// For how long.
        for_: Duration,
    },
    /// It has not connected since the server started.
    Never,
}
