//! The session between a gateway and a server, as a state machine without I/O.
//!
//! A [`Session`] is one side. It is told what arrives ([`Session::receive`]), what time it is and what its user wants;
//! it says what to send ([`Session::next_packet`]), what happened ([`Session::next_event`]) and when it wants to be woken
//! ([`Session::next_timeout`]). It outlives its connections: each has an [`Attachment`]. It never waits, never allocates a thread or a socket, and draws no randomness. Whoever
//! drives it moves packets. The module `link` (feature `link`) shares one between tasks.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use octopus_argo_proto::session::{Attachment, Config, Event, InstanceId, Request, SessionId, Session};
//! use octopus_argo_proto::v1::Packet;
//!
//! let now = Instant::now();
//! let via = Attachment::FIRST;
//! let mut gateway = Session::gateway(Config::default(), InstanceId::from_bytes([7; 16]), now);
//! let mut server = Session::server(Config::default(), SessionId::from_bytes([1; 16]), now);
//!
//! // A packet as the other side decodes it. Between processes its pieces go over the wire as they are.
//! fn carry(from: &mut Session, to: &mut Session, via: Attachment, now: Instant) {
//!     let packet = from.next_packet(via, now).expect("something to send");
//!     to.receive(via, Packet::from(&packet), now);
//! }
//!
//! // The handshake: Hello, Welcome.
//! carry(&mut gateway, &mut server, via, now);
//! carry(&mut server, &mut gateway, via, now);
//! assert!(matches!(server.next_event(), Some(Event::Established(_))));
//! assert!(matches!(gateway.next_event(), Some(Event::Established(_))));
//!
//! // A call from the server to the gateway.
//! let request = Request::new("/version.VersionService/Version").timeout(Duration::from_secs(5));
//! let call = server.open(request, now)?;
//! carry(&mut server, &mut gateway, via, now);
//! assert!(matches!(gateway.next_event(), Some(Event::Opened { call: opened, .. }) if opened == call));
//! # Ok::<(), octopus_argo_proto::session::OpenError>(())
//! ```
//!
//! Each rule has its file, and each is a small machine of its own: `credit` and `budget`, `replay` and `numbering`,
//! `attachment` and `handshake`, `outbox` and `sending`, `liveness` and `round_trip`. The protocol is written down in
//! `PROTOCOL.md` beside this crate's manifest.

mod arrival;
mod attachment;
mod budget;
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
mod outgoing;
mod replay;
mod round_trip;
mod sending;
mod wishes;

pub use attachment::{Attachment, ResumeRefusal, ResumeToken, wants_to_resume};
pub use call::{CallId, Request, Room};
pub use config::{Config, FRAME_COST, MAX_CHUNK, MAX_PACKET, OLDEST_REVISION, REVISION};
pub use end::{CallEnd, Code, EndCause, Execution};
pub use event::{CloseReason, Event, GoodbyeReason, Peer};
pub use handshake::{InstanceId, SessionId};
pub use machine::Session;
pub use outgoing::Outgoing;
pub use wishes::{OpenError, UnknownCall};

/// One header or trailer, as it stands on the wire.
pub use crate::v1::Metadata;
