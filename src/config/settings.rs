//! What the reader tells the broker: names, rules and texts. The spawner passes it on unread.
//!
//! Positions are numbers of the launch table: `processes[slot]`, `logs[log]`, `servers[..].socket`.

use serde::{Deserialize, Serialize};

/// Severity of a line in the activity log, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// BLAT
    Blather,
    /// TRAC
    Trace,
    /// DEBG
    Debug,
    /// INFO
    Info,
    /// WARN
    Warn,
    /// ERRO
    Error,
    /// CRIT
    Critical,
}

/// When a program that exited by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Autorestart {
    /// Never.
    Never,
    /// When its exit status is not one of `exitcodes`.
    Unexpected,
    /// Always.
    Always,
}

/// The zone that log lines and descriptions are written in. A sandboxed broker cannot read it from disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    /// Universal time.
    Utc,
    /// The bytes of a TZif file.
    Tzif(Vec<u8>),
    /// A POSIX TZ string.
    Posix(String),
}

/// A password of a server section.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Password {
    /// As written.
    Plain(String),
    /// The text after `{SHA}`: hexadecimal SHA-1.
    Sha1(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A `[unix_http_server]` or `[inet_http_server]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The section's name, as the log texts quote it.
    pub section: String,
    /// Number of the listening socket in the launch table.
    pub socket: u32,
    /// Name and password, where the section asks for them.
    pub credentials: Option<(String, Password)>,
}

/// A log file, or what stands for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The path as RPC shows it.
    pub path: String,
    /// Rotation limit in bytes; 0 never.
    pub maxbytes: u64,
    /// Rotated files to keep.
    pub backups: u32,
}

/// The activity log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityLog {
    /// Number of its file; `None` when it has no file.
    pub log: Option<u32>,
    /// Lines below this level are not written.
    pub level: Level,
    /// Whether lines are copied to the daemon's standard output (`nodaemon` without `silent`).
    pub stdout: bool,
}

/// A group of processes: a `[group:x]`, or the one that a program outside all groups implies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: i64,
    /// Slots of its processes, in starting order.
    pub slots: Vec<u32>,
}

/// One program process. Fields have the names and units of the configuration keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its name, without the group.
    pub name: String,
    /// Position of its group in [`Settings::groups`].
    pub group: u32,
    /// The command as written, expanded.
    pub command: String,
    /// The text of a start error that is known already (`can't parse command …`, `command is empty`).
    pub command_error: Option<String>,
    /// `priority`.
    pub priority: i64,
    /// `autostart`.
    pub autostart: bool,
    /// `autorestart`.
    pub autorestart: Autorestart,
    /// `startsecs`, in seconds; may be negative.
    pub startsecs: i64,
    /// `startretries`; may be negative.
    pub startretries: i64,
    /// `exitcodes`.
    pub exitcodes: Vec<u8>,
    /// `stopsignal`.
    pub stopsignal: u8,
    /// `stopwaitsecs`, in seconds.
    pub stopwaitsecs: i64,
    /// `stopasgroup`.
    pub stopasgroup: bool,
    /// `killasgroup`.
    pub killasgroup: bool,
    /// `redirect_stderr`.
    pub redirect_stderr: bool,
    /// Number of the log of standard output.
    pub stdout_log: Option<u32>,
    /// Number of the log of standard error.
    pub stderr_log: Option<u32>,
    /// `directory`, for texts about it.
    pub directory: Option<String>,
    /// The user id it runs as, for texts about it.
    pub uid: Option<u32>,
}

/// All that the broker needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `identifier`.
    pub identifier: String,
    /// The activity log.
    pub activity: ActivityLog,
    /// Lines for the activity log that reading the configuration gave, written once by the first broker.
    pub notes: Vec<(Level, String)>,
    /// The local time zone.
    pub zone: Zone,
    /// Run in the background.
    pub daemon: bool,
    /// Refuse to start where a layer of the sandbox is missing.
    pub sandbox_required: bool,
    /// Whether the broker has a user id of its own.
    pub boundary: bool,
    /// HTTP servers.
    pub servers: Vec<Server>,
    /// Log files.
    pub logs: Vec<LogFile>,
    /// Groups, ascending by priority, then name.
    pub groups: Vec<Group>,
    /// Program processes.
    pub processes: Vec<Process>,
}

impl Settings {
    /// The bytes that [`Settings::decode`] reads.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }

    /// Reads settings and checks that every number names something.
    pub fn decode(bytes: &[u8]) -> Option<Settings> {
        let settings: Settings = postcard::from_bytes(bytes).ok()?;
        let within = |n: Option<u32>, len: usize| {
            n.is_none_or(|n| usize::try_from(n).is_ok_and(|n| n < len))
        };
        let logs = settings.logs.len();
        let sound = within(settings.activity.log, logs)
            && settings.processes.iter().all(|p| {
                within(p.stdout_log, logs)
                    && within(p.stderr_log, logs)
                    && within(Some(p.group), settings.groups.len())
            })
            && settings
                .groups
                .iter()
                .flat_map(|g| &g.slots)
                .all(|slot| within(Some(*slot), settings.processes.len()));
        sound.then_some(settings)
    }
}
