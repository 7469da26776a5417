//! Watches for the first frame of a server, so that a connection counts only once HTTP/2 is really spoken.
//!
//! A server has to send a SETTINGS frame first (RFC 9113, section 3.4). hyper does not wait for it, and would report what
//! a TLS or HTTP/1 server answers as a protocol error of the first call.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::Http2Error;
use crate::dial::BoxStream;

pub(super) struct FirstFrame {
    stream: BoxStream,
    watch: Option<Watch>,
}

struct Watch {
    header: [u8; FRAME_HEADER],
    filled: usize,
    found: oneshot::Sender<Result<(), Http2Error>>,
}

impl FirstFrame {
    /// Watches `stream`. The receiver fails if the stream is dropped before the server said anything.
    pub(super) fn new(stream: BoxStream) -> (Self, oneshot::Receiver<Result<(), Http2Error>>) {
        let (found, receiver) = oneshot::channel();
        let watch = Watch {
            header: [0; FRAME_HEADER],
            filled: 0,
            found,
        };
        (
            Self {
                stream,
                watch: Some(watch),
            },
            receiver,
        )
    }

    fn look(&mut self, bytes: &[u8]) {
        let Some(mut watch) = self.watch.take() else {
            return;
        };
        for (to, from) in watch.header.iter_mut().skip(watch.filled).zip(bytes) {
            *to = *from;
            watch.filled += 1;
        }
        match judge(&watch.header[..watch.filled]) {
            // Whoever connects may have given up meanwhile.
            Some(result) => drop(watch.found.send(result)),
            None => self.watch = Some(watch),
        }
    }
}

/// What the first bytes of a server mean; `None` if there are too few to say.
fn judge(bytes: &[u8]) -> Option<Result<(), Http2Error>> {
    match bytes {
        // Length in three bytes, type, flags, stream. Settings in the first frame are far shorter than 64 KiB.
        [0, _, _, kind, flags, stream @ ..] if stream.len() == 4 => {
            let settings = *kind == SETTINGS && *flags == 0 && stream == [0; 4];
            Some(if settings {
                Ok(())
            } else {
                Err(Http2Error::NotHttp2)
            })
        }
        [] | [0, ..] => None,
        [TLS_ALERT | TLS_HANDSHAKE, ..] => Some(Err(Http2Error::ExpectsTls)),
        [b'H', ..] => Some(Err(Http2Error::Http1)),
        _ => Some(Err(Http2Error::NotHttp2)),
    }
}

impl AsyncRead for FirstFrame {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.watch.is_some() {
            self.look(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FirstFrame {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

const FRAME_HEADER: usize = 9;
const SETTINGS: u8 = 4;
const TLS_ALERT: u8 = 0x15;
const TLS_HANDSHAKE: u8 = 0x16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_settings_frame_is_http2() {
        let settings = [0, 0, 18, 4, 0, 0, 0, 0, 0];
        assert!(matches!(judge(&settings), Some(Ok(()))));
        for cut in 0..settings.len() {
            assert!(judge(&settings[..cut]).is_none(), "{cut}");
        }
        assert!(matches!(
            judge(&[0, 0, 8, 7, 0, 0, 0, 0, 0]),
            Some(Err(Http2Error::NotHttp2))
        ));
        assert!(matches!(judge(&[0x15, 3]), Some(Err(Http2Error::ExpectsTls))));
        assert!(matches!(judge(b"HTTP/1.1 400"), Some(Err(Http2Error::Http1))));
        assert!(matches!(judge(b"SSH-2.0"), Some(Err(Http2Error::NotHttp2))));
    }
}
