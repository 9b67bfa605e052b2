//! Names of processes and groups as clients write them. Whether something is there for a client, the guard says.

use privsep::request::Slot;

use super::fault::{Code, Fault};
use crate::config::settings::{Group, Process, Settings};

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    /// `process` or `group:process`.
    Process(Slot, &'a Process),
    /// `group:*` or `group:`.
    Group(&'a Group),
}

/// The fault for a name that leads to nothing.
pub(super) fn bad(name: &str) -> Fault {
    Fault::new(Code::BadName).with(name)
}

/// The processes of a group, as listed.
pub(super) fn members<'a>(
    settings: &'a Settings,
    group: &'a Group,
) -> impl Iterator<Item = (Slot, &'a Process)> {
    let slots = group.slots.iter();
    slots.filter_map(|&n| settings.process(n).map(|process| (n, process)))
}

/// The shortest name that leads to a process: its own where the group has the same.
pub(crate) fn short(group: &str, process: &str) -> String {
    if group == process { process.to_owned() } else { format!("{group}:{process}") }
}

/// The name of a process in refusals and records.
pub(crate) fn full(process: &Process) -> String {
    format!("{}:{}", process.group, process.name)
}

/// The name of a whole group there.
pub(crate) fn whole(group: &str) -> String {
    format!("{group}:*")
}

/// A group's processes ascending by priority, equal ones as listed.
pub(super) fn by_priority(settings: &Settings, group: &Group) -> Vec<Slot> {
    let mut slots: Vec<(i64, Slot)> =
        members(settings, group).map(|(slot, process)| (process.priority, slot)).collect();
    slots.sort_by_key(|(priority, _)| *priority);
    slots.into_iter().map(|(_, slot)| slot).collect()
}

/// All processes: groups ascending by priority, then processes ascending by priority.
pub(super) fn all_by_priority(settings: &Settings) -> Vec<Slot> {
    let mut groups: Vec<&Group> = settings.groups.iter().collect();
    groups.sort_by_key(|group| group.priority);
    let slots = groups.into_iter();
    slots.flat_map(|group| by_priority(settings, group)).collect()
}

/// All processes by name of the group, then name.
pub(super) fn all_by_name(settings: &Settings) -> Vec<(Slot, &Process)> {
    let mut groups: Vec<&Group> = settings.groups.iter().collect();
    groups.sort_by_key(|group| &group.name);
    let mut all = Vec::with_capacity(settings.processes.len());
    for group in groups {
        let mut processes: Vec<_> = members(settings, group).collect();
        processes.sort_by_key(|(_, process)| &process.name);
        all.append(&mut processes);
    }
    all
}
