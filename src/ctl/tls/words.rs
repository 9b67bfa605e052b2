//! What is said where there is no TLS with a server: with whom, why, and what to do.

use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::{NoTls, Peer};

impl Peer {
    /// `host:port`.
    fn place(&self) -> String {
        let Peer { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// There is no name that a certificate could be for.
    pub fn nameless(&self) -> NoTls {
        NoTls(format!(
            "{} is no name that a certificate could be for: use a host's name or its address in the URL",
            self.host
        ))
    }

    /// The connection broke, or nothing came, in the middle of the beginning.
    pub fn interrupted(&self, error: io::Error) -> NoTls {
        let place = self.place();
        let text = match error.kind() {
            _ if error.get_ref().is_some_and(|inner| inner.is::<NoTls>()) => error.to_string(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
                "{place} does not answer to TLS: does it speak https there? If not, write http:// in the URL"
            ),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => format!(
                "{place} ended the connection where TLS was to begin: either it does not speak https there, or it turned \
                 this client away; its log may tell"
            ),
            _ => format!("TLS with {place} failed: {error}"),
        };
        NoTls(text)
    }

    /// What the library says, in words.
    pub fn words(&self, error: &Error) -> NoTls {
        let place = self.place();
        NoTls(match error {
            Error::InvalidCertificate(error) => self.about_certificate(error),
            Error::AlertReceived(alert) => self.about_alert(*alert),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => format!("{place} does not speak https: write http:// in the URL"),
            Error::PeerIncompatible(why) => format!(
                "{place} has no TLS in common with this client, which speaks 1.2 and 1.3: {why:?}"
            ),
            error => format!("TLS with {place} failed: {error}"),
        })
    }

    fn about_certificate(&self, error: &CertificateError) -> String {
        let whose = format!("the certificate of {}", self.place());
        match error {
            CertificateError::ExpiredContext { not_after, .. } => format!(
                "{whose} expired on {}: it has to be renewed there (if it has not expired, this machine's clock is wrong: \
                 it says {})",
                date(not_after.as_secs()),
                date(UnixTime::now().as_secs())
            ),
            CertificateError::NotValidYetContext { not_before, .. } => format!(
                "{whose} is valid from {} on, and this machine's clock says {}: one of the two is wrong",
                date(not_before.as_secs()),
                date(UnixTime::now().as_secs())
            ),
            CertificateError::NotValidForNameContext { presented, .. } => {
                self.about_names(presented)
            }
            CertificateError::UnknownIssuer => match &self.files.cacert {
                Some(file) => format!(
                    "{whose} is signed by an authority that is not in {file}: name the file of the authority that signs \
                     for this server (--cacert)"
                ),
                None => format!(
                    "{whose} is signed by an authority that this system does not know: name the file that the authority's \
                     certificate is in with --cacert FILE, cacert= or SUPERVISOR_CACERT"
                ),
            },
            CertificateError::Revoked => format!(
                "{whose} was revoked, says {}: its key may be in wrong hands, and nothing was sent there; it has to be \
                 replaced",
                self.crl()
            ),
            CertificateError::UnknownRevocationStatus => format!(
                "{} has no list of the authority that signed {whose}: add that one's list to it",
                self.crl()
            ),
            CertificateError::ExpiredRevocationListContext { next_update, .. } => format!(
                "{} is out of date since {}, so that nothing is known of {whose}: fetch a new one from the authority",
                self.crl(),
                date(next_update.as_secs())
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                format!(
                    "{whose} is not meant for servers: have one made with extendedKeyUsage serverAuth"
                )
            }
            // The library has no name for it.
            CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => {
                format!(
                    "{whose} signs itself, as one of an authority does: if it is the right one, have its file brought here by \
                     a way that you trust, and name it with --cacert FILE, cacert= or SUPERVISOR_CACERT"
                )
            }
            error => format!("{whose} cannot be trusted: {error}"),
        }
    }

    fn about_names(&self, presented: &[String]) -> String {
        let (place, host) = (self.place(), &self.host);
        match names(presented) {
            names if names.is_empty() => format!(
                "the certificate of {place} says for no host that it is for it: it needs {host} as subjectAltName"
            ),
            names => format!(
                "the certificate of {place} is for other names: {names}. Use one of these in the URL, or have {host} added \
                 there as subjectAltName"
            ),
        }
    }

    fn crl(&self) -> String {
        self.files.crl.clone().unwrap_or_else(|| "a revocation list".to_owned())
    }

    fn about_alert(&self, alert: AlertDescription) -> String {
        let place = self.place();
        match alert {
            AlertDescription::CertificateRequired => self.wants_certificate(),
            AlertDescription::ProtocolVersion => {
                format!(
                    "{place} has no version of TLS in common with this client, which speaks 1.2 and 1.3"
                )
            }
            AlertDescription::UnrecognisedName => {
                format!("{place} does not know the name {}: use the one that it knows", self.host)
            }
            alert if self.has_asked() && self.files.cert.is_none() => {
                format!("{} ({alert:?})", self.wants_certificate())
            }
            alert if self.has_asked() => self.refused(alert),
            AlertDescription::HandshakeFailure => {
                format!(
                    "{place} has no kind of TLS in common with this client, or wants something that it does not say"
                )
            }
            alert => format!("{place} refused TLS: {alert:?}; its log may tell why"),
        }
    }

    fn wants_certificate(&self) -> String {
        let place = self.place();
        match &self.files.cert {
            None => format!(
                "{place} wants a certificate of its clients: name yours with --cert FILE and --key FILE, cert= and key=, or \
                 SUPERVISOR_CERT and SUPERVISOR_KEY"
            ),
            Some(file) => format!(
                "{place} wants a certificate of its clients and could do nothing with {file}: ask for one that its \
                 authority has signed"
            ),
        }
    }

    /// The client's own certificate was not taken.
    fn refused(&self, alert: AlertDescription) -> String {
        let why = match alert {
            AlertDescription::CertificateExpired => "it has expired: have it renewed",
            AlertDescription::CertificateRevoked => "it was revoked: have another one made",
            AlertDescription::UnknownCA => {
                "it is signed by an authority that the server does not take: have one made by the server's own (tls_client_ca)"
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown => {
                "the server cannot do anything with it: it has to be one for clients (extendedKeyUsage clientAuth)"
            }
            AlertDescription::AccessDenied => "its holder may not come in",
            AlertDescription::DecryptError => "its key does not fit",
            alert => return self.refused_for(&format!("{alert:?}")),
        };
        self.refused_for(why)
    }

    fn refused_for(&self, why: &str) -> String {
        let file = self.files.cert.as_deref().unwrap_or("none");
        format!("{} refused the certificate of this client, {file}: {why}", self.place())
    }
}

fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|at| Timestamp::from_second(at).ok());
    time.map_or_else(|| format!("second {seconds} since 1970"), |time| time.to_string())
}

/// The names of a certificate without the marks of the library: `DnsName("a")`, `IpAddress(::1)`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let bare = inner.unwrap_or(name).trim_matches('"');
        bare.chars().filter(|c| !c.is_control()).collect::<String>()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare() {
        let given =
            ["DnsName(\"a.example\")".to_owned(), "IpAddress(::1)".to_owned(), "x".to_owned()];
        assert_eq!(names(&given), "a.example, ::1, x");
        assert_eq!(names(&[]), "");
        assert_eq!(date(1_767_225_600), "2026-01-01T00:00:00Z");
    }
}
