//! Through an HTTP proxy, with `CONNECT`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use octopus_argo_core::ServerAddress;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{BoxStream, Bypass, Dial, DialError, TcpDial};

/// Dials through an HTTP proxy, which is asked with `CONNECT` to pass bytes on. TLS goes through it end to end: the proxy
/// sees the server's name and no content.
///
/// It is told the server's name and looks it up itself. Nothing is read from the environment.
///
/// ```
/// use octopus_argo_client::dial::HttpProxy;
///
/// let proxy = HttpProxy::new("http://proxy.example.com:3128")?
///     .basic_auth("argo", &"the-password".to_owned().into())?
///     .bypass(".svc,10.0.0.0/8".parse()?);
/// assert!(!format!("{proxy:?}").contains("the-password"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Rule: RFC 9110, section 9.3.6.
#[derive(Clone)]
pub struct HttpProxy {
    proxy: ServerAddress,
    authorization: Option<Arc<SecretString>>,
    bypass: Bypass,
    dial: Arc<dyn Dial>,
}

impl HttpProxy {
    /// The port of a proxy whose address has none: 8080.
    pub const DEFAULT_PORT: u16 = 8080;

    /// How many bytes the head of a proxy's answer may have: 16 KiB.
    pub const MAX_ANSWER: usize = 16 * 1024;

    /// A proxy at `http://host:port`, or `host:port`, reached over TCP. The way to the proxy itself is not encrypted.
    ///
    /// # Errors
    /// [`ProxyConfigError::Address`], also for a user name in the address: that goes into
    /// [`basic_auth`](Self::basic_auth), so that it shows up in no log.
    pub fn new(proxy: &str) -> Result<Self, ProxyConfigError> {
        let scheme = proxy.trim().split_once("://").map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
            return Err(ProxyConfigError::NotHttp);
        }
        let proxy = ServerAddress::with_default_port(proxy, Self::DEFAULT_PORT)
            .map_err(|source| ProxyConfigError::Address { source })?;
        Ok(Self {
            proxy,
            authorization: None,
            bypass: Bypass::default(),
            dial: Arc::new(TcpDial::new()),
        })
    }

    /// Presents a user name and a password (RFC 7617). Everyone on the way to the proxy can read them.
    ///
    /// # Errors
    /// [`ProxyConfigError::Credentials`] for a colon in the name, or a control character.
    pub fn basic_auth(mut self, user: &str, password: &SecretString) -> Result<Self, ProxyConfigError> {
        let control = |text: &str| text.chars().any(char::is_control);
        if user.contains(':') || control(user) || control(password.expose_secret()) {
            return Err(ProxyConfigError::Credentials);
        }
        let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
        self.authorization = Some(Arc::new(base64(pair.expose_secret().as_bytes()).into()));
        Ok(self)
    }

    /// Servers that are dialled without the proxy. Default: none.
    #[must_use]
    pub fn bypass(mut self, bypass: Bypass) -> Self {
        self.bypass = bypass;
        self
    }

    /// How the proxy is reached, and servers without it. Default: [`TcpDial`].
    #[must_use]
    pub fn over(mut self, dial: impl Dial + 'static) -> Self {
        self.dial = Arc::new(dial);
        self
    }

    /// The proxy's address.
    #[must_use]
    pub fn address(&self) -> &ServerAddress {
        &self.proxy
    }

    async fn connect(&self, server: &ServerAddress) -> Result<BoxStream, ProxyError> {
        let mut stream = self
            .dial
            .dial(&self.proxy)
            .await
            .map_err(|error| ProxyError::Unreachable {
                source: Arc::new(error),
            })?;
        let io = |error| ProxyError::Io {
            source: Arc::new(error),
        };
        stream
            .write_all(self.request(server).expose_secret().as_bytes())
            .await
            .map_err(io)?;
        stream.flush().await.map_err(io)?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(end) = end_of_head(&answer) {
                break end;
            }
            if answer.len() >= Self::MAX_ANSWER {
                return Err(ProxyError::TooLong);
            }
            let room = (Self::MAX_ANSWER - answer.len()).min(CHUNK) as u64;
            let read = (&mut stream).take(room).read_buf(&mut answer).await.map_err(io)?;
            if read == 0 {
                return Err(ProxyError::Closed);
            }
            // A server of another protocol is found out at once, and not when its limit is reached.
            if !could_be_http(&answer) {
                return Err(ProxyError::NotHttp);
            }
        };
        let rest = answer.split_off(end);
        judge(&answer)?;
        Ok(if rest.is_empty() {
            stream
        } else {
            // A server that speaks first may have spoken already.
            Box::new(Rest { rest, stream })
        })
    }

    fn request(&self, server: &ServerAddress) -> SecretString {
        let target = server.authority();
        let authorization = self.authorization.as_deref().map_or_else(String::new, |basic| {
            format!("Proxy-Authorization: Basic {}\r\n", basic.expose_secret())
        });
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}User-Agent: {PRODUCT}\r\n\r\n")
            .into()
    }
}

#[async_trait]
impl Dial for HttpProxy {
    async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError> {
        if self.bypass.matches(address) {
            return self.dial.dial(address).await;
        }
        self.connect(address).await.map_err(|source| DialError::Proxy {
            proxy: self.proxy.clone(),
            source,
        })
    }

    async fn lookup(&self, address: &ServerAddress) -> Result<Vec<SocketAddr>, DialError> {
        self.dial.lookup(self.proxy(address).unwrap_or(address)).await
    }

    fn proxy(&self, address: &ServerAddress) -> Option<&ServerAddress> {
        (!self.bypass.matches(address)).then_some(&self.proxy)
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProxy")
            .field("proxy", &self.proxy)
            .field("authenticates", &self.authorization.is_some())
            .field("bypass", &self.bypass)
            .field("over", &self.dial)
            .finish()
    }
}

/// Why an [`HttpProxy`] cannot be used as it is configured. It does not repeat what may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyConfigError {
    /// The address.
    #[error("the proxy's address cannot be used")]
    #[non_exhaustive]
    Address {
        /// What is wrong with it.
        source: octopus_argo_core::AddressError,
    },
    /// A proxy that is itself reached over TLS, or of another kind.
    #[error("only proxies at http:// addresses are supported")]
    NotHttp,
    /// The user name holds a colon, or one of both a control character.
    #[error("the proxy's user name or password cannot be sent")]
    Credentials,
}

/// Why a proxy did not connect us.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy itself was not reached.
    #[error("the proxy was not reached")]
    #[non_exhaustive]
    Unreachable {
        /// Why not.
        source: Arc<DialError>,
    },
    /// It wants a user name and a password, or others (407).
    #[error("the proxy does not let us through without (other) credentials")]
    AuthenticationRequired,
    /// It was asked and refused: by a rule of its own, or because it could not reach the server.
    #[error("the proxy answered {status}{}", Said(reason))]
    #[non_exhaustive]
    Refused {
        /// The HTTP status. 403 is a rule; 502, 503 and 504 mean that the proxy did not reach the server.
        status: u16,
        /// What it said for people, shortened to 100 characters.
        reason: String,
    },
    /// It answered with more than [`HttpProxy::MAX_ANSWER`] bytes of headers.
    #[error("the proxy's answer does not end within {} bytes", HttpProxy::MAX_ANSWER)]
    TooLong,
    /// It does not speak HTTP/1.
    #[error("the proxy does not answer in HTTP")]
    NotHttp,
    /// It closed the connection without an answer.
    #[error("the proxy closed the connection without an answer")]
    Closed,
    /// The connection to it failed.
    #[error("the connection to the proxy broke")]
    #[non_exhaustive]
    Io {
        /// How.
        source: Arc<io::Error>,
    },
}

impl ProxyError {
    /// Whether trying again can help with nothing changed here.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::AuthenticationRequired)
    }
}

struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.0)
        }
    }
}

fn could_be_http(answer: &[u8]) -> bool {
    answer
        .iter()
        .zip(b"HTTP/1.")
        .all(|(found, expected)| found == expected)
}

/// Behind the empty line. Lines may end without a carriage return, as RFC 9112, section 2.2, allows.
fn end_of_head(answer: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (at, _) in answer.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if line > 0 && matches!(answer.get(line..at), Some([] | [b'\r'])) {
            return Some(at + 1);
        }
        line = at + 1;
    }
    None
}

fn judge(head: &[u8]) -> Result<(), ProxyError> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut parts = line.trim_end().splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    let status = parts
        .next()
        .filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    match status {
        _ if !matches!(version, "HTTP/1.0" | "HTTP/1.1") => Err(ProxyError::NotHttp),
        Some(200..=299) => Ok(()),
        Some(407) => Err(ProxyError::AuthenticationRequired),
        Some(status) => {
            let said = parts.next().unwrap_or_default().chars();
            let reason = said.filter(|letter| !letter.is_control()).take(100).collect();
            Err(ProxyError::Refused { status, reason })
        }
        None => Err(ProxyError::NotHttp),
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
                continue;
            }
            let value = usize::try_from(group >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(char::from(ALPHABET.get(value).copied().unwrap_or(b'=')));
        }
    }
    text
}

/// A stream of which some bytes were read already.
struct Rest {
    rest: Vec<u8>,
    stream: BoxStream,
}

impl AsyncRead for Rest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let now = self.rest.len().min(buf.remaining());
        let later = self.rest.split_off(now);
        buf.put_slice(&self.rest);
        self.rest = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rest {
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

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How much of an answer is read at once: most are shorter.
const CHUNK: usize = 1024;

const PRODUCT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{DuplexStream, duplex};

    use super::*;

    #[derive(Debug)]
    struct Pipe(Mutex<Option<DuplexStream>>, Mutex<Vec<String>>);

    #[async_trait]
    impl Dial for Arc<Pipe> {
        async fn dial(&self, address: &ServerAddress) -> Result<BoxStream, DialError> {
            self.1.lock().unwrap().push(address.authority());
            Ok(Box::new(
                self.0.lock().unwrap().take().ok_or(DialError::NoAddress)?,
            ))
        }
    }

    fn pipe() -> (Arc<Pipe>, DuplexStream) {
        let (near, far) = duplex(64 * 1024);
        (Arc::new(Pipe(Mutex::new(Some(near)), Mutex::default())), far)
    }

    async fn through(answer: &[u8]) -> Result<BoxStream, ProxyError> {
        let (pipe, mut far) = pipe();
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let proxy = HttpProxy::new("proxy:3128").unwrap().over(pipe);
        match proxy.dial(&"octopus.example.com".parse().unwrap()).await {
            Ok(stream) => Ok(stream),
            Err(DialError::Proxy { source, .. }) => Err(source),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_asks_for_the_server_with_its_credentials_and_hides_them() {
        let (pipe, mut far) = pipe();
        far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let proxy = HttpProxy::new("http://proxy.example.com").unwrap();
        let proxy = proxy
            .basic_auth("Aladdin", &"open sesame".to_owned().into())
            .unwrap()
            .over(pipe.clone());
        drop(proxy.dial(&"[fd00::5]:443".parse().unwrap()).await.unwrap());
        let mut request = String::new();
        far.read_to_string(&mut request).await.unwrap();
        let mut lines = request.split("\r\n");
        assert_eq!(lines.next(), Some("CONNECT [fd00::5]:443 HTTP/1.1"));
        assert_eq!(lines.next(), Some("Host: [fd00::5]:443"));
        // The example of RFC 7617, section 2.
        assert_eq!(
            lines.next(),
            Some("Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert!(request.ends_with("\r\n\r\n"));
        assert_eq!(*pipe.1.lock().unwrap(), ["proxy.example.com:8080"]);
        let debug = format!("{proxy:?}");
        assert!(
            !debug.contains("sesame") && !debug.contains("QWxh") && debug.contains("authenticates: true")
        );
    }

    #[tokio::test]
    async fn what_the_server_said_at_once_is_not_lost() {
        let mut stream = through(b"HTTP/1.0 200 Connection established\nVia: x\n\nserver first")
            .await
            .unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "server first");
    }

    #[tokio::test]
    async fn each_answer_has_its_error() {
        let error = |answer: &'static [u8]| async move { through(answer).await.err().unwrap() };
        let denied = error(b"HTTP/1.1 403 For\x07bidden\r\nContent-Length: 3\r\n\r\nno!").await;
        assert_eq!(denied.to_string(), "the proxy answered 403 (Forbidden)");
        assert!(denied.is_retryable());
        let unknown = error(b"HTTP/1.1 407 Who are you\r\n\r\n").await;
        assert!(matches!(unknown, ProxyError::AuthenticationRequired) && !unknown.is_retryable());
        assert!(matches!(
            error(b"HTTP/1.1 502\r\n\r\n").await,
            ProxyError::Refused { status: 502, .. }
        ));
        for answer in [
            &b"SSH-2.0-x\r\n"[..],
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            b"HTTP/1.7 200 OK\r\n\r\n",
            b"\r\n\r\n",
            b"\x15\x03\x03\0\x02\x02\x28",
        ] {
            assert!(matches!(error(answer).await, ProxyError::NotHttp), "{answer:?}");
        }
        assert!(matches!(error(b"").await, ProxyError::Closed));
        assert!(matches!(error(b"HTTP/1.1 200 OK\r\n").await, ProxyError::Closed));
        let mut endless = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        endless.resize(HttpProxy::MAX_ANSWER + 1, b'x');
        assert!(matches!(
            through(&endless).await.err().unwrap(),
            ProxyError::TooLong
        ));
    }

    #[tokio::test]
    async fn an_exempt_server_is_dialled_straight() {
        let (pipe, _far) = pipe();
        let proxy = HttpProxy::new("proxy")
            .unwrap()
            .over(pipe.clone())
            .bypass("octopus.example.com".parse().unwrap());
        proxy.dial(&"octopus.example.com".parse().unwrap()).await.unwrap();
        assert_eq!(*pipe.1.lock().unwrap(), ["octopus.example.com:8443"]);
    }

    #[test]
    fn nothing_secret_or_dangerous_comes_in() {
        let error = HttpProxy::new("http://user:hunter2@proxy").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        assert_eq!(
            HttpProxy::new("https://proxy").unwrap_err(),
            ProxyConfigError::NotHttp
        );
        let with = |user: &str, password: &str| {
            HttpProxy::new("proxy")
                .unwrap()
                .basic_auth(user, &password.to_owned().into())
                .err()
        };
        assert_eq!(with("a:b", "c"), Some(ProxyConfigError::Credentials));
        assert_eq!(with("a", "c\r\nX: y"), Some(ProxyConfigError::Credentials));
        assert_eq!(with("a", "c:d ü"), None);
    }

    #[test]
    fn base64_as_in_the_rfc() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
