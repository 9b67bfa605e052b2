//! The actions.

use super::super::actions::{
    audit, can, control, groups, help, logs, passwd, restart, show, tail, token, update, whoami,
};
use super::super::{fg, shell};
use super::Operand::{
    Action as Topic, Anything, AuditVerb, File, Group, Nothing, OneProcess, Process,
    ProcessOrChannel, Right, Signal, TokenVerb, Url,
};
use super::{Action, Flag};

/// Output for programs.
const JSON: Flag = Flag {
    short: None,
    long: "json",
    value: None,
    help: "print one JSON document instead of text",
};

const UPDATE: Flag = Flag {
    short: None,
    long: "update",
    value: None,
    help: "read the configuration first and carry out what changed in the groups named",
};

const NOT_STOPPED: (u8, &str) = (1, "there is no such process or group, or it could not be done");

/// All actions, by name.
pub const ACTIONS: &[Action] = &[
    Action {
        name: "add",
        run: groups::add,
        summary: "put groups of the last reading in force",
        forms: &[("add <group> ...", "put these groups of the last reading in force")],
        operands: &[Group],
        flags: &[JSON],
        details: "Their processes with autostart=true start. \"reread\" tells which groups there are to add; \
                  \"update\" reads and adds in one step.",
        exits: &[(
            1,
            "there is no such group in the last reading, or supervisord is shutting down",
        )],
    },
    Action {
        name: "audit",
        run: audit::run,
        summary: "show an audit log, or check that nothing in it was changed",
        forms: &[
            ("audit show <file>", "the lines of an audit log, for people"),
            ("audit verify <file>", "whether a line of it was changed, left out or moved"),
        ],
        operands: &[AuditVerb, File, Nothing],
        flags: &[WHO, ACTION, TARGET, SINCE, ANCHOR, JSON],
        details: "The file is read by the client itself, as the user who runs it; no supervisord is asked. --who, --action, \
                  --target and --since choose lines of \"show\"; a pattern may have * and ?. With --json the lines are shown as \
                  they stand. \"verify\" compares with the anchor that supervisord keeps as root, where --anchor names it: \
                  only with it is it seen whether lines are missing at the end. Lines after the anchor are told of: they may be \
                  new. It is not proven that none is missing where there is no anchor, where the anchored line is not there, or \
                  where the first lines are in files that are no longer kept.",
        exits: &[
            (
                1,
                "a line was changed, left out or moved, a rotated file is missing, or a file cannot be read",
            ),
            (2, "the arguments are wrong"),
            (3, "\"verify\" found nothing wrong, but it is not proven that no line is missing"),
        ],
    },
    Action {
        name: "avail",
        run: groups::avail,
        summary: "list what the last reading of the configuration has",
        forms: &[("avail", "all processes of the last reading")],
        operands: &[Nothing],
        flags: &[JSON],
        details: "The columns: name; \"in use\" or \"avail\", which is not added yet; \"auto\" or \"manual\" start; \
                  priority of the group and of the process.",
        exits: &[(1, "supervisord is shutting down")],
    },
    Action {
        name: "can",
        run: can::can,
        summary: "tell whether somebody may do something, and by which rule",
        forms: &[(
            "can <user> <action> <target> ...",
            "whether the user may do this to these processes",
        )],
        operands: &[Anything, Right, Process],
        flags: &[JSON],
        details: "A user is a name to log in by or a user of this system, and both are answered for where both exist; user:NAME, \
                  unix:NAME, unix:UID, @GROUP, pam:NAME, cert:NAME, token:NAME and anonymous leave no choice. Users and groups of the system are looked up where the client runs. \
                  An action is a word of actions=, such as restart or signal(HUP). A target is a process, or \"daemon\" for \
                  supervisord itself. About others than oneself it takes the action admin to ask.",
        exits: &[
            (1, "it is denied"),
            (
                2,
                "nothing can be said: the arguments are wrong, there is no such user or process, or it is not for the caller to ask",
            ),
        ],
    },
    Action {
        name: "clear",
        run: logs::clear,
        summary: "empty log files of processes",
        forms: &[
            ("clear <name> ...", "empty the log files of these processes"),
            ("clear all", "empty the log files of all processes"),
        ],
        operands: &[Process],
        flags: &[JSON],
        details: "Rotated files are removed, too.",
        exits: &[(1, "there is no such process, or its log could not be emptied")],
    },
    Action {
        name: "exit",
        run: shell::quit,
        summary: "leave the shell",
        forms: &[("exit", "leave the shell; the end of input does the same")],
        operands: &[Nothing],
        flags: &[],
        details: "",
        exits: &[],
    },
    Action {
        name: "fg",
        run: fg::run,
        summary: "talk to a process: see its output, send it lines",
        forms: &[("fg <process>", "connect to this process; Ctrl-C ends")],
        operands: &[OneProcess, Nothing],
        flags: &[RAW],
        details: "What the process writes to stdout and stderr is shown as it comes, and each line typed is sent to \
                  its stdin. Ctrl-C or the end of input leave; the process goes on.",
        exits: &[(1, "the process is not known or does not run")],
    },
    Action {
        name: "help",
        run: help::run,
        summary: "list the actions, or explain one",
        forms: &[("help", "list the actions"), ("help <action>", "say how an action is used")],
        operands: &[Topic, Nothing],
        flags: &[],
        details: "A \"?\" is the same.",
        exits: &[],
    },
    Action {
        name: "maintail",
        run: tail::maintail,
        summary: "show the end of supervisord's own log",
        forms: &[
            ("maintail", "the last 1600 bytes of supervisord's own log"),
            ("maintail -<bytes>", "that many bytes of it"),
            ("maintail -n <lines>", "that many lines of it"),
            ("maintail -f", "follow it; Ctrl-C ends"),
        ],
        operands: &[Nothing],
        flags: &[FOLLOW, LINES, RAW, JSON],
        details: "",
        exits: &[(1, "there is no log, or it cannot be read")],
    },
    Action {
        name: "open",
        run: shell::open,
        summary: "turn to another supervisord",
        forms: &[(
            "open <url>",
            "speak to the supervisord at http://HOST:PORT, https://HOST:PORT or unix:///PATH",
        )],
        operands: &[Url, Nothing],
        flags: &[],
        details: "Then its status is shown. Name and password stay those that were given before.",
        exits: &[(1, "the address is neither http://, https:// nor unix://")],
    },
    Action {
        name: "passwd",
        run: passwd::run,
        summary: "make the hash of a password for the configuration",
        forms: &[
            ("passwd", "the line password=... for a [user:NAME] section"),
            ("passwd <name>", "the whole section"),
        ],
        operands: &[Anything, Nothing],
        flags: &[STDIN, HASH, JSON],
        details: "The password is asked for twice, without being shown; where standard input is no terminal, its first line is \
                  taken. The hash is argon2id. No supervisord is asked, and nothing is changed: paste what is printed \
                  into the configuration, then \"reread\".",
        exits: &[
            (1, "there is no password, it is empty, or the two differ"),
            (2, "the arguments are wrong"),
        ],
    },
    Action {
        name: "pid",
        run: show::pid,
        summary: "show process ids",
        forms: &[
            ("pid", "the process id of supervisord"),
            ("pid <name> ...", "the process ids of these processes, 0 if one does not run"),
            ("pid all", "the process ids of all processes"),
        ],
        operands: &[Process],
        flags: &[JSON],
        details: "",
        exits: &[(1, "there is no such process"), (7, "a process named does not run")],
    },
    Action {
        name: "quit",
        run: shell::quit,
        summary: "leave the shell",
        forms: &[("quit", "leave the shell; the end of input does the same")],
        operands: &[Nothing],
        flags: &[],
        details: "",
        exits: &[],
    },
    Action {
        name: "reload",
        run: groups::reload,
        summary: "stop all processes and start supervisord over",
        forms: &[("reload", "stop all processes and start supervisord over")],
        operands: &[Nothing],
        flags: &[JSON],
        details: "The configuration is read first; where it is wrong nothing is stopped. To carry out what changed and \
                  leave the rest running, use \"update\".",
        exits: &[(1, "the configuration is wrong, or supervisord is shutting down")],
    },
    Action {
        name: "remove",
        run: groups::remove,
        summary: "put stopped groups out of force",
        forms: &[("remove <group> ...", "put these groups, which are stopped, out of force")],
        operands: &[Group],
        flags: &[JSON],
        details: "",
        exits: &[(1, "there is no such group, or a process of it still runs")],
    },
    Action {
        name: "reread",
        run: groups::reread,
        summary: "read the configuration and say what differs; nothing changes",
        forms: &[("reread", "read the configuration and say what differs; nothing changes")],
        operands: &[Nothing],
        flags: &[JSON],
        details: "A group that differs is told as available, changed or disappeared. \"add\" and \"remove\", or \
                  \"update\" for all of them, carry it out.",
        exits: &[(1, "the configuration is wrong, or supervisord is shutting down")],
    },
    Action {
        name: "restart",
        run: restart::restart,
        summary: "stop and start processes",
        forms: &[
            ("restart <name> ...", "stop and start these processes"),
            ("restart <group>:* ...", "stop and start all processes of these groups"),
            ("restart all", "stop and start all processes"),
        ],
        operands: &[Process],
        flags: &[UPDATE, WAIT_RUNNING, TIMEOUT, JSON],
        details: "The configuration is not read again without --update. With it, groups named that changed are stopped \
                  and started once, as they are configured now, new ones are added and those that are gone are removed. \
                  Several names are worked on at the same time and told in their order; all are stopped before the \
                  first is started. The exit status is that of the start.",
        exits: &[
            (
                1,
                "no name is given, there is no such process, or it could not be stopped or started",
            ),
            (2, "there is no such group"),
            (7, "a process could not be started, or ended too soon"),
        ],
    },
    Action {
        name: "shutdown",
        run: control::shutdown,
        summary: "stop all processes and end supervisord",
        forms: &[("shutdown", "stop all processes and end supervisord")],
        operands: &[Nothing],
        flags: &[JSON],
        details: "It is accepted at once; stopping goes on in the background.",
        exits: &[(1, "supervisord cannot be reached: it may be down already")],
    },
    Action {
        name: "signal",
        run: control::signal,
        summary: "send processes a signal",
        forms: &[
            ("signal <signal> <name> ...", "send a signal to these processes"),
            ("signal <signal> <group>:* ...", "send a signal to all processes of these groups"),
            ("signal <signal> all", "send a signal to all processes"),
        ],
        operands: &[Signal, Process],
        flags: &[JSON],
        details: "A signal is a name with or without SIG, or a number.",
        exits: &[
            (1, "no name is given, there is no such process, group or signal"),
            (7, "a process does not run"),
        ],
    },
    Action {
        name: "start",
        run: control::start,
        summary: "start processes",
        forms: &[
            ("start <name> ...", "start these processes"),
            ("start <group>:* ...", "start all processes of these groups"),
            ("start all", "start all processes"),
        ],
        operands: &[Process],
        flags: &[WAIT_RUNNING, TIMEOUT, JSON],
        details: "Several names are worked on at the same time and told in their order. One that runs already is an error in \
                  the output, not in the exit status.",
        exits: &[
            NOT_STOPPED,
            (2, "no name is given, or there is no such group"),
            (7, "a process could not be started, or ended too soon"),
        ],
    },
    Action {
        name: "status",
        run: show::status,
        summary: "show the state of processes",
        forms: &[
            ("status", "the state of all processes"),
            ("status <name> ...", "the state of these processes"),
            ("status <group>:* ...", "the state of all processes of these groups"),
        ],
        operands: &[Process],
        flags: &[JSON],
        details: "The columns: name, state, and what there is to say about the state. The states are STOPPED, STARTING, \
                  RUNNING, BACKOFF, STOPPING, EXITED, FATAL and UNKNOWN.",
        exits: &[
            (3, "a process shown is STOPPED, EXITED, FATAL or UNKNOWN"),
            (4, "there is no such process or group, or supervisord cannot be reached"),
        ],
    },
    Action {
        name: "stop",
        run: control::stop,
        summary: "stop processes",
        forms: &[
            ("stop <name> ...", "stop these processes"),
            ("stop <group>:* ...", "stop all processes of these groups"),
            ("stop all", "stop all processes"),
        ],
        operands: &[Process],
        flags: &[JSON],
        details: "Several names are worked on at the same time and told in their order. One that does not run is an error \
                  in the output, not in the exit status.",
        exits: &[NOT_STOPPED],
    },
    Action {
        name: "tail",
        run: tail::tail,
        summary: "show the end of a process's log",
        forms: &[
            ("tail <name> [stdout|stderr]", "the last 1600 bytes of a process's log"),
            ("tail -<bytes> <name> [stdout|stderr]", "that many bytes of it"),
            ("tail -n <lines> <name> ... [stdout|stderr]", "that many lines of it"),
            ("tail -f <name> ... [stdout|stderr]", "follow it; Ctrl-C ends"),
        ],
        operands: &[Process, ProcessOrChannel],
        flags: &[FOLLOW, LINES, STDERR, RAW, JSON],
        details: "What several processes write is shown line by line, each with the name in front; where they are followed, \
                  from ten lines before the end on unless -n says otherwise. Sequences that would control the \
                  terminal are made visible when it is a terminal that is written to.",
        exits: &[(1, "there is no such process or log, or it cannot be read")],
    },
    Action {
        name: "token",
        run: token::run,
        summary: "make, list and revoke tokens, which machines log in with",
        forms: &[
            (
                "token create --role <role>",
                "make a token that may do what this role may, and print it",
            ),
            ("token list", "the tokens there are, without what they are"),
            ("token revoke <name>", "put a token out of force at once"),
        ],
        operands: &[TokenVerb, Anything, Nothing],
        flags: &[ROLE, NAME, EXPIRES, TOKENS_FILE, JSON],
        details: "A token goes with a request as \"Authorization: Bearer TOKEN\", or as the password with the name \"token\". It has \
                  one role, and of that no more than who made it may do: root and the user that runs supervisord make tokens for \
                  any role, others for roles that they have themselves. \"create\" prints it this once, alone on standard output; \
                  kept is only its hash, in the file that tokens_file= of [supervisord] names. Where the caller may not write \
                  that file, the line to be added to it is told. After a change supervisord reads its configuration, as by \
                  \"reread\".",
        exits: &[
            (
                1,
                "nothing was done: there is no such token, the file cannot be used, or it is not for the caller",
            ),
            (2, "the arguments are wrong"),
            (
                8,
                "the token is made but does not work yet, or it is revoked but still works: supervisord has not read it",
            ),
        ],
    },
    Action {
        name: "update",
        run: update::update,
        summary: "read the configuration and carry out what changed",
        forms: &[
            ("update", "read the configuration and bring what runs in line with it"),
            ("update all", "the same"),
            ("update <group> ...", "the same for these groups alone"),
        ],
        operands: &[Group],
        flags: &[DRY_RUN, JSON],
        details: "Groups that are gone are stopped and removed, changed ones are stopped and started afresh, new ones \
                  are added. Groups that did not change are left alone.",
        exits: &[
            (
                1,
                "there is no such group, the configuration is wrong, or a process could not be stopped",
            ),
            (10, "with --dry-run: there is something to do"),
        ],
    },
    Action {
        name: "version",
        run: show::version,
        summary: "show the version of supervisord",
        forms: &[("version", "the version of the remote supervisord")],
        operands: &[Nothing],
        flags: &[JSON],
        details: "It is the version of Supervisor whose interface it has.",
        exits: &[],
    },
    Action {
        name: "whoami",
        run: whoami::whoami,
        summary: "show who supervisord takes the caller for, and what that one may do",
        forms: &[(
            "whoami",
            "who the caller is to supervisord, how that is known, the roles, and what they allow",
        )],
        operands: &[Nothing],
        flags: &[JSON],
        details: "Of processes only those are listed that the caller may see. The words are those of actions= in a role; admin \
                  is everything.",
        exits: &[(3, "supervisord knows no roles")],
    },
];

const WHO: Flag = Flag {
    short: None,
    long: "who",
    value: Some("PATTERN"),
    help: "only what these users did: user:alice, unix:1000, anonymous",
};

const ACTION: Flag = Flag {
    short: None,
    long: "action",
    value: Some("PATTERN"),
    help: "only these actions: restart, login",
};

const TARGET: Flag = Flag {
    short: None,
    long: "target",
    value: Some("PATTERN"),
    help: "only what was done to these: web:*",
};

const SINCE: Flag = Flag {
    short: None,
    long: "since",
    value: Some("TIME"),
    help: "only what is not older: 2h, 7d, 2026-11-21, 2026-11-21T08:00",
};

const ANCHOR: Flag = Flag {
    short: None,
    long: "anchor",
    value: Some("FILE"),
    help: "compare with the anchor in this file",
};

const ROLE: Flag = Flag {
    short: None,
    long: "role",
    value: Some("ROLE"),
    help: "with create: the role that the token has",
};

const NAME: Flag = Flag {
    short: None,
    long: "name",
    value: Some("NAME"),
    help: "with create: what it is called (default the role's name with a number)",
};

const EXPIRES: Flag = Flag {
    short: None,
    long: "expires",
    value: Some("TIME"),
    help: "with create: 30d, 12h, 2w, 90m or never (default 90d)",
};

const TOKENS_FILE: Flag = Flag {
    short: None,
    long: "file",
    value: Some("FILE"),
    help: "the file that has the tokens (default tokens_file= of [supervisord])",
};

const STDIN: Flag = Flag {
    short: None,
    long: "stdin",
    value: None,
    help: "take the first line of standard input, also on a terminal",
};

const HASH: Flag = Flag { short: None, long: "hash", value: None, help: "print the hash alone" };

const FOLLOW: Flag = Flag {
    short: Some('f'),
    long: "follow",
    value: None,
    help: "go on showing what is written; Ctrl-C ends",
};

const LINES: Flag = Flag {
    short: Some('n'),
    long: "lines",
    value: Some("LINES"),
    help: "begin that many lines before the end",
};

const STDERR: Flag = Flag {
    short: None,
    long: "stderr",
    value: None,
    help: "show what goes to stderr; the same as that word at the end",
};

const RAW: Flag = Flag {
    short: None,
    long: "raw",
    value: None,
    help: "show bytes as they are, sequences that control the terminal included",
};

const WAIT_RUNNING: Flag = Flag {
    short: None,
    long: "wait-running",
    value: None,
    help: "wait until the processes are RUNNING, those included that were starting already",
};

const TIMEOUT: Flag = Flag {
    short: None,
    long: "timeout",
    value: Some("SECONDS"),
    help: "wait no longer than that for processes to be RUNNING; implies --wait-running",
};

const DRY_RUN: Flag =
    Flag { short: None, long: "dry-run", value: None, help: "say what would be done, do nothing" };
