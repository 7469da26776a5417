//! The HTTP/2 settings on which both ends of a connection agree.
//!
//! All windows are fixed. Sizing them while running costs up to a third of the throughput and has made streams end under
//! load (OctopusDeploy/octopus-grpc `go/pkg/connection/dial.go` gives the same reason). Octopus's own windows are 1 MiB and
//! ten bytes, so these are no smaller than what its servers are used to.
//!
//! A window is a promise and not an allocation: a side that reads as data come keeps next to nothing. It bounds what a
//! peer can make us keep when nobody reads, at [`CONNECTION_WINDOW`] bytes for each connection with Octopus and
//! [`BACKEND_CONNECTION_WINDOW`] for each with Argo CD.

use std::time::Duration;

/// How many bytes of one stream may be on their way unread: 65 MiB.
///
/// The tunnel runs all its calls in one stream and holds at most 64 MiB for them, so 64 MiB and a margin for frames
/// that carry no payload let it always drain the stream, whatever a single call does.
pub const STREAM_WINDOW: u32 = 65 * MIB;

/// How many bytes of one connection may be on their way unread: 66 MiB.
///
/// One MiB more than [`STREAM_WINDOW`], so that a full tunnel does not keep health checks waiting.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW + MIB;

/// How many bytes of one answer of Argo CD may be on their way unread: 256 KiB, what a tunnelled call begins with.
///
/// In the connection to Argo CD each call has its stream. One that nobody reads must not keep the others waiting, so
/// all streams together stay below [`BACKEND_CONNECTION_WINDOW`].
pub const BACKEND_STREAM_WINDOW: u32 = MIB / 4;

/// How many bytes of a connection to Argo CD may be on their way unread: 128 MiB, a full window for each of the 512 calls
/// that a tunnel allows.
pub const BACKEND_CONNECTION_WINDOW: u32 = 512 * BACKEND_STREAM_WINDOW;

/// The largest frame that a peer may send: 64 KiB, which is one chunk of the tunnel, where HTTP/2 starts with 16 KiB.
///
/// Larger frames mean fewer system calls and TLS records; much larger ones would hold up small calls behind them.
pub const MAX_FRAME_SIZE: u32 = 64 * 1024;

/// How much may wait for the socket in each stream, in bytes: 1 MiB.
///
/// Enough to keep a fast link busy, little enough that what is urgent does not queue behind what is not.
pub const MAX_SEND_BUFFER: usize = 1024 * 1024;

/// The largest header block that is taken from a peer, in bytes: 64 KiB.
///
/// Four times the metadata limit of a tunnelled call, because names count for 32 bytes more each.
pub const MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;

/// How long a connection is quiet before it is pinged: 30 s, also when no stream is open.
///
/// Rule: OctopusDeploy/octopus-grpc `go/pkg/connection/dial.go`.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long an answer to a ping may take before the connection counts as dead: 60 s.
///
/// Rule: OctopusDeploy/octopus-grpc `go/pkg/connection/dial.go`.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// How many streams a peer may have open at once: 1024, twice the calls of a tunnel.
pub const MAX_CONCURRENT_STREAMS: u32 = 1024;

/// How many streams may be reset by the peer before we have seen them, and reset by us for the peer's errors, before
/// the connection is ended: 8192.
///
/// The usual limits are 20 and 1024. A burst of cancelled calls, each ended honestly, must not end a connection that
/// others use; a bound stays, because unlimited resets are a known attack (CVE-2023-44487).
pub const MAX_RESET_STREAMS: usize = 8192;

const MIB: u32 = 1024 * 1024;
