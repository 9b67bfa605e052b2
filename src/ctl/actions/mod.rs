//! The actions, declared once: name, what carries it out, how it is used.

mod control;
mod groups;
pub mod help;
mod logs;
mod show;

use super::server::{Info, list};
use super::session::Session;
use super::trouble::Trouble;
use crate::rpc::xml::Value;

/// An action.
pub struct Action {
    /// The word.
    pub name: &'static str,
    /// What it does with the rest of the line.
    pub run: fn(&mut Session, &str) -> Result<(), Trouble>,
    /// Forms and what each does.
    pub usage: &'static [(&'static str, &'static str)],
}

/// All actions, by name.
const ACTIONS: &[Action] = &[
    Action {
        name: "add",
        run: groups::add,
        usage: &[("add <group> ...", "put these groups of the last reading in force")],
    },
    Action {
        name: "avail",
        run: groups::avail,
        usage: &[("avail", "all processes of the last reading")],
    },
    Action {
        name: "clear",
        run: logs::clear,
        usage: &[
            ("clear <name> ...", "empty the log files of these processes"),
            ("clear all", "empty the log files of all processes"),
        ],
    },
    Action {
        name: "help",
        run: help::run,
        usage: &[("help", "list the actions"), ("help <action>", "say how an action is used")],
    },
    Action {
        name: "maintail",
        run: logs::maintail,
        usage: &[
            ("maintail", "the last 1600 bytes of supervisord's own log"),
            ("maintail -<n>", "the last n bytes of it"),
            ("maintail -f", "follow it; Ctrl-C ends"),
        ],
    },
    Action {
        name: "pid",
        run: show::pid,
        usage: &[
            ("pid", "the process id of supervisord"),
            ("pid <name> ...", "the process ids of these processes, 0 if one does not run"),
            ("pid all", "the process ids of all processes"),
        ],
    },
    Action {
        name: "reload",
        run: groups::reload,
        usage: &[("reload", "stop all processes and start supervisord over")],
    },
    Action {
        name: "remove",
        run: groups::remove,
        usage: &[("remove <group> ...", "put these groups, which are stopped, out of force")],
    },
    Action {
        name: "reread",
        run: groups::reread,
        usage: &[("reread", "read the configuration and say what differs; nothing changes")],
    },
    Action {
        name: "restart",
        run: control::restart,
        usage: &[
            ("restart <name> ...", "stop and start these processes"),
            ("restart <group>:* ...", "stop and start all processes of these groups"),
            ("restart all", "stop and start all processes; the configuration is not read again"),
        ],
    },
    Action {
        name: "shutdown",
        run: control::shutdown,
        usage: &[("shutdown", "stop all processes and end supervisord")],
    },
    Action {
        name: "signal",
        run: control::signal,
        usage: &[
            ("signal <signal> <name> ...", "send a signal to these processes"),
            ("signal <signal> <group>:* ...", "send a signal to all processes of these groups"),
            ("signal <signal> all", "send a signal to all processes"),
        ],
    },
    Action {
        name: "start",
        run: control::start,
        usage: &[
            ("start <name> ...", "start these processes"),
            ("start <group>:* ...", "start all processes of these groups"),
            ("start all", "start all processes"),
        ],
    },
    Action {
        name: "status",
        run: show::status,
        usage: &[
            ("status", "the state of all processes"),
            ("status <name> ...", "the state of these processes"),
            ("status <group>:* ...", "the state of all processes of these groups"),
        ],
    },
    Action {
        name: "stop",
        run: control::stop,
        usage: &[
            ("stop <name> ...", "stop these processes"),
            ("stop <group>:* ...", "stop all processes of these groups"),
            ("stop all", "stop all processes"),
        ],
    },
    Action {
        name: "tail",
        run: logs::tail,
        usage: &[
            ("tail <name> [stdout|stderr]", "the last 1600 bytes of a process's log"),
            ("tail -<n> <name> [stdout|stderr]", "the last n bytes of it"),
            ("tail -f <name> [stdout|stderr]", "follow it; Ctrl-C ends"),
        ],
    },
    Action {
        name: "update",
        run: groups::update,
        usage: &[
            ("update", "read the configuration and bring what runs in line with it"),
            ("update all", "the same"),
            ("update <group> ...", "the same for these groups alone"),
        ],
    },
    Action {
        name: "version",
        run: show::version,
        usage: &[("version", "the version of the remote supervisord")],
    },
];

/// The action with this name.
pub fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

fn all_infos(session: &mut Session) -> Result<Vec<Info>, Trouble> {
    list(&session.call("supervisor.getAllProcessInfo", &[])?)
}

/// A name as the user gave it: a process of a group, or a whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target<'a> {
    /// As given.
    given: &'a str,
    group: &'a str,
    /// `None` for the whole group.
    process: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// `process` (its group has the same name), `group:process`, `group:*` or `group:`.
    fn parse(given: &'a str) -> Target<'a> {
        let (group, process) = given.split_once(':').unwrap_or((given, given));
        let whole = given.contains(':') && (process.is_empty() || process == "*");
        Target { given, group, process: (!whole).then_some(process) }
    }

    fn value(&self) -> Value {
        Value::from(self.given)
    }
}

/// How a process is named to people: without its group where that has the same name.
fn full_name(group: &str, process: Option<&str>) -> String {
    match process {
        Some(process) if process == group => process.to_owned(),
        // What the reference shows for a group in a place where only a process fits.
        None => format!("{group}:None"),
        Some(process) => format!("{group}:{process}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let parts = |given| {
            let target = Target::parse(given);
            (target.group, target.process)
        };
        assert_eq!(parts("a"), ("a", Some("a")));
        assert_eq!(parts("a:b"), ("a", Some("b")));
        assert_eq!(parts("a:*"), ("a", None));
        assert_eq!(parts("a:"), ("a", None));
        assert_eq!(parts("*"), ("*", Some("*")));
        assert_eq!(parts("a:b:c"), ("a", Some("b:c")));
    }

    #[test]
    fn names() {
        assert_eq!(full_name("a", Some("a")), "a");
        assert_eq!(full_name("a", Some("b")), "a:b");
        assert_eq!(full_name("a", None), "a:None");
    }

    #[test]
    fn actions_are_sorted_and_unique() {
        assert!(ACTIONS.is_sorted_by(|a, b| a.name < b.name));
    }
}
