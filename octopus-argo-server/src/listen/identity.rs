//! The certificate that a server shows, and its key.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use octopus_argo_core::Thumbprint;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its chain, and the private key. `Debug` shows the thumbprint only.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    thumbprint: Thumbprint,
}

impl Identity {
    /// Reads PEM: the server's certificate first, the authorities that lead to a root after it; and the key, as
    /// PKCS #8, PKCS #1 or SEC 1. Both may be the same text.
    ///
    /// # Errors
    /// [`IdentityError`], without any part of the key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| IdentityError::Certificate {
                source: Arc::new(error),
            })?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| IdentityError::Key {
            source: Arc::new(error),
        })?;
        Self::new(chain, key)
    }

    /// Takes DER: the server's certificate first, and the key in any of the three forms.
    ///
    /// # Errors
    /// [`IdentityError::NoCertificate`] and [`IdentityError::Key`].
    pub fn from_der(chain: impl IntoIterator<Item = Vec<u8>>, key: Vec<u8>) -> Result<Self, IdentityError> {
        let key = PrivateKeyDer::try_from(key).map_err(|error| IdentityError::Key {
            source: Box::<dyn Error + Send + Sync>::from(error).into(),
        })?;
        Self::new(chain.into_iter().map(CertificateDer::from).collect(), key)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?;
        let mut digest = [0; Thumbprint::LENGTH];
        let hashed = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, leaf);
        for (to, from) in digest.iter_mut().zip(hashed.as_ref()) {
            *to = *from;
        }
        Ok(Self {
            thumbprint: Thumbprint::from_sha1(digest),
            chain,
            key,
        })
    }

    /// What gateways may pin; registration reports it as `CertificateThumbprint`.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    pub(super) fn server_config(&self) -> Result<ServerConfig, IdentityError> {
        let mismatch = |error| IdentityError::Mismatch {
            source: Arc::new(error),
        };
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(mismatch)?
                .with_no_client_auth()
                .with_single_cert(self.chain.clone(), self.key.clone_key())
                .map_err(mismatch)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // Gateways never resume: each connection decides anew whether the certificate is the right one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// Why there is no [`Identity`], or why it cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text holds no certificate.
    #[error("no certificate")]
    NoCertificate,
    /// A certificate could not be read.
    #[error("a certificate could not be read")]
    #[non_exhaustive]
    Certificate {
        /// Why not.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The key could not be read.
    #[error("the private key could not be read")]
    #[non_exhaustive]
    Key {
        /// Why not.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Certificate and key do not belong together, or are of a kind that TLS cannot use.
    #[error("certificate and private key do not fit")]
    #[non_exhaustive]
    Mismatch {
        /// What rustls said.
        source: Arc<dyn Error + Send + Sync>,
    },
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn pem_and_der_give_the_same_identity() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let both = certificate.pem() + &key.serialize_pem();
        let pem = Identity::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
        let der = Identity::from_der([certificate.der().to_vec()], key.serialize_der()).unwrap();
        assert_eq!(pem.thumbprint(), der.thumbprint());
        assert!(pem.server_config().is_ok() && der.server_config().is_ok());
        assert_eq!(
            format!("{pem:?}"),
            format!("Identity {{ thumbprint: {:?}, .. }}", pem.thumbprint())
        );
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        let read = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes());
        assert!(matches!(
            read("", &key.serialize_pem()),
            Err(IdentityError::NoCertificate)
        ));
        assert!(matches!(
            read(&certificate, &certificate),
            Err(IdentityError::Key { .. })
        ));
        assert!(matches!(
            Identity::from_der([vec![1]], vec![2]),
            Err(IdentityError::Key { .. })
        ));
        let stranger = read(&certificate, &other.serialize_pem()).unwrap();
        assert!(matches!(
            stranger.server_config(),
            Err(IdentityError::Mismatch { .. })
        ));
    }
}
