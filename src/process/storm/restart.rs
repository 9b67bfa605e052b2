//! What was begun to be restarted is started, or its failure told, whichever broker does it, unless a stop prevails.

use super::Storm;
use crate::process::{Command, Input, Output, State, Ticket};

impl Storm {
    /// Notes what a command owes, before it is handed in.
    pub(super) fn expect(&mut self, input: &Input) {
        let Input::Command { ticket: Ticket(ticket), command } = input else {
            return;
        };
        match command {
            Command::Restart { slots, .. } if !self.heart.shutting_down() => {
                let known = |slot: &u32| {
                    self.heart.state(*slot).is_some_and(|state| state != State::Unknown)
                };
                // Where the client of an earlier one is gone, this one is told.
                let open = &self.open;
                self.owed.retain(|(slot, of)| open.contains(of) || !slots.contains(slot));
                self.owed.extend(slots.iter().copied().filter(known).map(|slot| (slot, *ticket)));
            }
            Command::Stop { slots, .. } => self.owed.retain(|(slot, _)| !slots.contains(slot)),
            _ => {}
        }
    }

    /// What is owed is kept in mind until it is started or said to have failed; what is not, is not started for it.
    pub(super) fn check_restarts(&mut self, out: &[Output]) {
        if self.forged || self.heart.shutting_down() {
            return self.owed.clear();
        }
        for output in out {
            if let Output::Reply(Ticket(ticket), outcomes) = output {
                let failed = |slot| outcomes.iter().any(|(of, how)| *of == slot && how.is_err());
                self.owed.retain(|(slot, of)| of != ticket || !failed(*slot));
            }
        }
        for (slot, ticket) in std::mem::take(&mut self.owed) {
            let (heart, rule) = (&self.heart, self.settings.process(slot));
            let (Some(state), Some(rule)) = (heart.state(slot), rule) else {
                continue;
            };
            // Somebody waits for the rest of the answer.
            let waiting = self.open.contains(&ticket) && !replied(out, ticket);
            if heart.comes_back(slot) || (waiting && !state.is_running()) {
                self.owed.push((slot, ticket));
            } else {
                let failed = state == State::Unknown || rule.command_error.is_some();
                assert!(state.is_running() || failed, "slot {slot} is forgotten: {state:?}");
                self.restarted += u64::from(state.is_running());
            }
        }
    }

    /// The client who would be told of a failure is gone with the broker; what is still to be started is written down.
    pub(super) fn remember_owed(&mut self) {
        let heart = &self.heart;
        let unknown = |slot| heart.state(slot) == Some(State::Unknown);
        self.owed.retain(|(slot, _)| heart.comes_back(*slot) && !unknown(*slot));
    }
}

fn replied(out: &[Output], ticket: u64) -> bool {
    out.iter().any(|output| matches!(output, Output::Reply(Ticket(of), _) if *of == ticket))
}
