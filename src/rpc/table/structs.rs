//! The structures of answers, member by member, in the order in which they are sent.

use std::sync::LazyLock;

use super::Type;
use crate::rpc::shape::frame;
use crate::rpc::xml::Frame;

/// A member of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it says.
    pub help: &'static str,
}

/// A structure.
#[derive(Debug)]
pub struct Structure {
    /// What the documentation calls it.
    pub title: &'static str,
    /// Its members.
    pub fields: &'static [Field],
    /// The text around the values.
    pub(in crate::rpc) frame: LazyLock<Frame>,
}

const fn int(name: &'static str, help: &'static str) -> Field {
    Field { name, kind: Type::Int, help }
}

const fn text(name: &'static str, help: &'static str) -> Field {
    Field { name, kind: Type::Str, help }
}

const fn truth(name: &'static str, help: &'static str) -> Field {
    Field { name, kind: Type::Bool, help }
}

/// The daemon's state.
pub static STATE: Structure = Structure {
    title: "State",
    fields: STATE_FIELDS,
    frame: LazyLock::new(|| frame(STATE_FIELDS)),
};
const STATE_FIELDS: &[Field] = &[
    int("statecode", "1: while the daemon goes down calls are refused instead"),
    text("statename", "`RUNNING`"),
];

/// What a process is doing.
pub static PROCESS_INFO: Structure = Structure {
    title: "Process info",
    fields: PROCESS_INFO_FIELDS,
    frame: LazyLock::new(|| frame(PROCESS_INFO_FIELDS)),
};
const PROCESS_INFO_FIELDS: &[Field] = &[
    text("name", "name of the process"),
    text("group", "name of its group"),
    int("start", "when it was last started, or tried to be, in seconds since the epoch; 0: never"),
    int("stop", "when it last ended; 0: never"),
    int("now", "the time of the answer"),
    int(
        "state",
        "0 STOPPED, 10 STARTING, 20 RUNNING, 30 BACKOFF, 40 STOPPING, 100 EXITED, 200 FATAL, 1000 UNKNOWN",
    ),
    text("statename", "the same as a word"),
    text("spawnerr", "why it is not up; kept until the next start; empty when nothing is wrong"),
    int("exitstatus", "status of its last end; −1: by a signal; 0 before the first"),
    text("logfile", "the same as `stdout_logfile`, for old clients"),
    text("stdout_logfile", "path of its standard output log; empty: it has none"),
    text(
        "stderr_logfile",
        "path of its standard error log; empty: it has none, or that of standard output",
    ),
    int("pid", "its process id; 0 while nothing runs"),
    text(
        "description",
        "what a person is shown beside the state: pid and uptime, time of the end, or the error",
    ),
];

/// How a process is configured.
pub static CONFIG_INFO: Structure = Structure {
    title: "Config info",
    fields: CONFIG_INFO_FIELDS,
    frame: LazyLock::new(|| frame(CONFIG_INFO_FIELDS)),
};
const CONFIG_INFO_FIELDS: &[Field] = &[
    truth("autostart", "it starts with the daemon"),
    text("directory", "its working directory; `none`: the daemon's"),
    Field {
        name: "uid",
        kind: Type::IntOrStr,
        help: "its user id; the string `none`: the daemon's",
    },
    text("command", "its command line"),
    Field { name: "exitcodes", kind: Type::Array, help: "exit statuses that are expected (int)" },
    text("group", "name of its group"),
    int("group_prio", "priority of the group"),
    truth("inuse", "the group is in force"),
    truth("killasgroup", "SIGKILL goes to its process group"),
    text("name", "name of the process"),
    int("process_prio", "priority in its group"),
    truth("redirect_stderr", "standard error goes where standard output goes"),
    int("startretries", "tries to start again before FATAL"),
    int("startsecs", "seconds after which it counts as RUNNING"),
    int("stdout_capture_maxbytes", "bytes of a message between tags; 0: tags are text"),
    truth("stdout_events_enabled", "what it writes becomes events"),
    text("stdout_logfile", "path; `none`; `auto`: a file that is not made yet"),
    int("stdout_logfile_backups", "old files that are kept"),
    int("stdout_logfile_maxbytes", "bytes at which the log is rotated; 0: never"),
    truth("stdout_syslog", "it goes to the system's log"),
    int("stopsignal", "number of the signal that stops it"),
    int("stopwaitsecs", "seconds until SIGKILL"),
    int("stderr_capture_maxbytes", "as for standard output, and so on"),
    truth("stderr_events_enabled", ""),
    text("stderr_logfile", ""),
    int("stderr_logfile_backups", ""),
    int("stderr_logfile_maxbytes", ""),
    truth("stderr_syslog", ""),
    text("serverurl", "what it gets as SUPERVISOR_SERVER_URL; `none`: the daemon's own"),
];

/// What became of one process of several.
pub static STATUS: Structure = Structure {
    title: "Status",
    fields: STATUS_FIELDS,
    frame: LazyLock::new(|| frame(STATUS_FIELDS)),
};
const STATUS_FIELDS: &[Field] = &[
    text("name", "name of the process"),
    text("group", "name of its group"),
    int("status", "80: done; else the code of a fault"),
    text("description", "`OK`, else the text of the fault"),
];

/// What became of one process of several that were to be restarted.
pub static RESTART_STATUS: Structure = Structure {
    title: "Restart status",
    fields: RESTART_STATUS_FIELDS,
    frame: LazyLock::new(|| frame(RESTART_STATUS_FIELDS)),
};
const RESTART_STATUS_FIELDS: &[Field] = &[
    text("name", "name of the process"),
    text("group", "name of its group"),
    int("status", "80: done; else the code of a fault"),
    text("description", "`OK`, else the text of the fault"),
    text("step", "`stop` or `start`: which of the two it is about"),
];

/// Who calls.
pub static CALLER: Structure = Structure {
    title: "Caller",
    fields: CALLER_FIELDS,
    frame: LazyLock::new(|| frame(CALLER_FIELDS)),
};
const CALLER_FIELDS: &[Field] = &[
    text(
        "name",
        "`user:NAME`, `unix:UID`, `pam:NAME`, `cert:NAME` (the first of the certificate), `token:NAME` or `anonymous`",
    ),
    text(
        "auth",
        "how that is known: `none`, `peer` (the kernel, over a unix socket), `password`, `session`, `pam`, `certificate`, \
         `token`",
    ),
    Field { name: "roles", kind: Type::Array, help: "names of the roles it has (string)" },
    truth(
        "owner",
        "it is root or the user that runs the daemon, over a unix socket, and may do all",
    ),
    text(
        "detailed",
        "the name with all that decisions may hang on, such as groups: `unix:UID(GID,...)`, `pam:NAME:UID(GID,...)`, \
         `cert:NAME,NAME,...`, `token:NAME:ROLE(MAKER)`; without white space",
    ),
];

/// Whether something may be done.
pub static DECISION: Structure = Structure {
    title: "Decision",
    fields: DECISION_FIELDS,
    frame: LazyLock::new(|| frame(DECISION_FIELDS)),
};
const DECISION_FIELDS: &[Field] = &[
    truth("allowed", "it may"),
    text("rule", "what decides: `role:NAME`, `owner`, `no roles` (nothing is refused), `default`"),
    text("place", "`file:line` of the role; empty where it is none"),
    text("why", "the same as a sentence"),
];

/// One call of a `system.multicall`.
pub static CALL: Structure =
    Structure { title: "Call", fields: CALL_FIELDS, frame: LazyLock::new(|| frame(CALL_FIELDS)) };
const CALL_FIELDS: &[Field] = &[
    text("methodName", "full name of the method"),
    Field {
        name: "params",
        kind: Type::Array,
        help: "its parameters; may be left out where there are none",
    },
];
