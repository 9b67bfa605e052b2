//! The typed model: what the sections say, before numbers are given to logs, sockets and slots.

use std::net::IpAddr;

use privsep::table::Shared;

use super::environment::Variables;
use super::host::Account;
use super::settings::{Autorestart, Level, Of, Password};
use super::values::LogTarget;

/// `[supervisord]`, the command line applied.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// Least number of descriptors.
    pub minfds: i64,
    /// Least number of processes.
    pub minprocs: i64,
    /// Directory to change to, absolute.
    pub directory: Option<String>,
    /// User to become.
    pub user: Option<Account>,
    /// File creation mask when daemonising.
    pub umask: u32,
    /// Path of the activity log, absolute; `None` when it is to go to syslog.
    pub logfile: Option<String>,
    /// Its rotation limit in bytes.
    pub logfile_maxbytes: u64,
    /// Rotated files to keep.
    pub logfile_backups: u32,
    /// Who owns it.
    pub logfile_owner: Ownership,
    /// Least level.
    pub loglevel: Level,
    /// Path of the pidfile, absolute.
    pub pidfile: String,
    /// Name of this instance.
    pub identifier: String,
    /// Stay in the foreground.
    pub nodaemon: bool,
    /// No copy of the log on standard output.
    pub silent: bool,
    /// Directory of AUTO logs, absolute.
    pub childlogdir: String,
    /// Keep old AUTO logs.
    pub nocleanup: bool,
    /// Variables for all programs.
    pub environment: Variables,
    /// Who the broker is to run as: the text, where it is set.
    pub broker_user: Option<String>,
    /// Refuse to start without the whole sandbox.
    pub sandbox_required: bool,
    /// Take ANSI escape sequences out of what programs write.
    pub strip_ansi: bool,
    /// Milliseconds that stopping everything may take.
    pub shutdown_timeout: Option<u32>,
    /// Servers that are open to others without protection are errors.
    pub strict: bool,
    /// What is said about the audit log.
    pub audit: Audit,
    /// Where tokens of machines are listed, absolute.
    pub tokens_file: Option<String>,
}

/// What `[supervisord]` says about the audit log.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// Where it is to be, absolute.
    pub place: AuditPlace,
    /// Its rotation limit in bytes.
    pub maxbytes: u64,
    /// Rotated files to keep.
    pub backups: u32,
    /// Whether its head goes to the system's log.
    pub syslog: bool,
}

/// Where the audit log is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AuditPlace {
    /// Nothing is said: beside the activity log, if there are users or roles.
    #[default]
    Standard,
    /// Nowhere.
    None,
    /// There, absolute.
    Path(String),
}

/// Who is to own a new log file, and its mode, where the configuration says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Mode, whatever the umask.
    pub mode: Option<u32>,
}

/// One stream of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Where it is logged.
    pub target: LogTarget,
    /// Rotation limit in bytes; 0 or less never.
    pub maxbytes: i64,
    /// Rotated files to keep; a negative number keeps none.
    pub backups: i64,
    /// Who owns the file.
    pub owner: Ownership,
    /// The most bytes of one captured message; 0 or less captures nothing.
    pub capture: i64,
    /// Whether what is written is told to event listeners.
    pub events: bool,
    /// Whether it goes to the system's log.
    pub syslog: bool,
}

/// One process of a program.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// The section it comes from.
    pub section: String,
    /// What all processes of the section share.
    pub program: Program,
    /// The command, expanded.
    pub command: String,
    /// Working directory.
    pub directory: Option<String>,
    /// Variables of the program alone.
    pub environment: Variables,
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
    /// What the system's log calls it; `None`: the daemon's name, and its own before each line.
    pub syslog_tag: Option<String>,
    /// The listening socket that is its standard input.
    pub stdin: Option<Shared>,
    /// The listening sockets that it gets by the LISTEN_FDS convention, by their names there.
    pub listen: Vec<(String, Shared)>,
}

/// What a program section says once for all its processes.
#[derive(Debug, Clone)]
pub struct Program {
    /// `priority`
    pub priority: i64,
    /// `autostart`
    pub autostart: bool,
    /// `autorestart`
    pub autorestart: Autorestart,
    /// `startsecs`
    pub startsecs: i64,
    /// `startretries`
    pub startretries: i64,
    /// `stopsignal`
    pub stopsignal: u8,
    /// `stopwaitsecs`
    pub stopwaitsecs: i64,
    /// `stopasgroup`
    pub stopasgroup: bool,
    /// `killasgroup`
    pub killasgroup: bool,
    /// `exitcodes`
    pub exitcodes: Vec<u8>,
    /// `redirect_stderr`
    pub redirect_stderr: bool,
    /// `user`
    pub user: Option<Account>,
    /// `umask`
    pub umask: Option<u32>,
    /// `serverurl`, unless computed; an empty one keeps the variable away
    pub serverurl: Option<String>,
    /// `killtree`
    pub killtree: bool,
    /// `login_env`
    pub login_env: bool,
    /// Streams but for their files
    pub stdout: Channel,
    /// See `stdout`
    pub stderr: Channel,
    /// `socket_owner`, `socket_mode` and `socket_backlog`
    pub sockets: SocketRules,
    /// `labels`
    pub labels: Vec<String>,
    /// `token`: the role that its processes get a token for.
    pub token: Option<String>,
}

/// What a section says about one stream, once for all processes.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    /// `*_capture_maxbytes`
    pub capture: i64,
    /// `*_events_enabled`
    pub events: bool,
    /// `*_logfile_owner` and `*_logfile_mode`
    pub owner: Ownership,
}

/// How a program's sockets are made.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocketRules {
    /// `socket_owner`: user and group.
    pub owner: Option<(u32, Option<u32>)>,
    /// `socket_mode`
    pub mode: Option<u32>,
    /// `socket_backlog`
    pub backlog: Option<u32>,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: i64,
    /// Its section.
    pub section: String,
    /// What kind it is.
    pub of: Of,
    /// Its processes in starting order.
    pub processes: Vec<Process>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix {
        /// Absolute path.
        path: String,
        /// Mode.
        mode: u32,
        /// Owner to set.
        uid: Option<u32>,
        /// Group to set.
        gid: Option<u32>,
    },
    /// TCP.
    Inet {
        /// As written, empty for all.
        host: String,
        /// Resolved.
        address: IpAddr,
        /// Port.
        port: u16,
    },
}

/// A `[unix_http_server]` or `[inet_http_server]` section.
#[derive(Debug, Clone)]
pub struct Server {
    /// The section.
    pub section: String,
    /// Where it listens.
    pub address: Address,
    /// Name and password.
    pub credentials: Option<(String, Password)>,
    /// Of a TCP server: names that it answers to.
    pub hosts: Vec<String>,
    /// `legacy_get_actions`.
    pub legacy_get_actions: bool,
    /// `insecure_no_auth`.
    pub insecure_no_auth: bool,
    /// See the settings.
    pub guarded: bool,
    /// `auth=pam`.
    pub pam: bool,
    /// What it needs to speak TLS.
    pub tls: Option<super::settings::Tls>,
}

/// A `[user:NAME]`.
#[derive(Debug, Clone)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its section.
    pub section: String,
    /// Its password.
    pub password: Password,
}
