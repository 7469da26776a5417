//! What both models of keeping a link alive have in common.

/// How a probe ended: a call of `grpc.health.v1.Health/Check` for the empty service name, on the current client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeOutcome {
    /// The server said SERVING.
    Serving,
    /// The server said anything else.
    NotServing,
    /// The call failed, in whatever way. A server without a health service, or one that refuses the token, counts too.
    Failed,
}

/// What happened to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkEvent {
    /// It is lost: end the work that goes on over it.
    Down,
    /// It is back: begin that work again.
    Up,
}

/// What to do after a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Next {
    /// Wait for the next probe.
    Wait,
    /// Build a new client, which looks the address up again, then wait for the next probe.
    RebuildClient,
    /// Stop: the server has been out of reach for too long.
    GiveUp,
}

/// What follows from a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AfterProbe {
    /// What happened to the link, if anything did.
    pub event: Option<LinkEvent>,
    /// What to do.
    pub next: Next,
}

impl AfterProbe {
    pub(super) const fn nothing(next: Next) -> Self {
        Self { event: None, next }
    }
}
