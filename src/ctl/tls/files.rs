//! The files that TLS needs: PEM, as everybody has them.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};

use super::super::options::native;
use super::super::secret;
use crate::config::ctl::TlsFiles;

/// Longest file that is read, in bytes: all authorities of a system, or what one of them has revoked.
const MAX_FILE: u64 = 16 << 20;

/// What the client proves itself by, if it has a certificate.
pub fn own(files: &TlsFiles) -> Result<Option<Arc<CertifiedKey>>, String> {
    let Some(file) = &files.cert else {
        return match &files.key {
            None => Ok(None),
            Some(key) => Err(format!(
                "there is a key, {key}, without the certificate that it belongs to: give it, too (--cert FILE)"
            )),
        };
    };
    let chain = certificates(file)?;
    let key_file = files.key.as_ref().unwrap_or(file);
    let key = private_key(key_file)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map(|own| Some(Arc::new(own)))
        .map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                format!("the key {key_file} does not belong to the certificate {file}")
            }
            error => {
                format!("the certificate {file} with the key {key_file} cannot be used: {error}")
            }
        })
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = secret::key(file)?;
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(key) => Ok(key),
        Err(_) if text.contains("ENCRYPTED") => Err(format!(
            "the key {file} is encrypted, and nobody can be asked for its password: openssl pkey -in {file} -out \
             plain.key takes that off"
        )),
        Err(_) => Err(format!("{file} holds no private key: it has to be PEM (BEGIN PRIVATE KEY)")),
    }
}

/// The authorities that are trusted: those of a file, or those of the system.
pub fn authorities(files: &TlsFiles) -> Result<RootCertStore, String> {
    let Some(file) = &files.cacert else { return of_the_system() };
    let mut known = RootCertStore::empty();
    for certificate in certificates(file)? {
        known.add(certificate).map_err(|error| {
            format!("{file} holds a certificate that is none of an authority: {error}")
        })?;
    }
    Ok(known)
}

#[cfg(feature = "tools")]
fn of_the_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut known = RootCertStore::empty();
    known.add_parsable_certificates(found.certs);
    if known.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "this system knows no authority{why}: install its ca-certificates, or say with --cacert FILE who is to be \
             trusted"
        ));
    }
    Ok(known)
}

/// Programs without the tools are no clients of anybody else's.
#[cfg(not(feature = "tools"))]
fn of_the_system() -> Result<RootCertStore, String> {
    Err("this program knows no authorities of the system: say who is to be trusted".to_owned())
}

/// The certificates of a file: at least one.
pub fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    items(file, "certificate")
}

/// The lists of what was revoked in a file: at least one.
pub fn revoked(file: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    items(file, "revocation list")
}

fn items<T: PemObject>(file: &str, what: &str) -> Result<Vec<T>, String> {
    let bytes = read(file)?;
    let items: Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
    match items {
        Ok(items) if !items.is_empty() => Ok(items),
        Ok(_) if bytes.starts_with(&[0x30]) => Err(format!(
            "{file} is DER, and PEM is wanted: openssl x509 -inform der (or openssl crl) converts it"
        )),
        Ok(_) => Err(format!("{file} holds no {what}: it has to be PEM (BEGIN …)")),
        Err(error) => Err(format!("{file} is no PEM that can be read: {error}")),
    }
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {file}: {error}");
    let mut bytes = Vec::new();
    let opened = File::open(native(file)).map_err(failed)?;
    let length = opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if length as u64 > MAX_FILE {
        return Err(format!("{file} is longer than {MAX_FILE} bytes"));
    }
    Ok(bytes)
}
