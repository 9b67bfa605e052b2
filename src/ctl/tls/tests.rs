use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::ctl::follower::{self, Follower};
use crate::ctl::server::{Call, Server};
use crate::ctl::trouble::Trouble;
use crate::rpc::xml::{Value, encode_response};

/// Somebody who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
struct Pair {
    cert: String,
    key: String,
}

impl Pair {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.cert.as_bytes()).map(Result::unwrap).collect()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

const SERIAL: u64 = 77;

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn signs(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from(SERIAL));
        change(&mut params);
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { cert, key: key.serialize_pem() }
    }

    fn server(&self) -> Pair {
        self.signs(&["localhost", "127.0.0.1"], |_| {})
    }

    fn revokes(&self, serials: &[u64], until: i32) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// What clients of a server have to prove themselves by.
#[derive(Clone, Default)]
struct Wanted {
    authority: Option<String>,
    revoked: Option<String>,
    tls12: bool,
}

fn config(own: &Pair, wanted: &Wanted) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if wanted.tls12 { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match &wanted.authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if let Some(pem) = &wanted.revoked {
                let list = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
                verifier = verifier.with_crls([list]);
            }
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    Arc::new(builder.with_single_cert(own.chain(), own.key()).unwrap())
}

type Secured = StreamOwned<ServerConnection, TcpStream>;

/// A server, each of whose connections is served so; its port.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    port
}

fn secured(own: &Pair, wanted: &Wanted, serve: impl Fn(Secured) + Send + Sync + 'static) -> u16 {
    let config = config(own, wanted);
    listen(move |stream| {
        stream.set_nodelay(true).unwrap();
        let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(StreamOwned::new(tls, stream));
    })
}

/// Reads a request; whether there was one.
fn request(reader: &mut BufReader<Secured>) -> bool {
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            return reader.read_exact(&mut vec![0; length]).is_ok();
        }
        line.clear();
    }
    false
}

/// Answers calls with `3.0`.
fn daemon(stream: Secured) {
    let mut reader = BufReader::new(stream);
    while request(&mut reader) {
        let body = encode_response(&Value::from("3.0"));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        // In pieces, which are records of their own.
        for part in [head.as_bytes(), &body] {
            if reader.get_mut().write_all(part).is_err() {
                return;
            }
        }
    }
}

/// Files of a client's.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Room {
        Room(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Trusts this authority.
    fn trusts(&self, authority: &Authority) -> TlsFiles {
        let cacert = Some(self.file("ca.pem", &authority.pem));
        TlsFiles { cacert, ..TlsFiles::default() }
    }

    fn shows(&self, pair: &Pair, trusts: TlsFiles) -> TlsFiles {
        let cert = Some(self.file("me.pem", &pair.cert));
        let key = Some(self.file("me.key", &pair.key));
        TlsFiles { cert, key, ..trusts }
    }
}

fn server(host: &str, port: u16, files: &TlsFiles) -> Server {
    let url = format!("https://{host}:{port}");
    Server::new(url, None, None).with_tls(Tls::new(files.clone()))
}

/// What a call says: its answer, or why there is none.
fn call(host: &str, port: u16, files: &TlsFiles) -> Result<String, String> {
    match server(host, port, files).call("supervisor.getVersion", &[]) {
        Ok(value) => Ok(value.as_str().unwrap().to_owned()),
        Err(Trouble::Tls(text)) => Err(text),
        Err(other) => Err(format!("{other:?}")),
    }
}

fn ok() -> Result<String, String> {
    Ok("3.0".to_owned())
}

#[track_caller]
fn assert_says(said: Result<String, String>, words: &[&str]) {
    let text = said.unwrap_err();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn servers_of_known_authorities_are_spoken_to() {
    let (room, authority) = (Room::new(), Authority::new("ours"));
    for tls12 in [false, true] {
        let wanted = Wanted { tls12, ..Wanted::default() };
        let port = secured(&authority.server(), &wanted, daemon);
        let files = room.trusts(&authority);
        assert_eq!(call("localhost", port, &files), ok());
        assert_eq!(call("127.0.0.1", port, &files), ok());
        // Over one connection, and two questions at once.
        let mut server = server("localhost", port, &files);
        for _ in 0..3 {
            assert!(server.call("supervisor.getVersion", &[]).is_ok());
        }
        let call = Call::new("supervisor.getVersion", &[]);
        let (first, second) = server.call_both(&call, &call);
        assert!(first.is_ok() && second.is_ok());
    }
}

#[test]
fn strangers_are_not() {
    let (room, ours, others) = (Room::new(), Authority::new("ours"), Authority::new("others"));
    let port = secured(&others.server(), &Wanted::default(), daemon);
    let files = room.trusts(&ours);
    let file = files.cacert.clone().unwrap();
    assert_says(
        call("localhost", port, &files),
        &[&format!("localhost:{port}"), "authority that is not in", &file],
    );
    let insecure = TlsFiles { insecure: true, ..TlsFiles::default() };
    assert_eq!(call("localhost", port, &insecure), ok());
}

#[test]
fn certificates_have_to_be_good_for_the_host_and_now() {
    let (room, authority) = (Room::new(), Authority::new("ours"));
    let files = room.trusts(&authority);
    let said = |pair: &Pair| call("localhost", secured(pair, &Wanted::default(), daemon), &files);
    let other = authority.signs(&["a.example", "192.0.2.1"], |_| {});
    assert_says(said(&other), &["other names: a.example, 192.0.2.1", "have localhost added"]);
    let nobody = authority.signs(&[], |_| {});
    assert_says(said(&nobody), &["for no host", "subjectAltName"]);
    let old = authority.signs(&["localhost"], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    assert_says(said(&old), &["expired on 2020-01-01T00:00:00Z", "renewed", "clock"]);
    let early = authority.signs(&["localhost"], |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    assert_says(said(&early), &["valid from 2999-01-01T00:00:00Z on", "clock"]);
    let client = authority.signs(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_says(said(&client), &["not meant for servers", "serverAuth"]);
}

#[test]
fn revoked_certificates_are_refused() {
    let (room, authority) = (Room::new(), Authority::new("ours"));
    let port = secured(&authority.server(), &Wanted::default(), daemon);
    let trusts = room.trusts(&authority);
    let with =
        |name: &str, text: &str| TlsFiles { crl: Some(room.file(name, text)), ..trusts.clone() };
    let said = |files: &TlsFiles| call("localhost", port, files);
    assert_eq!(said(&with("none", &authority.revokes(&[], 2999))), ok());
    assert_eq!(said(&with("other", &authority.revokes(&[SERIAL + 1], 2999))), ok());
    assert_says(
        said(&with("this", &authority.revokes(&[SERIAL], 2999))),
        &["was revoked, says", "/this", "nothing was sent"],
    );
    assert_says(
        said(&with("old", &authority.revokes(&[], 2021))),
        &["out of date since 2021-01-01", "/old"],
    );
    let others = Authority::new("others").revokes(&[], 2999);
    assert_says(said(&with("others", &others)), &["has no list of the authority"]);
}

#[test]
fn a_certificate_that_signs_itself_can_be_trusted_by_name() {
    let room = Room::new();
    let make = |until: i32, host: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        // As `openssl req -x509` makes them.
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(until, 1, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        Pair { cert, key: key.serialize_pem() }
    };
    let said = |own: &Pair, trusted: &Pair| {
        let files =
            TlsFiles { cacert: Some(room.file("one.pem", &trusted.cert)), ..TlsFiles::default() };
        call("localhost", secured(own, &Wanted::default(), daemon), &files)
    };
    let own = make(2999, "localhost");
    assert_eq!(said(&own, &own), ok());
    assert_says(said(&own, &make(2999, "localhost")), &["signs itself", "--cacert FILE"]);
    let old = make(2020, "localhost");
    assert_says(said(&old, &old), &["expired on 2020-01-01"]);
    let other = make(2999, "elsewhere");
    assert_says(said(&other, &other), &["other names: elsewhere"]);
}

#[test]
fn servers_may_want_a_certificate() {
    let (room, ours, others) = (Room::new(), Authority::new("ours"), Authority::new("others"));
    let trusts = room.trusts(&ours);
    let client = |authority: &Authority, until| {
        authority.signs(&["me"], |params| {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
        })
    };
    for tls12 in [false, true] {
        let wanted = Wanted { authority: Some(ours.pem.clone()), revoked: None, tls12 };
        let port = secured(&ours.server(), &wanted, daemon);
        let said = |files: &TlsFiles| call("localhost", port, files);
        assert_says(said(&trusts), &["wants a certificate of its clients", "--cert FILE"]);
        assert_eq!(said(&room.shows(&client(&ours, 2999), trusts.clone())), ok());
        // One file may have both.
        let pair = client(&ours, 2999);
        let both = Some(room.file("both.pem", &format!("{}{}", pair.cert, pair.key)));
        assert_eq!(said(&TlsFiles { cert: both, ..trusts.clone() }), ok());
        assert_says(
            said(&room.shows(&client(&others, 2999), trusts.clone())),
            &["refused the certificate of this client", "/me.pem", "authority"],
        );
        assert_says(
            said(&room.shows(&client(&ours, 2020), trusts.clone())),
            &["refused the certificate of this client", "it has expired"],
        );
        let revoked = Wanted { revoked: Some(ours.revokes(&[SERIAL], 2999)), ..wanted.clone() };
        let port = secured(&ours.server(), &revoked, daemon);
        assert_says(
            call("localhost", port, &room.shows(&client(&ours, 2999), trusts.clone())),
            &["refused the certificate of this client", "it was revoked"],
        );
    }
}

#[test]
fn servers_that_speak_no_tls_are_told_of() {
    let files = TlsFiles { insecure: true, ..TlsFiles::default() };
    let plain = listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    assert_says(call("localhost", plain, &files), &["does not speak https", "http://"]);
    let closed = listen(drop);
    assert_says(call("localhost", closed, &files), &["ended the connection"]);
    let url =
        |port: u16, path: &str| Server::new(format!("http://localhost:{port}{path}"), None, None);
    let authority = Authority::new("ours");
    // The other way round: it is an alert that answers, or words.
    let port = secured(&authority.server(), &Wanted::default(), |mut stream| {
        let _ = stream.conn.complete_io(&mut stream.sock);
    });
    let words = listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let text = "The plain HTTP request was sent to HTTPS port";
        let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", text.len());
        let _ = stream.write_all(format!("{head}{text}").as_bytes());
    });
    for port in [port, words] {
        let expected = format!(
            "localhost:{port} speaks https, and was asked by http: write https://localhost:{port} in its place"
        );
        match url(port, "").call("supervisor.getVersion", &[]) {
            Err(Trouble::Tls(text)) => assert_eq!(text, expected),
            other => panic!("{other:?}"),
        }
        // What a password was sent with is known to others now.
        let mut server = url(port, "");
        (server.username, server.password) = (Some("bob".to_owned()), Some("secret".to_owned()));
        match server.call("supervisor.getVersion", &[]) {
            Err(Trouble::Tls(text)) => assert!(
                text.starts_with(&format!(
                    "{expected}; the password or token has been sent in clear"
                )) && !text.contains("secret"),
                "{text}"
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_told_of_before() {
    let (room, authority) = (Room::new(), Authority::new("ours"));
    let (one, two) = (authority.server(), authority.server());
    let trusts = room.trusts(&authority);
    let said = |files: TlsFiles| Tls::new(files).check().map_err(|NoTls(text)| text);
    let cacert = |file: String| TlsFiles { cacert: Some(file), ..TlsFiles::default() };
    assert_eq!(said(trusts.clone()), Ok(()));
    let text = |said: Result<(), String>| said.unwrap_err();
    assert!(text(said(cacert("/nonexistent".to_owned()))).contains("cannot read /nonexistent"));
    assert!(text(said(cacert(room.file("x", "hello")))).contains("holds no certificate"));
    let der = authority.server().chain().remove(0);
    let path = room.0.path().join("der");
    fs::write(&path, &der).unwrap();
    assert!(text(said(cacert(path.to_str().unwrap().to_owned()))).contains("is DER"));
    let torn = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    assert!(text(said(cacert(room.file("torn", torn)))).contains("no PEM that can be read"));
    let mixed = Pair { cert: one.cert.clone(), key: two.key.clone() };
    assert!(text(said(room.shows(&mixed, trusts.clone()))).contains("does not belong to"));
    let alone = TlsFiles { key: Some(room.file("k", &one.key)), ..trusts.clone() };
    assert!(text(said(alone)).contains("--cert FILE"));
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = Pair { cert: one.cert.clone(), key: locked.to_owned() };
    assert!(text(said(room.shows(&locked, trusts.clone()))).contains("is encrypted"));
    let bad_list = TlsFiles { crl: Some(room.file("c", &one.cert)), ..trusts.clone() };
    assert!(text(said(bad_list)).contains("holds no revocation list"));
    // Others may know what is no secret.
    let shown = room.shows(&one, trusts);
    let open = |file: &Option<String>, mode| {
        fs::set_permissions(file.as_ref().unwrap(), fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&shown.cert, 0o644);
    assert_eq!(said(shown.clone()), Ok(()));
    for mode in [0o640, 0o604] {
        open(&shown.key, mode);
        let why = text(said(shown.clone()));
        assert!(why.contains("chmod 600") && why.contains("/me.key"), "{why}");
    }
}

/// Sends the head of a log's answer, and then what comes through the channel.
fn log(parts: Vec<Vec<u8>>) -> impl Fn(Secured) + Send + Sync + 'static {
    move |stream| {
        let mut reader = BufReader::new(stream);
        if !request(&mut reader) {
            return;
        }
        let stream = reader.get_mut();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for part in &parts {
            stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).unwrap();
            stream.write_all(part).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        // Until the other end has had enough.
        let _ = stream.read(&mut [0; 16]);
    }
}

#[test]
fn a_log_that_is_followed_can_be_ended() {
    let (room, authority) = (Room::new(), Authority::new("ours"));
    let port = secured(&authority.server(), &Wanted::default(), log(vec![b"abc".to_vec()]));
    let server = server("localhost", port, &room.trusts(&authority));
    let stream = follower::connect(&server, "/mainlogtail").unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let follower = Follower::start(stream, move |reader| {
        let mut body = follower::body(reader).ok().unwrap();
        follower::parts(&mut body, |part| send.send(part.to_vec()).is_ok()).is_err()
    })
    .unwrap();
    assert_eq!(receive.recv_timeout(Duration::from_secs(20)), Ok(b"abc".to_vec()));
    assert_eq!(follower.end(true), Some(true));
}

#[test]
fn what_has_come_is_not_waited_for() {
    let (room, authority) = (Room::new(), Authority::new("ours"));
    let long: Vec<u8> = (0..40_000u32).map(|number| b'a' + (number % 26) as u8).collect();
    let port = secured(&authority.server(), &Wanted::default(), log(vec![long.clone()]));
    let server = server("localhost", port, &room.trusts(&authority));
    let mut stream = follower::connect(&server, "/mainlogtail").unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
    // As it is done where an interrupt is waited for at the same time: the socket alone is never read from without word.
    while !all.ends_with(b"\r\n") || all.len() < long.len() {
        if !stream.holds_more() {
            let mut ready = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut ready, PollTimeout::from(20_000u16)), Ok(1));
            if !stream.take_in().unwrap() {
                continue;
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0);
        all.extend_from_slice(&buffer[..count]);
    }
    assert!(all.windows(1000).any(|part| part == &long[39_000..]));
}
