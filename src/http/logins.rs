//! Passwords that were right a while ago: a client that asks again is not to wait for the hash again.
//!
//! Neither names nor passwords are kept but a keyed sum of them, of where they came from and of the stored text that they
//! were compared with: from elsewhere, or once the configuration has another password, it is another sum.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::watch;

use super::auth::{Credentials, Key};
use super::limits::Source;

/// How many are kept; the one that was used longest ago goes first.
const KEPT: usize = 256;

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
    pub(super) fn login(&self, source: Source, given: &Credentials, keys: &[Rc<Key>]) -> Sum {
        let source = source.bytes();
        let mut parts: Vec<&[u8]> = vec![b"login", &source, &given.name, &given.password];
        for key in keys {
            let (kind, text) = key.stamp();
            parts.push(match kind {
                0 => b"plain",
                1 => b"sha",
                _ => b"argon2",
            });
            parts.push(text);
        }
        self.sum(&parts)
    }
}

/// Which of the keys it was compared with a login was good for, if it was.
pub(super) type Found = Option<usize>;

/// What became of a login that others wait for, too: nothing while it is not known.
pub(super) type News = watch::Receiver<Option<Found>>;

struct Good {
    key: usize,
    used: u64,
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
    /// For which key it was good, if it was.
    pub(super) fn knows(&self, sum: &Sum) -> Found {
        let mut memory = self.memory.borrow_mut();
        let Memory { good, clock } = &mut *memory;
        *clock = clock.wrapping_add(1);
        let good = good.get_mut(sum)?;
        good.used = *clock;
        Some(good.key)
    }

    /// It is good for this key.
    pub(super) fn keep(&self, sum: Sum, key: usize) {
        let mut memory = self.memory.borrow_mut();
        memory.clock = memory.clock.wrapping_add(1);
        if memory.good.len() >= KEPT && !memory.good.contains_key(&sum) {
            let oldest = memory.good.iter().min_by_key(|(_, good)| good.used).map(|(sum, _)| *sum);
            oldest.map(|sum| memory.good.remove(&sum));
        }
        let used = memory.clock;
        memory.good.insert(sum, Good { key, used });
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
    use super::*;
    use crate::config::settings::{Password, Server};

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
        Credentials { name: name.into(), password: password.into() }
    }

    #[test]
    fn whatever_differs_has_another_sum() {
        let seal = Seal::new().expect("a key");
        let plain = |text: &str| key("u", Password::Plain(text.to_owned()));
        let user = Source::User;
        let sums = [
            seal.login(user(1), &given("u", "p"), &[plain("x")]),
            seal.login(user(2), &given("u", "p"), &[plain("x")]),
            seal.login(Source::Unknown, &given("u", "p"), &[plain("x")]),
            seal.login(user(1), &given("up", ""), &[plain("x")]),
            seal.login(user(1), &given("", "up"), &[plain("x")]),
            seal.login(user(1), &given("u", "p"), &[plain("y")]),
            seal.login(user(1), &given("u", "p"), &[key("u", Password::Sha1("x".to_owned()))]),
            seal.login(user(1), &given("u", "p"), &[]),
            seal.login(user(1), &given("u", "p"), &[plain("x"), plain("x")]),
            Seal::new().expect("a key").login(user(1), &given("u", "p"), &[plain("x")]),
        ];
        let distinct: std::collections::BTreeSet<_> = sums.iter().collect();
        assert_eq!(distinct.len(), sums.len());
        assert_eq!(sums[0], seal.login(user(1), &given("u", "p"), &[plain("x")]));
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
            logins.keep(sum(n), n);
        }
        assert_eq!(logins.knows(&sum(0)), Some(0));
        logins.keep(sum(KEPT), 1);
        logins.keep(sum(0), 2);
        assert_eq!((logins.knows(&sum(0)), logins.knows(&sum(KEPT))), (Some(2), Some(1)));
        assert_eq!(logins.knows(&sum(1)), None);
        assert_eq!(logins.memory.borrow().good.len(), KEPT);
    }

    #[tokio::test]
    async fn all_who_wait_for_the_same_are_told() {
        let logins = Logins::default();
        let pending = logins.begin([1; 32]);
        let mut news = logins.news(&[1; 32]).expect("news");
        assert!(logins.news(&[2; 32]).is_none());
        pending.tell(Some(3));
        assert_eq!(*news.wait_for(Option::is_some).await.expect("told"), Some(Some(3)));
        assert!(logins.news(&[1; 32]).is_none());
        // One who leaves tells nobody, and leaves nothing behind.
        let pending = logins.begin([1; 32]);
        let mut news = logins.news(&[1; 32]).expect("news");
        drop(pending);
        assert!(news.wait_for(Option::is_some).await.is_err());
        assert!(logins.pending.borrow().is_empty());
    }
}
