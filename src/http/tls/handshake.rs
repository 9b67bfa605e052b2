//! The beginning of a connection over TLS.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::super::Site;
use super::super::gate::Client;
use super::super::limits::{HEAD_TIME, LINGER_TIME};
use super::super::line::Line;
use super::channel::{Channel, Opening, Socket};
use super::{Shown, Tls, names};
use crate::config::text::is_printable;

/// Bytes of records that a connection holds for a client that does not take them.
const RECORDS: usize = 32 << 10;

/// What somebody is told who does not speak TLS.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nServer: Medusa/1.12\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nContent-Length: 59\r\n\r\nthis server speaks https: use https:// in place of http://\n";

/// Carries out the handshake on a line that was just accepted, and notes whom a certificate proves the client to be.
/// `false` where nothing came of it; then the connection is at its end.
pub(in super::super) async fn greet<S: Site>(
    tls: &Rc<Tls>,
    site: &Rc<S>,
    line: &Line,
    client: &mut Client,
) -> bool {
    let Some((config, judge)) = tls.keys.config(&**site) else {
        // Why has been said when they were read.
        line.turn_away(true);
        return false;
    };
    let turn = Rc::new(RefCell::new(tls.turns.of(client.source)));
    let (socket, opening) = Socket::new(line.bare(), &turn);
    let accept = TlsAcceptor::from(config).accept_with(socket, |connection| {
        connection.set_buffer_limit(Some(RECORDS));
    });
    let deadline = Instant::now().checked_add(HEAD_TIME).unwrap_or_else(Instant::now);
    let came = timeout_at(deadline, accept).await;
    turn.borrow_mut().leave();
    let failed = match came {
        Ok(Ok(stream)) => {
            turn.borrow_mut().finish();
            let chain = stream.get_ref().1.peer_certificates();
            let now = UnixTime::since_unix_epoch(site.now().wall);
            client.shown = Some(Shown::new(tls, &client.peer, chain, judge, now));
            client.principal = chain.and_then(<[_]>::first).and_then(|leaf| names::principal(leaf));
            line.secured(Channel(stream));
            return true;
        }
        Ok(Err(error)) => reason(&error),
        Err(_) if turn.borrow().is_paused() => {
            "too many of its address have failed, or have come at once".to_owned()
        }
        Err(_) => format!("it was not over after {} s", HEAD_TIME.as_secs()),
    };
    let failed = match opening.get() {
        // A load balancer that looks whether somebody listens, or a scan.
        Opening::Silence => return false,
        Opening::Tls => failed,
        Opening::Other => {
            let _ = line.bare().0.try_write(&[IoSlice::new(PLAIN)]);
            "it does not speak TLS (https:// is needed, not http://)".to_owned()
        }
    };
    let text = format!("TLS handshake with {} failed: {failed}", client.peer);
    tls.failures.tell(site, client.source, text);
    // Closing with input unread resets the connection, and the alert could be lost on its way.
    let _ = line.bare().0.end_writing();
    let _ = timeout(LINGER_TIME, poll_fn(|cx| line.poll_closed(cx))).await;
    false
}

/// Why a handshake has failed, in words.
fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the client has left".to_owned(),
        None => printable(&error.to_string()),
        Some(error) => words(error),
    }
}

/// The same of what TLS says.
pub(super) fn words(error: &Error) -> String {
    let text = match error {
        Error::NoCertificatesPresented => "no certificate, and one is required".to_owned(),
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(what) => {
            format!("no version (1.2, 1.3), cipher or key exchange in common: {what:?}")
        }
        error => error.to_string(),
    };
    printable(&text)
}

/// Some have text of the client's in them.
fn printable(text: &str) -> String {
    text.chars().filter(|c| is_printable(*c)).take(300).collect()
}

/// What is wrong with the client's certificate.
fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "certificate expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "certificate not valid yet".to_owned(),
        E::Revoked => "certificate revoked".to_owned(),
        E::UnknownIssuer => {
            "certificate signed by an unknown authority (tls_client_ca has none that it is of)"
                .to_owned()
        }
        E::UnknownRevocationStatus => {
            "certificate of an authority that tls_client_crl has no list of".to_owned()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "certificate not made for clients (extendedKeyUsage lacks clientAuth)".to_owned()
        }
        E::BadSignature => {
            "certificate signed by another key than that of its authority in tls_client_ca"
                .to_owned()
        }
        E::BadEncoding => "certificate that cannot be read".to_owned(),
        E::Other(reason) => format!("certificate refused: {}", reason.0),
        error => format!("certificate refused: {error}"),
    }
}

/// Why the client has ended it.
fn refused(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let why = match alert {
        A::UnknownCA => "it does not know the authority of this server's certificate",
        A::CertificateExpired => "it finds this server's certificate expired",
        A::CertificateRevoked => "it finds this server's certificate revoked",
        A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate => {
            "it does not accept this server's certificate"
        }
        A::ProtocolVersion => "it speaks other versions of TLS",
        alert => return format!("the client has ended it: {alert:?}"),
    };
    format!("the client has ended it: {why}")
}
