//! The typed model: what the sections say, before numbers are given to logs, sockets and slots.

use super::environment::Variables;
use super::host::Account;
use super::settings::{Autorestart, Level, Password};
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
}

/// One stream of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Where it is logged.
    pub target: LogTarget,
    /// Rotation limit in bytes; 0 never.
    pub maxbytes: u64,
    /// Rotated files to keep.
    pub backups: u32,
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
    /// `serverurl`, unless computed
    pub serverurl: Option<String>,
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
        address: [u8; 4],
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
}
