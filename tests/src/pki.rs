//! Certificates, made with the openssl command as people make them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::room::Room;

/// What openssl reads: one authority, and what each kind of certificate says of itself.
const CONF: &str = "\
[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
crlnumber = crlnumber
crl_extensions = list
policy = any
copy_extensions = copy
unique_subject = no
rand_serial = yes
[any]
commonName = optional
[list]
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
";

static ISSUED: AtomicU32 = AtomicU32::new(0);

/// A certificate and its key, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, and what leads from it to the authority.
    pub cert: PathBuf,
    /// Its key, for its owner alone.
    pub key: PathBuf,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `serverAuth`
    Server,
    /// `clientAuth`
    Client,
    /// One that signs others.
    Authority,
}

/// Between which times a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// From now on, for a year.
    Now,
    /// It was, for a month in 2020.
    Over,
    /// It will be, years from now.
    Later,
}

/// An authority with its list of what it has signed.
#[derive(Debug, Clone)]
pub struct Authority {
    dir: PathBuf,
    /// What is sent along with certificates that it signs: itself, where it is no root.
    chain: Option<String>,
}

impl Authority {
    /// A root, with a directory of its own in the room.
    pub fn new(room: &Room, name: &str) -> Authority {
        let authority = Authority { dir: room.directory(name), chain: None };
        authority.prepare();
        authority.key("ca.key");
        let subject = format!("/CN={name}");
        authority.openssl(&[
            "req",
            "-x509",
            "-config",
            "ca.conf",
            "-extensions",
            "authority",
            "-key",
            "ca.key",
            "-days",
            "30",
            "-subj",
            &subject,
            "-out",
            "ca.pem",
        ]);
        authority
    }

    /// One that this one has signed.
    pub fn below(&self, room: &Room, name: &str) -> Authority {
        let pair = self.issue(Kind::Authority, Life::Now, &format!("/CN={name}"), "");
        let authority = Authority {
            dir: room.directory(name),
            chain: Some(fs::read_to_string(&pair.cert).expect("a certificate")),
        };
        authority.prepare();
        fs::rename(&pair.cert, authority.dir.join("ca.pem")).expect("cannot move a certificate");
        fs::rename(&pair.key, authority.dir.join("ca.key")).expect("cannot move a key");
        authority
    }

    fn prepare(&self) {
        for (name, text) in [("ca.conf", CONF), ("index.txt", ""), ("crlnumber", "01\n")] {
            fs::write(self.dir.join(name), text).expect("cannot write a file of the test");
        }
    }

    /// Its own certificate.
    pub fn cert(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A certificate for a server with these names, as `DNS:localhost,IP:127.0.0.1`.
    pub fn server(&self, names: &str) -> Pair {
        self.issue(Kind::Server, Life::Now, "/CN=server", names)
    }

    /// A certificate for a client of this common name.
    pub fn client(&self, name: &str) -> Pair {
        self.issue(Kind::Client, Life::Now, &format!("/CN={name}"), "")
    }

    /// Any certificate; `names` is its subjectAltName, where it is not empty.
    pub fn issue(&self, kind: Kind, life: Life, subject: &str, names: &str) -> Pair {
        let stem = format!("issued-{}", ISSUED.fetch_add(1, Ordering::Relaxed));
        let at = |ext: &str| format!("{stem}.{ext}");
        self.key(&at("key"));
        let (key, request, cert) = (at("key"), at("csr"), at("pem"));
        let names = format!("subjectAltName={names}");
        let mut args = vec!["req", "-new", "-config", "ca.conf", "-subj", subject];
        args.extend(["-key", &key, "-out", &request]);
        if names.len() > "subjectAltName=".len() {
            args.extend(["-addext", &names]);
        }
        self.openssl(&args);
        let extensions = match kind {
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Authority => "authority",
        };
        let mut args = vec!["ca", "-config", "ca.conf", "-batch", "-notext"];
        args.extend(["-preserveDN", "-extensions", extensions, "-in", &request, "-out", &cert]);
        match life {
            Life::Now => {}
            Life::Over => {
                args.extend(["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]);
            }
            Life::Later => {
                args.extend(["-startdate", "20490101000000Z", "-enddate", "20490201000000Z"]);
            }
        }
        self.openssl(&args);
        let pair = Pair { cert: self.dir.join(cert), key: self.dir.join(key) };
        if let (Some(chain), Kind::Server | Kind::Client) = (&self.chain, kind) {
            let own = fs::read_to_string(&pair.cert).expect("a certificate");
            fs::write(&pair.cert, own + chain).expect("cannot write a certificate");
        }
        pair
    }

    /// Takes a certificate back: the next list has it.
    pub fn revoke(&self, pair: &Pair) {
        self.openssl(&["ca", "-config", "ca.conf", "-revoke", &text(&pair.cert)]);
    }

    /// Writes the list of what was taken back.
    pub fn list(&self) -> PathBuf {
        self.openssl(&["ca", "-config", "ca.conf", "-gencrl", "-out", "revoked.pem"]);
        self.dir.join("revoked.pem")
    }

    fn key(&self, name: &str) {
        let curve = "ec_paramgen_curve:P-256";
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", name]);
        let path = self.dir.join(name);
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, owner).expect("cannot set a mode");
    }

    fn openssl(&self, args: &[&str]) {
        openssl(&self.dir, args);
    }
}

/// Runs openssl in a directory; what it prints. Fails the test where it fails.
pub fn openssl(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(args).current_dir(dir).stdin(Stdio::null()).env("OPENSSL_CONF", "/dev/null");
    let output = command.output().expect("this test needs the command openssl");
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What openssl itself says of a certificate.
    fn verify(authority: &Authority, pair: &Pair, more: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.arg("verify").arg("-CAfile").arg(authority.cert()).args(more);
        command.arg("-untrusted").arg(&pair.cert).arg(&pair.cert);
        let output = command.output().expect("openssl");
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
    }

    #[test]
    fn certificates_are_what_they_are_called() {
        let room = Room::new();
        let root = Authority::new(&room, "root");
        let (server, client) = (root.server("DNS:localhost,IP:127.0.0.1"), root.client("deploy"));
        let good = |told: String| assert!(told.ends_with(": OK\n"), "{told}");
        let bad = |told: String, word: &str| assert!(told.contains(word), "{told}");
        good(verify(&root, &server, &["-purpose", "sslserver", "-verify_ip", "127.0.0.1"]));
        bad(verify(&root, &server, &["-verify_hostname", "elsewhere"]), "mismatch");
        bad(verify(&root, &server, &["-purpose", "sslclient"]), "purpose");
        good(verify(&root, &client, &["-purpose", "sslclient"]));
        let over = root.issue(Kind::Client, Life::Over, "/CN=over", "");
        bad(verify(&root, &over, &[]), "expired");
        let later = root.issue(Kind::Client, Life::Later, "/CN=later", "");
        bad(verify(&root, &later, &[]), "not yet valid");
        good(verify(&root, &root.below(&room, "below").client("team"), &[]));
        bad(verify(&Authority::new(&room, "other"), &client, &[]), "unable to get local issuer");
        root.revoke(&client);
        let list = text(&root.list());
        bad(verify(&root, &client, &["-crl_check", "-CRLfile", &list]), "revoked");
        good(verify(&root, &server, &["-crl_check", "-CRLfile", &list]));
    }
}
