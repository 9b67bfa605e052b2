//! Whether a server is who it says it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::der::Decode;

use super::files;
use crate::config::ctl::TlsFiles;

/// What connections are begun by. No certificate of the client's is in it.
pub fn config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    if files.insecure {
        return with(provider.clone(), Arc::new(Anybody(provider)));
    }
    let known = Arc::new(files::authorities(files)?);
    let mut builder = WebPkiServerVerifier::builder_with_provider(known, provider.clone());
    if let Some(file) = &files.crl {
        builder = builder.with_crls(files::revoked(file)?).enforce_revocation_expiration();
    }
    let verifier = builder.build().map_err(|error| match &files.crl {
        Some(file) => format!("the revocation list {file} cannot be used: {error}"),
        None => format!("no certificate can be checked: {error}"),
    })?;
    let named = files.cacert.as_deref().map_or(Ok(Vec::new()), files::certificates)?;
    with(provider, Arc::new(Known { verifier, named }))
}

/// For what is only asked whether it works: any certificate will do.
#[cfg(feature = "tools")]
pub(crate) fn unchecked() -> Result<ClientConfig, String> {
    config(&TlsFiles { insecure: true, ..TlsFiles::default() })
}

/// For tests of servers.
#[cfg(test)]
pub(crate) fn anybody() -> Arc<dyn ServerCertVerifier> {
    Arc::new(Anybody(Arc::new(ring::default_provider())))
}

fn with(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, String> {
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("there is no TLS: {error}"))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes those that a known authority has signed; and a certificate that is itself named as one to be trusted, as a
/// certificate that signs itself is.
#[derive(Debug)]
struct Known {
    verifier: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.verifier.verify_server_cert(certificate, chain, name, ocsp, now);
        match judged {
            // That of an authority, as `openssl req -x509` makes them, is no server's for the library.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                in_time(certificate, now)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let read = x509_cert::Certificate::from_der(certificate);
    let validity = read.map_err(|_| CertificateError::BadEncoding)?.tbs_certificate.validity;
    let [begin, end] = [validity.not_before, validity.not_after]
        .map(|time| UnixTime::since_unix_epoch(time.to_unix_duration()));
    if now > end {
        return Err(CertificateError::ExpiredContext { time: now, not_after: end }.into());
    }
    if now < begin {
        return Err(CertificateError::NotValidYetContext { time: now, not_before: begin }.into());
    }
    Ok(())
}

/// Takes every certificate, whose key the server must have all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The client's certificate, for servers that want one; it is noted that one did.
#[derive(Debug)]
pub struct OnRequest {
    own: Option<Arc<CertifiedKey>>,
    asked: Arc<AtomicBool>,
}

impl OnRequest {
    /// `asked` is set when one is wanted.
    pub fn new(own: Option<Arc<CertifiedKey>>, asked: Arc<AtomicBool>) -> OnRequest {
        OnRequest { own, asked }
    }
}

impl ResolvesClientCert for OnRequest {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.own.clone()
    }

    /// Else it is not asked whether there are any.
    fn has_certs(&self) -> bool {
        true
    }
}
