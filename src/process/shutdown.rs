//! Stopping everything: waves by group priority, highest first, and the end.

use std::collections::BTreeMap;
use std::time::Duration;

use privsep::request::{End, Request, Slot};

use super::desk::Alarm;
use super::heart::Phase;
use super::proc::Proc;
use super::{Heart, Now, Output};
use crate::config::settings::Level;

/// How often those that are waited for are named.
const REPORT: Duration = Duration::from_secs(3);

impl Heart {
    /// Begins to stop everything. Once begun it is not begun again.
    pub(super) fn shut_down(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.shutting_down() {
            return;
        }
        self.book.dirty.insert(0);
        self.set_waves();
        self.cancel_starts(now, out);
    }

    /// Sorts all processes that are not stopped into waves.
    pub(super) fn set_waves(&mut self) {
        self.book.waves = Some(BTreeMap::new());
        for proc in &self.procs {
            let (priority, state) = (proc.rule.group_priority, proc.record.state);
            self.book.note_state(priority, proc.slot, state);
        }
    }

    /// Goes on with a shutdown: tells the highest wave, and ends when no wave is left.
    pub(super) fn advance(&mut self, now: Now, out: &mut Vec<Output>) {
        if !matches!(self.phase, Phase::Going) {
            return;
        }
        while let Some(waves) = &mut self.book.waves {
            let Some(mut wave) = waves.last_entry() else {
                self.phase = Phase::Ended;
                self.book.alarms.clear();
                return out.push(Output::Ask(Request::End(End::Exit)));
            };
            if wave.get().slots.is_empty() {
                wave.remove();
                continue;
            }
            if wave.get().told {
                break;
            }
            wave.get_mut().told = true;
            let mut slots: Vec<Slot> = wave.get().slots.iter().copied().collect();
            let rank = |slot: &Slot| self.rank.get(usize::try_from(*slot).ok()?).copied();
            slots.sort_by_key(rank);
            for slot in slots {
                self.with(slot, now, out, Proc::shut_down);
            }
        }
        if self.book.waves.is_some() && !self.book.reporting {
            self.report_shutdown(now, out);
        }
    }

    /// Names those that are waited for, now and from now on.
    pub(super) fn report_shutdown(&mut self, now: Now, out: &mut Vec<Output>) {
        let slots = self.order.iter().filter_map(|s| usize::try_from(*s).ok());
        let left: Vec<&Proc> = slots
            .filter_map(|at| self.procs.get(at))
            .filter(|proc| !proc.record.state.is_stopped())
            .collect();
        if left.is_empty() {
            return;
        }
        let names: Vec<&str> = left.iter().map(|p| p.rule.name.as_str()).collect();
        let text = format!("waiting for {} to die", names.join(", "));
        out.push(Output::Log(Level::Info, text));
        for proc in left {
            let (name, state) = (&proc.rule.name, proc.record.state.name());
            out.push(Output::Log(Level::Blather, format!("{name} state: {state}")));
        }
        self.book.reporting = true;
        let again = now.mono.saturating_add(REPORT);
        self.book.alarms.insert((again, Alarm::Shutdown));
    }
}
