//! Sessions of browsers: what a login at the page begins and a cookie carries on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use policy::access::{Principal, Proof};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::auth::Key;

/// For which one may go unused.
pub(super) const IDLE: Duration = Duration::from_secs(3600);
/// For which one may last.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How many there can be, and of one user: others always find room.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 16;

/// What stands for the id: whoever reads this memory is not to have the ids.
type Sum = [u8; 32];

struct Session {
    /// The server that it was begun at.
    server: Rc<str>,
    key: Rc<Key>,
    principal: Rc<Principal>,
    begun: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.used + IDLE || now >= self.begun + LONGEST
    }
}

/// The sessions of one broker. They end with it.
#[derive(Default)]
pub(super) struct Sessions(RefCell<BTreeMap<Sum, Session>>);

fn sum(id: &str) -> Sum {
    Sha256::digest(id.as_bytes()).into()
}

impl Sessions {
    /// Begins one and gives its id; `None` where the system has no random numbers.
    pub(super) fn begin(&self, server: &Rc<str>, key: &Rc<Key>) -> Option<String> {
        let mut id = [0; 32];
        getrandom::fill(&mut id).ok()?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(id);
        let now = Instant::now();
        let mut sessions = self.0.borrow_mut();
        sessions.retain(|_, session| !session.is_over(now));
        let own = sessions.values().filter(|session| session.key.name == key.name).count();
        let all = sessions.len();
        let goes = |session: &Session| own < MOST_OF_ONE || session.key.name == key.name;
        if own >= MOST_OF_ONE || all >= MOST {
            let those = sessions.iter().filter(|(_, session)| goes(session));
            let oldest = those.min_by_key(|(_, session)| session.used).map(|(sum, _)| *sum);
            oldest.map(|sum| sessions.remove(&sum));
        }
        let principal = Rc::new(Principal::new(key.principal.who().clone(), Proof::Session));
        let (server, key) = (Rc::clone(server), Rc::clone(key));
        sessions.insert(sum(&id), Session { server, key, principal, begun: now, used: now });
        Some(id)
    }

    /// Whose it is. `current` finds what the user's password is now: with another one than the session was begun with, it
    /// is over.
    pub(super) fn find(
        &self,
        server: &str,
        id: &str,
        current: impl FnOnce(&[u8]) -> Vec<Rc<Key>>,
    ) -> Option<Rc<Principal>> {
        let now = Instant::now();
        let mut sessions = self.0.borrow_mut();
        let sum = sum(id);
        let session = sessions.get_mut(&sum).filter(|session| *session.server == *server)?;
        let stays = current(session.key.name.as_bytes())
            .iter()
            .any(|key| key.stamp() == session.key.stamp());
        if session.is_over(now) || !stays {
            sessions.remove(&sum);
            return None;
        }
        session.used = now;
        Some(Rc::clone(&session.principal))
    }

    /// Ends one. Whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        self.0.borrow_mut().remove(&sum(id)).is_some()
    }
}
