//! The facts about a certificate, for core's decision.

use std::sync::Arc;

use octopus_argo_core::tls::Facts;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Pin, Presented, Tls};

#[derive(Debug)]
pub(super) struct Verifier {
    tls: Tls,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(tls: &Tls, provider: &CryptoProvider) -> Self {
        Self {
            tls: tls.clone(),
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let presented = Presented::new(end_entity, &certificate.subject_public_key_info());
        let verification = self.tls.verification;
        let chain = verification.consults_roots().then(|| {
            let roots = self.tls.roots.store();
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )
        });
        let host_name = verification
            .checks_host_name()
            .then(|| verify_server_name(&certificate, server_name));
        let facts = Facts::default()
            .chain_trusted(matches!(chain, Some(Ok(()))))
            .host_name_matches(matches!(host_name, Some(Ok(()))))
            .pin_matches(self.tls.pins.iter().any(|pin| pin.matches(&presented)));
        let verdict = verification.decide(facts);
        tracing::debug!(
            accepted = verdict.accepted(),
            decided_by = ?verdict.decided_by(),
            tls.thumbprint = %presented.thumbprint,
            "server certificate"
        );
        if verdict.accepted() {
            return Ok(ServerCertVerified::assertion());
        }
        let chain = chain.and_then(Result::err);
        if verification.checks_host_name() {
            return Err(chain.or_else(|| host_name.and_then(Result::err)).unwrap_or(
                rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure),
            ));
        }
        let wrong = WrongPin {
            expected: self.tls.pins.clone(),
            presented,
            chain,
        };
        Err(CertificateError::Other(OtherError(Arc::new(wrong))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Takes any certificate. Signatures are verified all the same: the keys of what is looked at are its own.
#[derive(Debug)]
pub(super) struct Anything {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Anything {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The way of a failed comparison through rustls, which knows no such error.
#[derive(Debug, thiserror::Error)]
#[error("certificate does not match the expected thumbprint")]
pub(super) struct WrongPin {
    pub(super) expected: Vec<Pin>,
    pub(super) presented: Presented,
    pub(super) chain: Option<rustls::Error>,
}
