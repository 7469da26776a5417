//! What a connection speaks, told from its first bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::frames::PREFACE;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http1,
    Http2,
    Other,
}

/// Reads until it is clear what the client speaks, without a time limit: a silent connection stays open.
///
/// Rule: `soheilhy/cmux` `matchers.go`, and Argo CD `server/server.go` (`Run`).
pub(super) async fn sort<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Kind, Prefixed<S>)> {
    let mut read = Vec::new();
    loop {
        if let Some(kind) = judge(&read) {
            return Ok((kind, Prefixed { read, at: 0, stream }));
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn judge(bytes: &[u8]) -> Option<Kind> {
    let mut undecided = bytes.is_empty();
    for (start, kind) in starts() {
        if bytes.starts_with(start) {
            return Some(kind);
        }
        undecided |= start.starts_with(bytes);
    }
    (!undecided).then_some(Kind::Other)
}

fn starts() -> impl Iterator<Item = (&'static [u8], Kind)> {
    let methods = METHODS.iter().map(|method| (*method, Kind::Http1));
    methods.chain([(PREFACE, Kind::Http2)])
}

const METHODS: &[&[u8]] = &[
    b"OPTIONS", b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"PATCH",
];

/// A stream whose first bytes have been read already.
#[derive(Debug)]
pub(super) struct Prefixed<S> {
    read: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = this.read.get(this.at..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let (now, _) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(now);
        this.at += now.len();
        if this.at == this.read.len() {
            this.read = Vec::new();
            this.at = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide() {
        for (bytes, kind) in [
            (&b""[..], None),
            (b"P", None),
            (b"PO", None),
            (b"POST", Some(Kind::Http1)),
            (b"GET /healthz", Some(Kind::Http1)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n", None),
            (PREFACE, Some(Kind::Http2)),
            (b"PRI * HTTP/1.1\r\n", Some(Kind::Other)),
            (b"\x16\x03\x01", Some(Kind::Other)),
            (b"get /", Some(Kind::Other)),
        ] {
            assert_eq!(judge(bytes), kind, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
