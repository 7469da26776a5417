//! The session between a gateway and a server, as a state machine without I/O.
//!
//! A [`Session`] is one side. It is told what arrives ([`Session::receive`]), what time it is and what its user wants;
//! it says what to send ([`Session::next_packet`]), what happened ([`Session::next_event`]) and when it wants to be woken
//! ([`Session::next_timeout`]). It never waits, never allocates a thread or a socket, and draws no randomness. Whoever
//! drives it moves packets. The module `link` (feature `link`) shares one between tasks.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use octopus_argo_proto::session::{Config, Event, InstanceId, Request, SessionId, Session};
//!
//! let now = Instant::now();
//! let mut gateway = Session::gateway(Config::default(), InstanceId::from_bytes([7; 16]), now);
//! let mut server = Session::server(Config::default(), SessionId::from_bytes([1; 16]), now);
//!
//! // The handshake: Hello, Welcome.
//! server.receive(gateway.next_packet(now).expect("a hello"), now);
//! gateway.receive(server.next_packet(now).expect("a welcome"), now);
//! assert!(matches!(server.next_event(), Some(Event::Established(_))));
//! assert!(matches!(gateway.next_event(), Some(Event::Established(_))));
//!
//! // A call from the server to the gateway.
//! let request = Request::new("/version.VersionService/Version").timeout(Duration::from_secs(5));
//! let call = server.open(request, now)?;
//! gateway.receive(server.next_packet(now).expect("an open"), now);
//! assert!(matches!(gateway.next_event(), Some(Event::Opened { call: opened, .. }) if opened == call));
//! # Ok::<(), octopus_argo_proto::session::OpenError>(())
//! ```
//!
//! Each rule has its file: [credit](Config::initial_credit), the handshake, liveness, numbering, the order of sending.

mod arrival;
mod call;
mod config;
mod credit;
mod end;
mod event;
mod handshake;
mod liveness;
mod machine;
mod numbering;
mod outbox;

pub use call::{CallId, Request, Room};
pub use config::{Config, FRAME_COST, MAX_CHUNK, MAX_PACKET, OLDEST_REVISION, REVISION};
pub use end::{CallEnd, Code, EndCause, Execution};
pub use event::{CloseReason, Event, GoodbyeReason, Peer};
pub use handshake::{InstanceId, SessionId};
pub use machine::{OpenError, Session, UnknownCall};

/// One header or trailer, as it stands on the wire.
pub use crate::v1::Metadata;
