//! Which groups are in force: those of the last reading, compared with those that run, and moved between the two.

use std::collections::BTreeSet;

use crate::config::settings::{Group, Process, Settings};

/// Names of groups in which the last reading differs from what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Not in force yet, as read.
    pub added: Vec<String>,
    /// In force with other contents, as read.
    pub changed: Vec<String>,
    /// In force and gone from the configuration.
    pub removed: Vec<String>,
}

/// What the last reading would change.
pub fn changes(active: &Settings, latest: &Settings) -> Changes {
    let mut changes = Changes::default();
    for group in &latest.groups {
        match active.group(&group.name) {
            None => changes.added.push(group.name.clone()),
            Some(running) if differ(active, running, latest, group) => {
                changes.changed.push(group.name.clone());
            }
            Some(_) => {}
        }
    }
    let gone = active.groups.iter().filter(|group| latest.group(&group.name).is_none());
    changes.removed = gone.map(|group| group.name.clone()).collect();
    changes
}

/// An entry of the launch table that changed in any way has another slot, so what a program's environment or socket
/// has become shows here too.
fn differ(active: &Settings, running: &Group, latest: &Settings, group: &Group) -> bool {
    running != group
        || group.slots.iter().any(|slot| active.process(*slot) != latest.process(*slot))
}

fn logs(process: &Process) -> impl Iterator<Item = u32> {
    let streams = [&process.stdout, &process.stderr].into_iter();
    streams.flat_map(|stream| stream.log.into_iter().chain(stream.syslog))
}

/// Puts a group of the last reading in force too. Says whether it has such a group; a group of that name must not be
/// in force.
pub fn enter(active: &mut Settings, latest: &Settings, name: &str) -> bool {
    let Some(group) = latest.group(name) else {
        return false;
    };
    for slot in &group.slots {
        let Some(process) = latest.process(*slot) else {
            continue;
        };
        for log in logs(process) {
            active.logs.extend(latest.logs.get(&log).map(|file| (log, file.clone())));
        }
        active.processes.insert(*slot, process.clone());
    }
    active.groups.push(group.clone());
    true
}

/// Puts a group out of force, and the logs that only it had.
pub fn leave(active: &mut Settings, name: &str) {
    active.groups.retain(|group| group.name != name);
    active.processes.retain(|_, process| process.group != name);
    let used = used_logs(active);
    active.logs.retain(|log, _| used.contains(log));
}

/// Numbers of all logs that something of these settings leads to.
pub fn used_logs(settings: &Settings) -> BTreeSet<u32> {
    settings.processes.values().flat_map(logs).chain(settings.activity.log).collect()
}
