//! Between the socket and hyper: what grpc-go and the multiplexer before it do that hyper would hide.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frames::{EMPTY_SETTINGS, Head, Keep, Scanner, frame, goaway};
use super::strikes::{Judgement, Strikes};
use super::{KeepAlive, Traffic};

/// Whether the first request of a connection is one for grpc-go. hyper's side decides it, the shim acts on it.
#[derive(Debug, Default)]
pub(super) struct Verdict(AtomicU8);

const WAITING: u8 = 0;
const ACCEPTED: u8 = 1;
const REFUSED: u8 = 2;

impl Verdict {
    /// Looks at a request; only the first one counts. Returns whether the connection is accepted.
    ///
    /// Rule: Argo CD `server/server.go` (`Run`): `content-type` is exactly `application/grpc`.
    pub(super) fn judge(&self, content_type: Option<&http::HeaderValue>) -> bool {
        let verdict = match content_type {
            Some(value) if value == "application/grpc" => ACCEPTED,
            _ => REFUSED,
        };
        let decided = self
            .0
            .compare_exchange(WAITING, verdict, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|earlier| earlier, |_| verdict);
        decided == ACCEPTED
    }

    /// Whether there was a request.
    pub(super) fn is_made(&self) -> bool {
        self.get() != WAITING
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection that speaks HTTP/2.
///
/// - Until the first request it sends an empty SETTINGS frame and nothing else: hyper's own frames, and so its answers to
///   PING, are held back. A request of another content type ends it there.
/// - Pings that come too often draw GOAWAY.
///
/// Rule: `soheilhy/cmux` `matchers.go` (`matchHTTP2Field`) and grpc-go `internal/transport/http2_server.go`.
pub(super) struct Shim<S> {
    stream: S,
    verdict: Arc<Verdict>,
    inbound: Scanner,
    outbound: Scanner,
    /// What hyper has written before the verdict.
    held: Option<Vec<u8>>,
    greeted: bool,
    /// The client has acknowledged the greeting.
    answered: bool,
    /// For hyper to read.
    incoming: Vec<u8>,
    /// To be written before anything else.
    out: Vec<u8>,
    written: usize,
    strikes: Option<Strikes>,
    early_pings: u32,
    open: BTreeSet<u32>,
    last_stream: u32,
    end: End,
    traffic: Traffic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    /// GOAWAY is due as soon as the frame under way is complete.
    Due,
    /// It is on its way; nothing follows it.
    Said,
}

impl<S> Shim<S> {
    pub(super) fn new(
        stream: S,
        verdict: Arc<Verdict>,
        keep_alive: Option<KeepAlive>,
        traffic: Traffic,
    ) -> Self {
        Self {
            stream,
            verdict,
            inbound: Scanner::of_client(),
            outbound: Scanner::of_server(),
            held: Some(Vec::new()),
            greeted: false,
            answered: false,
            incoming: Vec::new(),
            out: Vec::new(),
            written: 0,
            strikes: keep_alive.map(Strikes::new),
            early_pings: 0,
            open: BTreeSet::new(),
            last_stream: 0,
            end: End::No,
            traffic,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        let mut scanner = self.inbound.clone();
        let mut incoming = std::mem::take(&mut self.incoming);
        scanner.walk(
            bytes,
            |head| self.received_frame(head),
            |bytes| incoming.extend_from_slice(bytes),
        );
        self.inbound = scanner;
        self.incoming = incoming;
    }

    fn received_frame(&mut self, head: Head) -> Keep {
        match head.kind {
            frame::SETTINGS if !head.has(frame::ACK) && !self.greeted => {
                self.greeted = true;
                self.out.extend(EMPTY_SETTINGS);
            }
            // The answer to our own settings; hyper has sent others, and takes a second one for a mistake.
            frame::SETTINGS if head.has(frame::ACK) && !self.answered => {
                self.answered = true;
                return Keep::No;
            }
            frame::HEADERS if head.stream > self.last_stream => {
                self.last_stream = head.stream;
                self.open.insert(head.stream);
            }
            frame::RST_STREAM => {
                self.open.remove(&head.stream);
            }
            frame::PING if !head.has(frame::ACK) => {
                self.traffic.count_ping();
                if self.held.is_some() {
                    // grpc-go sees them when the multiplexer hands the connection over.
                    self.early_pings += 1;
                } else {
                    let idle = self.open.is_empty();
                    self.ping(idle);
                }
            }
            _ => {}
        }
        Keep::Yes
    }

    fn ping(&mut self, idle: bool) {
        let Some(strikes) = &mut self.strikes else {
            return;
        };
        if strikes.ping(Instant::now(), idle) == Judgement::TooMany && self.end == End::No {
            self.end = End::Due;
            self.traffic.count_too_many_pings();
            self.end_if_due();
        }
    }

    fn sent(&mut self, bytes: &[u8]) {
        let (open, strikes) = (&mut self.open, &mut self.strikes);
        self.outbound.scan(bytes, |head| {
            let speaks = matches!(head.kind, frame::HEADERS | frame::DATA);
            if let (true, Some(strikes)) = (speaks, strikes.as_mut()) {
                strikes.server_spoke();
            }
            if head.kind == frame::RST_STREAM || (speaks && head.has(frame::END_STREAM)) {
                open.remove(&head.stream);
            }
        });
    }

    fn end_if_due(&mut self) {
        if self.end == End::Due && self.held.is_none() && self.outbound.at_boundary() {
            self.end = End::Said;
            self.out
                .extend(goaway(self.last_stream, ENHANCE_YOUR_CALM, b"too_many_pings"));
        }
    }

    /// Hands over what was held back once the connection is accepted.
    fn heed_verdict(&mut self) {
        if self.verdict.get() != ACCEPTED {
            return;
        }
        if let Some(held) = self.held.take() {
            self.sent(&held);
            self.out.extend(held);
            for _ in 0..std::mem::take(&mut self.early_pings) {
                self.ping(true);
            }
            self.end_if_due();
        }
    }

    fn refused(&self) -> bool {
        self.verdict.get() == REFUSED
    }
}

/// Rule: RFC 9113, section 7.
const ENHANCE_YOUR_CALM: u32 = 11;

impl<S: AsyncWrite + Unpin> Shim<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.heed_verdict();
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.written += ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
        }
        if self.written > 0 {
            self.out.clear();
            self.written = 0;
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Shim<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let written = this.poll_out(cx)?;
        if this.refused() {
            return Poll::Ready(Ok(())); // The end, to hyper.
        }
        if this.end == End::Said {
            return written.map(Ok);
        }
        while this.incoming.is_empty() {
            let mut bytes = [0; 16 << 10];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(())); // The client has ended.
            }
            this.received(read.filled());
            // What came may call for an answer of our own; where the socket is full, it wakes us.
            let _ = this.poll_out(cx)?;
        }
        let now = this.incoming.len().min(buf.remaining());
        buf.put_slice(this.incoming.get(..now).unwrap_or_default());
        this.incoming.drain(..now);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shim<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.heed_verdict();
        if let Some(held) = &mut this.held {
            if this.verdict.get() == WAITING {
                held.extend(buf);
            }
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_out(cx))?;
        if this.end == End::Said {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.sent(buf.get(..written).unwrap_or_default());
        this.end_if_due();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
