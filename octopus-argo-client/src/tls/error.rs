//! Why a TLS handshake failed, in words that say what to do.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::verify::WrongPin;
use super::{Pin, Presented};

/// Why a TLS handshake failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server showed a certificate that no expected thumbprint or key is of. Retrying will not help: either the
    /// certificate was replaced and the setting has to follow, or this is not the server.
    #[error("certificate {} (key {}) does not match the expected thumbprint {}", presented.thumbprint,
        presented.key, list(expected))]
    #[non_exhaustive]
    WrongThumbprint {
        /// What would have been accepted.
        expected: Vec<Pin>,
        /// What the server showed.
        presented: Presented,
        /// Why the chain did not help either, in the compatible mode.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// The chain is good, for another host name.
    #[error("the certificate is for {}, not for {expected}", names(presented))]
    #[non_exhaustive]
    HostName {
        /// The host that was dialled.
        expected: String,
        /// The names in the certificate, as the server wrote them.
        presented: Vec<String>,
    },
    /// The certificate is no longer valid, or this machine's clock is fast.
    #[error("the certificate has expired")]
    #[non_exhaustive]
    Expired {
        /// What rustls said, with the times.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The certificate is not valid yet, or this machine's clock is slow.
    #[error("the certificate is not valid yet")]
    #[non_exhaustive]
    NotYetValid {
        /// What rustls said, with the times.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The certificate has no valid chain to a trusted root.
    #[error("the certificate is not trusted")]
    #[non_exhaustive]
    Untrusted {
        /// What rustls said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// What answered does not speak TLS: perhaps a server that expects plaintext.
    #[error("the server does not speak TLS")]
    NotTls,
    /// The server, or a proxy before it, does not offer HTTP/2 in the handshake (ALPN `h2`).
    #[error("the server does not offer HTTP/2")]
    NoHttp2,
    /// The handshake failed in another way.
    #[error("the TLS handshake failed")]
    #[non_exhaustive]
    Handshake {
        /// Whether the other side ended it, with an alert.
        by_server: bool,
        /// What rustls said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The byte stream failed or ended during the handshake.
    #[error("the connection broke during the TLS handshake")]
    #[non_exhaustive]
    Io {
        /// How it failed.
        source: Arc<io::Error>,
    },
    /// It took too long.
    #[error("no TLS handshake within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The limit.
        after: Duration,
    },
}

impl TlsError {
    /// Whether trying again, with nothing changed here, can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Timeout { .. } | Self::NotYetValid { .. } => true,
            Self::Handshake { by_server, .. } => *by_server,
            _ => false,
        }
    }

    pub(crate) fn from_io(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(inner) => Self::from_rustls(inner.clone()),
            None => Self::Io {
                source: Arc::new(error),
            },
        }
    }

    fn from_rustls(error: rustls::Error) -> Self {
        use {CertificateError as Certificate, rustls::Error as Tls};
        match &error {
            Tls::InvalidCertificate(Certificate::Other(other)) => {
                if let Some(wrong) = other.0.downcast_ref::<WrongPin>() {
                    return Self::WrongThumbprint {
                        expected: wrong.expected.clone(),
                        presented: wrong.presented,
                        source: wrong.chain.clone().map(|chain| Arc::new(chain) as _),
                    };
                }
            }
            Tls::InvalidCertificate(Certificate::NotValidForNameContext { expected, presented }) => {
                let expected = expected.to_str().into_owned();
                let presented: Vec<_> = presented.iter().map(|name| bare(name)).collect();
                return Self::HostName { expected, presented };
            }
            Tls::InvalidMessage(InvalidMessage::InvalidContentType) => return Self::NotTls,
            Tls::NoApplicationProtocol | Tls::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                return Self::NoHttp2;
            }
            _ => {}
        }
        let by_server = matches!(error, Tls::AlertReceived(_));
        let certificate = if let Tls::InvalidCertificate(certificate) = &error {
            Some(certificate.clone())
        } else {
            None
        };
        let source = Arc::new(error);
        match certificate {
            Some(Certificate::Expired | Certificate::ExpiredContext { .. }) => Self::Expired { source },
            Some(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => {
                Self::NotYetValid { source }
            }
            Some(_) => Self::Untrusted { source },
            None => Self::Handshake { by_server, source },
        }
    }
}

fn list(pins: &[Pin]) -> String {
    pins.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" or ")
}

/// A name without the wrapping in which rustls writes it; a kind that is not known stays as it is.
fn bare(name: &str) -> String {
    let inner = name
        .strip_prefix("DnsName(\"")
        .and_then(|name| name.strip_suffix("\")"));
    inner.unwrap_or(name).to_owned()
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        "no name".to_owned()
    } else {
        names.join(", ")
    }
}
