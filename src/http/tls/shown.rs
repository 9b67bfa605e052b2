//! What a client has shown, and whether that would still let it in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rustls::Error;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::super::Site;
use super::{Tls, handshake};
use crate::config::settings::Level;

/// The certificates of a connection, that of the client first; none where it has shown none.
pub(in super::super) struct Shown {
    tls: Rc<Tls>,
    peer: Rc<str>,
    chain: Vec<CertificateDer<'static>>,
    /// By what they were found good.
    judge: RefCell<Option<Arc<dyn ClientCertVerifier>>>,
    /// Until when that holds, in seconds since 1970.
    until: Cell<u64>,
    /// What was said against them.
    ended: Cell<bool>,
}

impl Shown {
    /// What a handshake that has just passed has brought.
    pub(super) fn new(
        tls: &Rc<Tls>,
        peer: &Rc<str>,
        chain: Option<&[CertificateDer<'static>]>,
        judge: Option<Arc<dyn ClientCertVerifier>>,
        now: UnixTime,
    ) -> Shown {
        let chain = chain.unwrap_or_default().to_vec();
        let until = Cell::new(until(&chain, now));
        let (tls, peer) = (Rc::clone(tls), Rc::clone(peer));
        Shown { tls, peer, chain, judge: RefCell::new(judge), until, ended: Cell::new(false) }
    }

    /// Whether there is a certificate, which can end by itself.
    pub(in super::super) fn is_dated(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Whether it would let the client in by the last reading, now. Looked at in full only where that can have changed;
    /// the first time that it would not is told.
    pub(in super::super) fn stands(&self, site: &impl Site) -> bool {
        if self.ended.get() {
            return false;
        }
        let now = UnixTime::since_unix_epoch(site.now().wall);
        let judge = self.tls.keys.judge(site);
        let same = match (&*self.judge.borrow(), &judge) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if same && now.as_secs() < self.until.get() {
            return true;
        }
        match self.verify(judge.as_deref(), now) {
            Ok(()) => {
                self.judge.replace(judge);
                self.until.set(until(&self.chain, now));
                true
            }
            Err(reason) => {
                self.ended.set(true);
                let text = format!(
                    "TLS connection of {} ends: it would not be let in any more: {reason}",
                    self.peer
                );
                site.log(Level::Info, text);
                false
            }
        }
    }

    fn verify(&self, judge: Option<&dyn ClientCertVerifier>, now: UnixTime) -> Result<(), String> {
        match (self.chain.split_first(), judge) {
            (None, Some(judge)) if judge.client_auth_mandatory() => {
                Err(handshake::words(&Error::NoCertificatesPresented))
            }
            (None, _) => Ok(()),
            (Some(_), None) => {
                Err("a certificate, where none is asked for by the last reading".to_owned())
            }
            (Some((leaf, between)), Some(judge)) => judge
                .verify_client_cert(leaf, between, now)
                .map(drop)
                .map_err(|error| handshake::words(&error)),
        }
    }
}

/// When the first of these ends that has not ended yet. One that cannot be read may end within a minute.
fn until(chain: &[CertificateDer<'_>], now: UnixTime) -> u64 {
    let end = |der: &CertificateDer<'_>| {
        let Ok(certificate) = Certificate::from_der(der) else {
            return now.as_secs().saturating_add(60);
        };
        // It is good in all of its last second.
        let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
        end.as_secs().saturating_add(1)
    };
    let ends = chain.iter().map(end).filter(|end| *end > now.as_secs());
    ends.min().unwrap_or(u64::MAX)
}
