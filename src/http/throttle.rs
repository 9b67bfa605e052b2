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
    /// How long this source has to wait with this name; nothing where it need not.
    pub(super) fn wait(&self, source: Source, name: Name) -> Option<Duration> {
        let now = Instant::now();
        let tables = self.0.borrow();
        let own = tables.addresses.wait(source, now).max(tables.both.wait((source, name), now));
        let of_name = match tables.addresses.has_failed(source, now) {
            true => tables.names.wait(name, now),
            false => Duration::ZERO,
        };
        Some(own.max(of_name)).filter(|wait| !wait.is_zero())
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
