//! What the reader tells the broker: names, rules and texts. The spawner passes it on unread.
//!
//! Keys are numbers of the launch table: `processes[slot]`, `logs[log]`, `servers[..].socket`.

use std::collections::{BTreeMap, BTreeSet};

use policy::access::Rules;
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
    /// An argon2id hash, as `supervisorctl passwd` makes it: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    Argon2(String),
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
    /// Of a TCP server: names, lower case, that requests may give as `Host` besides addresses and localhost. `*` is all.
    pub hosts: Vec<String>,
    /// `legacy_get_actions`: links of the page act as they did in Supervisor, without a form that asks.
    pub legacy_get_actions: bool,
    /// It can be reached from other machines, and nobody has said that this is to be without a password: it serves nobody
    /// who has not logged in, not even where a later reading leaves no one who could. A role's `anonymous` is an exception.
    pub guarded: bool,
    /// `auth=pam`: names that are no `[user:NAME]` are the system's accounts.
    pub pam: bool,
    /// Certificate and key, where it speaks TLS.
    pub tls: Option<Tls>,
}

/// What a server needs to speak TLS. The reader has checked that certificate and key belong together.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// The certificate and what leads from it to its authority, in DER.
    pub chain: Vec<Vec<u8>>,
    /// The certificate's key, in DER: PKCS #8, PKCS #1 or SEC 1.
    pub key: Vec<u8>,
    /// Whom it asks for a certificate.
    pub clients: Option<Clients>,
}

/// `tls_client_ca` and its companions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// Authorities whose certificates are good, in DER.
    pub authorities: Vec<Vec<u8>>,
    /// Lists of revoked certificates, in DER.
    pub revoked: Vec<Vec<u8>>,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// A token of the tokens file, or one that a program was given by `token=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name; `program:GROUP:NAME` for a program's.
    pub name: String,
    /// The role that it has.
    pub role: String,
    /// Who made it, as a member is written (`user:alice`, `unix:1000(1000,33)`, …); nothing for root and for the daemon's user.
    pub maker: Option<String>,
    /// From when on it is no good: seconds since 1970.
    pub expires: Option<u64>,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
}

/// A `[user:NAME]` section: somebody who logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name to log in by.
    pub name: String,
    /// What proves it.
    pub password: Password,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLog {
    /// Absolute path of its file.
    pub path: String,
    /// Rotation limit in bytes; 0 never.
    pub maxbytes: u64,
    /// Rotated files to keep.
    pub backups: u32,
    /// Whether its head goes to the system's log, too.
    pub syslog: bool,
}

/// What a log leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A file of its own.
    File,
    /// A descriptor that the daemon was started with.
    Inherited,
    /// The system's log.
    Syslog,
}

/// A log file, or what stands for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The path as RPC shows it.
    pub path: String,
    /// What it leads to.
    pub kind: Kind,
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

/// What kind of section a group comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Of {
    /// `[group:x]`, or `[program:x]` outside all groups.
    Programs,
    /// `[fcgi-program:x]`.
    FastCgi {
        /// Its socket, as a URL.
        socket: String,
    },
    /// `[eventlistener:x]`.
    Pool {
        /// `buffer_size`: how many events wait.
        buffer_size: u32,
        /// `events`: names of event types, upper case, sorted.
        events: Vec<String>,
        /// `result_handler`.
        result_handler: String,
    },
}

/// A group of processes: a `[group:x]`, or the one that another section outside all groups implies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: i64,
    /// What kind it is.
    pub of: Of,
    /// Slots of its processes, in starting order.
    pub slots: Vec<u32>,
}

/// One output stream of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// `*_logfile` as RPC shows it: a path, `auto` or `none`.
    pub logfile: String,
    /// `*_logfile_maxbytes`.
    pub maxbytes: i64,
    /// `*_logfile_backups`.
    pub backups: i64,
    /// `*_capture_maxbytes`; 0 captures nothing.
    pub capture: i64,
    /// `*_events_enabled`.
    pub events: bool,
    /// Number of its log file.
    pub log: Option<u32>,
    /// Number of the system's log, where `*_syslog` asks for it.
    pub syslog: Option<u32>,
}

/// One program process. Fields have the names and units of the configuration keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its name, without the group.
    pub name: String,
    /// Name of its group.
    pub group: String,
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
    /// `killtree`: a stop leaves no descendant.
    pub killtree: bool,
    /// `redirect_stderr`.
    pub redirect_stderr: bool,
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
    /// `syslog_tag` where one is set.
    pub syslog_tag: Option<String>,
    /// `serverurl` where one is set.
    pub serverurl: Option<String>,
    /// `directory`, for texts about it.
    pub directory: Option<String>,
    /// The user id it runs as, for texts about it.
    pub uid: Option<u32>,
    /// `labels`: what roles may know it by.
    pub labels: Vec<String>,
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
    /// `strip_ansi`.
    pub strip_ansi: bool,
    /// Milliseconds that stopping everything may take; `None` as long as it needs.
    pub shutdown_timeout: Option<u32>,
    /// HTTP servers.
    pub servers: Vec<Server>,
    /// Who can log in, besides the names of server sections.
    pub users: Vec<User>,
    /// Who may do what.
    pub access: Rules,
    /// Tokens of machines.
    pub tokens: Vec<Token>,
    /// Where decisions and changes are recorded; `None` nowhere.
    pub audit: Option<AuditLog>,
    /// Logs by number.
    pub logs: BTreeMap<u32, LogFile>,
    /// Groups, ascending by priority, then name.
    pub groups: Vec<Group>,
    /// Program processes by slot.
    pub processes: BTreeMap<u32, Process>,
}

impl Process {
    /// Whether the other has the same group and name.
    pub fn is_named_as(&self, other: &Process) -> bool {
        (&self.group, &self.name) == (&other.group, &other.name)
    }
}

impl Settings {
    /// The bytes that [`Settings::decode`] reads.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }

    /// Reads settings and checks that every number names something.
    pub fn decode(bytes: &[u8]) -> Option<Settings> {
        let settings: Settings = postcard::from_bytes(bytes).ok()?;
        settings.sound().then_some(settings)
    }

    fn sound(&self) -> bool {
        let log = |n: &u32| self.logs.contains_key(n);
        let logged = |p: &Process| {
            let streams = [&p.stdout, &p.stderr];
            streams.into_iter().flat_map(|s| s.log.iter().chain(&s.syslog)).all(log)
        };
        let slots: BTreeMap<u32, &String> =
            self.groups.iter().flat_map(|g| g.slots.iter().map(|slot| (*slot, &g.name))).collect();
        let names: BTreeSet<&String> = self.groups.iter().map(|group| &group.name).collect();
        let listed: usize = self.groups.iter().map(|group| group.slots.len()).sum();
        names.len() == self.groups.len()
            && slots.len() == listed
            && slots.into_iter().eq(self.processes.iter().map(|(slot, p)| (*slot, &p.group)))
            && self.activity.log.is_none_or(|n| n == 0 && log(&n))
            && self.processes.values().all(logged)
    }

    /// The process of a slot.
    pub fn process(&self, slot: u32) -> Option<&Process> {
        self.processes.get(&slot)
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }
}

/// A configuration that cannot be used: what the reader writes instead of settings at a later reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaints {
    /// What a client is told: the first error, without a line of the file.
    pub fault: String,
    /// All of it, for the activity log.
    pub lines: Vec<(Level, String)>,
}

impl Complaints {
    /// The bytes that [`Complaints::decode`] reads.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }

    /// Reads complaints.
    pub fn decode(bytes: &[u8]) -> Option<Complaints> {
        postcard::from_bytes(bytes).ok()
    }
}
