//! Groups that come and go at run time, and instances that no group has any more.

use privsep::request::{Instance, Request, Slot, Whom};

use super::desk::Alarm;
use super::heart::{Group, cell_of};
use super::proc::{Proc, SIGKILL};
use super::record::Record;
use super::rule::Rule;
use super::{Event, Heart, Output};
use crate::config::settings::{Group as Section, Level, Of, Settings};

/// Why a group was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There is no such group.
    Unknown,
    /// A process of it is not stopped.
    Running,
}

impl Heart {
    /// Takes in a group of these settings with what is known of its processes.
    pub(super) fn enter(
        &mut self,
        settings: &Settings,
        section: &Section,
        record: impl Fn(Slot) -> Option<Record>,
    ) {
        for &slot in &section.slots {
            if let Some(process) = settings.process(slot) {
                let rule = Rule::new(process, section);
                self.procs.insert(slot, Proc::new(slot, rule, record(slot).unwrap_or_default()));
            }
        }
        let group = Group {
            name: section.name.clone(),
            priority: section.priority,
            slots: section.slots.clone(),
        };
        let after = self.groups.partition_point(|other| other.priority <= group.priority);
        self.groups.insert(after, group);
    }

    /// A group comes into force, all of it stopped and never started. What starts by itself does so at
    /// [`super::Input::SetOut`]. A group of that name, or another one with a slot of it, is not in force.
    pub fn add(&mut self, settings: &Settings, section: &Section, out: &mut Vec<Output>) {
        self.enter(settings, section, |_| None);
        for slot in &section.slots {
            self.book.dirty.insert(cell_of(*slot));
            // Nothing is started where something still is.
            if let (Some(instance), Some(proc)) =
                (self.strays.remove(slot), self.procs.get_mut(slot))
            {
                proc.ghost = Some((instance, 0));
            }
        }
        try_socket(section, out);
        out.push(Output::Event(Event::GroupAdded(section.name.clone())));
    }

    /// A group goes out of force, if all of it is stopped. Gives its slots.
    pub fn remove(
        &mut self,
        now: super::Now,
        name: &str,
        out: &mut Vec<Output>,
    ) -> Result<Vec<Slot>, Kept> {
        let at = self.groups.iter().position(|g| g.name == name).ok_or(Kept::Unknown)?;
        let stopped = |slot| self.state(slot).is_none_or(super::State::is_stopped);
        if !self.groups.get(at).is_some_and(|g| g.slots.iter().all(|slot| stopped(*slot))) {
            return Err(Kept::Running);
        }
        let slots = self.groups.remove(at).slots;
        for &slot in &slots {
            let Some(proc) = self.procs.remove(&slot) else {
                continue;
            };
            if proc.pid != 0 {
                // A signal to it was refused once; it is on nobody's list from here on.
                self.stray(slot, proc.record.instance, proc.pid, out);
            } else if let Some((instance, _)) = proc.ghost {
                self.strays.insert(slot, instance);
            }
        }
        let left = |alarm: &Alarm| alarm.slot().is_some_and(|slot| slots.contains(&slot));
        self.book.alarms.retain(|(_, alarm)| !left(alarm));
        self.book.sockets.remove(name);
        out.push(Output::Event(Event::GroupRemoved(name.to_owned())));
        for &slot in &slots {
            self.probed(now, slot, None, out);
        }
        Ok(slots)
    }

    /// Whether nothing of a slot is left: no group has it and no instance of it is known.
    pub fn is_free(&self, slot: Slot) -> bool {
        !self.procs.contains_key(&slot) && !self.strays.contains_key(&slot)
    }

    /// An instance of a slot that no group has: nobody could ever stop it, so it is stopped now.
    pub(super) fn stray(
        &mut self,
        slot: Slot,
        instance: Instance,
        pid: i32,
        out: &mut Vec<Output>,
    ) {
        if pid <= 0 {
            return;
        }
        self.strays.insert(slot, instance);
        let text = format!("killing process {pid} with SIGKILL: it belongs to no group any more");
        out.push(Output::Log(Level::Warn, text));
        let whom = Whom::Tree;
        out.push(Output::Ask(Request::Signal { slot, instance, signo: SIGKILL, whom }));
    }

    /// The end of such an instance.
    pub(super) fn stray_ended(&mut self, slot: Slot, instance: Instance, out: &mut Vec<Output>) {
        if self.strays.get(&slot) == Some(&instance) {
            self.strays.remove(&slot);
        }
        out.push(Output::Ask(Request::Ack { slot, instance }));
    }
}

/// What the reference says when a FastCGI group comes into force: it tries the socket.
pub fn try_socket(section: &Section, out: &mut Vec<Output>) {
    if let Of::FastCgi { socket } = &section.of {
        for doing in ["Creating", "Closing"] {
            out.push(Output::Log(Level::Info, format!("{doing} socket {socket}")));
        }
    }
}
