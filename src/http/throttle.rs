//! How often somebody may try to log in.
//!
//! Three counts are kept: of an address, of a name, and of a name from an address. A try takes from all of them and gets it
//! back when the password was right, so that only failures count, and tries that run beside one another do too. The more
//! of them have failed, the longer it takes until another one is let through; but the wait has a bound, so that nobody is
//! locked out for long, and an address that has not failed itself is let through whatever others do to the name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Source;

/// Entries of each table.
const ENTRIES: usize = 1024;
/// For which nothing may have been tried until failures are forgotten.
const FORGET: Duration = Duration::from_secs(120);
/// The most doublings of the time that a try costs.
const DOUBLINGS: u32 = 5;

/// The figures of a count.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// Between tries, while few have failed.
    each: Duration,
    /// Tries that need not wait; after as many failures the time doubles, and doubles again.
    at_once: u32,
}

const OF_ADDRESS: Rate = Rate { each: Duration::from_millis(500), at_once: 40 };
const OF_NAME: Rate = Rate { each: Duration::from_millis(250), at_once: 60 };
const OF_BOTH: Rate = Rate { each: Duration::from_secs(1), at_once: 10 };

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
        let doublings = (count.failures / self.1.at_once).min(DOUBLINGS);
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
}

/// The counts of one broker.
pub(super) struct Throttle(RefCell<Tables>);

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle(RefCell::new(Tables {
            addresses: Table::new(OF_ADDRESS),
            names: Table::new(OF_NAME),
            both: Table::new(OF_BOTH),
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

impl Throttle {
    /// How long this source has to wait with this name because of what it has tried with it; nothing where it need not.
    pub(super) fn wait(&self, source: Source, name: Name) -> Option<Duration> {
        let wait = self.0.borrow().both.wait((source, name), Instant::now());
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// The same because of what it has tried with other names, or others with this one. Whoever is made to wait by this
    /// has been looked up among those who were right before, so it counts as a try with this name.
    pub(super) fn wait_for_others(&self, source: Source, name: Name) -> Option<Duration> {
        let now = Instant::now();
        let mut tables = self.0.borrow_mut();
        let own = tables.addresses.wait(source, now);
        let of_name = match tables.addresses.has_failed(source, now) {
            true => tables.names.wait(name, now),
            false => Duration::ZERO,
        };
        let wait = own.max(of_name);
        if wait.is_zero() {
            return None;
        }
        tables.both.charge((source, name), now);
        Some(wait)
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
            while let Some(wait) = throttle
                .wait(source, [name; 16])
                .or_else(|| throttle.wait_for_others(source, [name; 16]))
            {
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
        assert_eq!(throttle.wait_for_others(address(99), [1; 16]), None);
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
        for _ in 0..10 {
            assert_eq!(throttle.wait(address(1), bob), None);
            assert!(throttle.wait_for_others(address(1), bob).is_some());
        }
        assert!(throttle.wait(address(1), bob).is_some(), "or it could be guessed at for ever");
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
