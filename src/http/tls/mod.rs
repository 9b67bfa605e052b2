//! TLS of the servers: certificates of the last reading, the handshake, and who has shown a certificate.
//!
//! A handshake is part of its connection: it has a place, counts for its source, and has as long as a head. There is no
//! resumption of sessions, so that whoever comes is judged by the certificates, authorities and lists of the last reading.

mod channel;
mod config;
mod failures;
mod handshake;
mod names;
mod shown;
mod turns;
mod verifier;

pub(super) use channel::Channel;
pub(super) use config::Keys;
pub(super) use handshake::greet;
pub(super) use shown::Shown;

use std::rc::Rc;

use failures::Failures;
use turns::Turns;

/// What the TLS connections of one listener share.
pub(super) struct Tls {
    pub(super) keys: Keys,
    pub(super) failures: Rc<Failures>,
    pub(super) turns: Rc<Turns>,
}

impl Tls {
    pub(super) fn new(keys: Keys) -> Rc<Tls> {
        Rc::new(Tls { keys, failures: Rc::default(), turns: Rc::default() })
    }
}
