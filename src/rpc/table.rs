//! The method table: each method once, with all that anybody asks about it.

use super::fault::Code;

/// Type of a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `int`.
    Int,
    /// `boolean`.
    Bool,
    /// `string`.
    Str,
    /// A signal by name or number: `string`, `int` accepted.
    Signal,
    /// `array`.
    Array,
    /// `struct`.
    Struct,
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it is when left out; without this it cannot be.
    pub default: Option<bool>,
}

/// What a caller does with a method, for those who decide whether they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look at states.
    View,
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Send signals.
    Signal,
    /// Read logs.
    ReadLog,
    /// Empty logs.
    ClearLog,
    /// Read the configuration afresh.
    Reread,
    /// Put a group in force.
    Add,
    /// Put a group out of force.
    Remove,
    /// End the daemon, or have it start over.
    Shutdown,
}

/// What a method acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The daemon.
    Daemon,
    /// The process that the first parameter names, or its group.
    Process,
    /// The group that the first parameter names.
    Group,
    /// Every process.
    All,
}

/// One of a process's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What is done to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Signal,
}

/// What a method does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    ApiVersion,
    SupervisorVersion,
    Identification,
    State,
    Pid,
    ProcessInfo,
    AllProcessInfo,
    /// To one process, or to the group that `group:*` names.
    One(Verb),
    Group(Verb),
    All(Verb),
    AllConfigInfo,
    ReloadConfig,
    AddGroup,
    RemoveGroup,
    Restart,
    ReadLog,
    ReadProcessLog(Stream),
    TailProcessLog(Stream),
    ClearProcessLogs,
    ClearAllProcessLogs,
    Shutdown,
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name in the namespace `supervisor`.
    pub name: &'static str,
    pub(super) call: Call,
    /// Its parameters; those with a default come last.
    pub params: &'static [Param],
    /// The type of its result.
    pub result: Type,
    /// The faults that it can give, besides those that every method can: INCORRECT_PARAMETERS, SHUTDOWN_STATE.
    pub faults: &'static [Code],
    /// What the caller does.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// What it is for, in a line.
    pub help: &'static str,
}

impl Method {
    /// The method of this full name: `supervisor.NAME`.
    pub fn find(name: &str) -> Option<&'static Method> {
        let name = name.strip_prefix("supervisor.")?;
        METHODS.iter().find(|method| method.name == name)
    }

    /// Whether a call may have this many parameters.
    pub fn takes(&self, count: usize) -> bool {
        let least = self.params.iter().filter(|p| p.default.is_none()).count();
        (least..=self.params.len()).contains(&count)
    }
}

const fn param(name: &'static str, kind: Type) -> Param {
    Param { name, kind, default: None }
}

const NAME: Param = param("name", Type::Str);
const GROUP: Param = param("name", Type::Str);
const SIGNAL: Param = param("signal", Type::Signal);
const OFFSET: Param = param("offset", Type::Int);
const LENGTH: Param = param("length", Type::Int);
const WAIT: Param = Param { name: "wait", kind: Type::Bool, default: Some(true) };
const START_FAULTS: &[Code] = &[
    Code::BadName,
    Code::NoFile,
    Code::NotExecutable,
    Code::AlreadyStarted,
    Code::SpawnError,
    Code::AbnormalTermination,
    Code::Failed,
];

/// All methods.
pub static METHODS: &[Method] = &[
    Method {
        name: "getAPIVersion",
        call: Call::ApiVersion,
        params: &[],
        result: Type::Str,
        faults: &[],
        action: Action::View,
        target: Target::Daemon,
        help: "The version of this interface.",
    },
    Method {
        name: "getVersion",
        call: Call::ApiVersion,
        params: &[],
        result: Type::Str,
        faults: &[],
        action: Action::View,
        target: Target::Daemon,
        help: "The version of this interface; an older name of getAPIVersion.",
    },
    Method {
        name: "getSupervisorVersion",
        call: Call::SupervisorVersion,
        params: &[],
        result: Type::Str,
        faults: &[],
        action: Action::View,
        target: Target::Daemon,
        help: "The version of Supervisor that this daemon stands in for.",
    },
    Method {
        name: "getIdentification",
        call: Call::Identification,
        params: &[],
        result: Type::Str,
        faults: &[],
        action: Action::View,
        target: Target::Daemon,
        help: "The identifier of the configuration.",
    },
    Method {
        name: "getState",
        call: Call::State,
        params: &[],
        result: Type::Struct,
        faults: &[],
        action: Action::View,
        target: Target::Daemon,
        help: "The daemon's state: statecode and statename.",
    },
    Method {
        name: "getPID",
        call: Call::Pid,
        params: &[],
        result: Type::Int,
        faults: &[],
        action: Action::View,
        target: Target::Daemon,
        help: "The daemon's process id.",
    },
    Method {
        name: "getProcessInfo",
        call: Call::ProcessInfo,
        params: &[NAME],
        result: Type::Struct,
        faults: &[Code::BadName],
        action: Action::View,
        target: Target::Process,
        help: "What a process is doing.",
    },
    Method {
        name: "getAllProcessInfo",
        call: Call::AllProcessInfo,
        params: &[],
        result: Type::Array,
        faults: &[],
        action: Action::View,
        target: Target::All,
        help: "What all processes are doing, by group and name.",
    },
    Method {
        name: "startProcess",
        call: Call::One(Verb::Start),
        params: &[NAME, WAIT],
        result: Type::Bool,
        faults: START_FAULTS,
        action: Action::Start,
        target: Target::Process,
        help: "Starts a process; for group:* its group, with the result of startProcessGroup.",
    },
    Method {
        name: "startProcessGroup",
        call: Call::Group(Verb::Start),
        params: &[GROUP, WAIT],
        result: Type::Array,
        faults: &[Code::BadName],
        action: Action::Start,
        target: Target::Group,
        help: "Starts the processes of a group that do not run.",
    },
    Method {
        name: "startAllProcesses",
        call: Call::All(Verb::Start),
        params: &[WAIT],
        result: Type::Array,
        faults: &[],
        action: Action::Start,
        target: Target::All,
        help: "Starts all processes that do not run.",
    },
    Method {
        name: "stopProcess",
        call: Call::One(Verb::Stop),
        params: &[NAME, WAIT],
        result: Type::Bool,
        faults: &[Code::BadName, Code::NotRunning, Code::Failed],
        action: Action::Stop,
        target: Target::Process,
        help: "Stops a process; for group:* its group, with the result of stopProcessGroup.",
    },
    Method {
        name: "stopProcessGroup",
        call: Call::Group(Verb::Stop),
        params: &[GROUP, WAIT],
        result: Type::Array,
        faults: &[Code::BadName],
        action: Action::Stop,
        target: Target::Group,
        help: "Stops the processes of a group that run.",
    },
    Method {
        name: "stopAllProcesses",
        call: Call::All(Verb::Stop),
        params: &[WAIT],
        result: Type::Array,
        faults: &[],
        action: Action::Stop,
        target: Target::All,
        help: "Stops all processes that run.",
    },
    Method {
        name: "signalProcess",
        call: Call::One(Verb::Signal),
        params: &[NAME, SIGNAL],
        result: Type::Bool,
        faults: &[Code::BadName, Code::BadSignal, Code::NotRunning, Code::Failed],
        action: Action::Signal,
        target: Target::Process,
        help: "Sends a signal to a process; for group:* to its group's processes, with the result of signalProcessGroup.",
    },
    Method {
        name: "signalProcessGroup",
        call: Call::Group(Verb::Signal),
        params: &[GROUP, SIGNAL],
        result: Type::Array,
        faults: &[Code::BadName],
        action: Action::Signal,
        target: Target::Group,
        help: "Sends a signal to the processes of a group that run.",
    },
    Method {
        name: "signalAllProcesses",
        call: Call::All(Verb::Signal),
        params: &[SIGNAL],
        result: Type::Array,
        faults: &[],
        action: Action::Signal,
        target: Target::All,
        help: "Sends a signal to all processes that run.",
    },
    Method {
        name: "readProcessStdoutLog",
        call: Call::ReadProcessLog(Stream::Stdout),
        params: &[NAME, OFFSET, LENGTH],
        result: Type::Str,
        faults: &[Code::BadName, Code::NoFile, Code::BadArguments, Code::Failed],
        action: Action::ReadLog,
        target: Target::Process,
        help: "A part of a process's standard output log: length bytes from offset; length 0 is to the end, a negative offset counts from the end.",
    },
    Method {
        name: "readProcessLog",
        call: Call::ReadProcessLog(Stream::Stdout),
        params: &[NAME, OFFSET, LENGTH],
        result: Type::Str,
        faults: &[Code::BadName, Code::NoFile, Code::BadArguments, Code::Failed],
        action: Action::ReadLog,
        target: Target::Process,
        help: "A part of a process's standard output log: length bytes from offset; length 0 is to the end, a negative offset counts from the end.",
    },
    Method {
        name: "readProcessStderrLog",
        call: Call::ReadProcessLog(Stream::Stderr),
        params: &[NAME, OFFSET, LENGTH],
        result: Type::Str,
        faults: &[Code::BadName, Code::NoFile, Code::BadArguments, Code::Failed],
        action: Action::ReadLog,
        target: Target::Process,
        help: "A part of a process's standard error log: length bytes from offset; length 0 is to the end, a negative offset counts from the end.",
    },
    Method {
        name: "tailProcessStdoutLog",
        call: Call::TailProcessLog(Stream::Stdout),
        params: &[NAME, OFFSET, LENGTH],
        result: Type::Array,
        faults: &[Code::BadName],
        action: Action::ReadLog,
        target: Target::Process,
        help: "The end of a process's standard output log, from offset where length reaches the end from there: text, next offset, whether bytes were left out.",
    },
    Method {
        name: "tailProcessLog",
        call: Call::TailProcessLog(Stream::Stdout),
        params: &[NAME, OFFSET, LENGTH],
        result: Type::Array,
        faults: &[Code::BadName],
        action: Action::ReadLog,
        target: Target::Process,
        help: "The end of a process's standard output log, from offset where length reaches the end from there: text, next offset, whether bytes were left out.",
    },
    Method {
        name: "tailProcessStderrLog",
        call: Call::TailProcessLog(Stream::Stderr),
        params: &[NAME, OFFSET, LENGTH],
        result: Type::Array,
        faults: &[Code::BadName],
        action: Action::ReadLog,
        target: Target::Process,
        help: "The end of a process's standard error log, from offset where length reaches the end from there: text, next offset, whether bytes were left out.",
    },
    Method {
        name: "readLog",
        call: Call::ReadLog,
        params: &[OFFSET, LENGTH],
        result: Type::Str,
        faults: &[Code::NoFile, Code::BadArguments, Code::Failed],
        action: Action::ReadLog,
        target: Target::Daemon,
        help: "A part of the activity log: length bytes from offset; length 0 is to the end, a negative offset counts from the end.",
    },
    Method {
        name: "readMainLog",
        call: Call::ReadLog,
        params: &[OFFSET, LENGTH],
        result: Type::Str,
        faults: &[Code::NoFile, Code::BadArguments, Code::Failed],
        action: Action::ReadLog,
        target: Target::Daemon,
        help: "A part of the activity log: length bytes from offset; length 0 is to the end, a negative offset counts from the end.",
    },
    Method {
        name: "clearProcessLogs",
        call: Call::ClearProcessLogs,
        params: &[NAME],
        result: Type::Bool,
        faults: &[Code::BadName, Code::Failed],
        action: Action::ClearLog,
        target: Target::Process,
        help: "Empties a process's logs.",
    },
    Method {
        name: "clearProcessLog",
        call: Call::ClearProcessLogs,
        params: &[NAME],
        result: Type::Bool,
        faults: &[Code::BadName, Code::Failed],
        action: Action::ClearLog,
        target: Target::Process,
        help: "Empties a process's logs.",
    },
    Method {
        name: "clearAllProcessLogs",
        call: Call::ClearAllProcessLogs,
        params: &[],
        result: Type::Array,
        faults: &[],
        action: Action::ClearLog,
        target: Target::All,
        help: "Empties the logs of all processes.",
    },
    Method {
        name: "getAllConfigInfo",
        call: Call::AllConfigInfo,
        params: &[],
        result: Type::Array,
        faults: &[],
        action: Action::View,
        target: Target::All,
        help: "How the last reading of the configuration describes all processes, by name.",
    },
    Method {
        name: "reloadConfig",
        call: Call::ReloadConfig,
        params: &[],
        result: Type::Array,
        faults: &[Code::CantReread],
        action: Action::Reread,
        target: Target::Daemon,
        help: "Reads the configuration and changes nothing: [[added, changed, removed]], the names of the groups in which it differs from what is in force.",
    },
    Method {
        name: "addProcessGroup",
        call: Call::AddGroup,
        params: &[GROUP],
        result: Type::Bool,
        faults: &[Code::BadName, Code::AlreadyAdded, Code::Failed],
        action: Action::Add,
        target: Target::Group,
        help: "Puts a group of the last reading in force; those of its processes that start by themselves start.",
    },
    Method {
        name: "removeProcessGroup",
        call: Call::RemoveGroup,
        params: &[GROUP],
        result: Type::Bool,
        faults: &[Code::BadName, Code::StillRunning],
        action: Action::Remove,
        target: Target::Group,
        help: "Puts a group out of force; all of its processes must be stopped.",
    },
    Method {
        name: "restart",
        call: Call::Restart,
        params: &[],
        result: Type::Bool,
        faults: &[Code::CantReread],
        action: Action::Shutdown,
        target: Target::Daemon,
        help: "Stops everything and starts over, after the configuration was read and found good.",
    },
    Method {
        name: "shutdown",
        call: Call::Shutdown,
        params: &[],
        result: Type::Bool,
        faults: &[],
        action: Action::Shutdown,
        target: Target::Daemon,
        help: "Stops everything and ends the daemon.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for method in METHODS {
            let full = format!("supervisor.{}", method.name);
            assert_eq!(Method::find(&full), Some(method));
        }
        for name in
            ["getState", "system.getState", "supervisor.", "supervisor._x", "supervisor.a.b"]
        {
            assert_eq!(Method::find(name), None, "{name}");
        }
    }

    #[test]
    fn defaults_come_last() {
        for method in METHODS {
            let kinds = method.params.iter().map(|p| p.default.is_some());
            assert!(kinds.is_sorted(), "{}", method.name);
            assert!(method.takes(method.params.len()));
            assert!(!method.takes(method.params.len() + 1));
        }
    }
}
