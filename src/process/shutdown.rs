//! Stopping everything: waves by group priority, highest first, and the end.

use std::collections::BTreeMap;
use std::time::Duration;

use privsep::request::{End, Request, Slot};

use super::desk::Alarm;
use super::heart::Phase;
use super::proc::Proc;
use super::{Event, Heart, Now, Output};
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
        self.set_late(self.patience.map(|patience| now.mono.saturating_add(patience)));
        out.push(Output::Event(Event::Stopping));
        self.cancel_starts(now, out);
    }

    /// Sets the moment from which on nothing is waited for any more.
    pub(super) fn set_late(&mut self, at: Option<Duration>) {
        self.book.late_at = at;
        self.book.alarms.extend(at.map(|at| (at, Alarm::Late)));
    }

    /// The time is over: what is left is killed.
    pub(super) fn run_late(&mut self, now: Now, out: &mut Vec<Output>) {
        self.book.late = true;
        for slot in self.order().into_iter().rev() {
            self.with(slot, now, out, Proc::cut_short);
        }
    }

    /// All slots in starting order: by group priority, inside a group as listed.
    pub(super) fn order(&self) -> Vec<Slot> {
        self.groups.iter().flat_map(|group| group.slots.iter().copied()).collect()
    }

    /// The slots of the groups of this priority in the order in which they are stopped: highest priority first.
    fn stopping_order(&self, priority: i64) -> Vec<Slot> {
        let own = |slot: &Slot| self.procs.get(slot).map_or(0, |p| p.rule.priority);
        let groups = self.groups.iter().filter(|group| group.priority == priority);
        let ascending = groups.flat_map(|group| {
            let mut slots = group.slots.clone();
            slots.sort_by_key(own);
            slots
        });
        let mut slots: Vec<Slot> = ascending.collect();
        slots.reverse();
        slots
    }

    /// Sorts all processes that are not stopped into waves.
    pub(super) fn set_waves(&mut self) {
        self.book.waves = Some(BTreeMap::new());
        for proc in self.procs.values() {
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
            let (priority, left) = (*wave.key(), wave.get().slots.clone());
            let slots = self.stopping_order(priority).into_iter();
            for slot in slots.filter(|slot| left.contains(slot)) {
                self.with(slot, now, out, Proc::shut_down);
            }
        }
        if self.book.waves.is_some() && !self.book.reporting {
            self.report_shutdown(now, out);
        }
    }

    /// Names those that are waited for, now and from now on.
    pub(super) fn report_shutdown(&mut self, now: Now, out: &mut Vec<Output>) {
        let slots = self.order();
        let left: Vec<&Proc> = slots
            .iter()
            .filter_map(|slot| self.procs.get(slot))
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
