//! A session shared by tasks: its calls as halves to read and to write, its packets as a stream.
//!
//! A [`Link`] wraps a [`Session`] for any async runtime. It has no tasks, sockets or timers of its own: whoever drives
//! it sends what [`Link::packets`] yields over each connection, hands what arrives to [`Link::receive`], says when a
//! connection is gone ([`Link::detach`]), and calls [`Link::tick`] when [`Link::next_timeout`] has come. Everything else
//! wakes by itself.
//!
//! ```
//! use std::time::Instant;
//!
//! use octopus_argo_proto::link::Link;
//! use octopus_argo_proto::session::{Config, InstanceId, Session};
//!
//! let session = Session::gateway(Config::default(), InstanceId::from_bytes([7; 16]), Instant::now());
//! let link = Link::new(session, Instant::now);
//! assert_eq!(link.open_calls(), 0);
//! ```

mod call;
mod headers;
mod state;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

pub use call::{CallReader, CallWriter, IncomingCall};
pub use headers::{
    GRPC_TIMEOUT, grpc_timeout, grpc_timeout_value, headers_from_metadata, metadata_from_headers,
};
use state::State;

use crate::session::{
    Attachment, CloseReason, GoodbyeReason, OpenError, Outgoing, Peer, Request, ResumeRefusal, Session,
};
use crate::v1::Packet;

/// A session that tasks share. Cloning shares it.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    now: fn() -> Instant,
}

/// Something that concerns the session as a whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The handshake is complete.
    Established(Peer),
    /// The connection is gone, and the gateway may come back until this moment.
    Detached {
        /// When the session is over otherwise.
        until: Instant,
    },
    /// The session goes on over another connection.
    Resumed,
    /// A gateway came back, and has to begin anew. [`Notice::Established`] follows.
    ResumeRefused(ResumeRefusal),
    /// The other side takes no further calls.
    Draining(GoodbyeReason),
    /// This side takes no further calls, and the last one is over.
    Drained,
    /// The session is over. The last notice.
    Closed(CloseReason),
}

impl Link {
    /// Shares `session`. `now` tells the time, for example `|| tokio::time::Instant::now().into_std()`.
    #[must_use]
    pub fn new(session: Session, now: fn() -> Instant) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(session)),
                now,
            }),
        }
    }

    /// Whether both are the same session.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many calls are open.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.lock().session.open_calls()
    }

    /// Whether the handshake is complete and the session not over.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.lock().session.is_established()
    }

    /// What the last answered heartbeat took.
    #[must_use]
    pub fn round_trip(&self) -> Option<std::time::Duration> {
        self.lock().session.round_trip()
    }

    /// The packets to be sent over the connection `via`. It ends when the session uses another one, or is over. To be polled
    /// by one task only.
    #[must_use]
    pub fn packets(&self, via: Attachment) -> Packets {
        Packets {
            link: self.clone(),
            via,
        }
    }

    /// Takes a packet that arrived over the connection `via`.
    pub fn receive(&self, via: Attachment, packet: Packet) {
        self.change(|state, now| state.session.receive(via, packet, now));
    }

    /// Begins another connection of a gateway. See [`Session::attach`].
    #[must_use]
    pub fn attach(&self) -> Option<Attachment> {
        self.change(|state, now| state.session.attach(now))
    }

    /// Takes a gateway back whose first packet this is. See [`Session::resume`].
    ///
    /// # Errors
    /// [`ResumeRefusal`] says why not.
    pub fn resume(&self, packet: &Packet) -> Result<Attachment, ResumeRefusal> {
        self.change(|state, now| state.session.resume(packet, now))
    }

    /// The connection `via` is gone. See [`Session::detach`].
    pub fn detach(&self, via: Attachment) {
        self.change(|state, now| state.session.detach(via, now));
    }

    /// Whether anything may still be sent or received over `via`.
    #[must_use]
    pub fn uses(&self, via: Attachment) -> bool {
        self.lock().session.uses(via)
    }

    /// Waits until the session uses the connection `via` no longer: another one took over, or the session is over and has
    /// said so.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn unused(&self, via: Attachment) {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if !state.session.uses(via) {
                return Poll::Ready(());
            }
            state.wait_to_move(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Whether the session is over, also while its goodbye is still to be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed()
    }

    /// Waits until the session is over, also while its goodbye is still to be sent.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn closed(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if state.is_closed() {
                return Poll::Ready(());
            }
            state.wait_to_move(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Until when the session waits for the gateway to come back; `None` while it is connected.
    #[must_use]
    pub fn detached_until(&self) -> Option<Instant> {
        self.lock().session.detached_until()
    }

    /// How much is held, in bytes. See [`Session::buffered_bytes`].
    #[must_use]
    pub fn buffered_bytes(&self) -> u64 {
        self.lock().session.buffered_bytes()
    }

    /// How much the other side has acknowledged, in bytes. See [`Session::acknowledged_bytes`].
    #[must_use]
    pub fn acknowledged_bytes(&self) -> u64 {
        self.lock().session.acknowledged_bytes()
    }

    /// How many calls somebody here still holds an end of, whether or not they are over.
    #[must_use]
    pub fn held_calls(&self) -> usize {
        self.lock().held_calls()
    }

    /// The session is given up without a goodbye: every call ends.
    pub fn lost(&self) {
        self.change(|state, _| state.session.lost());
    }

    /// Does what is due.
    pub fn tick(&self) {
        self.change(|state, now| state.session.tick(now));
    }

    /// When [`Link::tick`] is to be called next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.lock().session.next_timeout()
    }

    /// Waits until [`Link::next_timeout`] is earlier than `known`. One that becomes later is not told: a tick at the known
    /// time does nothing, and the next time is asked for then.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped. One task may wait at a time.
    pub async fn timeout_changed(&self, known: Option<Instant>) {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if state.is_earlier_than(known) {
                return Poll::Ready(());
            }
            state.armed = known;
            state.timer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The next thing that concerns the session as a whole; after [`Notice::Closed`] it is given again for ever.
    ///
    /// # Cancel safety
    /// Safe: a notice is taken only when it is returned. One task may wait at a time.
    pub async fn notice(&self) -> Notice {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(notice) = state.next_notice() {
                Poll::Ready(notice)
            } else {
                state.watcher = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// The next call that the other side opened; `None` when the session is over.
    ///
    /// # Cancel safety
    /// Safe: a call is taken only when it is returned. One task may wait at a time.
    pub async fn accept(&self) -> Option<IncomingCall> {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(opened) = state.incoming.pop_front() {
                drop(state);
                return Poll::Ready(Some(IncomingCall::new(self.clone(), opened)));
            }
            if state.is_closed() {
                return Poll::Ready(None);
            }
            state.acceptor = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Opens a call.
    ///
    /// # Errors
    /// [`OpenError`] says what stands against it.
    pub fn open(&self, request: Request) -> Result<(CallReader, CallWriter), OpenError> {
        let (reader, mut writer) = self.open_held(request)?;
        writer.release();
        Ok((reader, writer))
    }

    /// Opens a call that goes out with what follows on its writer, as [`CallWriter::hold`] says.
    ///
    /// # Errors
    /// [`OpenError`] says what stands against it.
    pub fn open_held(&self, request: Request) -> Result<(CallReader, CallWriter), OpenError> {
        let call = self.change_quietly(|state, now| {
            let call = state.session.open(request, now)?;
            state.add_slot(call);
            Ok(call)
        })?;
        let mut writer = CallWriter::new(self.clone(), call);
        writer.hold();
        Ok((CallReader::new(self.clone(), call), writer))
    }

    /// Takes no further calls. [`Notice::Drained`] follows.
    pub fn drain(&self, reason: GoodbyeReason) {
        self.change(|state, _| state.session.drain(reason));
    }

    /// Ends the session with a goodbye, which is the last packet.
    pub fn leave(&self, reason: GoodbyeReason, message: &str) {
        self.change(|state, _| state.session.leave(reason, message));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of another holder leaves the session whole: it never stops between two of its rules.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the session, then tells everyone whom it concerns, outside the lock.
    fn change<T>(&self, action: impl FnOnce(&mut State, Instant) -> T) -> T {
        self.change_and(State::settle, action)
    }

    /// The same, without telling who sends: more follows at once.
    fn change_quietly<T>(&self, action: impl FnOnce(&mut State, Instant) -> T) -> T {
        self.change_and(State::settle_but_for_sender, action)
    }

    fn change_and<T>(
        &self,
        settle: impl FnOnce(&mut State, Instant, &mut Vec<Waker>),
        action: impl FnOnce(&mut State, Instant) -> T,
    ) -> T {
        let now = (self.shared.now)();
        let mut wakers = Vec::new();
        let result = {
            let mut state = self.lock();
            let result = action(&mut state, now);
            settle(&mut state, now, &mut wakers);
            result
        };
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("open_calls", &self.open_calls())
            .finish_non_exhaustive()
    }
}

/// The packets that a [`Link`] wants sent.
///
/// A packet is made when it is asked for, so that urgent frames overtake what waits: the connection should ask only
/// when it can take one.
#[derive(Debug)]
pub struct Packets {
    link: Link,
    via: Attachment,
}

impl futures_core::Stream for Packets {
    type Item = Outgoing;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let now = (self.link.shared.now)();
        let mut wakers = Vec::new();
        let next = {
            let mut state = self.link.lock();
            let next = state.session.next_packet(self.via, now);
            // Sending may make room for others. It never makes more to send, so this task is not woken by it, or it
            // would run for ever.
            state.settle_but_for_sender(now, &mut wakers);
            match next {
                Some(packet) => Poll::Ready(Some(packet)),
                None if !state.session.uses(self.via) => Poll::Ready(None),
                None => {
                    state.wait_to_send(cx.waker());
                    Poll::Pending
                }
            }
        };
        wakers.into_iter().for_each(Waker::wake);
        next
    }
}
