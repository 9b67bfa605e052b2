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
