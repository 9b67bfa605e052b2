//! Which groups are in force: those of the last reading, compared with those that run, and moved between the two.

use std::collections::{BTreeMap, BTreeSet};

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

fn by_name(settings: &Settings) -> BTreeMap<&str, &Group> {
    settings.groups.iter().map(|group| (group.name.as_str(), group)).collect()
}

/// What the last reading would change.
pub fn changes(active: &Settings, latest: &Settings) -> Changes {
    let (running, read) = (by_name(active), by_name(latest));
    let mut changes = Changes::default();
    for group in &latest.groups {
        match running.get(group.name.as_str()) {
            None => changes.added.push(group.name.clone()),
            Some(running) if differ(active, running, latest, group) => {
                changes.changed.push(group.name.clone());
            }
            Some(_) => {}
        }
    }
    let gone = active.groups.iter().filter(|group| !read.contains_key(group.name.as_str()));
    changes.removed = gone.map(|group| group.name.clone()).collect();
    changes
}

/// An entry of the launch table that changed in any way has another slot, so what a program's environment or socket
/// has become shows here too.
fn differ(active: &Settings, running: &Group, latest: &Settings, group: &Group) -> bool {
    let same = |slot: &u32| match (active.process(*slot), latest.process(*slot)) {
        // Labels count from the reading on: nothing has to be restarted for them.
        (Some(a), Some(b)) if a.labels != b.labels => {
            Process { labels: b.labels.clone(), ..a.clone() } == *b
        }
        (a, b) => a == b,
    };
    running != group || !group.slots.iter().all(same)
}

fn logs(process: &Process) -> impl Iterator<Item = u32> {
    let streams = [&process.stdout, &process.stderr].into_iter();
    streams.flat_map(|stream| stream.log.into_iter().chain(stream.syslog))
}

/// Puts a group of the last reading in force too; a group of that name must not be. Gives its logs.
pub fn enter(active: &mut Settings, latest: &Settings, name: &str) -> Vec<u32> {
    let Some(group) = latest.group(name) else {
        return Vec::new();
    };
    let mut entered = Vec::new();
    for (slot, process) in
        group.slots.iter().filter_map(|slot| Some((slot, latest.process(*slot)?)))
    {
        for (log, file) in logs(process).filter_map(|log| Some((log, latest.logs.get(&log)?))) {
            active.logs.insert(log, file.clone());
            entered.push(log);
        }
        active.processes.insert(*slot, process.clone());
    }
    active.groups.push(group.clone());
    entered
}

/// Puts a group out of force. Gives the logs that only it had, which are out of force too.
pub fn leave(active: &mut Settings, name: &str) -> Vec<u32> {
    active.groups.retain(|group| group.name != name);
    let mut gone = BTreeSet::new();
    active.processes.retain(|_, process| {
        let stays = process.group != name;
        gone.extend(logs(process).filter(|_| !stays));
        stays
    });
    let used: BTreeSet<u32> =
        active.processes.values().flat_map(logs).chain(active.activity.log).collect();
    gone.retain(|log| !used.contains(log));
    active.logs.retain(|log, _| !gone.contains(log));
    gone.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Of;
    use crate::process::world::{log_file, program, settings, stream};

    fn logged(name: &str, out: u32, err: u32) -> Process {
        Process { stdout: stream(Some(out)), stderr: stream(Some(err)), ..program(name) }
    }

    fn three() -> Settings {
        let mut settings = settings(vec![
            ("b", 1, vec![logged("b", 1, 2)]),
            ("a", 1, vec![logged("a", 2, 0)]),
            ("c", 5, vec![program("c"), program("d")]),
        ]);
        settings.activity.log = Some(0);
        settings.logs = (0..4).map(|n| (n, log_file(&n.to_string()))).collect();
        settings
    }

    #[test]
    fn the_same_is_no_change() {
        assert_eq!(changes(&three(), &three()), Changes::default());
    }

    #[test]
    fn names_come_as_the_reference_has_them() {
        let (mut active, mut latest) = (three(), three());
        leave(&mut latest, "c");
        leave(&mut latest, "b");
        leave(&mut active, "a");
        let found = changes(&active, &latest);
        assert_eq!((found.added, found.removed), (vec!["a".into()], vec!["b".into(), "c".into()]));
    }

    #[test]
    fn anything_about_a_group_is_a_change() {
        let group = |change: fn(&mut Group)| {
            let mut latest = three();
            change(&mut latest.groups[2]);
            changes(&three(), &latest).changed
        };
        assert_eq!(group(|g| g.priority = 6), ["c"]);
        assert_eq!(group(|g| g.slots.reverse()), ["c"]);
        assert_eq!(group(|g| g.of = Of::FastCgi { socket: "unix:///s".into() }), ["c"]);
        let process = |change: fn(&mut Process)| {
            let mut latest = three();
            change(latest.processes.get_mut(&0).unwrap());
            changes(&three(), &latest).changed
        };
        assert_eq!(process(|p| p.command.push('x')), ["b"]);
        assert_eq!(process(|p| p.killtree = true), ["b"]);
        // A path that became AUTO, the other way round, another limit.
        assert_eq!(process(|p| p.stdout.logfile = "/path".into()), ["b"]);
        assert_eq!(process(|p| p.stderr.maxbytes = 7), ["b"]);
        // What is only in the launch table, such as the environment, gives the process another slot.
        let mut latest = three();
        let moved = latest.processes.remove(&3).unwrap();
        latest.processes.insert(9, moved);
        latest.groups[2].slots = vec![2, 9];
        assert_eq!(changes(&three(), &latest).changed, ["c"]);
    }

    #[test]
    fn logs_come_and_go_with_who_has_them() {
        let (latest, mut active) = (three(), three());
        assert_eq!(leave(&mut active, "b"), [1], "2 is the other's too");
        assert_eq!(leave(&mut active, "a"), [2], "0 is the daemon's");
        assert_eq!(leave(&mut active, "nobody"), [0; 0]);
        assert_eq!(active.logs.keys().copied().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(enter(&mut active, &latest, "b"), [1, 2]);
        assert_eq!(enter(&mut active, &latest, "a"), [2, 0]);
        let names: Vec<&str> = active.groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"], "what came last is last");
        let encoded = active.encode().unwrap();
        assert_eq!(Settings::decode(&encoded), Some(active), "it is sound");
    }
}
