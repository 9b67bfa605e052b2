//! Groups come and go.

use privsep::request::Slot;

use super::settings::some_group;
use super::{Expected, SLOTS, Storm};
use crate::config::settings::Settings;
use crate::process::{Input, State, roster};

impl Storm {
    /// A group comes into force: one that was there before, or a new one in slots that nobody has.
    pub(super) fn add(&mut self) {
        let again = self.dice.percent(50).then(|| self.shelf.pop()).flatten();
        let fits = |latest: &Settings| {
            let group = &latest.groups[0];
            let taken = |slot: &Slot| self.settings.process(*slot).is_some();
            self.settings.group(&group.name).is_none() && !group.slots.iter().any(taken)
        };
        let latest = match again.filter(fits) {
            Some(latest) => latest,
            None => {
                let idle = |slot: &Slot| {
                    let used = self.settings.process(*slot).or(self.written.process(*slot));
                    used.is_none() && self.heart.is_free(*slot)
                };
                let mut slots: Vec<Slot> = (0..SLOTS).filter(idle).collect();
                slots.truncate(self.dice.below(4) as usize);
                self.added += 1;
                let name = format!("new{}", self.added);
                some_group(&mut self.dice, &name, slots)
            }
        };
        let group = &latest.groups[0];
        roster::enter(&mut self.settings, &latest, &group.name);
        for slot in &group.slots {
            self.states[*slot as usize] = State::Stopped;
            self.told[*slot as usize] = State::Stopped;
            self.expected[*slot as usize] = Expected::default();
        }
        let mut out = Vec::new();
        self.heart.add(&latest, group, &mut out);
        for (cell, payload) in self.heart.dirty() {
            self.journal[cell] = Some(payload);
        }
        self.fresh.extend(&group.slots);
        self.check_events(&out);
        self.carry_out_all(out);
    }

    /// A group goes out of force, if all of it is stopped.
    pub(super) fn remove(&mut self) {
        let count = self.settings.groups.len() as u64;
        if count == 0 {
            return;
        }
        let group = self.settings.groups[self.dice.below(count) as usize].clone();
        let slots = group.slots.iter();
        let stopped = slots.clone().all(|slot| self.heart.state(*slot).unwrap().is_stopped());
        let mut out = Vec::new();
        let removed = self.heart.remove(self.now, &group.name, &mut out);
        assert_eq!(removed.is_ok(), stopped, "{removed:?}");
        if let Ok(slots) = removed {
            self.removed += 1;
            self.fresh.retain(|slot| !slots.contains(slot));
            self.owed.retain(|(slot, _)| !slots.contains(slot));
            let mut alone = self.settings.clone();
            alone.groups.retain(|other| other.name == group.name);
            alone.processes.retain(|_, process| process.group == group.name);
            self.shelf.push(alone);
            roster::leave(&mut self.settings, &group.name);
        }
        for (cell, payload) in self.heart.dirty() {
            self.journal[cell] = Some(payload);
        }
        self.check_retries(None, &out);
        self.check_events(&out);
        self.check_restarts(&out);
        self.carry_out_all(out);
    }

    /// The broker's moment after changes of groups: the successor knows, entries are retired, programs set out.
    pub(super) fn settle(&mut self) {
        self.written = self.settings.clone();
        for slot in 0..SLOTS {
            if self.settings.process(slot).is_none() && self.heart.is_free(slot) {
                self.journal[slot as usize + 1] = None;
            }
        }
        let slots = std::mem::take(&mut self.fresh);
        self.send(Input::SetOut { slots });
    }
}
