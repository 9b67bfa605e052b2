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
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// For which what PAM has let in may last: nobody tells when an account is locked, or has another password.
pub(super) const LONGEST_OF_PAM: Duration = Duration::from_secs(3600);
/// How many there can be, and of one user: others always find room.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 16;

/// What stands for the id: whoever reads this memory is not to have the ids.
pub(super) type Sum = [u8; 32];

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
        now >= self.used + IDLE || now >= self.begun + longest(&self.key)
    }
}

/// For how long a session of somebody may last.
pub(super) fn longest(key: &Key) -> Duration {
    if key.is_of_pam() { LONGEST_OF_PAM } else { LONGEST }
}

/// The sessions of one broker. They end with it.
#[derive(Default)]
pub(super) struct Sessions(RefCell<BTreeMap<Sum, Session>>);

/// The sum of an id.
pub(super) fn sum(id: &str) -> Sum {
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

    /// Whose it is. `current` tells whether what the session was begun with is still good: if not, it is over.
    pub(super) fn find(
        &self,
        server: &str,
        id: &str,
        current: impl FnOnce(&Key) -> bool,
    ) -> Option<Rc<Principal>> {
        let sum = sum(id);
        if !self.lasts(server, &sum, current) {
            return None;
        }
        let mut sessions = self.0.borrow_mut();
        let session = sessions.get_mut(&sum)?;
        session.used = Instant::now();
        Some(Rc::clone(&session.principal))
    }

    /// Whether one goes on, by its sum. It does not count as a use of it; one that does not go on is over for good.
    pub(super) fn lasts(
        &self,
        server: &str,
        sum: &Sum,
        current: impl FnOnce(&Key) -> bool,
    ) -> bool {
        let mut sessions = self.0.borrow_mut();
        let Some(session) = sessions.get(sum).filter(|session| *session.server == *server) else {
            return false;
        };
        let lasts = current(&session.key) && !session.is_over(Instant::now());
        if !lasts {
            sessions.remove(sum);
        }
        lasts
    }

    /// Ends one. Whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        self.0.borrow_mut().remove(&sum(id)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use policy::access::Who;
    use tokio::time::advance;

    use super::*;
    use crate::config::settings::{Password, Server};

    fn key(name: &str, password: &str) -> Rc<Key> {
        let server = Server {
            section: String::new(),
            socket: 0,
            credentials: Some((name.to_owned(), Password::Plain(password.to_owned()))),
            hosts: Vec::new(),
            legacy_get_actions: false,
            guarded: false,
            pam: false,
            tls: None,
        };
        Rc::new(Key::of(&server).expect("a key"))
    }

    struct Bed {
        sessions: Sessions,
        server: Rc<str>,
    }

    impl Bed {
        fn new() -> Bed {
            Bed { sessions: Sessions::default(), server: "s".into() }
        }

        fn begin(&self, key: &Rc<Key>) -> String {
            self.sessions.begin(&self.server, key).expect("an id")
        }

        fn finds(&self, id: &str, current: &Rc<Key>) -> bool {
            self.sessions.find("s", id, |key| key.stamp() == current.stamp()).is_some()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_lasts_while_it_is_used_and_not_for_ever() {
        let (bed, key) = (Bed::new(), key("u", "p"));
        let id = bed.begin(&key);
        assert_eq!(id.len(), 43, "256 bits");
        let other = bed.begin(&key);
        assert_ne!(other, id);
        advance(IDLE).await;
        assert!(!bed.finds(&id, &key), "idle");
        let id = bed.begin(&key);
        for _ in 0..23 {
            advance(IDLE / 2).await;
            assert!(bed.finds(&id, &key));
        }
        advance(IDLE / 2).await;
        assert!(!bed.finds(&id, &key), "too old, though it was used");
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_pam_lasts_an_hour_though_it_is_used() {
        let carol = Principal::new(Who::User("carol".into()), Proof::Pam);
        let (bed, key) = (Bed::new(), Rc::new(Key::of_account("carol", Rc::new(carol))));
        let id = bed.begin(&key);
        for _ in 0..59 {
            advance(Duration::from_secs(60)).await;
            assert!(bed.finds(&id, &key));
        }
        advance(Duration::from_secs(60)).await;
        assert!(!bed.finds(&id, &key));
    }

    #[tokio::test(start_paused = true)]
    async fn another_password_server_or_user_ends_it() {
        let (bed, own) = (Bed::new(), key("u", "p"));
        let id = bed.begin(&own);
        assert!(bed.sessions.find("t", &id, |_| true).is_none());
        assert!(bed.finds(&id, &key("u", "p")), "read again, and the same");
        let principal = bed.sessions.find("s", &id, |key| {
            assert_eq!(&*key.name, "u");
            true
        });
        assert_eq!(principal.expect("a principal").proof(), Proof::Session);
        assert!(!bed.finds(&id, &key("u", "q")));
        assert!(!bed.finds(&id, &own), "it is over for good");
        let id = bed.begin(&own);
        assert!(bed.sessions.find("s", &id, |_| false).is_none(), "the user is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn ids_are_not_guessed_nor_kept() {
        let (bed, key) = (Bed::new(), key("u", "p"));
        let id = bed.begin(&key);
        for other in ["", "A", &id[1..], &format!("{id}="), &id.to_uppercase(), "é"] {
            assert!(!bed.finds(other, &key), "{other}");
        }
        assert!(!bed.sessions.0.borrow().contains_key(id.as_bytes().first_chunk().expect("bytes")));
        assert!(bed.sessions.end(&id));
        assert!(!bed.sessions.end(&id) && !bed.finds(&id, &key));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_pushes_others_out() {
        let bed = Bed::new();
        let (one, other) = (key("one", "p"), key("other", "p"));
        let kept = bed.begin(&other);
        let first = bed.begin(&one);
        for _ in 0..MOST * 2 {
            advance(Duration::from_secs(1)).await;
            bed.begin(&one);
        }
        assert!(bed.finds(&kept, &other));
        assert!(!bed.finds(&first, &one));
        assert_eq!(bed.sessions.0.borrow().len(), MOST_OF_ONE + 1);
        for n in 0..MOST * 2 {
            bed.begin(&key(&format!("u{n}"), "p"));
        }
        assert_eq!(bed.sessions.0.borrow().len(), MOST);
    }
}
