//! The method table: each method once, with all that anybody asks about it. The dispatcher, `system.*`, the pages and
//! the generated documentation (`docs/api.md`) read it.

mod methods;
mod structs;

use std::collections::HashMap;
use std::sync::LazyLock;

use policy::access::Action;

use super::fault::Code;

pub use methods::METHODS;
pub use structs::{
    CALL, CALLER, CONFIG_INFO, DECISION, Field, PROCESS_INFO, RESTART_STATUS, STATE, STATUS,
    Structure,
};

/// Type of a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `int`.
    Int,
    /// `boolean`; `int` accepted.
    Bool,
    /// `string`.
    Str,
    /// `string`, `int` accepted and taken by its digits.
    StrOrInt,
    /// `string`; a fault about any other repeats the value.
    Chars,
    /// `int`, or a `string` that says why there is none; in structures only.
    IntOrStr,
    /// `array`.
    Array,
    /// `struct`.
    Struct,
}

impl Type {
    /// The word that `system.methodSignature` has for it.
    pub const fn word(self) -> &'static str {
        match self {
            Type::Int | Type::IntOrStr => "int",
            Type::Bool => "boolean",
            Type::Str | Type::StrOrInt | Type::Chars => "string",
            Type::Array => "array",
            Type::Struct => "struct",
        }
    }
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
    /// What it says.
    pub help: &'static str,
}

/// What a method acts on: what the guard is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The caller: whoever passes a server's gate may.
    Caller,
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
    ListMethods,
    MethodHelp,
    MethodSignature,
    Multicall,
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
    /// Of one process, or of the group that `group:*` names.
    RestartOne,
    RestartGroup,
    RestartAll,
    SendStdin,
    Announce,
    AllConfigInfo,
    ReloadConfig,
    AddGroup,
    RemoveGroup,
    Restart,
    ReadLog,
    ClearLog,
    ReadProcessLog(Stream),
    TailProcessLog(Stream),
    ClearProcessLogs,
    ClearAllProcessLogs,
    Shutdown,
    WhoAmI,
    Explain,
}

/// A method.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its full name: `supervisor.getState`.
    pub name: &'static str,
    pub(super) call: Call,
    /// Its parameters; those with a default come last.
    pub params: &'static [Param],
    /// The type of its result.
    pub result: Type,
    /// What the result says.
    pub returns: &'static str,
    /// The structure that the result is, or is an array of.
    pub structure: Option<&'static Structure>,
    /// The faults that it can give, besides INCORRECT_PARAMETERS, which every method can, and SHUTDOWN_STATE.
    pub faults: &'static [Code],
    /// Whether it answers while the daemon goes down; the others then give SHUTDOWN_STATE.
    pub to_the_end: bool,
    /// What the caller must be granted; `Signal(0)` stands for the signal that is sent. A `system.multicall` is decided
    /// call by call.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// Whether Supervisor 4.3 does not have it: `system.listMethods` names it where there are roles, so that without them
    /// its list is the same.
    pub added: bool,
    /// What it is for.
    pub help: &'static str,
}

static BY_NAME: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| METHODS.iter().map(|method| (method.name, method)).collect());

impl Method {
    /// The method of this full name.
    pub fn find(name: &str) -> Option<&'static Method> {
        BY_NAME.get(name).copied()
    }

    /// Whether it does anything but look.
    pub fn changes(&self) -> bool {
        let looks = matches!(self.call, Call::AllConfigInfo | Call::ReadLog);
        !looks && !matches!(self.action, Action::View | Action::Log)
    }

    /// Whether a call may have this many parameters.
    pub fn takes(&self, count: usize) -> bool {
        let least = self.params.iter().filter(|p| p.default.is_none()).count();
        (least..=self.params.len()).contains(&count)
    }

    /// All faults that a call of it can give, by their numbers.
    pub fn all_faults(&self) -> Vec<Code> {
        let ending = (!self.to_the_end).then_some(Code::ShutdownState);
        // Who may not even see a process is told that there is none.
        let sees = self.target == Target::Process && self.action == Action::View;
        let denied = (!sees && self.target != Target::Caller).then_some(Code::AccessDenied);
        // Nothing is changed that could not be recorded.
        let unrecorded = self.changes().then_some(Code::Failed);
        let own = self.faults.iter().copied().chain(denied).chain(unrecorded);
        let mut all: Vec<Code> =
            [Code::IncorrectParameters].into_iter().chain(ending).chain(own).collect();
        all.sort_by_key(|code| code.number());
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for method in METHODS {
            let found = Method::find(method.name);
            assert!(found.is_some_and(|found| std::ptr::eq(found, method)), "{}", method.name);
        }
        for name in ["getState", "system.getState", "supervisor.", "supervisor._x", "a.b.c", ""] {
            assert!(Method::find(name).is_none(), "{name}");
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

    #[test]
    fn everything_is_described() {
        for method in METHODS {
            assert!(method.help.ends_with('.') && !method.returns.is_empty(), "{}", method.name);
            assert!(method.params.iter().all(|p| !p.help.is_empty()), "{}", method.name);
            assert_eq!(method.to_the_end, !needs_life(method), "{}", method.name);
            let mut faults = method.all_faults();
            faults.dedup();
            assert!(faults == method.all_faults(), "{}: {faults:?}", method.name);
        }
    }

    /// The two kinds of methods that the reference answers to the end are named by their namespace and one name.
    fn needs_life(method: &Method) -> bool {
        method.name.starts_with("supervisor.") && method.name != "supervisor.sendRemoteCommEvent"
    }
}
