//! How often somebody may try to log in.
//!
//! Three counts are kept: of an address, of a name, and of a name from an address. A try takes from all of them and gets it
//! back when the password was right, so that only failures count, and tries that run beside one another do too. The more
//! of them have failed, the longer it takes until another one is let through; but the wait has a bound, so that nobody is
//! locked out for long, and an address that has not failed itself is let through whatever others do to the name.
//!
//! Who has to wait may still have been right before, from the same address: a proxy has one for all. That is looked up
//! meanwhile, but not often either, since each look is a guess.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Source;

/// Entries of each table.
const ENTRIES: usize = 1024;
/// For which nothing may have been tried until failures are forgotten.
const FORGET: Duration = Duration::from_secs(120);

/// The figures of a count.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// Between tries, while few have failed.
    each: Duration,
    /// Tries that need not wait; after as many failures the time doubles, and doubles again.
    at_once: u32,
    /// The most doublings of the time that a try costs.
    doublings: u32,
}

const OF_ADDRESS: Rate = Rate { each: Duration::from_millis(500), at_once: 40, doublings: 5 };
const OF_NAME: Rate = Rate { each: Duration::from_millis(250), at_once: 60, doublings: 5 };
const OF_BOTH: Rate = Rate { each: Duration::from_secs(1), at_once: 10, doublings: 5 };
/// Of looks at what was right before, while a try would have to wait.
const OF_LOOKS: Rate = Rate { each: Duration::from_millis(200), at_once: 5, doublings: 0 };

/// What stands for a name: part of a keyed sum, so that nobody can choose two names that are one here.
pub(super) type Name = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Count {
    /// When all that was tried is paid for.
    due: Instant,
    failures: u32,
}

struct Table<K>(BTreeMap<K, Count>, Rate);

impl<K: Ord + Copy> Table<K> {
    const fn new(rate: Rate) -> Table<K> {
        Table(BTreeMap::new(), rate)
    }

    fn count(&self, key: K, now: Instant) -> Count {
        let kept = self.0.get(&key).filter(|count| now < count.due + FORGET);
        kept.copied().unwrap_or(Count { due: now, failures: 0 })
    }

    /// How long it takes until a try may be made; nothing where it may be made now.
    fn wait(&self, key: K, now: Instant) -> Duration {
        let Table(_, rate) = self;
        let ahead = rate.each * rate.at_once.saturating_sub(1);
        self.count(key, now).due.saturating_duration_since(now + ahead)
    }

    fn has_failed(&self, key: K, now: Instant) -> bool {
        self.count(key, now).failures > 0
    }

    /// Takes for one try. Gives what was taken.
    fn charge(&mut self, key: K, now: Instant) -> Duration {
        let count = self.count(key, now);
        let doublings = (count.failures / self.1.at_once).min(self.1.doublings);
        let cost = self.1.each * (1 << doublings);
        let due = count.due.max(now) + cost;
        if !self.0.contains_key(&key) && self.0.len() >= ENTRIES {
            // The one that matters least: what it would still keep back is over first.
            let first = self.0.iter().min_by_key(|(_, count)| count.due).map(|(key, _)| *key);
            first.map(|key| self.0.remove(&key));
        }
        self.0.insert(key, Count { due, failures: count.failures.saturating_add(1) });
        cost
    }

    /// Gives back what a try has taken.
    fn refund(&mut self, key: K, cost: Duration) {
        if let Some(count) = self.0.get_mut(&key) {
            count.due = count.due.checked_sub(cost).unwrap_or(count.due);
            count.failures = count.failures.saturating_sub(1);
            if count.failures == 0 {
                self.0.remove(&key);
            }
        }
    }
}

struct Tables {
    addresses: Table<Source>,
    names: Table<Name>,
    both: Table<(Source, Name)>,
    looks: Table<(Source, Name)>,
}

/// The counts of one broker.
pub(super) struct Throttle(RefCell<Tables>);

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle(RefCell::new(Tables {
            addresses: Table::new(OF_ADDRESS),
            names: Table::new(OF_NAME),
            both: Table::new(OF_BOTH),
            looks: Table::new(OF_LOOKS),
        }))
    }
}

/// A try that is under way: a failure unless it is said to be none.
pub(super) struct Try<'a> {
    throttle: &'a Throttle,
    source: Source,
    name: Name,
    costs: [Duration; 3],
}

impl Try<'_> {
    /// The password was right, or nobody has looked at it.
    pub(super) fn void(self) {
        let mut tables = self.throttle.0.borrow_mut();
        let [address, name, both] = self.costs;
        tables.addresses.refund(self.source, address);
        tables.names.refund(self.name, name);
        tables.both.refund((self.source, self.name), both);
    }
}

/// A look at those who were right before: a guess unless it is said to be none.
pub(super) struct Look<'a> {
    throttle: &'a Throttle,
    source: Source,
    name: Name,
    cost: Duration,
}

impl Look<'_> {
    /// It was one of them.
    pub(super) fn void(self) {
        let mut tables = self.throttle.0.borrow_mut();
        tables.looks.refund((self.source, self.name), self.cost);
    }
}

impl Throttle {
    /// How long this source has to wait with this name because of what it has tried with it or with other names, or
    /// others with this one; nothing where it need not.
    pub(super) fn wait(&self, source: Source, name: Name) -> Option<Duration> {
        let now = Instant::now();
        let tables = self.0.borrow();
        let of_name = match tables.addresses.has_failed(source, now) {
            true => tables.names.wait(name, now),
            false => Duration::ZERO,
        };
        let own = tables.addresses.wait(source, now).max(tables.both.wait((source, name), now));
        Some(own.max(of_name)).filter(|wait| !wait.is_zero())
    }

    /// Whether somebody who has to wait may be looked up among those who were right before: nothing if not. A look that
    /// finds nobody has been a guess.
    pub(super) fn look(&self, source: Source, name: Name) -> Option<Look<'_>> {
        let now = Instant::now();
        let mut tables = self.0.borrow_mut();
        if !tables.looks.wait((source, name), now).is_zero() {
            return None;
        }
        let cost = tables.looks.charge((source, name), now);
        Some(Look { throttle: self, source, name, cost })
    }

    /// Counts a try.
    pub(super) fn begin(&self, source: Source, name: Name) -> Try<'_> {
        let now = Instant::now();
        let mut tables = self.0.borrow_mut();
        let costs = [
            tables.addresses.charge(source, now),
            tables.names.charge(name, now),
            tables.both.charge((source, name), now),
        ];
        Try { throttle: self, source, name, costs }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::time::advance;

    use super::*;

    fn address(n: u32) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

    /// Tries until it failed so many times; gives how long that took.
    async fn fail(throttle: &Throttle, source: Source, name: u8, count: usize) -> Duration {
        let begun = Instant::now();
        for _ in 0..count {
            while let Some(wait) = throttle.wait(source, [name; 16]) {
                advance(wait).await;
            }
            throttle.begin(source, [name; 16]);
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_tries_take_long() {
        let throttle = Throttle::default();
        assert!(fail(&throttle, address(1), 1, 9).await.is_zero());
        assert!(fail(&throttle, address(1), 1, 91).await > Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn by_many_names_too() {
        let throttle = Throttle::default();
        let begun = Instant::now();
        for name in 0..100 {
            fail(&throttle, address(1), name, 1).await;
        }
        assert!(begun.elapsed() > Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn from_many_addresses_too_once_they_have_failed() {
        let throttle = Throttle::default();
        let begun = Instant::now();
        for _ in 0..10 {
            for n in 0..20 {
                fail(&throttle, address(n), 1, 1).await;
            }
        }
        assert!(begun.elapsed() > Duration::from_secs(20), "{:?}", begun.elapsed());
        // Whoever has not failed need not wait for them.
        assert_eq!(throttle.wait(address(99), [1; 16]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long_and_it_is_forgotten() {
        let throttle = Throttle::default();
        fail(&throttle, address(1), 1, 500).await;
        let wait = throttle.wait(address(1), [1; 16]).expect("a wait");
        assert!(wait <= Duration::from_secs(33), "{wait:?}");
        advance(Duration::from_secs(200)).await;
        assert_eq!(throttle.wait(address(1), [1; 16]), None);
        assert!(fail(&throttle, address(1), 1, 9).await.is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn refused_tries_make_no_wait_longer() {
        let throttle = Throttle::default();
        fail(&throttle, address(1), 1, 30).await;
        let wait = throttle.wait(address(1), [1; 16]);
        for _ in 0..1000 {
            assert_eq!(throttle.wait(address(1), [1; 16]), wait);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn being_looked_up_is_a_try_too() {
        let throttle = Throttle::default();
        for n in 0..100u32 {
            let name = [n.to_be_bytes(); 4].concat().try_into().expect("a name");
            throttle.begin(address(1), name);
        }
        let bob = [255; 16];
        let looks = |most: usize| (0..most).filter(|_| throttle.look(address(1), bob).is_some());
        assert!(throttle.wait(address(1), bob).is_some());
        assert_eq!(looks(100).count(), 5, "or it could be guessed at as fast as can be");
        for _ in 0..10 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(looks(100).count(), 5, "no more, and no fewer: nobody is locked out");
        }
        assert!(throttle.look(address(2), bob).is_some());
        assert!(throttle.look(address(1), [254; 16]).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_finds_somebody_is_no_guess() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.look(address(1), [1; 16]).expect("a look").void();
        }
        assert!(throttle.0.borrow().looks.0.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_pushes_nothing_out_of_the_tables() {
        let throttle = Throttle::default();
        fail(&throttle, address(2), 2, 30).await;
        while throttle.wait(address(1), [1; 16]).is_none() {
            throttle.begin(address(1), [1; 16]);
        }
        for n in 0..5_000u32 {
            let name = [(n + 1000).to_be_bytes(); 4].concat().try_into().expect("a name");
            if throttle.wait(address(1), name).is_none() {
                throttle.begin(address(1), name);
            }
            throttle.look(address(1), name);
        }
        let tables = throttle.0.borrow();
        assert!(tables.both.0.len() < 100, "{}", tables.both.0.len());
        assert!(tables.looks.0.len() <= ENTRIES);
        drop(tables);
        assert!(throttle.wait(address(2), [2; 16]).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_right_leaves_nothing_behind() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            assert_eq!(throttle.wait(address(1), [1; 16]), None);
            throttle.begin(address(1), [1; 16]).void();
        }
        let tables = throttle.0.borrow();
        assert!(tables.addresses.0.is_empty() && tables.names.0.is_empty());
        assert!(tables.both.0.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_one_between_wrong_ones_forgives_none_of_them() {
        let throttle = Throttle::default();
        for _ in 0..9 {
            throttle.begin(address(1), [1; 16]);
            throttle.begin(address(1), [2; 16]).void();
        }
        throttle.begin(address(1), [1; 16]);
        assert!(throttle.wait(address(1), [1; 16]).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn tables_are_bounded_and_keep_what_matters() {
        let throttle = Throttle::default();
        fail(&throttle, address(0), 0, 60).await;
        for n in 1..5_000u32 {
            let name = [n.to_be_bytes(); 4].concat().try_into().expect("a name");
            throttle.begin(address(n), name);
        }
        let tables = throttle.0.borrow();
        assert_eq!((tables.addresses.0.len(), tables.both.0.len()), (ENTRIES, ENTRIES));
        assert!(tables.names.0.len() <= ENTRIES);
        drop(tables);
        assert!(throttle.wait(address(0), [0; 16]).is_some());
    }
}
