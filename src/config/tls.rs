//! What servers need to speak TLS: certificates and keys, read, checked, and told when they end.
//!
//! What is in a key's file is never quoted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertRevocationListError, Error, InconsistentKeys, RootCertStore};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::expand::Names;
use super::files::{Files, Named};
use super::include;
use super::model::{Address, Daemon, Server};
use super::reading::{Reading, Scope};
use super::settings::{Clients, Tls};
use super::text::repr;
use super::values::Read;

const CERT: &str = "tls_cert";
const KEY: &str = "tls_key";
const CA: &str = "tls_client_ca";
const AUTH: &str = "tls_client_auth";
const CRL: &str = "tls_client_crl";
/// How long before its end a certificate is warned of.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
const COPY: &str = "a section of it has no end, or is not base64; copy the file anew";

/// Reads the files of all servers that are to speak TLS. `names` has ENV_ names.
pub fn load(
    r: &mut Reading<'_>,
    files: &mut dyn Files,
    names: &Names<'_>,
    servers: &mut [Server],
    daemon: &Daemon,
) {
    let here = r.here.clone();
    let names = Names::over(names).text("here", &here);
    for server in servers.iter_mut() {
        if matches!(server.address, Address::Unix { .. }) {
            continue;
        }
        let section = server.section.as_str();
        let scope = Scope::plain(section, &names);
        let asked = [CERT, KEY, CA, AUTH, CRL].iter().any(|key| r.raw(section, key).is_some());
        if asked {
            server.tls = Loader { r, files, scope, daemon }.tls();
        } else if server.pam {
            let text = format!(
                "[{section}] has auth=pam but no TLS: passwords of accounts would go over the network in the clear"
            );
            let remedy = format!("set {CERT} and {KEY}, or have auth=pam on a unix socket alone");
            let details = vec![r.locate(section, "auth"), remedy];
            r.problems.refuse(text, "", details);
        }
    }
}

/// The files of one section.
struct Loader<'l, 'h> {
    r: &'l mut Reading<'h>,
    files: &'l mut dyn Files,
    scope: Scope<'l>,
    daemon: &'l Daemon,
}

impl Loader<'_, '_> {
    fn tls(&mut self) -> Option<Tls> {
        self.complete()?;
        let chain = self.certificates(CERT);
        let key = self.key();
        let clients = self.clients();
        let ((path, chain), key) = (chain?, key?);
        self.belong(&path, &chain, &key)?;
        Some(Tls { chain, key: key.secret_der().to_vec(), clients: clients? })
    }

    /// Whether keys that need each other are all there.
    fn complete(&mut self) -> Option<()> {
        let section = self.scope.section;
        let pairs = [(CERT, KEY), (KEY, CERT), (CA, CERT), (AUTH, CA), (CRL, CA)];
        let mut complete = Some(());
        for (key, other) in pairs {
            if self.r.raw(section, key).is_some() && self.r.raw(section, other).is_none() {
                let text = format!("[{section}] has {key} but no {other}");
                self.wrong(key, text, format!("set {other} as well, or leave {key} out"));
                complete = None;
            }
        }
        complete
    }

    /// Who is asked for a certificate. Nothing after an error.
    fn clients(&mut self) -> Option<Option<Clients>> {
        let section = self.scope.section;
        if self.r.raw(section, CA).is_none() {
            return Some(None);
        }
        let required = match self.r.raw(section, AUTH) {
            None => Some(true),
            Some(_) => self.r.plain(self.scope, AUTH, client_auth),
        };
        let authorities = self.certificates(CA);
        let revoked = match self.r.raw(section, CRL) {
            None => Some(Vec::new()),
            Some(_) => self.lists(),
        };
        let (path, authorities) = authorities?;
        let roots = self.roots(&path, &authorities)?;
        let revoked = revoked?;
        self.verify(roots, &authorities, &revoked)?;
        Some(Some(Clients { authorities, revoked, required: required? }))
    }

    /// The file that a key names, with its path.
    fn open(&mut self, key: &str) -> Option<(String, Named)> {
        let path = self.r.get(self.scope, key, |r, text| r.named_path(text))?;
        match self.files.named(&path) {
            Ok(file) => Some((path, file)),
            Err(why) => {
                let mut details = vec![self.r.locate(self.scope.section, key)];
                details.extend(include::denied(self.r, &path, &why, "change it"));
                self.r.problems.refuse(format!("{key} {path} cannot be read"), "", details);
                None
            }
        }
    }

    /// An error about a value, with what puts it right.
    fn wrong(&mut self, key: &str, text: String, remedy: String) {
        let details = vec![self.r.locate(self.scope.section, key), remedy];
        self.r.problems.refuse(text, "", details);
    }

    fn advise(&mut self, key: &str, text: &str) {
        let place = self.r.locate(self.scope.section, key);
        self.r.problems.advice(format!("{place}: {text}"));
    }

    /// The certificates of a file, in DER.
    fn certificates(&mut self, key: &str) -> Option<(String, Vec<Vec<u8>>)> {
        let (path, file) = self.open(key)?;
        match sections::<CertificateDer<'_>>(&file.bytes, "certificate", "x509") {
            Ok(all) => {
                let all: Vec<Vec<u8>> = all.iter().map(|der| der.to_vec()).collect();
                (1..).zip(&all).for_each(|(n, der)| self.times(key, &path, n, der));
                Some((path, all))
            }
            Err((what, remedy)) => {
                self.wrong(key, format!("{key} {path} {what}"), remedy);
                None
            }
        }
    }

    /// Says what is over, or soon will be. What cannot be parsed here is judged where it is used.
    fn times(&mut self, key: &str, path: &str, n: usize, der: &[u8]) {
        let Ok(cert) = Certificate::from_der(der) else {
            return;
        };
        let validity = cert.tbs_certificate.validity;
        let what = match n {
            1 => format!("the certificate in {path}"),
            n => format!("certificate {n} in {path}"),
        };
        let who = if key == CA { "clients that it stands for are" } else { "it is" };
        let (start, end) = (validity.not_before, validity.not_after);
        if passed(end, Duration::ZERO) {
            self.advise(key, &format!("{what} has expired on {end}, {who} refused; renew it"));
        } else if !passed(start, Duration::ZERO) {
            self.advise(
                key,
                &format!("{what} is not valid before {start}, {who} refused till then"),
            );
        } else if passed(end, SOON) {
            self.advise(key, &format!("{what} expires on {end}; renew it before"));
        }
    }

    /// The private key.
    fn key(&mut self) -> Option<PrivateKeyDer<'static>> {
        let (path, file) = self.open(KEY)?;
        self.secret(&path, &file);
        let encrypted = || memchr::memmem::find(&file.bytes, b"ENCRYPTED").is_some();
        match PrivateKeyDer::from_pem_slice(&file.bytes) {
            Ok(key) => return Some(key),
            Err(_) if encrypted() => self.wrong(
                KEY,
                format!("{KEY} {path} is encrypted, and nobody is there to type its passphrase"),
                format!("take it off: openssl pkey -in {path} -out NEW, with umask 077"),
            ),
            Err(_) => {
                let none = sections::<PrivateKeyDer<'_>>(&file.bytes, "private key", "pkey");
                let (what, remedy) = none.err().unwrap_or_else(damaged);
                self.wrong(KEY, format!("{KEY} {path} {what}"), remedy);
            }
        }
        None
    }

    /// A key that others can read is none for long. The group of a daemon that is not root may: it reads by that.
    fn secret(&mut self, path: &str, file: &Named) {
        let own = self.daemon.user.as_ref().filter(|user| user.uid != 0).map(|user| user.gid);
        let mask = if own == Some(file.gid) { 0o037 } else { 0o077 };
        if file.mode & mask == 0 {
            return;
        }
        let text = format!(
            "{KEY} {path} has mode {:04o}: others than its owner can read the key",
            file.mode & 0o7777
        );
        let remedy = format!("put it right with: chmod go= {path}");
        if self.daemon.strict {
            self.wrong(KEY, text, remedy);
        } else {
            self.advise(KEY, &format!("{text}; {remedy}"));
        }
    }

    /// Whether the key is that of the first certificate.
    fn belong(
        &mut self,
        path: &str,
        chain: &[Vec<u8>],
        key: &PrivateKeyDer<'static>,
    ) -> Option<()> {
        let Ok(key) = ring::sign::any_supported_type(key) else {
            let text = format!("the key of {KEY} is of a kind that cannot be used");
            let remedy =
                "make one of RSA with 2048 bits or more, ECDSA with P-256 or P-384, or Ed25519";
            self.wrong(KEY, text, remedy.to_owned());
            return None;
        };
        let chain: Vec<CertificateDer<'_>> = chain.iter().map(|der| der.clone().into()).collect();
        let (key_of, text, remedy) = match CertifiedKey::new(chain, key).keys_match() {
            Ok(()) => return Some(()),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => (
                KEY,
                format!("the key of {KEY} does not belong to the first certificate in {path}"),
                "the server's own certificate comes first; those of its authorities follow it",
            ),
            Err(why) => (
                CERT,
                format!("{CERT} {path}: the first certificate cannot be used: {why}"),
                "have another one made, of X.509 version 3",
            ),
        };
        self.wrong(key_of, text, remedy.to_owned());
        None
    }

    fn roots(&mut self, path: &str, authorities: &[Vec<u8>]) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for (n, der) in (1..).zip(authorities) {
            if let Err(why) = roots.add(der.clone().into()) {
                let text = format!("{CA} {path}: certificate {n} cannot be used: {why}");
                self.wrong(CA, text, "take it out of the file, or put a good one there".to_owned());
                return None;
            }
        }
        Some(roots)
    }

    /// The lists of revoked certificates.
    fn lists(&mut self) -> Option<Vec<Vec<u8>>> {
        let (path, file) = self.open(CRL)?;
        match sections::<CertificateRevocationListDer<'_>>(
            &file.bytes,
            "list of revoked certificates",
            "crl",
        ) {
            Ok(all) => Some(all.iter().map(|der| der.to_vec()).collect()),
            Err((what, remedy)) => {
                self.wrong(CRL, format!("{CRL} {path} {what}"), remedy);
                None
            }
        }
    }

    /// Where there are lists, no certificate is taken that none speaks of.
    fn unlisted(&mut self, subjects: &[Name], issuers: &[Name]) {
        for name in subjects.iter().filter(|name| !issuers.is_empty() && !issuers.contains(name)) {
            let text =
                format!("there is no list of {name}: clients with its certificates are refused");
            self.advise(CRL, &text);
        }
    }

    /// Whether clients can be judged by all that.
    fn verify(
        &mut self,
        roots: RootCertStore,
        authorities: &[Vec<u8>],
        revoked: &[Vec<u8>],
    ) -> Option<()> {
        let subjects: Vec<_> = authorities
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .map(|cert| cert.tbs_certificate.subject)
            .collect();
        let mut issuers = Vec::new();
        for (n, list) in (1..).zip(revoked) {
            let Ok(list) = CertificateList::from_der(list) else {
                continue;
            };
            let list = list.tbs_cert_list;
            if !subjects.contains(&list.issuer) {
                let text = format!("{CRL}: list {n} is of {}, no authority of {CA}", list.issuer);
                self.wrong(
                    CRL,
                    text,
                    format!("put that authority into {CA}, or leave the list out"),
                );
                return None;
            }
            if let Some(next) = list.next_update.filter(|next| passed(*next, Duration::ZERO)) {
                let text = format!("list {n} was to be renewed by {next}: it may lack names");
                if self.daemon.strict {
                    let remedy = "put there what the authority has issued since";
                    self.wrong(
                        CRL,
                        format!("{CRL}: {text}, which strict=true forbids"),
                        remedy.to_owned(),
                    );
                    return None;
                }
                self.advise(CRL, &text);
            }
            issuers.push(list.issuer);
        }
        self.unlisted(&subjects, &issuers);
        let lists = revoked.iter().map(|der| der.clone().into());
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let (key, why) = match verifier.with_crls(lists).build() {
            Ok(_) => return Some(()),
            Err(VerifierBuilderError::InvalidCrl(why)) => {
                (CRL, format!("{CRL}: a list cannot be used: {}", reason(&why)))
            }
            Err(why) => (CA, format!("{CA} cannot be used: {why}")),
        };
        self.wrong(key, why, "have it made anew by the authority".to_owned());
        None
    }
}

fn client_auth(text: &str) -> Read<bool> {
    match text {
        "required" => Ok(true),
        "optional" => Ok(false),
        _ => Err(format!("not a valid {AUTH} value: {}; it is required or optional", repr(text))),
    }
}

/// Why a list of revoked certificates cannot be used.
fn reason(why: &CertRevocationListError) -> &'static str {
    match why {
        CertRevocationListError::UnsupportedCrlVersion => "it is not of version 2",
        CertRevocationListError::UnsupportedDeltaCrl => "it is the difference to another list",
        CertRevocationListError::UnsupportedIndirectCrl => "it is of more than one authority",
        CertRevocationListError::UnsupportedCriticalExtension => {
            "it has an extension that is not known"
        }
        CertRevocationListError::UnsupportedRevocationReason => "it has a reason that is not known",
        _ => "it is damaged",
    }
}

/// Whether that time is over, `ahead` of now.
fn passed(time: Time, ahead: Duration) -> bool {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    time.to_unix_duration() <= now.saturating_add(ahead)
}

fn damaged() -> (String, String) {
    ("is damaged".to_owned(), COPY.to_owned())
}

/// All PEM sections of a kind; or why there are none, and what to do.
fn sections<T: PemObject>(file: &[u8], what: &str, tool: &str) -> Result<Vec<T>, (String, String)> {
    let all: Vec<T> = T::pem_slice_iter(file).collect::<Result<_, _>>().map_err(|_| damaged())?;
    if !all.is_empty() {
        return Ok(all);
    }
    let pem = memchr::memmem::find(file, b"-----BEGIN ").is_some();
    let remedy = match file.first() {
        Some(0x30) if !pem => {
            format!("it may be DER: openssl {tool} -inform der -in FILE -out NEW")
        }
        _ => format!("is another file meant? One with a {what} in it is needed"),
    };
    let text = if pem { format!("has no {what} in it") } else { "is no PEM file".to_owned() };
    Err((text, remedy))
}
