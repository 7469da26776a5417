//! One call, seen from one side.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::config::MAX_CHUNK;
use super::credit::{ReceiveCredit, SendCredit};
use super::{CallEnd, Metadata};
use crate::v1;

/// A call's number within its session. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call to be opened.
///
/// ```
/// use std::time::Duration;
///
/// use octopus_argo_proto::session::{Metadata, Request};
///
/// let metadata = vec![Metadata { key: "x-trace".into(), value: "7".into() }];
/// let request = Request::new("/version.VersionService/Version")
///     .metadata(metadata)
///     .timeout(Duration::from_secs(5));
/// # let _ = request;
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) path: String,
    pub(super) metadata: Vec<Metadata>,
    pub(super) timeout: Option<Duration>,
}

impl Request {
    /// A call of this gRPC path, without metadata and without a deadline.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            metadata: Vec::new(),
            timeout: None,
        }
    }

    /// With these headers.
    #[must_use]
    pub fn metadata(mut self, metadata: Vec<Metadata>) -> Self {
        self.metadata = metadata;
        self
    }

    /// To be over after this long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// Whether a call takes more data at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Room {
    /// It does.
    Ready,
    /// Wait for [`Event::Writable`](super::Event::Writable) before sending more, or it is held in memory.
    Full,
}

/// Beyond this many waiting bytes a call says [`Room::Full`].
const ENOUGH_WAITING: usize = 2 * MAX_CHUNK;

/// Something that waits to be sent on a call, in order.
#[derive(Debug)]
pub(super) enum Piece {
    Head(Vec<Metadata>),
    Data(Bytes),
    HalfClose,
    End(Box<CallEnd>),
}

/// The state of a call. That it is over is said by its absence.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that has happened, in no fixed order"
)]
pub(super) struct Call {
    /// Whether this side opened it.
    pub(super) mine: bool,
    waiting: VecDeque<Piece>,
    waiting_bytes: usize,
    send: SendCredit,
    pub(super) receive: ReceiveCredit,
    /// Nothing more may be given to send: a half close or an end waits or is sent.
    pub(super) finished: bool,
    /// Nothing more may arrive in the body.
    pub(super) body_complete: bool,
    pub(super) head_seen: bool,
    /// Whether the other side has been told of it.
    pub(super) announced: bool,
    told_full: bool,
    pub(super) deadline: Option<Instant>,
}

impl Call {
    pub(super) fn new(mine: bool, send: u64, receive: u64, deadline: Option<Instant>) -> Self {
        Self {
            mine,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            send: SendCredit::new(send),
            receive: ReceiveCredit::new(receive),
            finished: false,
            body_complete: false,
            head_seen: false,
            announced: !mine,
            told_full: false,
            deadline,
        }
    }

    /// Adds to what is to be sent.
    pub(super) fn push(&mut self, piece: Piece) -> Room {
        if let Piece::Data(payload) = &piece {
            self.waiting_bytes += payload.len();
        }
        self.waiting.push_back(piece);
        if self.waiting_bytes < ENOUGH_WAITING {
            return Room::Ready;
        }
        self.told_full = true;
        Room::Full
    }

    /// Whether it is for this side to send this: half closes come from the opener, heads and ends from the other side.
    pub(super) fn may_send(&self, piece: &Piece) -> bool {
        match piece {
            Piece::Data(_) => true,
            Piece::HalfClose => self.mine,
            Piece::Head(_) | Piece::End(_) => !self.mine,
        }
    }

    pub(super) fn grant(&mut self, bytes: u64) {
        self.send.grant(bytes);
    }

    /// Whether something could be sent now.
    pub(super) fn is_sendable(&self) -> bool {
        match self.waiting.front() {
            None => false,
            Some(Piece::Data(payload)) => self
                .send
                .payload()
                .is_some_and(|room| room > 0 || payload.is_empty()),
            Some(_) => true,
        }
    }

    /// The next frame, if there is one and credit for it; and whether the caller is to hear that there is room again.
    pub(super) fn next_frame(&mut self, id: u64) -> Option<(v1::frame::Body, bool)> {
        use v1::frame::Body;

        if !self.is_sendable() {
            return None;
        }
        let body = match self.waiting.pop_front()? {
            Piece::Head(metadata) => Body::Head(v1::Head { call: id, metadata }),
            Piece::HalfClose => Body::HalfClose(v1::HalfClose { call: id }),
            Piece::End(end) => Body::End(end.into_wire(id)),
            Piece::Data(mut payload) => {
                let size = payload.len().min(MAX_CHUNK).min(self.send.payload().unwrap_or(0));
                let chunk = payload.split_to(size);
                if !payload.is_empty() {
                    self.waiting.push_front(Piece::Data(payload));
                }
                self.send.spend(size);
                self.waiting_bytes -= size;
                Body::Data(v1::Data {
                    call: id,
                    payload: chunk,
                })
            }
        };
        let room_again = self.told_full && !self.finished && self.waiting_bytes < ENOUGH_WAITING;
        if room_again {
            self.told_full = false;
        }
        Some((body, room_again))
    }
}
