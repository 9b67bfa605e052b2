//! Starts that wait for their logs. They are made in the order in which they were asked for, which is that of priorities.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use privsep::request::{Log, Slot};

/// How long a start that waits for a log holds back those behind it. A disk that does not answer is not to stop everything.
const PATIENCE: Duration = Duration::from_millis(100);

struct Start {
    slot: Slot,
    /// What is not open yet.
    logs: BTreeSet<Log>,
    since: Instant,
}

impl Start {
    fn is_ready(&self) -> bool {
        self.logs.is_empty()
    }

    fn holds_until(&self) -> Instant {
        self.since + PATIENCE
    }
}

/// The starts that wait, in their order.
#[derive(Default)]
pub(super) struct Parked(VecDeque<Start>);

impl Parked {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, slot: Slot, logs: BTreeSet<Log>, now: Instant) {
        self.0.push_back(Start { slot, logs, since: now });
    }

    /// This log is open.
    pub(super) fn opened(&mut self, log: Log) {
        for start in &mut self.0 {
            start.logs.remove(&log);
        }
    }

    /// Whether a start waits for this log.
    pub(super) fn waits_for(&self, log: Log) -> bool {
        self.0.iter().any(|start| start.logs.contains(&log))
    }

    /// This log cannot be opened: those that wait for it leave.
    pub(super) fn give_up(&mut self, log: Log) -> Vec<Slot> {
        let waiting = self.0.iter().filter(|start| start.logs.contains(&log));
        let slots = waiting.map(|start| start.slot).collect();
        self.0.retain(|start| !start.logs.contains(&log));
        slots
    }

    /// The next that may be made.
    pub(super) fn next(&mut self, now: Instant) -> Option<Slot> {
        let held = self.0.iter().position(|start| !start.is_ready() && start.holds_until() > now);
        let free = self.0.iter().position(Start::is_ready)?;
        let start = if held.is_some_and(|held| held < free) { None } else { self.0.remove(free) };
        start.map(|start| start.slot)
    }

    /// When one that is ready is held back no longer.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let free = self.0.iter().position(Start::is_ready)?;
        self.0.iter().take(free).map(Start::holds_until).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(starts: &[(Slot, &[Log])], now: Instant) -> Parked {
        let mut parked = Parked::default();
        for (slot, logs) in starts {
            parked.push(*slot, logs.iter().copied().collect(), now);
        }
        parked
    }

    fn all(parked: &mut Parked, now: Instant) -> Vec<Slot> {
        std::iter::from_fn(|| parked.next(now)).collect()
    }

    #[test]
    fn starts_are_made_in_their_order() {
        let now = Instant::now();
        let mut parked = parked(&[(7, &[1]), (3, &[]), (5, &[2])], now);
        parked.opened(2);
        assert!(all(&mut parked, now).is_empty());
        assert_eq!(parked.due_at(), Some(now + PATIENCE));
        parked.opened(1);
        assert_eq!(all(&mut parked, now), [7, 3, 5]);
        assert!(parked.is_empty() && parked.due_at().is_none());
    }

    #[test]
    fn a_log_that_does_not_open_holds_nobody_back_for_long() {
        let now = Instant::now();
        let mut parked = parked(&[(1, &[1]), (2, &[]), (3, &[9])], now);
        parked.push(4, BTreeSet::new(), now + PATIENCE);
        assert_eq!(all(&mut parked, now + PATIENCE), [2, 4]);
        assert_eq!(parked.due_at(), None);
        parked.opened(1);
        assert_eq!(all(&mut parked, now + PATIENCE), [1]);
        assert!(parked.waits_for(9));
    }

    #[test]
    fn what_cannot_be_opened_lets_the_others_go() {
        let now = Instant::now();
        let mut parked = parked(&[(1, &[1, 2]), (2, &[]), (3, &[1])], now);
        assert_eq!(parked.give_up(1), [1, 3]);
        assert_eq!(all(&mut parked, now), [2]);
    }
}
