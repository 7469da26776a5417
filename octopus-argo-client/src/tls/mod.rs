//! TLS towards an Octopus server: what is trusted, and why a server was not.
//!
//! The decision itself is [`octopus_argo_core::tls`]; this module finds the facts for it. Handshake signatures are always
//! verified, whatever else is trusted. Sessions are never resumed, so that every connection is decided anew. The
//! cryptography is `ring`, named explicitly: the process-wide default provider of rustls is neither read nor set.

use std::sync::Arc;

use octopus_argo_core::tls::Verification;
use octopus_argo_core::{KeyPin, Thumbprint};
use ring::digest;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;

mod error;
pub use error::TlsError;

mod roots;
pub use roots::{RootProblem, Roots, RootsError};

mod verify;

/// How a server has to prove who it is.
///
/// ```no_run
/// use octopus_argo_client::tls::{Roots, Tls};
/// use octopus_argo_core::Thumbprint;
///
/// // The certificate of today, and the one that replaces it next week.
/// let today: Thumbprint = "30656E497815B3E31EB4BC517A57558170D9ABBF".parse()?;
/// let next: Thumbprint = "5FEB3C5D9A1F10A7B7E8D3F0B6C2A49D8E7F6A5B".parse()?;
/// let tls = Tls::pinned(today).or_pin(next);
///
/// // Or a company's own authority, with the host name checked.
/// let tls = Tls::host_name(Roots::empty().with_file("company-ca.pem")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tls {
    verification: Verification,
    roots: Roots,
    pins: Vec<Pin>,
}

impl Tls {
    /// A chain to one of `roots`, for the host name of the server's address: what browsers do.
    #[must_use]
    pub fn host_name(roots: Roots) -> Self {
        Self {
            verification: Verification::HostName,
            roots,
            pins: Vec::new(),
        }
    }

    /// This certificate or key, and nothing else: neither roots, nor host name, nor validity dates count.
    #[must_use]
    pub fn pinned(pin: impl Into<Pin>) -> Self {
        Self {
            verification: Verification::Pinned,
            roots: Roots::empty(),
            pins: vec![pin.into()],
        }
    }

    /// What Octopus's own gateway does with a thumbprint and no pinning: a chain to one of `roots` for **any** host
    /// name, or else this thumbprint.
    ///
    /// Whoever holds a certificate of any trusted authority, for any name, passes for the server. Use it to run with
    /// the settings of an existing gateway, and prefer [`host_name`](Self::host_name) or [`pinned`](Self::pinned).
    #[must_use]
    pub fn danger_compatible(thumbprint: Thumbprint, roots: Roots) -> Self {
        Self {
            verification: Verification::Compatible,
            roots,
            pins: vec![thumbprint.into()],
        }
    }

    /// Accepts `pin` as well, so that a certificate can be replaced without a moment when nothing matches.
    ///
    /// It changes nothing after [`host_name`](Self::host_name), where no pin counts.
    #[must_use]
    pub fn or_pin(mut self, pin: impl Into<Pin>) -> Self {
        self.pins.push(pin.into());
        self
    }

    /// The row of the decision table that this is.
    #[must_use]
    pub fn verification(&self) -> Verification {
        self.verification
    }

    pub(crate) fn client_config(&self) -> Result<ClientConfig, TlsConfigError> {
        if self.verification == Verification::HostName && self.roots.is_empty() {
            return Err(TlsConfigError::NoRoots);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verify::Verifier::new(self, &provider);
        client_config(provider, verifier).map_err(|source| TlsConfigError::Provider {
            source: Arc::new(source),
        })
    }
}

/// Accepts every certificate, for a look at a server that did not prove who it is. Nothing secret may be sent to it.
pub(crate) fn danger_anything() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verify::Anything::new(&provider);
    client_config(provider, verifier)
}

fn client_config(
    provider: Arc<CryptoProvider>,
    verifier: impl ServerCertVerifier + 'static,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // A resumed session skips the certificate, and with it the decision whether it is still the right one.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Why a [`Tls`] can connect to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The host name is to be checked, and there is no root that a chain could lead to.
    #[error("no root certificate is trusted, so that no server could be")]
    NoRoots,
    /// The cryptography refused the settings of this crate. This is a defect here.
    #[error("the cryptography provider refused the settings")]
    #[non_exhaustive]
    Provider {
        /// What it said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// What a certificate may be recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pin {
    /// The certificate itself. A renewed certificate has another.
    Thumbprint(Thumbprint),
    /// Its public key. A renewed certificate may keep it.
    Key(KeyPin),
}

impl Pin {
    fn matches(&self, presented: &Presented) -> bool {
        match self {
            Self::Thumbprint(thumbprint) => *thumbprint == presented.thumbprint,
            Self::Key(key) => *key == presented.key,
        }
    }
}

impl From<Thumbprint> for Pin {
    fn from(thumbprint: Thumbprint) -> Self {
        Self::Thumbprint(thumbprint)
    }
}

impl From<KeyPin> for Pin {
    fn from(key: KeyPin) -> Self {
        Self::Key(key)
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Thumbprint(thumbprint) => thumbprint.fmt(f),
            Self::Key(key) => write!(f, "key {key}"),
        }
    }
}

/// The certificate that a server showed, by its digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presented {
    /// SHA-1 of the certificate.
    pub thumbprint: Thumbprint,
    /// SHA-256 of its public key.
    pub key: KeyPin,
}

impl Presented {
    fn new(certificate: &CertificateDer<'_>, public_key: &[u8]) -> Self {
        Self {
            thumbprint: thumbprint(certificate),
            key: KeyPin::from_sha256(hash(&digest::SHA256, public_key)),
        }
    }
}

/// The thumbprint of a certificate in DER form.
///
/// ```
/// let thumbprint = octopus_argo_client::tls::thumbprint(b"octopus-gateway-sdk-example-der-1");
/// assert_eq!(thumbprint.to_string(), "30656E497815B3E31EB4BC517A57558170D9ABBF");
/// ```
#[must_use]
pub fn thumbprint(der: &[u8]) -> Thumbprint {
    Thumbprint::from_sha1(hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, der))
}

fn hash<const N: usize>(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(digest::digest(algorithm, bytes).as_ref()) {
        *to = *from;
    }
    out
}

pub(crate) const ALPN_H2: &[u8] = b"h2";
