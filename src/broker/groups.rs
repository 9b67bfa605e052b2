//! Groups come and go: the settings in force, what the spawner still has to keep, what a successor has to know.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use link::Journal;
use policy::access::Access;
use privsep::journal::PAYLOAD;
use privsep::request::{Request, Slot};
use privsep::table::MAX_SLOTS;

use super::Broker;
use super::signals::WISH_AT;
use crate::config::settings::{Level, Settings};
use crate::logs::clock;
use crate::process::{Input, Kept, roster};
use crate::rpc::office::Unmoved;

/// How long changes of groups are gathered at most before the journal has them and programs start: a client that adds
/// a hundred groups makes a hundred calls.
const GATHER: Duration = Duration::from_millis(25);
/// When nothing has changed for so long, no more is waited for.
const PAUSE: Duration = Duration::from_millis(3);

/// Where in the broker's own journal cell it stands how many slots there have ever been: four bytes.
const SLOTS_AT: usize = WISH_AT + 1;
/// The first byte of the cell of a slot that has no record yet but an entry.
const ENTRY: u8 = 0xff;

impl Broker {
    /// Puts a group of the last reading in force.
    pub(super) fn add(&self, name: &str) -> Result<(), Unmoved> {
        let latest = Rc::clone(&self.state.borrow().latest);
        let group = latest.group(name).ok_or(Unmoved::Unknown)?;
        if self.active.borrow().group(name).is_some() {
            return Err(Unmoved::InForce);
        }
        let logs = roster::enter(Rc::make_mut(&mut self.active.borrow_mut()), &latest, name);
        let mut outputs = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            for log in logs {
                if let Some(file) = latest.logs.get(&log) {
                    state.logs.add(log, file);
                }
            }
            state.heart.add(&latest, group, &mut outputs);
            state.made.insert(name.to_owned());
            state.fresh.extend(&group.slots);
        }
        self.carry_out_all(outputs);
        self.gather();
        Ok(())
    }

    /// Puts a group out of force, if all of it is stopped.
    pub(super) fn remove(&self, name: &str) -> Result<(), Unmoved> {
        let mut outputs = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let removed = state.heart.remove(clock::now(), name, &mut outputs);
            let slots = removed.map_err(|kept| match kept {
                Kept::Unknown => Unmoved::Unknown,
                Kept::Running => Unmoved::Running,
            })?;
            state.fresh.retain(|slot| !slots.contains(slot));
        }
        for log in roster::leave(Rc::make_mut(&mut self.active.borrow_mut()), name) {
            self.state.borrow_mut().logs.forget(log);
        }
        self.carry_out_all(outputs);
        self.gather();
        Ok(())
    }

    /// Puts off what a change leaves to be done, but not for long.
    fn gather(&self) {
        let mut state = self.state.borrow_mut();
        let now = Instant::now();
        let first = *state.gathered_since.get_or_insert(now);
        state.unwritten = true;
        state.settle_at = Some((now + PAUSE).min(first + GATHER));
        self.kick.notify_one();
    }

    /// Settles what has been gathered for long enough.
    pub(super) fn settle_in_time(&self) {
        if self.state.borrow().settle_at.is_some_and(|at| at <= Instant::now()) {
            self.settle();
        }
    }

    /// What the changes of groups leave to be done: first the journal, then the rest.
    pub(super) fn settle(&self) {
        {
            let mut state = self.state.borrow_mut();
            (state.settle_at, state.gathered_since) = (None, None);
        }
        self.keep_settings();
        self.retire();
        let slots = std::mem::take(&mut self.state.borrow_mut().fresh);
        if !slots.is_empty() {
            self.input(Input::SetOut { slots });
        }
    }

    /// Leaves the settings in force to a successor, if it does not have them.
    pub(super) fn keep_settings(&self) {
        if !std::mem::take(&mut self.state.borrow_mut().unwritten) {
            return;
        }
        let text = kept(&self.settings()).encode();
        if !text.is_ok_and(|text| self.journal.write_text(&text)) {
            let text = "the settings in force do not fit into the journal; a broker that takes \
                        over would not know of the groups that were added or removed";
            self.line(Level::Error, text);
        }
        self.state.borrow_mut().written = true;
    }

    /// Takes note of a reading that was accepted.
    pub(super) fn take_latest(&self, settings: Settings) {
        let mut state = self.state.borrow_mut();
        state.known.extend(settings.processes.keys());
        state.made.clear();
        self.access.replace(Rc::new(Access::new(settings.access.clone())));
        state.latest = Rc::new(settings);
        let slots = state.known.last().map_or(0, |slot| slot.saturating_add(1));
        self.journal.patch(0, SLOTS_AT, &slots.to_le_bytes());
        for slot in &state.known {
            if empty(&self.journal, *slot) {
                self.journal.patch(cell(*slot), 0, &[ENTRY]);
            }
        }
    }

    /// Lets the spawner forget the entries that nothing has any more. Not while it reads: the reader sees the table as
    /// it was when it began, and may give such an entry to the new configuration.
    fn retire(&self) {
        let mut state = self.state.borrow_mut();
        if state.readings.under_way || !state.complete {
            return;
        }
        let active = self.settings();
        let latest = Rc::clone(&state.latest);
        let used = |slot: &Slot| active.process(*slot).or_else(|| latest.process(*slot)).is_some();
        let idle: Vec<Slot> = state
            .known
            .iter()
            .filter(|slot| !used(slot) && state.heart.is_free(**slot))
            .copied()
            .collect();
        for slot in idle {
            state.known.remove(&slot);
            // First the cell: an entry that is forgotten is not retired again by a successor.
            self.commit(&[(cell(slot), [0; PAYLOAD])]);
            self.journal.write(cell(slot), &[0; PAYLOAD]);
            self.link.send(Request::Retire { slot });
        }
    }

    /// An instance ended; where no group has its slot, the slot goes too.
    pub(super) fn left_over(&self, slot: Slot) {
        if self.active.borrow().process(slot).is_none() {
            self.state.borrow_mut().known.insert(slot);
            self.retire();
        }
    }
}

/// What a successor gets from its forerunner: no keys, which it has from the last reading. That a server spoke TLS stays,
/// so that one whose section is gone is never served without.
fn kept(settings: &Settings) -> Settings {
    let mut kept = settings.clone();
    kept.servers
        .iter_mut()
        .filter_map(|server| server.tls.as_mut())
        .for_each(|tls| tls.key.clear());
    kept
}

fn cell(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX).saturating_add(1)
}

fn empty(journal: &Journal, slot: Slot) -> bool {
    journal.read(cell(slot)).is_none_or(|payload| payload == [0; PAYLOAD])
}

/// Slots that a former broker knew of and had not retired.
pub(super) fn known_before(journal: &Journal) -> BTreeSet<Slot> {
    let own = journal.read(0);
    let count = own.as_ref().and_then(|own| own.get(SLOTS_AT..)?.first_chunk::<4>().copied());
    let most = u32::try_from(MAX_SLOTS).unwrap_or(u32::MAX);
    let slots = 0..count.map_or(0, u32::from_le_bytes).min(most);
    slots.filter(|slot| !empty(journal, *slot)).collect()
}
