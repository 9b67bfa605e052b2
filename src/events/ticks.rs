//! Ticks: what is told when a multiple of a period has passed on the wall's clock.

use std::time::Duration;

use super::event::Event;
use super::kind::{Kind, Kinds};
use crate::process::Now;

/// The types with their periods in seconds, in the order in which they are told.
const PERIODS: [(Kind, u64); 3] = [(Kind::Tick5, 5), (Kind::Tick60, 60), (Kind::Tick3600, 3600)];

/// The multiple of each period that was told last, or that it began with; only of those that somebody asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    pub(super) last: [Option<u64>; 3],
}

/// It is looked again after so long: the wall's clock may have been set.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

fn slice(period: u64, now: Now) -> u64 {
    let seconds = now.wall.as_secs();
    seconds - seconds % period
}

impl Ticks {
    /// These types are asked for from now on.
    pub(super) fn want(&mut self, wanted: Kinds, now: Now) {
        for ((kind, period), last) in PERIODS.into_iter().zip(&mut self.last) {
            *last = wanted.has(kind).then(|| last.unwrap_or_else(|| slice(period, now)));
        }
    }

    fn crossed(&self, now: Now) -> impl Iterator<Item = (Kind, u64)> {
        let periods = PERIODS.into_iter().zip(self.last);
        periods.filter_map(move |((kind, period), last)| {
            let this = slice(period, now);
            // The clock may have gone back, too.
            last.filter(|last| *last != this).map(|_| (kind, this))
        })
    }

    /// Whether a boundary was crossed.
    pub(super) fn due(&self, now: Now) -> bool {
        self.crossed(now).next().is_some()
    }

    /// The events for the boundaries that were crossed: one a period, however many they were.
    pub(super) fn tell(&mut self, now: Now) -> Vec<Event> {
        let crossed: Vec<_> = self.crossed(now).collect();
        for ((_, period), last) in PERIODS.into_iter().zip(&mut self.last) {
            *last = last.map(|_| slice(period, now));
        }
        crossed.into_iter().map(|(kind, when)| Event::tick(kind, when)).collect()
    }

    /// When the next boundary comes, on the clock of [`Now::mono`].
    pub(super) fn next(&self, now: Now) -> Option<Duration> {
        let periods = PERIODS.into_iter().zip(self.last);
        let next = periods.filter_map(|((_, period), last)| {
            let this = slice(period, now);
            if last? != this {
                return Some(Duration::ZERO);
            }
            Some(Duration::from_secs(this.saturating_add(period)).saturating_sub(now.wall))
        });
        next.min().map(|wait| now.mono.saturating_add(wait.min(LONGEST_WAIT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: u64, millis: u64) -> Now {
        let wall = Duration::from_secs(wall) + Duration::from_millis(millis);
        // A clock of its own, a little ahead of a multiple.
        Now { mono: wall - Duration::from_secs(999_000) + Duration::from_micros(1), wall }
    }

    fn told(ticks: &mut Ticks, now: Now) -> Vec<String> {
        let due = ticks.due(now);
        let events = ticks.tell(now);
        assert_eq!(due, !events.is_empty());
        events.iter().map(|e| format!("{} {}", e.kind().name(), e.payload())).collect()
    }

    #[test]
    fn boundaries_are_told_once() {
        let mut ticks = Ticks::default();
        assert_eq!(ticks.next(at(1_000_001, 0)), None);
        assert!(told(&mut ticks, at(1_000_001, 0)).is_empty());
        let tick = Kinds::named("TICK").unwrap();
        ticks.want(tick, at(1_000_001, 500));
        assert_eq!(ticks.next(at(1_000_001, 500)), Some(at(1_000_005, 0).mono));
        assert!(told(&mut ticks, at(1_000_004, 999)).is_empty());
        assert_eq!(told(&mut ticks, at(1_000_005, 0)), ["TICK_5 when:1000005"]);
        assert_eq!(ticks.next(at(1_000_005, 0)), Some(at(1_000_010, 0).mono));
        // One event for all that were missed: the latest.
        let missed = ["TICK_5 when:1000025", "TICK_60 when:1000020"];
        assert_eq!(told(&mut ticks, at(1_000_029, 0)), missed);
        let missed = ["TICK_5 when:1000800", "TICK_60 when:1000800", "TICK_3600 when:1000800"];
        assert_eq!(told(&mut ticks, at(1_000_800, 0)), missed);
        assert!(told(&mut ticks, at(1_000_804, 0)).is_empty());
    }

    #[test]
    fn only_what_is_asked_for_makes_a_timer() {
        let mut ticks = Ticks::default();
        ticks.want(Kinds::named("TICK_3600").unwrap(), at(1_000_001, 0));
        assert_eq!(
            ticks.next(at(1_000_002, 0)),
            Some(at(1_000_062, 0).mono),
            "a look at the clock"
        );
        assert_eq!(ticks.next(at(1_000_799, 0)), Some(at(1_000_800, 0).mono));
        // Asked for again, it keeps what it knows; asked for anew, it begins anew.
        ticks.want(Kinds::named("TICK").unwrap(), at(1_000_900, 0));
        assert_eq!(told(&mut ticks, at(1_000_901, 0)), ["TICK_3600 when:1000800"]);
        ticks.want(Kinds::NONE, at(1_000_902, 0));
        assert_eq!(ticks, Ticks::default());
    }

    #[test]
    fn clocks_may_go_back() {
        let mut ticks = Ticks::default();
        ticks.want(Kinds::named("TICK_5").unwrap(), at(1_000_001, 0));
        let back = Now { wall: Duration::from_secs(500_007), ..at(1_000_002, 0) };
        assert_eq!(ticks.next(back), Some(back.mono), "at once");
        assert_eq!(told(&mut ticks, back), ["TICK_5 when:500005"]);
        assert_eq!(ticks.next(back), Some(back.mono + Duration::from_secs(3)));
    }
}
