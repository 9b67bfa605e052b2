//! The model to launch table and settings: numbers for identities, logs, sockets and slots.

use std::collections::{BTreeMap, HashMap};

use privsep::frame::Wire;
use privsep::table::{self, Entry, Identity, MAX_PATH, Sink, Socket, Sweep, Table};

use super::environment::Variables;
use super::facts::Facts;
use super::host::Account;
use super::identity;
use super::limits;
use super::model::{Address, Daemon, Group, Process, Server, Stream};
use super::path::{absolute, join, normalise};
use super::reading::Reading;
use super::servers;
use super::settings::{self, ActivityLog, Level, Settings};
use super::shlex;
use super::text::{bytes, repr, shown};
use super::values::LogTarget;

const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// Everything that was read.
pub struct Model {
    /// `[supervisord]`
    pub daemon: Daemon,
    /// Groups in starting order.
    pub groups: Vec<Group>,
    /// Servers.
    pub servers: Vec<Server>,
}

/// What is filled while slots are given out.
struct Builder<'m> {
    model: &'m Model,
    table: Table,
    settings: Settings,
    /// Log numbers by path.
    logs: HashMap<String, u32>,
    /// Directory that relative log paths start at.
    base: String,
    url: Option<String>,
    path: Option<String>,
    own: u32,
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Builds both; `infos` are the INFO lines so far. Errors end up in the reading.
pub fn build(r: &mut Reading<'_>, model: &Model, infos: Vec<String>) -> (Table, Settings) {
    let daemon = &model.daemon;
    let user = daemon.user.as_ref();
    let own = user.map_or(r.facts.start.uid, |u| u.uid);
    let mut b = Builder {
        model,
        table: frame(r.facts, daemon),
        settings: settings(r.facts, daemon),
        logs: HashMap::new(),
        base: match &daemon.directory {
            Some(directory) if !daemon.nodaemon => directory.clone(),
            _ => r.facts.cwd.clone(),
        },
        url: servers::url(&model.servers),
        path: r.facts.variable("PATH").filter(|p| !p.is_empty()),
        own,
    };
    b.activity(r);
    b.sockets();
    for group in &model.groups {
        let mut slots = Vec::new();
        for process in &group.processes {
            slots.push(number(b.table.entries.len()));
            b.process(r, group, process);
        }
        b.settings.groups.push(settings::Group {
            name: shown(&group.name),
            priority: group.priority,
            of: settings::Of::Programs,
            slots,
        });
    }
    b.sweep(r);
    let raised = limits::apply(r, daemon, own, &mut b.table);
    identity::broker(r, daemon, own, &mut b.table);
    b.settings.boundary = b.table.broker.is_some();
    b.settings.notes = notes(r, daemon, infos, raised);
    check(r, own, &b.table);
    (b.table, b.settings)
}

/// The table but for logs, sockets and entries.
fn frame(facts: &Facts, daemon: &Daemon) -> Table {
    let start = &facts.start;
    let become_user = daemon.user.as_ref().filter(|user| start.uid == 0 && user.uid != 0);
    Table {
        daemon: !daemon.nodaemon,
        stdout: daemon.nodaemon && !daemon.silent,
        umask: daemon.umask,
        directory: daemon.directory.as_ref().filter(|_| !daemon.nodaemon).map(|d| bytes(d)),
        user: become_user.map(identity_of),
        sandbox_required: daemon.sandbox_required,
        pidfile: Some(bytes(&daemon.pidfile)),
        cgroup: facts.cgroup.clone(),
        env: start.env.iter().filter(|word| word.contains(&b'=')).cloned().collect(),
        ..Table::default()
    }
}

fn settings(facts: &Facts, daemon: &Daemon) -> Settings {
    Settings {
        identifier: shown(&daemon.identifier),
        activity: ActivityLog {
            log: None,
            level: daemon.loglevel,
            stdout: daemon.nodaemon && !daemon.silent,
        },
        notes: Vec::new(),
        zone: facts.zone.clone(),
        daemon: !daemon.nodaemon,
        sandbox_required: daemon.sandbox_required,
        boundary: false,
        strip_ansi: false,
        shutdown_timeout: None,
        servers: Vec::new(),
        logs: BTreeMap::new(),
        groups: Vec::new(),
        processes: BTreeMap::new(),
    }
}

fn identity_of(account: &Account) -> Identity {
    Identity { uid: account.uid, gid: account.gid, groups: account.groups.clone() }
}

/// The lines for the activity log, in the reference's order.
fn notes(
    r: &Reading<'_>,
    daemon: &Daemon,
    infos: Vec<String>,
    raised: Vec<String>,
) -> Vec<(Level, String)> {
    let mut notes = Vec::new();
    if daemon.user.is_none() && r.facts.start.uid == 0 {
        notes.push((
            Level::Critical,
            "Supervisor is running as root.  Privileges were not dropped because no user is specified in the config \
             file.  If you intend to run as root, you can set user=root in the config file to avoid this message."
                .to_owned(),
        ));
    }
    let warnings = r.problems.warnings.iter().chain(&r.problems.advice);
    notes.extend(warnings.map(|w| (Level::Warn, shown(w))));
    let user = daemon.user.iter().map(|user| format!("Set uid to user {} succeeded", user.uid));
    let infos = infos.into_iter().chain(user).chain(raised);
    notes.extend(infos.map(|i| (Level::Info, shown(&i))));
    notes
}

/// What the spawner would refuse is said here, where it can be said well.
fn check(r: &mut Reading<'_>, own: u32, table: &Table) {
    if !r.problems.errors.is_empty() {
        return;
    }
    let slots = table.entries.len();
    if slots > table::MAX_SLOTS {
        let most = table::MAX_SLOTS;
        let text = format!("{slots} processes are more than the limit of {most}");
        r.problems.error(text, vec![]);
        return;
    }
    let encoded = table.encode();
    let refused = if encoded.len() > table::MAX {
        Some(format!("it has {} bytes, the limit is {}", encoded.len(), table::MAX))
    } else {
        let decoded = Table::read(&encoded).and_then(|t| t.permit(own));
        decoded.err().map(|e| e.to_string())
    };
    if let Some(why) = refused {
        let text = format!("the configuration makes no valid launch table: {why}");
        r.problems.error(text, vec![]);
    }
}

impl Builder<'_> {
    fn activity(&mut self, r: &mut Reading<'_>) {
        let daemon = &self.model.daemon;
        match &daemon.logfile {
            None => {
                let place = r.locate("supervisord", "logfile");
                r.problems.advice(format!(
                    "{place}: syslog is not supported yet, there is no activity log"
                ));
            }
            Some(path) => {
                self.table.activity_log = true;
                let (max, kept) = (daemon.logfile_maxbytes, daemon.logfile_backups);
                self.settings.activity.log = Some(self.file(path, path, max, kept, false));
            }
        }
    }

    fn sockets(&mut self) {
        for server in &self.model.servers {
            let socket = number(self.table.sockets.len());
            self.table.sockets.push(match &server.address {
                Address::Unix { path, mode, uid, gid } => {
                    Socket::Unix { path: bytes(path), mode: *mode, uid: *uid, gid: *gid }
                }
                Address::Inet { address, port, .. } => {
                    Socket::Tcp { address: u32::from_be_bytes(*address), port: *port }
                }
            });
            self.settings.servers.push(settings::Server {
                section: server.section.clone(),
                socket,
                credentials: server.credentials.clone(),
            });
        }
    }

    /// A log file's number; `name` is the path as people see it.
    fn file(&mut self, path: &str, name: &str, maxbytes: u64, backups: u32, auto: bool) -> u32 {
        let n = number(self.table.logs.len());
        let (sink, kind) = match inherited(path) {
            Some(number) => (Sink::Inherited(number), settings::Kind::Inherited),
            None => (
                Sink::File(table::LogFile {
                    path: bytes(path),
                    maxbytes,
                    backups,
                    mode: if auto { 0o600 } else { 0o666 },
                    exact: false,
                    uid: None,
                    gid: None,
                    auto,
                }),
                settings::Kind::File,
            ),
        };
        self.table.logs.push(Some(sink));
        self.settings
            .logs
            .insert(n, settings::LogFile { path: shown(name), kind, maxbytes, backups });
        self.logs.insert(path.to_owned(), n);
        n
    }

    /// The log of a stream: streams that name one path share one log.
    fn log(
        &mut self,
        r: &mut Reading<'_>,
        process: &Process,
        stream: &Stream,
        channel: &str,
    ) -> Option<u32> {
        match &stream.target {
            LogTarget::None | LogTarget::Syslog => None,
            LogTarget::Path(path) if path.is_empty() => None,
            LogTarget::Auto => {
                let daemon = &self.model.daemon;
                let identifier = &daemon.identifier;
                let prefix = format!("{}-{channel}---{identifier}-", process.name);
                if identifier.contains('/') {
                    let text = format!(
                        "identifier {} cannot be part of an automatic log's name because of character: '/'",
                        repr(identifier)
                    );
                    let details = vec![r.locate("supervisord", "identifier")];
                    r.problems.error(text, details);
                    return None;
                }
                let path = loop {
                    let name = format!("{prefix}{}.log", random_name());
                    let path = join(&daemon.childlogdir, &name);
                    if !self.logs.contains_key(&path) {
                        break path;
                    }
                };
                Some(self.file(&path, &path, stream.maxbytes, stream.backups, true))
            }
            LogTarget::Path(path) => {
                let full = self.log_path(path);
                if let Some(n) = self.logs.get(&full).copied() {
                    self.same_rotation(r, n, process, stream, channel);
                    return Some(n);
                }
                Some(self.file(&full, path, stream.maxbytes, stream.backups, false))
            }
        }
    }

    /// The absolute path of a log. Text alone does not say what `..` leads to, so such a path is left as it is.
    fn log_path(&self, path: &str) -> String {
        let full = join(&self.base, path);
        if full.split('/').any(|part| part == "..") { full } else { normalise(&full) }
    }

    fn same_rotation(
        &self,
        r: &mut Reading<'_>,
        log: u32,
        process: &Process,
        stream: &Stream,
        channel: &str,
    ) {
        let first = self.settings.logs.get(&log);
        let same =
            |l: &settings::LogFile| (l.maxbytes, l.backups) == (stream.maxbytes, stream.backups);
        if !first.is_some_and(same) {
            let place = r.locate(&process.section, &format!("{channel}_logfile"));
            r.problems.advice(format!(
                "{place}: this file is logged to elsewhere with other limits; the first ones count"
            ));
        }
    }

    fn process(&mut self, r: &mut Reading<'_>, group: &Group, p: &Process) {
        let stdout_log = self.log(r, p, &p.stdout, "stdout");
        let stderr_log = self.log(r, p, &p.stderr, "stderr");
        for log in [&p.stdout.target, &p.stderr.target] {
            if let LogTarget::Path(path) = log {
                self.length(r, p, path);
            }
        }
        let (argv, command_error) = match shlex::split(&p.command) {
            Ok(words) if words.is_empty() => (words, Some("command is empty".to_owned())),
            Ok(words) => (words, None),
            Err(why) => {
                let text = format!("can't parse command {}: {why}", repr(&p.command));
                (Vec::new(), Some(text))
            }
        };
        let mut variables = self.model.daemon.environment.clone();
        variables.extend(p.environment.clone());
        let identity = p.program.user.as_ref().and_then(|u| self.identity(u));
        let slot = number(self.table.entries.len());
        self.table.entries.push(Some(Entry {
            name: bytes(&format!("{}:{}", group.name, p.name)),
            identity,
            executables: self.executables(argv.first(), &variables),
            argv: argv.iter().map(|w| bytes(w)).collect(),
            env: self.environment(group, p, &variables),
            directory: p.directory.as_ref().map(|d| bytes(d)),
            umask: p.program.umask,
            stdout_log,
            stderr_log,
            redirect_stderr: p.program.redirect_stderr,
            stdin: None,
            listen: Vec::new(),
            wave: group.priority,
            stop_signal: p.program.stopsignal,
            stop_group: p.program.stopasgroup,
            kill_group: p.program.killasgroup,
            kill_tree: false,
            stop_wait: milliseconds(p.program.stopwaitsecs),
        }));
        let s = self.shown(group, p, command_error, stdout_log, stderr_log);
        self.settings.processes.insert(slot, s);
    }

    fn shown(
        &self,
        group: &Group,
        p: &Process,
        command_error: Option<String>,
        stdout_log: Option<u32>,
        stderr_log: Option<u32>,
    ) -> settings::Process {
        let program = &p.program;
        settings::Process {
            name: shown(&p.name),
            group: shown(&group.name),
            command: shown(&p.command),
            command_error: command_error.map(|e| shown(&e)),
            priority: program.priority,
            autostart: program.autostart,
            autorestart: program.autorestart,
            startsecs: program.startsecs,
            startretries: program.startretries,
            exitcodes: program.exitcodes.clone(),
            stopsignal: program.stopsignal,
            stopwaitsecs: program.stopwaitsecs,
            stopasgroup: program.stopasgroup,
            killasgroup: program.killasgroup,
            killtree: false,
            redirect_stderr: program.redirect_stderr,
            stdout: stream(&p.stdout, stdout_log),
            stderr: stream(&p.stderr, stderr_log),
            serverurl: program.serverurl.as_deref().map(shown),
            directory: p.directory.as_deref().map(shown),
            uid: program.user.as_ref().map(|u| u.uid),
        }
    }

    fn length(&self, r: &mut Reading<'_>, p: &Process, path: &str) {
        let len = bytes(&self.log_path(path)).len();
        if len > MAX_PATH {
            let text = format!("a log path of {len} bytes is longer than the limit of {MAX_PATH}");
            let details = vec![r.locate_section(&p.section)];
            r.problems.error(text, details);
        }
    }

    /// Who to become; nobody else when the daemon already is that user.
    fn identity(&self, account: &Account) -> Option<Identity> {
        (account.uid != self.own).then(|| identity_of(account))
    }

    /// Paths to try for the first word, as the reference searches them.
    fn executables(&self, word: Option<&String>, variables: &Variables) -> Vec<Vec<u8>> {
        let Some(word) = word else {
            return Vec::new();
        };
        if word.contains('/') {
            return vec![bytes(word)];
        }
        let path = variables.get("PATH").or(self.path.as_ref());
        path.map_or(DEFAULT_PATH, String::as_str)
            .split(':')
            .map(|dir| bytes(&join(dir, word)))
            .collect()
    }

    /// What is set over the inherited environment.
    fn environment(&self, group: &Group, p: &Process, variables: &Variables) -> Vec<Vec<u8>> {
        let mut all = Variables::new();
        let mut set = |name: &str, value: &str| {
            all.insert(name.to_owned(), value.to_owned());
        };
        set("SUPERVISOR_ENABLED", "1");
        if let Some(url) = p.program.serverurl.as_ref().or(self.url.as_ref()) {
            set("SUPERVISOR_SERVER_URL", url);
        }
        set("SUPERVISOR_PROCESS_NAME", &p.name);
        set("SUPERVISOR_GROUP_NAME", &group.name);
        all.extend(variables.clone());
        all.iter().map(|(name, value)| bytes(&format!("{name}={value}"))).collect()
    }

    fn sweep(&mut self, r: &Reading<'_>) {
        let daemon = &self.model.daemon;
        if !daemon.nocleanup && !daemon.identifier.contains('/') {
            self.table.sweep = Some(Sweep {
                directory: bytes(&absolute(&r.facts.cwd, &daemon.childlogdir)),
                infix: bytes(&format!("---{}-", daemon.identifier)),
            });
        }
    }
}

/// A stream as clients are shown it.
fn stream(stream: &Stream, log: Option<u32>) -> settings::Stream {
    settings::Stream {
        logfile: match &stream.target {
            LogTarget::Auto => "auto".to_owned(),
            LogTarget::Path(path) if !path.is_empty() => shown(path),
            LogTarget::None | LogTarget::Syslog | LogTarget::Path(_) => "none".to_owned(),
        },
        maxbytes: i64::try_from(stream.maxbytes).unwrap_or(i64::MAX),
        backups: i64::from(stream.backups),
        capture: 0,
        events: false,
        log,
        syslog: None,
    }
}

/// The names that mean the daemon's own standard output and error.
fn inherited(path: &str) -> Option<u8> {
    let number = match path {
        "/dev/stdout" => "1",
        "/dev/stderr" => "2",
        _ => path.strip_prefix("/dev/fd/").or_else(|| path.strip_prefix("/proc/self/fd/"))?,
    };
    number.parse().ok().filter(|n| (1..=2).contains(n))
}

fn milliseconds(seconds: i64) -> u32 {
    let most = i64::from(u32::MAX);
    u32::try_from(seconds.saturating_mul(1000).clamp(0, most)).unwrap_or(0)
}

/// Eight random characters.
fn random_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    const CHARS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz0123456";
    // The keys come from getrandom(2); an outsider cannot foretell what they make of nothing.
    let mut bits = std::hash::RandomState::new().build_hasher().finish();
    let mut name = String::new();
    for _ in 0..8 {
        let at = usize::try_from(bits % 32).unwrap_or(0);
        name.extend(CHARS.get(at).map(|b| char::from(*b)));
        bits /= 32;
    }
    name
}
