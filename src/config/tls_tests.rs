//! TLS of servers: what is read, what is refused and how that is said, and what a later reading changes.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};

use privsep::frame::Wire;

use super::*;
use crate::config::settings::{Clients, Tls};

/// A certificate and its key, in PEM.
pub struct Pair {
    pub pem: String,
    pub key: String,
    der: Vec<u8>,
}

/// A server's certificate, an authority of clients, and its list of revoked certificates.
pub struct Pki {
    pub server: Pair,
    pub clients: Pair,
    pub revoked: String,
}

fn params(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn pair(params: &CertificateParams) -> Pair {
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    Pair { pem: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
}

fn authority(name: &str) -> (CertificateParams, KeyPair, Pair) {
    let mut params = params(name, 2090);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    let pair = Pair { pem: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() };
    (params, key, pair)
}

fn revoked(params: &CertificateParams, key: KeyPair, until: i32) -> String {
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(until, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(7),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(&Issuer::new(params.clone(), key)).unwrap().pem().unwrap()
}

impl Pki {
    pub fn new() -> Pki {
        let (params_of, key, clients) = authority("clients");
        let revoked = revoked(&params_of, key, 2090);
        Pki { server: pair(&params("node1", 2090)), clients, revoked }
    }

    /// A server with these lines, and the files beside it.
    fn run(&self, lines: &str) -> Run {
        run(&format!("{BASE}[inet_http_server]\nport=127.0.0.1:1\n{lines}\n"))
            .file("/etc/server.pem", &self.server.pem)
            .file("/etc/server.key", &self.server.key)
            .file("/etc/clients.pem", &self.clients.pem)
            .file("/etc/revoked.pem", &self.revoked)
    }

    /// One whose files are these.
    fn with(&self, file: &str, text: &str) -> Run {
        self.run(ALL).file(file, text)
    }
}

const TLS: &str = "tls_cert=%(here)s/server.pem\ntls_key=/etc/server.key";
const ALL: &str = "tls_cert=/etc/server.pem\ntls_key=/etc/server.key\ntls_client_ca=/etc/clients.pem\n\
                   tls_client_crl=/etc/revoked.pem\ntls_client_auth=optional";

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateRevocationListDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

#[test]
fn certificates_keys_and_authorities_come_into_the_settings_alone() {
    let pki = Pki::new();
    let (table, settings) = pki.run(TLS).ok();
    let tls = settings.servers[0].tls.clone().unwrap();
    assert_eq!((tls.chain.as_slice(), &tls.clients), (&[pki.server.der.clone()][..], &None));
    assert!(!tls.key.is_empty() && format!("{tls:?}") == "Tls(..)");
    assert_eq!(table.tls, [0]);
    assert!(notes(&settings, Level::Warn).is_empty());
    assert!(Settings::decode(&settings.encode().unwrap()).unwrap() == settings);
    let key = &tls.key[..16];
    assert!(table.encode().windows(16).all(|part| part != key));

    let both = pki.server.pem.clone() + &pki.clients.pem + &pki.server.key;
    let lines = ALL.replace("server.key", "server.pem");
    let (_, settings) = pki.run(&lines).file("/etc/server.pem", &both).ok();
    let chain = vec![pki.server.der.clone(), pki.clients.der.clone()];
    let authorities = vec![pki.clients.der.clone()];
    let clients = Clients { authorities, revoked: vec![der(&pki.revoked)], required: false };
    let expected = Tls { chain, key: tls.key.clone(), clients: Some(clients) };
    assert!(settings.servers[0].tls == Some(expected));
    let (_, settings) = pki.run(&format!("{TLS}\ntls_client_ca=/etc/clients.pem")).ok();
    let tls = settings.servers[0].tls.clone().unwrap();
    assert!(tls.clients.unwrap().required);
}

#[test]
fn programs_are_told_of_https() {
    let pki = Pki::new();
    let text = format!("{TLS}\n[program:a]\ncommand=a");
    let (table, _) = pki.run(&text).ok();
    let url = "SUPERVISOR_SERVER_URL=https://127.0.0.1:1".to_owned();
    assert!(texts(&entry(&table, 0).env).contains(&url));
}

#[test]
fn what_is_wrong_is_said_with_place_file_and_remedy() {
    let pki = Pki::new();
    let other = Pki::new();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    let cut = pki.server.pem.replace("-----END", "");
    let odd = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let nothing = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let empty = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    for (file, text, key, expected) in [
        ("server.pem", "", "tls_cert", "tls_cert /etc/server.pem is no PEM file"),
        ("server.pem", "0\u{1}", "tls_cert", "tls_cert /etc/server.pem is no PEM file"),
        (
            "server.pem",
            &pki.server.key,
            "tls_cert",
            "tls_cert /etc/server.pem has no certificate in it",
        ),
        ("server.pem", &cut, "tls_cert", "tls_cert /etc/server.pem is damaged"),
        (
            "server.pem",
            nothing,
            "tls_cert",
            "tls_cert /etc/server.pem: the first certificate cannot be used: ",
        ),
        (
            "server.pem",
            &other.server.pem,
            "tls_key",
            "the key of tls_key does not belong to the first certificate in",
        ),
        ("server.key", "hunter2", "tls_key", "tls_key /etc/server.key is no PEM file"),
        (
            "server.key",
            &pki.server.pem,
            "tls_key",
            "tls_key /etc/server.key has no private key in it",
        ),
        (
            "server.key",
            encrypted,
            "tls_key",
            "tls_key /etc/server.key is encrypted, and nobody is there",
        ),
        ("server.key", old, "tls_key", "tls_key /etc/server.key is encrypted, and nobody is there"),
        ("server.key", odd, "tls_key", "the key of tls_key is of a kind that cannot be used"),
        (
            "server.key",
            &other.server.key,
            "tls_key",
            "the key of tls_key does not belong to the first",
        ),
        (
            "clients.pem",
            "# none\n",
            "tls_client_ca",
            "tls_client_ca /etc/clients.pem is no PEM file",
        ),
        (
            "clients.pem",
            nothing,
            "tls_client_ca",
            "tls_client_ca /etc/clients.pem: certificate 1 cannot be used: ",
        ),
        ("clients.pem", &other.clients.pem.replace("clients", "x"), "", ""),
        (
            "revoked.pem",
            &pki.clients.pem,
            "tls_client_crl",
            "has no list of revoked certificates in it",
        ),
        (
            "revoked.pem",
            empty,
            "tls_client_crl",
            "tls_client_crl: a list cannot be used: it is damaged",
        ),
    ] {
        let run = pki.with(&format!("/etc/{file}"), text);
        if expected.is_empty() {
            run.ok();
            continue;
        }
        let errors = run.errors();
        let [error] = errors.as_slice() else { panic!("{errors:#?}") };
        assert!(error.contains(expected), "{error}");
        let line = error.lines().nth(1).unwrap();
        assert!(
            line.starts_with("  /etc/s.conf:") && line.ends_with(&format!("] {key}")),
            "{error}"
        );
        assert!(error.lines().count() == 3, "{error}");
        assert!(!error.contains("AAAA") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn files_are_had_by_the_rules_of_configuration_files() {
    let pki = Pki::new();
    for (answer, text) in [
        (Answer::Errno(ENOENT), "/etc/server.key: No such file or directory"),
        (Answer::Kind, "/etc/server.key is not a regular file"),
        (
            Answer::Unsafe { upto: 4, uid: 1000, mode: 0o40_755 },
            "/etc belongs to alice (uid 1000) and has mode 0755: others than root could change it",
        ),
    ] {
        let errors = pki.run(TLS).denied("/etc/server.key", answer).errors();
        let [error] = errors.as_slice() else { panic!("{errors:#?}") };
        assert!(error.starts_with("tls_key /etc/server.key cannot be read\n"), "{error}");
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn keys_that_others_can_read() {
    let pki = Pki::new();
    let with = |owner: (u32, u32, u32), more: &str| {
        let mut run = pki.run(&format!("{TLS}\n{more}"));
        run.files.modes.insert("/etc/server.key".to_owned(), owner);
        run
    };
    for (owner, warned) in [
        ((0, 0, 0o600), false),
        ((0, 0, 0o400), false),
        ((0, 0, 0o640), true),
        ((0, 0, 0o604), true),
        ((0, 100, 0o640), true),
    ] {
        let (_, settings) = with(owner, "").ok();
        let notes = notes(&settings, Level::Warn);
        assert_eq!(notes.len(), usize::from(warned), "{owner:?}: {notes:?}");
        if warned {
            let text = format!(
                "/etc/s.conf:6: [inet_http_server] tls_key: tls_key /etc/server.key has mode {:04o}: others than its owner can \
                 read the key; put it right with: chmod go= /etc/server.key",
                owner.2
            );
            assert_eq!(notes, [text]);
        }
    }
    let error = with((0, 0, 0o640), "[supervisord]\nstrict=true").error();
    assert!(error.starts_with("tls_key /etc/server.key has mode 0640: "), "{error}");
    // A daemon that is somebody else reads it by its group at a later reading.
    let alice = |owner| {
        let mut run = run(&format!(
            "[supervisord]\nuser=alice\n[inet_http_server]\nport=127.0.0.1:1\n{TLS}\n"
        ))
        .file("/etc/server.pem", &pki.server.pem)
        .file("/etc/server.key", &pki.server.key);
        run.files.modes.insert("/etc/server.key".to_owned(), owner);
        notes(&run.ok().1, Level::Warn).len()
    };
    assert_eq!((alice((0, 100, 0o640)), alice((0, 101, 0o640)), alice((0, 100, 0o660))), (0, 1, 1));
}

#[test]
fn what_ends_is_said_and_the_rest_starts() {
    let pki = Pki::new();
    let with = |params: &CertificateParams| {
        let pair = pair(params);
        let run =
            pki.run(TLS).file("/etc/server.pem", &pair.pem).file("/etc/server.key", &pair.key);
        let (_, settings) = run.ok();
        assert!(settings.servers[0].tls.is_some());
        notes(&settings, Level::Warn)
    };
    let notes_of = with(&params("a", 2021));
    assert_eq!(
        notes_of,
        [
            "/etc/s.conf:5: [inet_http_server] tls_cert: the certificate in /etc/server.pem has expired on \
             2021-01-01T00:00:00Z, it is refused; renew it"
        ]
    );
    let mut early = params("a", 2090);
    early.not_before = date_time_ymd(2080, 1, 1);
    assert!(with(&early)[0].contains("is not valid before 2080-01-01T00:00:00Z"));
    let mut soon = params("a", 2090);
    let now = std::time::SystemTime::now();
    soon.not_after = (now + std::time::Duration::from_secs(13 * 24 * 3600)).into();
    assert!(with(&soon)[0].contains("; renew it before"));
    soon.not_after = (now + std::time::Duration::from_secs(15 * 24 * 3600)).into();
    assert!(with(&soon).is_empty());
    let (params_of, key, clients) = authority("clients");
    let list = revoked(&params_of, key, 2021);
    let run = pki.with("/etc/clients.pem", &clients.pem).file("/etc/revoked.pem", &list);
    let notes = notes(&run.ok().1, Level::Warn);
    assert!(notes[0].contains("list 1 was to be renewed by 2021-01-01T00:00:00Z"), "{notes:?}");
    let strict = format!("{ALL}\n[supervisord]\nstrict=true");
    let run = pki.run(&strict).file("/etc/clients.pem", &clients.pem);
    let errors = run.file("/etc/revoked.pem", &list).errors();
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    let expected = "tls_client_crl: list 1 was to be renewed by 2021-01-01T00:00:00Z: it may lack names, which \
                    strict=true forbids\n";
    assert!(error.starts_with(expected) && error.contains("] tls_client_crl"), "{error}");
}

#[test]
fn a_list_of_another_authority_is_refused() {
    let pki = Pki::new();
    let (params_of, key, _) = authority("others");
    let list = revoked(&params_of, key, 2090);
    let error = pki.with("/etc/revoked.pem", &list).error();
    assert_eq!(error, "tls_client_crl: list 1 is of CN=others, no authority of tls_client_ca");
}

#[test]
fn an_authority_without_a_list_where_others_have_one() {
    let pki = Pki::new();
    let (_, _, other) = authority("others");
    let both = pki.clients.pem.clone() + &other.pem;
    let (_, settings) = pki.with("/etc/clients.pem", &both).ok();
    let found = notes(&settings, Level::Warn);
    assert!(found[0].contains("there is no list of CN=others: clients with"), "{found:?}");
    let lines = ALL.replace("tls_client_crl=/etc/revoked.pem", "");
    let (_, settings) = pki.run(&lines).file("/etc/clients.pem", &both).ok();
    assert!(notes(&settings, Level::Warn).is_empty());
}

#[test]
fn keys_that_need_each_other() {
    let pki = Pki::new();
    for (lines, expected) in [
        ("tls_cert=/etc/server.pem", "[inet_http_server] has tls_cert but no tls_key"),
        ("tls_key=/etc/server.key", "[inet_http_server] has tls_key but no tls_cert"),
        ("tls_client_ca=/etc/clients.pem", "[inet_http_server] has tls_client_ca but no tls_cert"),
        (&format!("{TLS}\ntls_client_auth=required"), "has tls_client_auth but no tls_client_ca"),
        (
            &format!("{TLS}\ntls_client_crl=/etc/revoked.pem"),
            "has tls_client_crl but no tls_client_ca",
        ),
        (&ALL.replace("optional", "never"), "not a valid tls_client_auth value: 'never'"),
        (&ALL.replace("/etc/server.key", ""), "the path is empty"),
        ("auth=pam", "[inet_http_server] has auth=pam but no TLS"),
        ("auth=ldap", "not a valid auth value: 'ldap'"),
    ] {
        let error = pki.run(lines).error();
        assert!(error.contains(expected), "{lines}: {error}");
    }
    let (table, settings) = pki.run(&format!("{TLS}\nauth=pam")).ok();
    assert!(table.pam && settings.servers[0].pam);
    let (table, settings) = run(&format!("{BASE}[unix_http_server]\nfile=/s\nauth=pam\n")).ok();
    assert!(table.pam && settings.servers[0].pam);
    let (table, settings) = run(&format!("{BASE}[unix_http_server]\nfile=/s\ntls_cert=/x\n")).ok();
    assert!(
        !table.pam && notes(&settings, Level::Warn)[0].contains("is not known and has no effect")
    );
}

#[test]
fn beyond_loopback_tls_and_a_proof_are_fine() {
    let pki = Pki::new();
    let server = |lines: &str, strict: &str| {
        let lines = lines.replace("port=127.0.0.1:1", "");
        let mut run = pki.run(&format!("{lines}\n[supervisord]\n{strict}"));
        let text = run.files.files["/etc/s.conf"].clone().unwrap();
        let text = String::from_utf8(text).unwrap().replace("127.0.0.1:1", "*:1");
        run.files.files.insert("/etc/s.conf".to_owned(), Ok(text.into_bytes()));
        run
    };
    let clients = "tls_client_ca=/etc/clients.pem";
    for (lines, guarded) in [
        (format!("{TLS}\nusername=u\npassword=p"), true),
        (format!("{TLS}\nauth=pam"), true),
        (format!("{TLS}\n{clients}"), false),
        (format!("{TLS}\n[supervisord]\ntokens_file=/etc/tokens"), true),
    ] {
        for strict in ["", "strict=true"] {
            let (_, settings) = server(&lines, strict).ok();
            assert_eq!(settings.servers.len(), 1, "{lines}");
            assert_eq!(settings.servers[0].guarded, guarded, "{lines}");
            assert!(notes(&settings, Level::Warn).is_empty(), "{lines}: {:?}", settings.notes);
        }
    }
    for lines in [TLS.to_owned(), format!("{TLS}\n{clients}\ntls_client_auth=optional")] {
        let (_, settings) = server(&lines, "").ok();
        assert!(settings.servers.is_empty(), "{lines}");
        let error = server(&lines, "strict=true").error();
        assert!(error.contains("strict=true forbids: it asks for no password"), "{error}");
    }
    let (_, settings) = server("username=u\npassword=p", "").ok();
    assert!(notes(&settings, Level::Warn)[0].ends_with("; set tls_cert and tls_key"));
}

#[test]
fn a_later_reading_takes_new_certificates_and_leaves_the_protocol() {
    let pki = Pki::new();
    let later = |table: &Table, mut run: Run| {
        run.facts.start.again = true;
        run.facts.current = Some(table.clone());
        run
    };
    let program = "\n[program:a]\ncommand=a";
    let tls = format!("{TLS}{program}");
    let (secure, _) = pki.run(&tls).ok();
    let (plain, _) = pki.run(program).ok();

    let other = Pki::new();
    let (table, settings) = later(&secure, other.run(&tls)).ok();
    assert_eq!(table, secure);
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
    assert_eq!(
        settings.servers[0].tls.as_ref().unwrap().chain,
        std::slice::from_ref(&other.server.der)
    );

    // Off and on: the socket goes on as it is, by what its server was told last.
    for (current, text) in [(&secure, program), (&plain, tls.as_str())] {
        let (table, settings) = later(current, pki.run(text)).ok();
        assert_eq!(&table, current, "programs are told of the server in force");
        assert!(settings.servers.is_empty());
        let expected = "[inet_http_server] tls_cert changed; it takes effect at the next restart";
        assert_eq!(notes(&settings, Level::Warn), [expected]);
    }
    // One that cannot be used leaves everything as it was.
    let bad = pki.run(&tls).file("/etc/server.key", &other.server.key);
    let Outcome::Complain(complaints) = later(&secure, bad).outcome() else { panic!() };
    assert!(complaints.fault.starts_with("the key of tls_key does not belong"), "{complaints:?}");
    // PAM follows the reading.
    let pam = "[unix_http_server]\nfile=/s\nauth=pam";
    let (table, _) = run(&format!("{BASE}{pam}\n")).ok();
    let (table, settings) =
        later(&table, run(&format!("{BASE}[unix_http_server]\nfile=/s\n"))).ok();
    assert!(!table.pam);
    assert_eq!(
        notes(&settings, Level::Warn)[0],
        "auth=pam changed; it takes effect at the next restart"
    );
    let (table, settings) = later(&table, run(&format!("{BASE}{pam}\n"))).ok();
    assert!(table.pam);
    let expected = "[unix_http_server] auth changed; it takes effect at the next restart";
    assert_eq!(notes(&settings, Level::Warn)[0], expected);
    let (_, settings) = later(&table, run(&format!("{BASE}{pam}\n"))).ok();
    assert!(!settings.notes.iter().any(|(_, line)| line.contains("auth")), "{settings:?}");
}

#[test]
fn what_tells_callers_apart_begins_an_audit_log() {
    let pki = Pki::new();
    let audited = |run: Run| run.ok().1.audit.is_some();
    assert!(!audited(pki.run(TLS)) && audited(pki.run(ALL)));
    assert!(audited(pki.run(&format!("{TLS}\nauth=pam"))));
    assert!(audited(run(&format!("{BASE}[unix_http_server]\nfile=/s\nauth=pam\n"))));
    assert!(audited(run(&format!("{BASE}[supervisord]\ntokens_file=/etc/tokens\n"))));
    assert!(!audited(run(&format!("{BASE}[unix_http_server]\nfile=/s\n"))));
}

#[test]
fn nothing_of_a_key_is_shown() {
    let pki = Pki::new();
    for how in [&["--check", "--show"][..], &["--check", "--json"], &["--policy"]] {
        let mut run = pki.run(ALL).more(how);
        let Outcome::Leave { status: 0, stdout, stderr } = run.outcome() else { panic!() };
        let secret = pki.server.key.lines().nth(1).unwrap();
        assert!(!stdout.contains(secret) && !stderr.contains(secret), "{how:?}");
    }
}
