//! Passwords that were right a while ago: a client that asks again is not to wait for the hash again.
//!
//! Neither names nor passwords are kept but a keyed sum of them, of where they came from and of the stored text that they
//! were compared with: from elsewhere, or once the configuration has another password, it is another sum.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use policy::access::Principal;
use sha2::Sha256;
use tokio::sync::watch;
use tokio::time::Instant;

use super::auth::Credentials;
use super::limits::Source;
use super::means::Means;

/// How many are kept; the one that was used longest ago goes first.
const KEPT: usize = 256;
/// For which an answer of PAM holds: what has changed there since nobody tells.
const OF_PAM: Duration = Duration::from_secs(60);

/// A keyed sum.
pub(super) type Sum = [u8; 32];

/// Makes sums that nobody else can make.
pub(super) struct Seal(Hmac<Sha256>);

impl Seal {
    /// With a key of its own; `None` where the system gives none.
    pub(super) fn new() -> Option<Seal> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Hmac::new_from_slice(&key).ok().map(Seal)
    }

    /// The sum of these parts, and of no others.
    pub(super) fn sum(&self, parts: &[&[u8]]) -> Sum {
        let mut sum = self.0.clone();
        for part in parts {
            sum.update(&(part.len() as u64).to_be_bytes());
            sum.update(part);
        }
        sum.finalize().into_bytes().into()
    }

    /// That of a login: of where it comes from, what is given, and what it is compared with.
    pub(super) fn login(&self, source: Source, given: &Credentials, means: &Means) -> Sum {
        let source = source.bytes();
        let mut parts: Vec<&[u8]> = vec![b"login", &source, &given.name, &given.password];
        match means {
            Means::Keys(keys) => parts.extend(keys.iter().flat_map(|key| {
                let (kind, text) = key.stamp();
                [kind, text]
            })),
            Means::Pam => parts.push(b"pam"),
        }
        self.sum(&parts)
    }
}

/// Whose login it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// That of the key of this number, of those that it was compared with.
    Key(usize),
    /// An account's, says PAM.
    Account(Rc<Principal>),
}

/// Whose login it was, if it was good.
pub(super) type Found = Option<Owner>;

/// What became of a login that others wait for, too: nothing while it is not known.
pub(super) type News = watch::Receiver<Option<Found>>;

struct Good {
    owner: Owner,
    used: u64,
    until: Option<Instant>,
}

#[derive(Default)]
struct Memory {
    good: BTreeMap<Sum, Good>,
    clock: u64,
}

/// The logins that were good, and those that are being looked at.
#[derive(Default)]
pub(super) struct Logins {
    memory: RefCell<Memory>,
    pending: RefCell<BTreeMap<Sum, News>>,
}

/// A login that is being looked at, for all who bring the same one.
pub(super) struct Pending<'a> {
    logins: &'a Logins,
    sum: Sum,
    news: watch::Sender<Option<Found>>,
}

impl Pending<'_> {
    /// Tells all who wait.
    pub(super) fn tell(self, found: Found) {
        self.news.send_replace(Some(found));
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.logins.pending.borrow_mut().remove(&self.sum);
    }
}

impl Logins {
    /// Whose it was, if it was good and that still holds.
    pub(super) fn knows(&self, sum: &Sum) -> Found {
        let mut memory = self.memory.borrow_mut();
        let Memory { good, clock } = &mut *memory;
        *clock = clock.wrapping_add(1);
        let found = good.get_mut(sum)?;
        if found.until.is_some_and(|until| Instant::now() >= until) {
            good.remove(sum);
            return None;
        }
        found.used = *clock;
        Some(found.owner.clone())
    }

    /// It is good, and this one's.
    pub(super) fn keep(&self, sum: Sum, owner: Owner) {
        let mut memory = self.memory.borrow_mut();
        memory.clock = memory.clock.wrapping_add(1);
        if memory.good.len() >= KEPT && !memory.good.contains_key(&sum) {
            let oldest = memory.good.iter().min_by_key(|(_, good)| good.used).map(|(sum, _)| *sum);
            oldest.map(|sum| memory.good.remove(&sum));
        }
        let used = memory.clock;
        let until = matches!(owner, Owner::Account(_)).then(|| Instant::now() + OF_PAM);
        memory.good.insert(sum, Good { owner, used, until });
    }

    /// News of the same login, if somebody has it looked at.
    pub(super) fn news(&self, sum: &Sum) -> Option<News> {
        self.pending.borrow().get(sum).cloned()
    }

    /// Has others wait for the end of this one.
    pub(super) fn begin(&self, sum: Sum) -> Pending<'_> {
        let (news, waiting) = watch::channel(None);
        self.pending.borrow_mut().insert(sum, waiting);
        Pending { logins: self, sum, news }
    }
}

#[cfg(test)]
mod tests {
    use policy::access::{Proof, Who};
    use tokio::time::advance;

    use super::*;
    use crate::config::settings::{Password, Server};
    use crate::http::auth::Key;

    fn key(name: &str, password: Password) -> Rc<Key> {
        let server = Server {
            section: String::new(),
            socket: 0,
            credentials: Some((name.to_owned(), password)),
            hosts: Vec::new(),
            legacy_get_actions: false,
            guarded: false,
            pam: false,
            tls: None,
        };
        Rc::new(Key::of(&server).expect("a key"))
    }

    fn given(name: &str, password: &str) -> Credentials {
        Credentials { name: name.into(), password: password.as_bytes().to_vec().into() }
    }

    #[test]
    fn whatever_differs_has_another_sum() {
        let seal = Seal::new().expect("a key");
        let plain = |text: &str| key("u", Password::Plain(text.to_owned()));
        let user = Source::User;
        let keys = |keys: &[Rc<Key>]| Means::Keys(keys.to_vec());
        let sums = [
            seal.login(user(1), &given("u", "p"), &keys(&[plain("x")])),
            seal.login(user(2), &given("u", "p"), &keys(&[plain("x")])),
            seal.login(Source::Unknown, &given("u", "p"), &keys(&[plain("x")])),
            seal.login(user(1), &given("up", ""), &keys(&[plain("x")])),
            seal.login(user(1), &given("", "up"), &keys(&[plain("x")])),
            seal.login(user(1), &given("u", "p"), &keys(&[plain("y")])),
            seal.login(
                user(1),
                &given("u", "p"),
                &keys(&[key("u", Password::Sha1("x".to_owned()))]),
            ),
            seal.login(user(1), &given("u", "p"), &keys(&[])),
            seal.login(user(1), &given("u", "p"), &Means::Pam),
            seal.login(user(1), &given("u", "x"), &Means::Pam),
            seal.login(user(1), &given("u", "p"), &keys(&[plain("x"), plain("x")])),
            Seal::new().expect("a key").login(user(1), &given("u", "p"), &keys(&[plain("x")])),
        ];
        let distinct: std::collections::BTreeSet<_> = sums.iter().collect();
        assert_eq!(distinct.len(), sums.len());
        assert_eq!(sums[0], seal.login(user(1), &given("u", "p"), &keys(&[plain("x")])));
    }

    #[test]
    fn the_one_that_was_used_longest_ago_goes_first() {
        let logins = Logins::default();
        let sum = |n: usize| {
            let mut sum = [0; 32];
            sum[..8].copy_from_slice(&n.to_be_bytes());
            sum
        };
        for n in 0..KEPT {
            logins.keep(sum(n), Owner::Key(n));
        }
        assert_eq!(logins.knows(&sum(0)), Some(Owner::Key(0)));
        logins.keep(sum(KEPT), Owner::Key(1));
        logins.keep(sum(0), Owner::Key(2));
        let known = [logins.knows(&sum(0)), logins.knows(&sum(KEPT))];
        assert_eq!(known, [Some(Owner::Key(2)), Some(Owner::Key(1))]);
        assert_eq!(logins.knows(&sum(1)), None);
        assert_eq!(logins.memory.borrow().good.len(), KEPT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_pam_holds_for_a_minute_however_often_it_is_used() {
        let logins = Logins::default();
        let account = Principal::new(Who::User("carol".into()), Proof::Pam);
        let account = Owner::Account(Rc::new(account));
        logins.keep([1; 32], account.clone());
        logins.keep([2; 32], Owner::Key(0));
        for _ in 0..59 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(logins.knows(&[1; 32]), Some(account.clone()));
        }
        advance(Duration::from_secs(1)).await;
        assert_eq!(logins.knows(&[1; 32]), None);
        assert_eq!(logins.memory.borrow().good.len(), 1, "nor is it kept");
        assert_eq!(logins.knows(&[2; 32]), Some(Owner::Key(0)));
    }

    #[tokio::test]
    async fn all_who_wait_for_the_same_are_told() {
        let logins = Logins::default();
        let pending = logins.begin([1; 32]);
        let mut news = logins.news(&[1; 32]).expect("news");
        assert!(logins.news(&[2; 32]).is_none());
        pending.tell(Some(Owner::Key(3)));
        let told = news.wait_for(Option::is_some).await.expect("told").clone();
        assert_eq!(told, Some(Some(Owner::Key(3))));
        assert!(logins.news(&[1; 32]).is_none());
        // One who leaves tells nobody, and leaves nothing behind.
        let pending = logins.begin([1; 32]);
        let mut news = logins.news(&[1; 32]).expect("news");
        drop(pending);
        assert!(news.wait_for(Option::is_some).await.is_err());
        assert!(logins.pending.borrow().is_empty());
    }
}
