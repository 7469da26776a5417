//! Why there is no connection.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::ServerAddress;
use tonic::{Code, Status};

use super::HealthError;
use crate::credentials::CredentialsError;
use crate::dial::DialError;
use crate::tls::TlsError;

/// Why [`connect`](super::connect) failed. Variants are stages, in order.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There are no credentials to present.
    #[error("no credentials")]
    #[non_exhaustive]
    Credentials {
        /// What the provider said.
        source: CredentialsError,
    },
    /// The credentials are for TLS only, and the connection would be plaintext. Nothing was dialled.
    #[error("these credentials require TLS, and the connection is configured without")]
    PlaintextCredentials,
    /// The server was not reached: DNS, TCP or a proxy.
    #[error("could not reach {}", address.authority())]
    #[non_exhaustive]
    Dial {
        /// Where it should be.
        address: ServerAddress,
        /// What failed.
        source: DialError,
    },
    /// The server was reached and did not prove who it is.
    #[error("no TLS connection to {}", address.authority())]
    #[non_exhaustive]
    Tls {
        /// Where it is.
        address: ServerAddress,
        /// What failed.
        source: TlsError,
    },
    /// What answered does not go on with HTTP/2.
    #[error("no HTTP/2 connection to {}", address.authority())]
    #[non_exhaustive]
    Http2 {
        /// Where it is.
        address: ServerAddress,
        /// What failed.
        source: Http2Error,
    },
    /// A connection stands, and the server does not count as healthy. Only asked where a health check failed before.
    #[error("the server is not healthy")]
    #[non_exhaustive]
    Unhealthy {
        /// What came of the health check.
        source: HealthError,
    },
    /// A connection stands, and the tunnel was not opened on it.
    #[error("the server did not open the tunnel")]
    #[non_exhaustive]
    Tunnel {
        /// The server's answer.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The server does not accept these credentials. It says so on the first call: see [`refusal`](Self::refusal).
    #[error("credentials refused")]
    #[non_exhaustive]
    Refused {
        /// The server's answer.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl ConnectError {
    /// The last stage, for whoever makes the first call: `UNAUTHENTICATED` and `PERMISSION_DENIED` mean that the
    /// server refuses the credentials, every other status is about the call.
    #[must_use]
    pub fn refusal(status: &Status) -> Option<Self> {
        matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied).then(|| Self::Refused {
            source: Arc::new(status.clone()),
        })
    }

    /// Whether a health check would fail for the same reason: no connection stands.
    pub(crate) fn is_unreachable(&self) -> bool {
        !matches!(
            self,
            Self::Unhealthy { .. } | Self::Tunnel { .. } | Self::Refused { .. }
        )
    }

    pub(crate) fn tunnel(status: Status) -> Self {
        Self::Tunnel {
            source: Arc::new(status),
        }
    }

    /// Whether trying again, with nothing changed, can help. If not, someone has to change a setting.
    ///
    /// A server that is not reached may come back, and so may one that breaks off. A wrong certificate, a refused token
    /// and a server that speaks another protocol stay what they are.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Credentials { source } => source.is_retryable(),
            Self::Dial { source, .. } => source.is_retryable(),
            Self::Unhealthy { .. } | Self::Tunnel { .. } => true,
            Self::Tls { source, .. } => source.is_retryable(),
            Self::Http2 { source, .. } => source.is_retryable(),
            Self::PlaintextCredentials | Self::Refused { .. } => false,
        }
    }
}

/// Why HTTP/2 did not begin.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Http2Error {
    /// The server answered with TLS: it does not take plaintext connections.
    #[error("the server expects TLS")]
    ExpectsTls,
    /// The server, or a proxy before it, answered with HTTP/1.
    #[error("the server answered with HTTP/1")]
    Http1,
    /// The server answered with something else.
    #[error("the server does not speak HTTP/2")]
    NotHttp2,
    /// The connection ended before the server's first frame. A TLS server may do so when it is sent plaintext.
    #[error("the connection broke before the server's first frame")]
    #[non_exhaustive]
    Broken {
        /// How it broke, where anything is known.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// It took too long.
    #[error("no HTTP/2 settings within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The limit.
        after: Duration,
    },
}

impl Http2Error {
    /// Whether trying again can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Timeout { .. })
    }
}
