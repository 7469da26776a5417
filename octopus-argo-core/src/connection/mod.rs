//! Keeping a connection alive: probes, pacing and errors, as state machines without a clock.
//!
//! [`KeepAlive`] says when to probe and when the link is down or up again; [`Pacing`] how long to wait before a
//! subscriber is started again; [`StreamEnd::action`] whether it is. Times are [`Duration`](std::time::Duration)s since
//! an origin of the caller's choice, and randomness is an argument, so tests need neither a clock nor luck.

mod probe;
pub use probe::{AfterProbe, LinkEvent, Next, ProbeOutcome};

mod keep_alive;
pub use keep_alive::{KeepAlive, KeepAliveConfig};

mod legacy_keep_alive;
pub use legacy_keep_alive::LegacyKeepAlive;

mod pacing;
pub use pacing::{Jitter, Pacing};

mod classify;
pub use classify::{GrpcCode, StreamAction, StreamEnd, SubscriberScope};
