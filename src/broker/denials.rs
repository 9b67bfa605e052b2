//! Denials on their way to the audit log. A flood of them is not to fill it, nor to push out of it what else has happened:
//! of each principal so many are told at once, and what comes faster is counted and told together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use policy::audit::Record;

/// What one principal is refused is told one by one up to so many times; one more each [`WHILE`].
const AT_ONCE: u32 = 200;
/// For how long denials are counted before they are told together.
const WHILE: Duration = Duration::from_secs(10);
/// Principals that are told apart at a time; all others together are one more.
const PRINCIPALS: usize = 16;

/// Denials that are counted, not yet told.
#[derive(Default)]
pub(super) struct Denials {
    /// By principal; those who are not told apart by the empty name.
    counts: BTreeMap<String, Count>,
}

struct Count {
    /// So many more are told at once, as of then.
    left: u32,
    since: Instant,
    more: u64,
    last: Option<Record>,
    due_at: Option<Instant>,
}

impl Count {
    fn new(now: Instant) -> Count {
        Count { left: AT_ONCE, since: now, more: 0, last: None, due_at: None }
    }

    fn refill(&mut self, now: Instant) {
        while self.left < AT_ONCE && self.since + WHILE <= now {
            self.left += 1;
            self.since += WHILE;
        }
        if self.left == AT_ONCE {
            self.since = now;
        }
    }

    fn is_idle(&self) -> bool {
        self.left == AT_ONCE && self.due_at.is_none()
    }

    /// The record of those that were counted, if there are any.
    fn told(&mut self) -> Option<Record> {
        self.due_at = None;
        let (more, last) = (std::mem::take(&mut self.more), self.last.take()?);
        let detail = format!("{more} more in {} s, this the last", WHILE.as_secs());
        Some(Record { detail: Some(detail), ..last })
    }
}

impl Denials {
    /// Takes a denial and gives it back where it is to be told at once.
    pub(super) fn take(&mut self, record: &Record, now: Instant) -> Option<Record> {
        let who = record.who.as_deref().unwrap_or_default();
        if self.counts.len() >= PRINCIPALS && !self.counts.contains_key(who) {
            self.counts.values_mut().for_each(|count| count.refill(now));
            self.counts.retain(|_, count| !count.is_idle());
        }
        let known = self.counts.len() < PRINCIPALS || self.counts.contains_key(who);
        let who = if known { who } else { "" };
        let count = self.counts.entry(who.to_owned()).or_insert_with(|| Count::new(now));
        count.refill(now);
        if count.left > 0 && count.due_at.is_none() {
            count.left -= 1;
            return Some(record.clone());
        }
        count.more = count.more.saturating_add(1);
        count.last = Some(record.clone());
        count.due_at.get_or_insert(now + WHILE);
        None
    }

    /// The records of what has been counted for long enough, or of all.
    pub(super) fn told(&mut self, now: Option<Instant>) -> Vec<Record> {
        let due = |count: &&mut Count| match (count.due_at, now) {
            (Some(at), Some(now)) => at <= now,
            (due, _) => due.is_some(),
        };
        self.counts.values_mut().filter(due).filter_map(Count::told).collect()
    }

    /// When something is to be told.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.counts.values().filter_map(|count| count.due_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(who: &str, target: u64) -> Record {
        Record {
            event: "access",
            who: Some(who.to_owned()),
            target: Some(target.to_string()),
            decision: Some("deny"),
            ..Record::default()
        }
    }

    /// Refuses something to these, in turn, every millisecond for so many seconds. Gives what was told at which second.
    fn flood(who: &[String], seconds: u64) -> Vec<(u64, Record)> {
        let (begun, mut denials, mut told) = (Instant::now(), Denials::default(), Vec::new());
        for ms in 0..seconds * 1_000 {
            let now = begun + Duration::from_millis(ms);
            if denials.due_at().is_some_and(|at| at <= now) {
                told.extend(denials.told(Some(now)).into_iter().map(|record| (ms / 1_000, record)));
            }
            let who = &who[usize::try_from(ms).unwrap() % who.len()];
            told.extend(denials.take(&denial(who, ms), now).map(|record| (ms / 1_000, record)));
        }
        told.extend(denials.told(None).into_iter().map(|record| (seconds, record)));
        assert!(denials.due_at().is_none());
        told
    }

    /// How many denials a record stands for.
    fn stands_for(record: &Record) -> u64 {
        let more = record.detail.as_deref().and_then(|detail| detail.split(' ').next());
        more.map_or(1, |more| more.parse().unwrap())
    }

    #[test]
    fn a_flood_is_a_few_lines_and_all_of_it_is_counted() {
        let told = flood(&["unix:5".to_owned()], 100);
        assert!(told.len() <= 200 + 20, "{}", told.len());
        assert_eq!(told.iter().map(|(_, record)| stands_for(record)).sum::<u64>(), 100_000);
        let (at, counted) = &told[200];
        assert_eq!((*at, counted.target.as_deref()), (10, Some("10199")));
        assert_eq!(counted.detail.as_deref(), Some("10000 more in 10 s, this the last"));
        assert_eq!(counted.who.as_deref(), Some("unix:5"));
    }

    #[test]
    fn a_flood_of_many_is_no_more_than_one_of_a_few() {
        let many: Vec<String> = (0..5_000).map(|n| format!("unix:{n}")).collect();
        let told = flood(&many, 600);
        assert_eq!(told.iter().map(|(_, record)| stands_for(record)).sum::<u64>(), 600_000);
        let later = told.iter().filter(|(at, _)| *at >= 10).count();
        assert!(later <= 590 * 4, "{later} lines in 590 s");
    }

    #[test]
    fn who_is_refused_now_and_then_has_a_record_each_time() {
        let (begun, mut denials) = (Instant::now(), Denials::default());
        for n in 0..500_u64 {
            for who in ["unix:5", "user:alice", "anonymous"] {
                let told = denials.take(&denial(who, n), begun + WHILE * u32::try_from(n).unwrap());
                assert_eq!(told, Some(denial(who, n)));
            }
        }
        assert_eq!((denials.due_at(), denials.told(None)), (None, vec![]));
        assert_eq!(denials.counts.len(), 3);
    }
}
