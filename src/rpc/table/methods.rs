//! The rows.

use policy::access::Action;

use super::{
    CALL, CALLER, CONFIG_INFO, Call, DECISION, Method, PROCESS_INFO, Param, RESTART_STATUS, STATE,
    STATUS, Stream, Target, Type, Verb,
};
use crate::rpc::fault::Code;

const fn param(name: &'static str, kind: Type, help: &'static str) -> Param {
    Param { name, kind, default: None, help }
}

const METHOD: Param = param("name", Type::StrOrInt, "full name of a method");
const NAME: Param = param("name", Type::Str, "the process: `name`, or `group:name`");
const NAME_OR_GROUP: Param =
    param("name", Type::Str, "the process: `name`, or `group:name`; or its group: `group:*`");
const GROUP: Param = param("name", Type::Str, "name of the group");
const SIGNAL: Param =
    param("signal", Type::StrOrInt, "name, with or without SIG, or number of the signal");
const OFFSET: Param = param(
    "offset",
    Type::Int,
    "byte to begin at; negative: so many bytes before the end, with length 0",
);
const LENGTH: Param = param("length", Type::Int, "number of bytes; 0: all to the end");
const FROM: Param = param("offset", Type::Int, "byte to go on from");
const LAST: Param = param("length", Type::Int, "the most bytes that are wanted");
const WAIT: Param = Param {
    name: "wait",
    kind: Type::Bool,
    default: Some(true),
    help: "whether to answer only when it is done",
};

const AFTER: Param = Param {
    help: "whether to answer only when what was started counts as RUNNING, or is not going to; stops are waited for either way",
    ..WAIT
};

/// What most methods have in common.
const BASE: Method = Method {
    name: "",
    call: Call::State,
    params: &[],
    result: Type::Str,
    returns: "",
    structure: None,
    faults: &[],
    to_the_end: false,
    action: Action::View,
    target: Target::Daemon,
    added: false,
    help: "",
};
const SYSTEM: Method = Method { to_the_end: true, ..BASE };
/// Done, or a fault.
const DONE: Method = Method { result: Type::Bool, returns: "true", ..BASE };
/// One result a process.
const EACH: Method = Method {
    result: Type::Array,
    returns: "a status for each process that was touched, in the order in which they were done",
    structure: Some(&STATUS),
    ..BASE
};
const RESTART: Method = Method {
    structure: Some(&RESTART_STATUS),
    returns: "a status for each stop, in the order in which they were done, then one for each start",
    action: Action::Restart,
    added: true,
    ..EACH
};
const START: Method = Method { action: Action::Start, ..EACH };
const STOP: Method = Method { action: Action::Stop, ..EACH };
const SEND: Method = Method { action: Action::Signal(0), ..EACH };
const GROUP_FAULTS: &[Code] = &[Code::BadName];

const READ: Method = Method {
    params: &[NAME, OFFSET, LENGTH],
    result: Type::Str,
    returns: "the text; 16 MiB at most. What is not UTF-8, or what XML cannot carry, is U+FFFD",
    faults: &[Code::BadArguments, Code::BadName, Code::NoFile, Code::Failed],
    action: Action::Log,
    target: Target::Process,
    ..BASE
};
const READ_STDOUT: Method = Method {
    call: Call::ReadProcessLog(Stream::Stdout),
    help: "Reads a part of a process's standard output log.",
    ..READ
};
const READ_MAIN: Method = Method {
    call: Call::ReadLog,
    params: &[OFFSET, LENGTH],
    faults: &[Code::BadArguments, Code::NoFile, Code::Failed],
    action: Action::Admin,
    target: Target::Daemon,
    help: "Reads a part of the activity log.",
    ..READ
};
const TAIL: Method = Method {
    params: &[NAME, FROM, LAST],
    result: Type::Array,
    returns: "text, offset to go on from (the size of the log), and whether more was written than is told",
    faults: &[Code::BadName],
    action: Action::Log,
    target: Target::Process,
    ..BASE
};
const TAIL_STDOUT: Method = Method {
    call: Call::TailProcessLog(Stream::Stdout),
    help: "Tells what a process's standard output log has got since an offset, or the last `length` bytes where that is more. Without a log the text is empty.",
    ..TAIL
};
const CLEAR_PROCESS: Method = Method {
    call: Call::ClearProcessLogs,
    params: &[NAME],
    faults: &[Code::BadName, Code::Failed],
    action: Action::Clear,
    target: Target::Process,
    help: "Empties the logs of a process, whether it runs or not.",
    ..DONE
};
const API_VERSION: Method = Method {
    call: Call::ApiVersion,
    returns: "`3.0`",
    help: "Tells the version of this interface.",
    ..BASE
};

/// All methods.
pub static METHODS: &[Method] = &[
    Method { name: "supervisor.getAPIVersion", ..API_VERSION },
    Method {
        name: "supervisor.getVersion",
        help: "Tells the version of this interface: an older name of supervisor.getAPIVersion.",
        ..API_VERSION
    },
    Method {
        name: "supervisor.getSupervisorVersion",
        call: Call::SupervisorVersion,
        returns: "`4.3.0`",
        help: "Tells the version of Supervisor that this daemon stands in for.",
        ..BASE
    },
    Method {
        name: "supervisor.getIdentification",
        call: Call::Identification,
        returns: "the identifier",
        help: "Tells the identifier of the configuration.",
        ..BASE
    },
    Method {
        name: "supervisor.getState",
        call: Call::State,
        result: Type::Struct,
        returns: "the state",
        structure: Some(&STATE),
        help: "Tells the daemon's state.",
        ..BASE
    },
    Method {
        name: "supervisor.getPID",
        call: Call::Pid,
        result: Type::Int,
        returns: "the process id",
        help: "Tells the daemon's process id.",
        ..BASE
    },
    Method {
        name: "supervisor.getProcessInfo",
        call: Call::ProcessInfo,
        params: &[NAME],
        result: Type::Struct,
        returns: "what it is doing",
        structure: Some(&PROCESS_INFO),
        faults: &[Code::BadName],
        target: Target::Process,
        help: "Tells what a process is doing.",
        ..BASE
    },
    Method {
        name: "supervisor.getAllProcessInfo",
        call: Call::AllProcessInfo,
        result: Type::Array,
        returns: "what each process is doing, by group and name",
        structure: Some(&PROCESS_INFO),
        target: Target::All,
        help: "Tells what all processes are doing.",
        ..BASE
    },
    Method {
        name: "supervisor.getAllConfigInfo",
        call: Call::AllConfigInfo,
        result: Type::Array,
        returns: "each process, by its name",
        structure: Some(&CONFIG_INFO),
        action: Action::Config,
        target: Target::All,
        help: "Tells how the last reading of the configuration describes all processes.",
        ..BASE
    },
    Method {
        name: "supervisor.startProcess",
        call: Call::One(Verb::Start),
        params: &[NAME_OR_GROUP, WAIT],
        faults: &[
            Code::BadName,
            Code::NoFile,
            Code::NotExecutable,
            Code::Failed,
            Code::AbnormalTermination,
            Code::SpawnError,
            Code::AlreadyStarted,
        ],
        action: Action::Start,
        target: Target::Process,
        help: "Starts a process. With `wait` it answers when the process counts as RUNNING, or is not going to. For `group:*` it does what supervisor.startProcessGroup does and gives its result.",
        ..DONE
    },
    Method {
        name: "supervisor.startProcessGroup",
        call: Call::Group(Verb::Start),
        params: &[GROUP, WAIT],
        faults: GROUP_FAULTS,
        target: Target::Group,
        help: "Starts the processes of a group that do not run, by priority.",
        ..START
    },
    Method {
        name: "supervisor.startAllProcesses",
        call: Call::All(Verb::Start),
        params: &[WAIT],
        target: Target::All,
        help: "Starts all processes that do not run, by priority, those that do not start by themselves too.",
        ..START
    },
    Method {
        name: "supervisor.stopProcess",
        call: Call::One(Verb::Stop),
        params: &[NAME_OR_GROUP, WAIT],
        faults: &[Code::BadName, Code::Failed, Code::NotRunning],
        action: Action::Stop,
        target: Target::Process,
        help: "Stops a process. With `wait` it answers when the process has ended. For `group:*` it does what supervisor.stopProcessGroup does and gives its result.",
        ..DONE
    },
    Method {
        name: "supervisor.stopProcessGroup",
        call: Call::Group(Verb::Stop),
        params: &[GROUP, WAIT],
        faults: GROUP_FAULTS,
        target: Target::Group,
        help: "Stops the processes of a group that run, side by side.",
        ..STOP
    },
    Method {
        name: "supervisor.stopAllProcesses",
        call: Call::All(Verb::Stop),
        params: &[WAIT],
        target: Target::All,
        help: "Stops all processes that run, side by side.",
        ..STOP
    },
    Method {
        name: "supervisor.restartProcess",
        call: Call::RestartOne,
        params: &[NAME_OR_GROUP, AFTER],
        faults: GROUP_FAULTS,
        target: Target::Process,
        help: "Stops a process, if it runs, and starts it, as one act: what was begun goes on to its end though the client leaves. One that does not run has NOT_RUNNING for the stop. One that is being stopped already is waited for and then started, and one that somebody else starts in the midst has ALREADY_STARTED for the start. A restart that was begun when the broker ended is finished by the next one. For `group:*` it does what supervisor.restartProcessGroup does.",
        ..RESTART
    },
    Method {
        name: "supervisor.restartProcessGroup",
        call: Call::RestartGroup,
        params: &[GROUP, AFTER],
        faults: GROUP_FAULTS,
        target: Target::Group,
        help: "Stops the processes of a group that run, side by side, then starts all of it that does not run, by priority.",
        ..RESTART
    },
    Method {
        name: "supervisor.restartAllProcesses",
        call: Call::RestartAll,
        params: &[AFTER],
        target: Target::All,
        help: "Stops all processes that run, side by side, then starts all that do not run, by priority, those that do not start by themselves too.",
        ..RESTART
    },
    Method {
        name: "supervisor.signalProcess",
        call: Call::One(Verb::Signal),
        params: &[NAME_OR_GROUP, SIGNAL],
        faults: &[Code::BadName, Code::BadSignal, Code::Failed, Code::NotRunning],
        action: Action::Signal(0),
        target: Target::Process,
        help: "Sends a signal to a process. For `group:*` it does what supervisor.signalProcessGroup does and gives its result.",
        ..DONE
    },
    Method {
        name: "supervisor.signalProcessGroup",
        call: Call::Group(Verb::Signal),
        params: &[GROUP, SIGNAL],
        faults: GROUP_FAULTS,
        target: Target::Group,
        help: "Sends a signal to the processes of a group that run.",
        ..SEND
    },
    Method {
        name: "supervisor.signalAllProcesses",
        call: Call::All(Verb::Signal),
        params: &[SIGNAL],
        target: Target::All,
        help: "Sends a signal to all processes that run.",
        ..SEND
    },
    Method {
        name: "supervisor.sendProcessStdin",
        call: Call::SendStdin,
        params: &[NAME, param("chars", Type::Chars, "the text; it is written as UTF-8")],
        faults: &[Code::BadName, Code::NoFile, Code::Failed, Code::NotRunning],
        action: Action::Stdin,
        target: Target::Process,
        help: "Writes text to a process's standard input. What its pipe has no room for is kept, 1 MiB of it at most, and written when the process reads on; over that nothing of a call is written and the fault is FAILED. NO_FILE: the process has closed its standard input.",
        ..DONE
    },
    Method {
        name: "supervisor.sendRemoteCommEvent",
        call: Call::Announce,
        params: &[
            param("type", Type::StrOrInt, "what kind of message it is, for the event's body"),
            param("data", Type::StrOrInt, "the message"),
        ],
        to_the_end: true,
        action: Action::Admin,
        help: "Sends an event of the type REMOTE_COMMUNICATION to the event listeners that subscribe to it.",
        ..DONE
    },
    Method { name: "supervisor.readProcessStdoutLog", ..READ_STDOUT },
    Method {
        name: "supervisor.readProcessLog",
        help: "Reads a part of a process's standard output log: an older name of supervisor.readProcessStdoutLog.",
        ..READ_STDOUT
    },
    Method {
        name: "supervisor.readProcessStderrLog",
        call: Call::ReadProcessLog(Stream::Stderr),
        help: "Reads a part of a process's standard error log.",
        ..READ
    },
    Method { name: "supervisor.tailProcessStdoutLog", ..TAIL_STDOUT },
    Method {
        name: "supervisor.tailProcessLog",
        help: "An older name of supervisor.tailProcessStdoutLog.",
        ..TAIL_STDOUT
    },
    Method {
        name: "supervisor.tailProcessStderrLog",
        call: Call::TailProcessLog(Stream::Stderr),
        help: "Does for the standard error log what supervisor.tailProcessStdoutLog does for the other.",
        ..TAIL
    },
    Method { name: "supervisor.clearProcessLogs", ..CLEAR_PROCESS },
    Method {
        name: "supervisor.clearProcessLog",
        help: "Empties the logs of a process: an older name of supervisor.clearProcessLogs.",
        ..CLEAR_PROCESS
    },
    Method {
        name: "supervisor.clearAllProcessLogs",
        call: Call::ClearAllProcessLogs,
        action: Action::Clear,
        target: Target::All,
        help: "Empties the logs of all processes.",
        ..EACH
    },
    Method { name: "supervisor.readLog", ..READ_MAIN },
    Method {
        name: "supervisor.readMainLog",
        help: "Reads a part of the activity log: an older name of supervisor.readLog.",
        ..READ_MAIN
    },
    Method {
        name: "supervisor.clearLog",
        call: Call::ClearLog,
        faults: &[Code::NoFile, Code::Failed],
        action: Action::Admin,
        help: "Empties the activity log.",
        ..DONE
    },
    Method {
        name: "supervisor.reloadConfig",
        call: Call::ReloadConfig,
        result: Type::Array,
        returns: "`[[added, changed, removed]]`: names of the groups in which it differs from what is in force",
        faults: &[Code::CantReread],
        action: Action::Config,
        help: "Reads the configuration and changes nothing else.",
        ..BASE
    },
    Method {
        name: "supervisor.addProcessGroup",
        call: Call::AddGroup,
        params: &[GROUP],
        faults: &[Code::BadName, Code::AlreadyAdded],
        action: Action::Config,
        target: Target::Group,
        help: "Puts a group of the last reading in force. Those of its processes that start by themselves start.",
        ..DONE
    },
    Method {
        name: "supervisor.removeProcessGroup",
        call: Call::RemoveGroup,
        params: &[GROUP],
        faults: &[Code::BadName, Code::StillRunning],
        action: Action::Config,
        target: Target::Group,
        help: "Puts a group out of force. All of its processes must be stopped.",
        ..DONE
    },
    Method {
        name: "supervisor.restart",
        call: Call::Restart,
        faults: &[Code::CantReread],
        action: Action::Admin,
        help: "Stops everything and starts over, after the configuration was read and found good. It answers before anything is stopped.",
        ..DONE
    },
    Method {
        name: "supervisor.shutdown",
        call: Call::Shutdown,
        action: Action::Admin,
        help: "Stops everything and ends the daemon. It answers before anything is stopped.",
        ..DONE
    },
    Method {
        name: "supervisor.whoAmI",
        call: Call::WhoAmI,
        result: Type::Struct,
        returns: "who it is",
        structure: Some(&CALLER),
        target: Target::Caller,
        added: true,
        help: "Tells who the caller is taken for.",
        ..BASE
    },
    Method {
        name: "supervisor.explainAccess",
        call: Call::Explain,
        params: &[
            param(
                "user",
                Type::Str,
                "whose rights: empty for the caller's own; `NAME` or `user:NAME` who logs in by that name, `unix:UID` or `unix:UID(GID,...)` a user of the system with these groups, `@GID` a group of the system, `pam:NAME:UID(GID,...)` an account that PAM lets in, `cert:CN=NAME` whoever has such a certificate, `token:NAME` a token, `anonymous`. Those of others are told to admins of the daemon alone",
            ),
            param("action", Type::Str, "a word of `actions=`, such as `restart` or `signal(HUP)`"),
            param(
                "target",
                Type::Str,
                "the process: `name`, or `group:name`; its group: `group:*`; or `daemon`",
            ),
        ],
        result: Type::Struct,
        returns: "whether it may be done, and by which rule",
        structure: Some(&DECISION),
        faults: &[Code::BadArguments, Code::BadName, Code::AccessDenied],
        target: Target::Caller,
        added: true,
        help: "Tells whether somebody may do something, and which rule says so.",
        ..BASE
    },
    Method {
        name: "system.listMethods",
        call: Call::ListMethods,
        result: Type::Array,
        returns: "the full names, sorted",
        help: "Tells which methods there are.",
        ..SYSTEM
    },
    Method {
        name: "system.methodHelp",
        call: Call::MethodHelp,
        params: &[METHOD],
        returns: "the text",
        faults: &[Code::SignatureUnsupported],
        help: "Tells what a method is for.",
        ..SYSTEM
    },
    Method {
        name: "system.methodSignature",
        call: Call::MethodSignature,
        params: &[METHOD],
        result: Type::Array,
        returns: "the type of the result, then those of the parameters",
        faults: &[Code::SignatureUnsupported],
        help: "Tells the types of a method.",
        ..SYSTEM
    },
    Method {
        name: "system.multicall",
        call: Call::Multicall,
        params: &[param("calls", Type::Array, "structures as below, 1,000 at most")],
        result: Type::Array,
        returns: "for each call its value, bare, or a structure of `faultCode` and `faultString`",
        structure: Some(&CALL),
        help: "Makes several calls, strictly one after the other: one that waits holds up those behind it. A system.multicall cannot be one of them.",
        ..SYSTEM
    },
];
