//! Certificates for tests, clients that show them, and what all tests of TLS need.

use std::rc::Rc;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::bed::{Bed, Client, Plan};
use crate::config::settings::{Clients, Tls};
use crate::ctl::tls::anybody;

/// A certificate and its key, in DER.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("authority"))
    }

    pub fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A certificate for `name`, changed as it likes.
    pub fn signs(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().expect("name"))];
        change(&mut params);
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.0).expect("certificate");
        Pair { certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    /// A certificate for a client, with this serial number.
    pub fn client(&self, name: &str, serial: u8) -> Pair {
        self.signs(name, |params| {
            params.serial_number = Some(SerialNumber::from_slice(&[serial]));
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A list of revoked certificates.
    pub fn revokes(&self, serials: &[u8]) -> Vec<u8> {
        let revoked = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*serial]),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).expect("list").der().to_vec()
    }

    /// What a server of this authority has; `clients` are asked for certificates of the same authority.
    pub fn tls(&self, clients: Option<bool>, revoked: &[u8]) -> Tls {
        let pair = self.signs("server", |_| ());
        let revoked = if revoked.is_empty() { vec![] } else { vec![self.revokes(revoked)] };
        let clients =
            clients.map(|required| Clients { authorities: vec![self.der()], revoked, required });
        Tls { chain: vec![pair.certificate], key: pair.key, clients }
    }
}

/// A client that shows this, or nothing, and speaks these versions.
pub fn connector(
    pair: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    connector_with(pair, &[], versions)
}

/// The same, with these certificates behind that of the pair.
pub fn connector_with(
    pair: Option<&Pair>,
    between: &[Vec<u8>],
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(anybody());
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let key = PrivateKeyDer::try_from(pair.key.clone()).expect("key");
            let chain = [&pair.certificate].into_iter().chain(between);
            let chain = chain.map(|der| CertificateDer::from(der.clone())).collect();
            builder.with_client_auth_cert(chain, key).expect("pair")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

impl Bed {
    /// A connection over TLS of a client that shows this.
    pub async fn tls(&self, pair: Option<&Pair>) -> Client<TlsStream<TcpStream>> {
        self.try_tls(pair, rustls::ALL_VERSIONS).await.expect("handshake")
    }

    /// The same, which may fail.
    pub async fn try_tls(
        &self,
        pair: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let tcp = self.tcp().await.stream;
        let name = ServerName::try_from("localhost").expect("name");
        Ok(Client::new(connector(pair, versions).connect(name, tcp).await?))
    }
}

pub const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Runs a test on a bed whose TCP server speaks TLS.
pub fn run<F: Future<Output = ()>>(tls: Tls, test: impl FnOnce(Rc<Bed>) -> F) {
    Plan { tls: Some(tls), ..Plan::default() }.run(test);
}

pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// The lines about TLS.
pub fn lines(bed: &Bed) -> Vec<String> {
    let lines = bed.site.lines.borrow();
    lines.iter().map(|(_, text)| text.clone()).filter(|text| text.contains("TLS")).collect()
}

/// What comes of asking over TLS: the answer, or why there is none.
pub async fn asked(bed: &Bed, pair: Option<&Pair>) -> Result<String, String> {
    asked_with(bed, pair, &[]).await
}

/// The same, with these certificates behind that of the pair.
pub async fn asked_with(
    bed: &Bed,
    pair: Option<&Pair>,
    between: &[Vec<u8>],
) -> Result<String, String> {
    let connector = connector_with(pair, between, rustls::ALL_VERSIONS);
    let name = ServerName::try_from("localhost").expect("name");
    let stream = connector.connect(name, bed.tcp().await.stream).await;
    let mut client = Client::new(stream.map_err(|e| e.to_string())?);
    // In TLS 1.3 a client learns only with the first answer that it is refused.
    let _ = client.stream.write_all(HEALTH.as_bytes()).await;
    let mut bytes = vec![0; 4096];
    let count = client.stream.read(&mut bytes).await.map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}
