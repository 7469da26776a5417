//! TLS as Argo CD sets it up where nobody has given it a certificate.

use std::error::Error;
use std::sync::Arc;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A self-signed certificate and its key, of the shape that Argo CD generates: organisation `Argo CD`, names
/// `localhost` and those of the Service, no certificate authority.
///
/// It differs in two ways: the key is ECDSA, not RSA 2048, because ring makes no RSA keys; and it is valid from 2000 to
/// 2100, not for a year, so that it does not depend on the clock.
///
/// Rule: Argo CD `util/tls/tls.go` (`generate`) and `util/settings/settings.go` (`InitializeSettings`).
#[derive(Clone, Debug)]
pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: Arc<KeyPair>,
}

impl Identity {
    pub(super) fn generate(namespace: &str) -> Result<Self, rcgen::Error> {
        let names = [
            "localhost".to_owned(),
            "argocd-server".to_owned(),
            format!("argocd-server.{namespace}"),
            format!("argocd-server.{namespace}.svc"),
            format!("argocd-server.{namespace}.svc.cluster.local"),
        ];
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, "Argo CD");
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(2100, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.into(),
            key: key.into(),
        })
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn acceptor(&self, protocols: &[&[u8]]) -> Result<TlsAcceptor, Box<dyn Error + Send + Sync>> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der())?;
        // The provider is given, not taken from the process: several may be linked, and tests set none.
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
