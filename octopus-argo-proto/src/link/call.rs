//! A call in two halves, so that both directions flow by themselves.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use prost::bytes::Bytes;

use super::Link;
use super::state::{Opened, Slot, State};
use crate::session::{CallEnd, CallId, Code, Metadata, Room, UnknownCall};

/// A call that the other side opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct IncomingCall {
    /// The gRPC path, `/package.Service/Method`.
    pub path: String,
    /// The request's headers.
    pub metadata: Vec<Metadata>,
    /// What was left until the deadline when it arrived.
    pub timeout: Option<Duration>,
    /// The request's body.
    pub reader: CallReader,
    /// The response. Dropped without an end, it tells the caller of an internal failure.
    pub writer: CallWriter,
}

impl IncomingCall {
    pub(super) fn new(link: Link, opened: Opened) -> Self {
        let Opened {
            call,
            path,
            metadata,
            timeout,
        } = opened;
        let reader = CallReader {
            link: link.clone(),
            call,
            mine: false,
        };
        let writer = CallWriter {
            link,
            call,
            mine: false,
            finished: false,
            held: false,
        };
        Self {
            path,
            metadata,
            timeout,
            reader,
            writer,
        }
    }
}

/// What arrives on a call. Dropping it cancels a call that was opened here and is not over.
pub struct CallReader {
    link: Link,
    call: CallId,
    mine: bool,
}

impl CallReader {
    pub(super) fn new(link: Link, call: CallId) -> Self {
        Self {
            link,
            call,
            mine: true,
        }
    }

    /// The response headers of a call that was opened here, or how the call ended without them.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<Metadata>, CallEnd>> {
        self.poll(cx, |slot| match (slot.head.take(), slot.over) {
            (Some(head), _) => Some(Ok(head)),
            (None, true) => Some(Err(slot.end.take().unwrap_or_else(gone))),
            (None, false) => None,
        })
    }

    /// The next piece of the body; `None` when it is complete, or the call over.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let call = self.call;
        self.link.change(|state, now| {
            // The slot lives as long as its halves.
            let Some(slot) = state.slot(call) else {
                return Poll::Pending;
            };
            if let Some(payload) = slot.data.pop_front() {
                state.session.taken(call, payload.len(), now);
                return Poll::Ready(Some(payload));
            }
            if slot.complete {
                return Poll::Ready(None);
            }
            slot.reader = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    /// Whether a call of the other side was over before its body was complete: cancelled, cut off or answered. To be
    /// asked when [`CallReader::poll_data`] has said `None`.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.link.lock().slot(self.call).is_some_and(|slot| slot.cut)
    }

    /// How a call that was opened here ended; `None` before the body is complete, and after it was taken.
    pub fn take_end(&mut self) -> Option<CallEnd> {
        self.link
            .lock()
            .slot(self.call)
            .filter(|slot| slot.data.is_empty())
            .and_then(|slot| slot.end.take())
    }

    fn poll<T>(&mut self, cx: &mut Context<'_>, ask: impl FnOnce(&mut Slot) -> Option<T>) -> Poll<T> {
        let mut state = self.link.lock();
        // The slot lives as long as its halves.
        let Some(slot) = state.slot(self.call) else {
            return Poll::Pending;
        };
        if let Some(answer) = ask(slot) {
            Poll::Ready(answer)
        } else {
            slot.reader = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

fn gone() -> CallEnd {
    CallEnd::new(Code::INTERNAL, "the end of the call was taken before")
}

impl Drop for CallReader {
    fn drop(&mut self) {
        let (call, mine) = (self.call, self.mine);
        self.link.change(|state, now| state.reader_gone(call, mine, now));
    }
}

impl fmt::Debug for CallReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallReader")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// What is sent on a call.
pub struct CallWriter {
    link: Link,
    call: CallId,
    mine: bool,
    finished: bool,
    held: bool,
}

impl CallWriter {
    pub(super) fn new(link: Link, call: CallId) -> Self {
        Self {
            link,
            call,
            mine: true,
            finished: false,
            held: false,
        }
    }

    /// Holds what is sent back until [`CallWriter::release`], so that it goes out in one packet. For what follows without
    /// waiting: the head, the first of the body, the end. Ending the call releases it, and so does more than fits.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Lets go what was held back.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.held) {
            self.link.change(|_, _| ());
        }
    }

    /// Waits until more of the body may be sent without piling up here.
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UnknownCall>> {
        let mut state = self.link.lock();
        let Some(slot) = state.slot(self.call) else {
            return Poll::Ready(Err(UnknownCall::new()));
        };
        if slot.over {
            return Poll::Ready(Err(UnknownCall::new()));
        }
        if slot.full {
            slot.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the call is over, so that work for it can stop. For calls of the other side: until it is cancelled.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.link.lock();
        match state.slot(self.call) {
            Some(slot) if !slot.over => {
                slot.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Sends the response headers of a call of the other side.
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over.
    pub fn head(&mut self, metadata: Vec<Metadata>) -> Result<(), UnknownCall> {
        let call = self.call;
        self.change(|state| state.session.head(call, metadata))
    }

    /// Sends a piece of the body. To be called after [`CallWriter::poll_ready`].
    ///
    /// # Errors
    /// [`UnknownCall`]: the call is over.
    pub fn send(&mut self, payload: Bytes) -> Result<(), UnknownCall> {
        let call = self.call;
        let room = self.change(|state| {
            let room = state.session.send(call, payload)?;
            if let (Room::Full, Some(slot)) = (room, state.slot(call)) {
                slot.full = true;
            }
            Ok(room)
        })?;
        if room == Room::Full {
            // Nothing more comes before some of it has gone.
            self.release();
        }
        Ok(())
    }

    fn change<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        if self.held {
            self.link.change_quietly(|state, _| action(state))
        } else {
            self.link.change(|state, _| action(state))
        }
    }

    /// Ends the request body of a call that was opened here.
    pub fn half_close(mut self) {
        self.finished = true;
        let call = self.call;
        // The call may be over already, and then nobody waits for the rest.
        let _ = self.link.change(|state, _| state.session.half_close(call));
    }

    /// Gives a call up that was opened here, because its request body cannot be completed.
    pub fn abort(mut self) {
        self.finished = true;
        let call = self.call;
        self.link.change(|state, _| state.abort(call));
    }

    /// Ends a call of the other side.
    pub fn end(mut self, end: CallEnd) {
        self.finished = true;
        let call = self.call;
        self.link.change(|state, _| {
            // As above.
            let _ = state.session.end(call, end);
            state.answered(call);
        });
    }
}

impl Drop for CallWriter {
    fn drop(&mut self) {
        let (call, abandoned) = (self.call, !self.mine && !self.finished);
        self.link.change(|state, _| {
            if abandoned {
                let end = CallEnd::new(Code::INTERNAL, "the service that answered the call went away");
                let _ = state.session.end(call, end);
                state.answered(call);
            }
            state.half_gone(call);
        });
    }
}

impl fmt::Debug for CallWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallWriter")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Instant;

    use super::*;
    use crate::session::{Attachment, Config, InstanceId, Request, Session, SessionId};
    use crate::v1::Packet;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_still_sends_hears_that_nobody_reads_the_answer() {
        let now = Instant::now();
        let mut gateway = Session::gateway(Config::default(), InstanceId::from_bytes([1; 16]), now);
        let server = Session::server(Config::default(), SessionId::from_bytes([2; 16]), now);
        let server = Link::new(server, Instant::now);
        let via = Attachment::FIRST;
        let hello = gateway.next_packet(via, now).unwrap();
        server.receive(via, Packet::from(&hello));
        let (reader, mut writer) = server.open(Request::new("/a.B/C")).unwrap();
        writer.send(Bytes::from(vec![0; 1 << 20])).unwrap();

        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(
            writer.poll_ready(&mut cx).is_pending(),
            "a megabyte is more than the credit"
        );
        drop(reader);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(matches!(writer.poll_ready(&mut cx), Poll::Ready(Err(_))));
        assert_eq!(server.open_calls(), 0);
    }

    #[test]
    fn what_is_held_goes_out_together() {
        use std::pin::Pin;

        use futures_core::Stream as _;

        let now = Instant::now();
        let mut gateway = Session::gateway(Config::default(), InstanceId::from_bytes([1; 16]), now);
        let server = Session::server(Config::default(), SessionId::from_bytes([2; 16]), now);
        let server = Link::new(server, Instant::now);
        let via = Attachment::FIRST;
        let hello = gateway.next_packet(via, now).unwrap();
        server.receive(via, Packet::from(&hello));

        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        let mut packets = server.packets(via);
        let mut take = |cx: &mut Context<'_>| Pin::new(&mut packets).poll_next(cx);
        assert!(take(&mut cx).is_ready(), "the welcome");
        assert!(take(&mut cx).is_pending());
        let (_reader, mut writer) = server.open_held(Request::new("/a.B/C")).unwrap();
        writer.send(Bytes::from_static(b"one")).unwrap();
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        writer.half_close();
        assert!(woken.0.load(Ordering::Relaxed) > 0);
        let Poll::Ready(Some(packet)) = take(&mut cx) else {
            panic!("nothing is sent")
        };
        // Beside them goes what the session itself has to ask.
        assert!(Packet::from(&packet).frames.len() >= 3);
        assert!(take(&mut cx).is_pending());

        // More than fits does not wait for anybody, and neither does a writer that is dropped.
        let before = woken.0.load(Ordering::Relaxed);
        let (_reader, mut writer) = server.open_held(Request::new("/a.B/C")).unwrap();
        assert_eq!(woken.0.load(Ordering::Relaxed), before);
        writer.send(Bytes::from(vec![0; 1 << 20])).unwrap();
        assert!(woken.0.load(Ordering::Relaxed) > before);
        while take(&mut cx).is_ready() {}
        let before = woken.0.load(Ordering::Relaxed);
        let (_reader, writer) = server.open_held(Request::new("/a.B/C")).unwrap();
        assert_eq!(woken.0.load(Ordering::Relaxed), before);
        drop(writer);
        assert!(woken.0.load(Ordering::Relaxed) > before);
    }

    #[test]
    fn a_timer_is_disturbed_by_earlier_times_only() {
        let now = Instant::now();
        let mut gateway = Session::gateway(Config::default(), InstanceId::from_bytes([1; 16]), now);
        let server = Session::server(Config::default(), SessionId::from_bytes([2; 16]), now);
        let server = Link::new(server, Instant::now);
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        let known = server.next_timeout();
        let mut waits = Box::pin(server.timeout_changed(known));
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        // The handshake had 5 s; what comes next is the heartbeat, after 10 s of silence.
        let via = Attachment::FIRST;
        let hello = gateway.next_packet(via, now).unwrap();
        server.receive(via, Packet::from(&hello));
        assert!(server.next_timeout() > known, "{:?}", server.next_timeout());
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        // A deadline of a call comes sooner.
        let request = Request::new("/a.B/C").timeout(Duration::from_secs(1));
        let _call = server.open(request).unwrap();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(waits.as_mut().poll(&mut cx).is_ready());
    }
}
