//! What must hold after every input.

use std::time::Duration;

use privsep::request::{Request, Slot};

use super::{SLOTS, Storm};
use crate::process::{Output, State};

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
            let exited = format!("exited: {} ", rule.name);
            let ended = out
                .iter()
                .any(|output| matches!(output, Output::Log(_, text) if text.starts_with(&exited)));
            if spawns && (ended || before.is_stopped()) {
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
}
