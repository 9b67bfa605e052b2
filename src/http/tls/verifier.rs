//! Judges what clients show, after a look at how much it is: paths from a certificate to an authority are looked for among
//! all that a client sends, and it takes no key to send much that leads nowhere.

use std::error;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

/// Certificates between that of a client and an authority. The steps of a search grow faster than their factorial.
pub(super) const MOST_BETWEEN: usize = 4;
/// Bytes of all certificates of a client.
pub(super) const MOST_BYTES: usize = 32 << 10;
/// Bytes of the names of authorities that a client is told to choose by; where there are more it is told none, which means
/// any. They go to everybody who connects, and the protocol has no room for more than twice that.
const MOST_HINTS: usize = 32 << 10;

/// A client shows more certificates than are looked at.
#[derive(Debug)]
struct TooMuch {
    certificates: usize,
    bytes: usize,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooMuch { certificates, bytes } = self;
        write!(
            f,
            "{certificates} certificates of {bytes} bytes; at most {} of {MOST_BYTES} bytes are looked at",
            MOST_BETWEEN + 1
        )
    }
}

impl error::Error for TooMuch {}

/// A verifier that is given nothing large.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: Arc<dyn ClientCertVerifier>,
    hints: Vec<DistinguishedName>,
}

impl Bounded {
    pub(super) fn new(inner: Arc<dyn ClientCertVerifier>) -> Bounded {
        let hints = inner.root_hint_subjects();
        let bytes: usize = hints.iter().map(|name| name.as_ref().len().saturating_add(2)).sum();
        let hints = if bytes <= MOST_HINTS { hints.to_vec() } else { Vec::new() };
        Bounded { inner, hints }
    }
}

impl ClientCertVerifier for Bounded {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let certificates = between.len().saturating_add(1);
        let bytes = between.iter().map(|der| der.len()).fold(leaf.len(), usize::saturating_add);
        if between.len() > MOST_BETWEEN || bytes > MOST_BYTES {
            let reason = OtherError(Arc::new(TooMuch { certificates, bytes }));
            return Err(CertificateError::Other(reason).into());
        }
        self.inner.verify_client_cert(leaf, between, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts what it is asked.
    #[derive(Debug, Default)]
    struct Counting {
        asked: AtomicUsize,
        hints: Vec<DistinguishedName>,
    }

    impl ClientCertVerifier for Counting {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &self.hints
        }

        fn verify_client_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(ClientCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Vec::new()
        }
    }

    #[test]
    fn much_is_refused_before_anybody_looks_at_it() {
        let counting = Arc::new(Counting::default());
        let bounded = Bounded::new(Arc::<Counting>::clone(&counting));
        let asked = |leaf: usize, between: &[usize]| {
            let der = |size: usize| CertificateDer::from(vec![0; size]);
            let between: Vec<_> = between.iter().map(|size| der(*size)).collect();
            let before = counting.asked.load(Ordering::Relaxed);
            let passed = bounded.verify_client_cert(&der(leaf), &between, UnixTime::now()).is_ok();
            assert_eq!(counting.asked.load(Ordering::Relaxed) - before, usize::from(passed));
            passed
        };
        assert!(asked(1, &[]) && asked(1, &[1; MOST_BETWEEN]));
        assert!(!asked(1, &[1; MOST_BETWEEN + 1]) && !asked(1, &[200; 212]));
        assert!(asked(MOST_BYTES, &[]) && asked(MOST_BYTES / 2, &[MOST_BYTES / 2]));
        assert!(!asked(MOST_BYTES + 1, &[]) && !asked(MOST_BYTES / 2, &[MOST_BYTES / 4; 3]));
    }

    #[test]
    fn the_names_of_many_authorities_are_not_told() {
        let told = |count: usize, size: usize| {
            let hints = vec![DistinguishedName::in_sequence(&vec![0; size]); count];
            let inner = Arc::new(Counting { hints, ..Counting::default() });
            Bounded::new(inner).root_hint_subjects().len()
        };
        assert_eq!((told(150, 100), told(1000, 100), told(1, 40_000)), (150, 0, 0));
    }
}
