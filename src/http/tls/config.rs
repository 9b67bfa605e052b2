//! What a server speaks TLS with: made of the settings, and anew of each reading that has other ones.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::super::Site;
use super::verifier::Bounded;
use crate::config::settings::{Clients, Level, Server, Settings, Tls};

/// The only protocol over TLS here.
const HTTP: &[u8] = b"http/1.1";

/// Certificate, key and authorities of one server section, by the last reading that has usable ones.
pub(in super::super) struct Keys {
    section: String,
    socket: u32,
    current: RefCell<Current>,
}

struct Current {
    /// The reading that was last looked at.
    seen: Option<Rc<Settings>>,
    /// What `config` was made of, or could not be made of.
    tls: Option<Tls>,
    config: Option<(Arc<ServerConfig>, Judge)>,
}

/// What judges certificates of clients, where they are asked for.
type Judge = Option<Arc<dyn ClientCertVerifier>>;

impl Keys {
    /// Those of a section; `None` where it does not speak TLS.
    pub(in super::super) fn of(server: &Server, site: &impl Site) -> Option<Keys> {
        let tls = server.tls.as_ref()?;
        let keys = Keys {
            section: server.section.clone(),
            socket: server.socket,
            current: RefCell::new(Current { seen: None, tls: None, config: None }),
        };
        keys.take(tls, site);
        Some(keys)
    }

    /// For a connection that begins now. `None` where no reading had usable ones.
    pub(super) fn config(&self, site: &impl Site) -> Option<(Arc<ServerConfig>, Judge)> {
        self.look(site);
        self.current.borrow().config.clone()
    }

    /// What judges certificates of clients by the last reading.
    pub(super) fn judge(&self, site: &impl Site) -> Judge {
        self.look(site);
        self.current.borrow().config.as_ref().and_then(|(_, judge)| judge.clone())
    }

    fn look(&self, site: &impl Site) {
        let latest = site.latest();
        let seen = self.current.borrow().seen.as_ref().is_some_and(|s| Rc::ptr_eq(s, &latest));
        if !seen {
            // Whether a section speaks TLS at all is settled at the start, as its port is.
            let same = |read: &&Server| read.section == self.section && read.socket == self.socket;
            let read = latest.servers.iter().find(same);
            if let Some(tls) = read.and_then(|server| server.tls.as_ref()) {
                self.take(tls, site);
            }
            self.current.borrow_mut().seen = Some(latest);
        }
    }

    /// Uses these from now on, if they are others and can be used.
    fn take(&self, tls: &Tls, site: &impl Site) {
        if self.current.borrow().tls.as_ref() == Some(tls) {
            return;
        }
        let made = config(tls);
        let mut current = self.current.borrow_mut();
        current.tls = Some(tls.clone());
        match made {
            Ok((config, judge)) => current.config = Some((Arc::new(config), judge)),
            Err(reason) => {
                let kept = match &current.config {
                    Some(_) => "those of the last reading stay in use",
                    None => "it serves nobody",
                };
                let text = format!(
                    "certificate, key or authorities of [{}] cannot be used, so {kept}: {reason}; correct them and \
                     run `supervisorctl reread`",
                    self.section
                );
                drop(current);
                site.log(Level::Error, text);
            }
        }
    }
}

fn config(tls: &Tls) -> Result<(ServerConfig, Judge), String> {
    let provider = Arc::new(default_provider());
    let chain = tls.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    if tls.key.is_empty() {
        // Those that a former broker left have none.
        return Err("tls_key: the last reading has no key for it".to_owned());
    }
    let key = PrivateKeyDer::try_from(tls.key.clone()).map_err(|e| format!("tls_key: {e}"))?;
    let judge = tls.clients.as_ref().map(|clients| verifier(clients, &provider)).transpose()?;
    let verifier = judge.clone().unwrap_or_else(|| Arc::new(NoClientAuth));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|e| format!("tls_cert and tls_key: {e}"))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    // No resumption: it would bring back a client whose certificate has been revoked since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok((config, judge))
}

/// Judges what clients show: each certificate of a chain has to be known not to be revoked where there are lists.
fn verifier(
    clients: &Clients,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for der in &clients.authorities {
        let authority = CertificateDer::from(der.as_slice()).into_owned();
        roots.add(authority).map_err(|e| format!("tls_client_ca: {e}"))?;
    }
    let lists = clients.revoked.iter().map(|der| CertificateRevocationListDer::from(der.clone()));
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls(lists);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    let inner = builder.build().map_err(|e| format!("tls_client_ca and tls_client_crl: {e}"))?;
    Ok(Arc::new(Bounded::new(inner)))
}
