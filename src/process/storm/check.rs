//! What must hold after every input.

use std::time::Duration;

use privsep::request::{Request, Slot};

use super::{SLOTS, Storm};
use crate::process::{Event, Fact, Output, State};

impl Storm {
    /// Whether an end of this slot's process is the end of a stop that is to leave no descendant.
    pub(super) fn stops_tree(&self, slot: Slot) -> bool {
        let killtree = self.settings.process(slot).is_some_and(|p| p.killtree);
        let live = self.heart.info(slot, self.now).is_some_and(|info| info.pid != 0);
        killtree && live && !self.forged && self.heart.state(slot) == Some(State::Stopping)
    }

    /// Retries: how many, and when.
    pub(super) fn check_retries(&mut self, about: Option<(Slot, Duration)>, out: &[Output]) {
        for slot in 0..SLOTS {
            let at = slot as usize;
            let (Some(after), Some(rule)) = (self.heart.state(slot), self.settings.process(slot))
            else {
                continue;
            };
            let before = std::mem::replace(&mut self.states[at], after);
            if self.forged || rule.command_error.is_some() {
                continue;
            }
            let expected = &mut self.expected[at];
            let spawns = out.contains(&Output::Ask(Request::Spawn { slot }));
            if before == State::Backoff && spawns {
                assert!(expected.due.is_none_or(|due| self.now.mono >= due), "too early");
            }
            let ends = ["exited", "stopped"].map(|how| format!("{how}: {} ", rule.name));
            let says = |text: &str| ends.iter().any(|end| text.starts_with(end));
            let ended =
                out.iter().any(|output| matches!(output, Output::Log(_, text) if says(text)));
            let renewed = before == State::Stopping && after != State::Stopping;
            if spawns && (ended || renewed || before.is_stopped()) {
                // An end and a new start within one input: the count begins anew.
                expected.fails = 0;
            }
            if before == after {
                continue;
            }
            if before == State::Running && after == State::Backoff {
                expected.fails = expected.before_running;
            }
            match after {
                State::Backoff => {
                    expected.fails += 1;
                    assert!(expected.fails <= rule.startretries, "a try too many");
                    let wait = Duration::from_secs(expected.fails as u64);
                    expected.due = about.filter(|(s, _)| *s == slot).map(|(_, at)| at + wait);
                    let next = self.heart.next();
                    if let Some(due) = expected.due
                        && !self.heart.shutting_down()
                    {
                        assert!(next.is_some_and(|next| next <= due), "no alarm for a retry");
                    }
                }
                State::Fatal if !self.heart.shutting_down() => {
                    if before != State::Running {
                        assert_eq!(expected.fails, rule.startretries.max(0), "gave up early");
                    }
                    expected.fails = 0;
                }
                State::Running => {
                    expected.before_running = expected.fails;
                    expected.fails = 0;
                }
                State::Stopped | State::Exited | State::Fatal => expected.fails = 0,
                _ => {}
            }
        }
    }

    /// What listeners are told: a chain of changes without a gap, which ends in what is the case, whichever broker tells.
    pub(super) fn check_events(&mut self, out: &[Output]) {
        for output in out {
            let Output::Event(Event::State { slot, from, to, fact }) = output else {
                continue;
            };
            let told = &mut self.told[*slot as usize];
            assert!(*from == *told || self.forged, "slot {slot}: {from:?} after {told:?}");
            assert_ne!(from, to);
            *told = *to;
            let fits = match (to, fact) {
                (State::Starting | State::Backoff, Fact::Tries(_)) => true,
                (State::Stopping, Fact::Pid(pid)) => *pid > 1_000,
                // 0 where it ended before it was handed back.
                (State::Running, Fact::Pid(pid)) => *pid == 0 || *pid > 1_000,
                (State::Stopped, Fact::Pid(pid)) => *from != State::Backoff || *pid == 0,
                (State::Exited, Fact::Exit { .. }) => true,
                (State::Fatal | State::Unknown, Fact::None) => true,
                _ => false,
            };
            assert!(fits || self.forged, "slot {slot}: {to:?} with {fact:?}");
        }
        for slot in 0..SLOTS {
            let told = self.told[slot as usize];
            let Some(state) = self.heart.state(slot).filter(|_| !self.forged) else {
                continue;
            };
            // Of the stop of what is still being started nobody is told before there is something to stop.
            let early = (state, told) == (State::Stopping, State::Starting);
            assert!(state == told || early, "slot {slot} is {state:?}, told was {told:?}");
        }
    }
}
