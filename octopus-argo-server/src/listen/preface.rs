//! Waits for a client's first bytes, so that a silent socket is cut and not kept.
//!
//! hyper's HTTP/2 server has no limit for them, and its pings begin only after them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// A stream that has begun with the HTTP/2 preface, which it yields again.
pub(super) struct Prefaced<S> {
    stream: S,
    replayed: usize,
}

/// Reads the preface. Anything else is an error as soon as a byte differs.
///
/// The client is told in HTTP/2 then, which a TLS client takes for what it is: not TLS.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<Prefaced<S>> {
    let mut bytes = [0; PREFACE.len()];
    let mut filled = 0;
    while filled < PREFACE.len() {
        let read = stream.read(&mut bytes[filled..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if !PREFACE.starts_with(&bytes[..filled]) {
            refuse(&mut stream).await?;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                NotHttp2 { first: bytes[0] },
            ));
        }
    }
    Ok(Prefaced { stream, replayed: 0 })
}

/// Says goodbye, and reads on for a little: closing a socket with bytes unread would take the goodbye back.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.write_all(GOODBYE).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER), &mut tokio::io::sink()).await?;
    Ok(())
}

/// Empty SETTINGS, and GOAWAY with `PROTOCOL_ERROR`.
const GOODBYE: &[u8] = &[
    0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
];

/// How many bytes are read after the goodbye: more than a TLS or HTTP/1 client says before it listens.
const LINGER: u64 = 16 * 1024;

/// Rule: RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug, thiserror::Error)]
#[error("the client does not speak HTTP/2{}", if *.first == 0x16 { ", but TLS" } else { "" })]
struct NotHttp2 {
    first: u8,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = PREFACE.get(self.replayed..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let now = left.len().min(buf.remaining());
        buf.put_slice(&left[..now]);
        self.replayed += now;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    async fn prefaced(bytes: &[u8]) -> (io::Result<Prefaced<DuplexStream>>, DuplexStream) {
        let (mut client, server) = duplex(1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        (read(server).await, client)
    }

    #[tokio::test]
    async fn the_preface_is_waited_for_and_yielded_again() {
        let bytes = [PREFACE.as_slice(), b"rest"].concat();
        let (stream, _client) = prefaced(&bytes).await;
        let mut all = Vec::new();
        stream.unwrap().read_to_end(&mut all).await.unwrap();
        assert_eq!(all, bytes);
    }

    #[tokio::test]
    async fn anything_else_is_told_at_the_first_wrong_byte() {
        let cases: [(&[u8], _); 3] = [
            (b"GET / HTTP/1.1", "the client does not speak HTTP/2"),
            (&[0x16, 3, 1], "the client does not speak HTTP/2, but TLS"),
            (b"PRI * ", "unexpected end of file"),
        ];
        for (bytes, words) in cases {
            assert_eq!(prefaced(bytes).await.0.err().unwrap().to_string(), words);
        }
        let (_, mut client) = prefaced(b"GET / HTTP/1.1").await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, GOODBYE);
    }
}
