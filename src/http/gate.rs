//! Who asks: from what a request brings to a principal.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use policy::access::Principal;
use tokio::time::{Instant, sleep_until};

use super::Site;
use super::auth::{Credentials, Ground, Key, Roll};
use super::hash::{Busy, Hasher, Phc};
use super::head::{Claim, Refusal};
use super::limits::Source;
use super::logins::{Found, Logins, Owner, Seal, Sum};
use super::means::{
    Hold, Means, bare, certified, ground, is_current, is_of_pam, key_of, means, takes_accounts,
};
use super::pam::{Pam, Unknown};
use super::places::Places;
use super::sessions::Sessions;
use super::tally::{Tally, Tried};
use super::terms::Terms;
use super::throttle::{Name, Throttle};
use super::tls::Shown;
use crate::config::settings::{Server, Settings};

/// A failure is told at the end of such a span, so that the time says nothing of the reason.
const SLOT: Duration = Duration::from_millis(500);
/// Hashes that one source may have waiting: others find the queue open.
const OF_ONE_SOURCE: usize = 4;

/// What all servers of a broker know of those who log in.
pub struct Gate {
    seal: Seal,
    hasher: Hasher,
    roll: RefCell<Option<Rc<Roll>>>,
    logins: Logins,
    throttle: Throttle,
    hashing: Places,
    pam: Pam,
    pub(super) sessions: Sessions,
    pub(super) tally: Tally,
}

/// One end of a connection, as far as it proves anything.
pub(super) struct Client {
    /// Its name in the activity log.
    pub(super) name: Rc<str>,
    /// Where it is, for decisions and the audit log.
    pub(super) peer: Rc<str>,
    pub(super) source: Source,
    /// Who is at the other end of a unix socket, or has the key of a certificate.
    pub(super) principal: Option<Rc<Principal>>,
    /// What it has shown over TLS.
    pub(super) shown: Option<Shown>,
    /// The last proof that was good: most clients say the same again.
    pub(super) last: Cell<Option<Proven>>,
}

/// A proof that was good, at a reading.
pub(super) struct Proven {
    proof: Sum,
    roll: Rc<Roll>,
    principal: Rc<Principal>,
}

/// What a server compares with besides users, and what it is called.
#[derive(Clone)]
pub(super) struct Section {
    pub(super) name: Rc<str>,
    pub(super) key: Option<Rc<Key>>,
    /// Number of its socket.
    pub(super) socket: u32,
    /// Whether it listens on a network.
    pub(super) inet: bool,
    /// What was said of it at the start.
    pub(super) start: Terms,
}

impl Section {
    /// That of a server that begins to serve, by what is read now.
    pub(super) fn of(server: &Server, inet: bool, settings: &Settings) -> Section {
        Section {
            name: server.section.as_str().into(),
            key: Key::of(server).map(Rc::new),
            socket: server.socket,
            inet,
            start: Terms::of_all(settings).and(server),
        }
    }
}

impl Gate {
    /// One with a thread for hashing.
    pub fn new(hasher: Hasher) -> io::Result<Gate> {
        let seal = Seal::new();
        Ok(Gate {
            seal: seal.ok_or_else(|| io::Error::other("the system gives no random numbers"))?,
            hasher,
            roll: RefCell::default(),
            logins: Logins::default(),
            throttle: Throttle::default(),
            hashing: Places::new(usize::MAX, OF_ONE_SOURCE),
            pam: Pam::default(),
            sessions: Sessions::default(),
            tally: Tally::default(),
        })
    }

    /// Who can log in by the last reading.
    pub(super) fn roll(&self, site: &impl Site) -> Rc<Roll> {
        let latest = site.latest();
        let mut roll = self.roll.borrow_mut();
        match &*roll {
            Some(roll) if roll.is_of(&latest) => Rc::clone(roll),
            _ => Rc::clone(roll.insert(Rc::new(Roll::new(latest)))),
        }
    }

    /// What a request at this server has to prove, and whether this client's certificate does.
    pub(super) fn ground(
        &self,
        site: &impl Site,
        section: &Section,
        client: &Client,
    ) -> (Ground, bool) {
        let roll = self.roll(site);
        (ground(&roll, section), certified(&roll, section, client.principal.as_deref()))
    }

    /// Who makes a claim.
    pub(super) async fn identify<S: Site>(
        &self,
        site: &Rc<S>,
        section: &Section,
        client: &Client,
        claim: Claim,
    ) -> Result<Rc<Principal>, Refusal> {
        let roll = self.roll(&**site);
        match claim {
            Claim::Bare => Ok(bare(&roll, section, client)),
            Claim::Session { id, otherwise } => {
                let current = |key: &Key| is_current(&roll, section, key);
                match (self.sessions.find(&section.name, &id, current), otherwise) {
                    (Some(principal), _) => Ok(principal),
                    (None, None) => Ok(bare(&roll, section, client)),
                    (None, Some(refusal)) => Err(refusal),
                }
            }
            Claim::Token(ticket) => self.redeem(site, section, client, &ticket).await,
            Claim::Basic(given) => {
                let proof = self.seal.sum(&[b"proof", &given.name, &given.password]);
                if let Some(principal) = again(client, &roll, &proof) {
                    return Ok(principal);
                }
                let key = self.log_in(site, section, client, &given).await?;
                let principal = Rc::clone(&key.principal);
                if !key.is_of_pam() {
                    let principal = Rc::clone(&principal);
                    client.last.set(Some(Proven { proof, roll, principal }));
                }
                Ok(principal)
            }
        }
    }

    /// Whether what somebody has proved themselves by still holds.
    pub(super) fn holds(&self, site: &impl Site, section: &Section, hold: &Hold) -> bool {
        let roll = self.roll(site);
        match hold {
            Hold::Reading => true,
            Hold::Nothing => false,
            Hold::Session(session) => {
                self.sessions.lasts(&section.name, session, |key| is_current(&roll, section, key))
            }
            Hold::Token(sum, whose) => roll.tokens.has(sum, whose, site.now().wall),
            Hold::Account(name, until) => {
                Instant::now() < *until && is_of_pam(&roll, section, name.as_bytes())
            }
            Hold::Certificate(whose) => certified(&roll, section, whose.as_deref()),
        }
    }

    /// Whose name and password these are. A failure is told at the end of a slot.
    pub(super) async fn log_in<S: Site>(
        &self,
        site: &Rc<S>,
        section: &Section,
        client: &Client,
        given: &Credentials,
    ) -> Result<Rc<Key>, Refusal> {
        let begun = Instant::now();
        let roll = self.roll(&**site);
        let means = means(&roll, section, given);
        let refusal = match self.weigh(site, &roll, section, client.source, given, &means).await {
            Ok(found) => match found.and_then(|owner| key_of(&means, given, owner)) {
                Some(key) => return Ok(key),
                None => Refusal::Unauthorized,
            },
            Err(refusal) => refusal,
        };
        if refusal != Refusal::Busy {
            let tried = match means {
                Means::Keys(keys) => Tried::Password(keys.first().map(|key| Rc::clone(&key.name))),
                Means::Pam => Tried::Account,
            };
            self.tally.failed(site, section, client, &tried, &refusal);
            wait_for_slot(begun).await;
        } else if takes_accounts(&roll, section) {
            // At once would tell which names are not the configuration's.
            wait_for_slot(begun).await;
        }
        Err(refusal)
    }

    /// Whose password it is.
    async fn weigh<S: Site>(
        &self,
        site: &Rc<S>,
        roll: &Roll,
        section: &Section,
        source: Source,
        given: &Credentials,
        means: &Means,
    ) -> Result<Found, Refusal> {
        let name = self.name(&given.name);
        let sum = self.seal.login(source, given, means);
        if let Some(wait) = self.throttle.wait(source, name) {
            return self.known(source, name, &sum).map(Some).ok_or(Refusal::TooMany { wait });
        }
        if let Some(owner) = self.logins.knows(&sum) {
            return Ok(Some(owner));
        }
        if let Some(mut news) = self.logins.news(&sum) {
            // The one who asked first pays, unless it fails. Who leaves, or finds the queue full, tells nobody.
            let told = news.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
            let found = told.ok_or(Refusal::Busy)?;
            if found.is_none() {
                self.throttle.begin(source, name);
            }
            return Ok(found);
        }
        let attempt = self.throttle.begin(source, name);
        let pending = self.logins.begin(sum);
        let found = match means {
            Means::Keys(keys) => self.compare(roll, section, source, given, keys).await,
            Means::Pam => {
                let account = self.pam.ask(site, source, given).await;
                account.map(|account| account.map(Owner::Account))
            }
        };
        match found {
            Ok(Some(owner)) => {
                attempt.void();
                self.logins.keep(sum, owner.clone());
                pending.tell(Some(owner.clone()));
                Ok(Some(owner))
            }
            Ok(None) => {
                pending.tell(None);
                Ok(None)
            }
            Err(Unknown { asked }) => {
                // What a helper has had may have been wrong.
                if !asked {
                    attempt.void();
                }
                Err(Refusal::Busy)
            }
        }
    }

    /// What was right before, though a try would have to wait: behind a proxy all have one address, and who was right is
    /// not to be kept out by others there.
    fn known(&self, source: Source, name: Name, sum: &Sum) -> Found {
        let look = self.throttle.look(source, name)?;
        let owner = self.logins.knows(sum)?;
        look.void();
        Some(owner)
    }

    /// Counts what was wrong for certain, of this kind and without a name.
    pub(super) fn turn_down(&self, source: Source, kind: &[u8]) -> Refusal {
        let sum = self.seal.sum(&[b"kind", kind]);
        let name = sum.first_chunk().copied().unwrap_or_default();
        if let Some(wait) = self.throttle.wait(source, name) {
            return Refusal::TooMany { wait };
        }
        self.throttle.begin(source, name);
        Refusal::Unauthorized
    }

    /// Compares, at the same cost whether there is such a user or not.
    async fn compare(
        &self,
        roll: &Roll,
        section: &Section,
        source: Source,
        given: &Credentials,
        keys: &[Rc<Key>],
    ) -> Result<Found, Unknown> {
        if given.is_token() {
            return Ok(None);
        }
        // All of them, so that the time says nothing of which it was.
        let mut found = None;
        for (at, key) in keys.iter().enumerate() {
            let right = key.secret().is_some_and(|secret| secret.matches(&given.password).into());
            found = found.or(right.then_some(at));
        }
        if found.is_some() {
            return Ok(found.map(Owner::Key));
        }
        let slow =
            keys.iter().enumerate().filter_map(|(at, key)| Some((at, key.secret()?.slow()?)));
        let mut slow: Vec<(usize, &Arc<Phc>)> = slow.collect();
        let of_section = section.key.as_ref().and_then(|key| key.secret()?.slow());
        let nobody = of_section.map(|phc| Arc::new(phc.like())).or_else(|| roll.nobody.clone());
        if slow.is_empty() {
            // What is hashed for nobody can be nobody's: there is no key of this number.
            slow.extend(nobody.iter().map(|phc| (keys.len(), phc)));
        }
        for (at, phc) in slow {
            let unknown = Unknown { asked: false };
            let _place = self.hashing.take(source).ok_or(unknown)?;
            let right = self.hasher.check(&given.password, phc).await;
            let right = right.map_err(|Busy| unknown)?;
            found = found.or(right.then_some(at));
        }
        Ok(found.filter(|at| *at < keys.len()).map(Owner::Key))
    }

    fn name(&self, name: &[u8]) -> Name {
        let sum = self.seal.sum(&[b"name", name]);
        sum.first_chunk().copied().unwrap_or_default()
    }
}

/// Whoever has brought the same proof on the same connection before, while nothing else has been read. Another proof puts
/// an end to that: a proxy may have others on the connection, and they are not to guess here.
fn again(client: &Client, roll: &Rc<Roll>, proof: &Sum) -> Option<Rc<Principal>> {
    let last = client.last.take()?;
    let same = bool::from(subtle::ConstantTimeEq::ct_eq(&last.proof[..], &proof[..]));
    if !same || !Rc::ptr_eq(&last.roll, roll) {
        return None;
    }
    let principal = Rc::clone(&last.principal);
    client.last.set(Some(last));
    Some(principal)
}

/// Waits for the end of the slot that a failure is told at.
pub(super) async fn wait_for_slot(begun: Instant) {
    let mut slot = begun + SLOT;
    while slot < Instant::now() {
        slot += SLOT;
    }
    sleep_until(slot).await;
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use tokio::time::advance;

    use super::*;
    use crate::config::settings::{Password, User};
    use crate::http::tests::bed;
    use crate::process::world;

    /// Of `password`.
    const HASH: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[tokio::test]
    async fn who_waits_for_one_that_leaves_has_not_been_wrong() {
        let (hasher, _thread) = Hasher::asleep();
        let gate = Gate::new(hasher).expect("gate");
        let mut settings = world::settings(Vec::new());
        let password = Password::Argon2(HASH.to_owned());
        settings.users = vec![User { name: "alice".to_owned(), password }];
        let site = bed::fake(settings.clone());
        let start = Terms::of_all(&settings);
        let roll = Roll::new(Rc::new(settings));
        let section = Section { name: "s".into(), key: None, socket: 0, inet: true, start };
        let password = b"password".to_vec().into();
        let given = Credentials { name: b"alice".to_vec(), password };
        let (means, here) = (means(&roll, &section, &given), Source::User(1));
        let weigh = || Box::pin(gate.weigh(&site, &roll, &section, here, &given, &means));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..8 {
            let (mut first, mut twin) = (weigh(), weigh());
            assert_eq!(first.as_mut().poll(&mut cx), Poll::Pending);
            assert_eq!(twin.as_mut().poll(&mut cx), Poll::Pending);
            drop(first);
            assert_eq!(twin.await, Err(Refusal::Busy));
        }
        // Those who left are charged, with nobody beside them.
        assert_eq!(gate.throttle.wait(here, gate.name(b"alice")), None);
        // And now the queue is full.
        assert_eq!(weigh().await, Err(Refusal::Busy));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_at_the_end_of_a_slot() {
        for (passed, told) in [(0, 500), (37, 500), (499, 500), (501, 1000), (1700, 2000)] {
            let begun = Instant::now();
            advance(Duration::from_millis(passed)).await;
            wait_for_slot(begun).await;
            let took = begun.elapsed();
            let slot = Duration::from_millis(told);
            assert!(took >= slot && took < slot + Duration::from_millis(3), "{passed}: {took:?}");
        }
    }
}
