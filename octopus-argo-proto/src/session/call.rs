//! One call, seen from one side.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use prost::bytes::Bytes;

use super::Metadata;
use super::config::MAX_CHUNK;
use super::credit::{ReceiveCredit, SendCredit};
use super::outbox::{self, metadata_len};
use crate::v1;

/// A call within its session. None is ever used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Which of the sessions that a gateway's machine has had: a refused resume begins another one, with call 1.
    pub(super) epoch: u32,
    pub(super) number: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// The calls of a session by their numbers.
pub(super) type Calls = HashMap<u64, Call, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers that count up. Nothing an opener can choose makes many of few calls collide.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits: its multiples fill the upper bits, which the table looks at, evenly.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
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
    End(Box<v1::End>),
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
    /// What is granted and was not said yet.
    pub(super) credit_due: u64,
    /// Nothing more may be given to send: a half close or an end waits or is sent.
    pub(super) finished: bool,
    /// Nothing more may arrive in the body.
    pub(super) body_complete: bool,
    pub(super) head_seen: bool,
    /// Nobody reads what arrives.
    pub(super) ignored: bool,
    /// What the other side has not been told of the call.
    pub(super) unannounced: Option<Box<v1::Open>>,
    told_full: bool,
    pub(super) deadline: Option<Instant>,
    /// It stands in the turns.
    pub(super) queued: bool,
    /// What it may still send in its turn, in bytes, and whether that turn has begun.
    pub(super) allowance: u64,
    pub(super) in_turn: bool,
}

impl Call {
    pub(super) fn new(
        unannounced: Option<Box<v1::Open>>,
        mine: bool,
        send: u64,
        receive: ReceiveCredit,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            mine,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            send: SendCredit::new(send),
            receive,
            credit_due: 0,
            finished: false,
            body_complete: false,
            head_seen: false,
            ignored: false,
            unannounced,
            told_full: false,
            deadline,
            queued: false,
            allowance: 0,
            in_turn: false,
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

    /// Whether it has something to send, may send it, and does not wait for its turn already.
    pub(super) fn wants_turn(&self) -> bool {
        !self.queued && self.unannounced.is_none() && self.next_size().is_some()
    }

    /// About how many bytes the next frame has; `None` where there is none, or no credit for it.
    pub(super) fn next_size(&self) -> Option<usize> {
        match self.waiting.front()? {
            Piece::Data(payload) => {
                let size = payload.len().min(MAX_CHUNK).min(self.send.payload()?);
                (size > 0 || payload.is_empty()).then_some(size)
            }
            Piece::Head(metadata) => Some(metadata_len(metadata)),
            Piece::HalfClose => Some(0),
            Piece::End(end) => Some(outbox::end_len(end)),
        }
    }

    /// The next frame, if there is one and credit for it; and whether the caller is to hear that there is room again.
    pub(super) fn next_frame(&mut self, id: u64) -> Option<(v1::frame::Body, bool)> {
        use v1::frame::Body;

        let size = self.next_size()?;
        let body = match self.waiting.pop_front()? {
            Piece::Head(metadata) => Body::Head(v1::Head { call: id, metadata }),
            Piece::HalfClose => Body::HalfClose(v1::HalfClose { call: id }),
            Piece::End(end) => Body::End(*end),
            Piece::Data(mut payload) => {
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
