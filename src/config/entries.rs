//! Slots: what the spawner is told about each process, and what the broker is.

use std::collections::{BTreeMap, HashMap};

use privsep::frame::Wire;
use privsep::table::{Entry, Identity, Shared, Socket, endpoint};

use super::environment::Variables;
use super::facts::Facts;
use super::host::{Account, Who};
use super::identity;
use super::logs::Logs;
use super::model::{Daemon, Group, Process, Stream};
use super::path::join;
use super::reading::Reading;
use super::settings;
use super::shlex;
use super::text::{bytes, repr, shown};
use super::tokens::{self, Mint};
use super::values::LogTarget;

const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// Entries, as they are given slots.
pub struct Entries {
    /// What the spawner is told.
    pub entries: Vec<Option<Entry>>,
    /// What the broker is told.
    pub processes: BTreeMap<u32, settings::Process>,
    /// Their logs.
    pub logs: Logs,
    /// Their sockets.
    pub sockets: Sockets,
    /// Their tokens.
    pub mint: Mint,
    url: Option<String>,
    path: Option<String>,
    /// The daemon's user id.
    own: u32,
}

/// Listening sockets of programs: equal ones have one number.
#[derive(Default)]
pub struct Sockets {
    /// What the spawner is told.
    pub list: Vec<Option<Shared>>,
    numbers: HashMap<Vec<u8>, u32>,
    /// The section that listens at an address, and the number of its socket.
    places: HashMap<Vec<u8>, (String, u32)>,
}

impl Sockets {
    fn number(&mut self, r: &mut Reading<'_>, section: &str, shared: &Shared) -> u32 {
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let n = *self.numbers.entry(shared.encode()).or_insert(next);
        if n == next {
            self.list.push(Some(shared.clone()));
        }
        let (place, shown) = match &shared.socket {
            Socket::Unix { path, .. } => (path.clone(), super::text::from_bytes(path)),
            Socket::Tcp { address, port } => {
                let shown = endpoint(*address, *port).to_string();
                (shown.clone().into_bytes(), shown)
            }
        };
        let mine = (section.to_owned(), n);
        let other = self.places.entry(place).or_insert_with(|| mine.clone());
        if *other != mine {
            let (here, there) = (r.locate_section(section), r.locate_section(&other.0));
            r.problems.advice(match other.1 == n {
                true => format!("{here} listens on {shown}, as {there} does: they share the socket"),
                false => format!(
                    "{here} listens on {shown}, as {there} does, but by other rules: only one of them can start"
                ),
            });
        }
        n
    }
}

impl Entries {
    /// No slots yet. `own` is the daemon's user id, `url` what programs are told about the daemon.
    pub fn new(facts: &Facts, daemon: &Daemon, own: u32, url: Option<String>, mint: Mint) -> Self {
        let base = match &daemon.directory {
            Some(directory) if !daemon.nodaemon => directory.clone(),
            _ => facts.cwd.clone(),
        };
        Entries {
            entries: Vec::new(),
            processes: BTreeMap::new(),
            logs: Logs::new(base),
            sockets: Sockets::default(),
            mint,
            url,
            path: facts.variable("PATH").filter(|p| !p.is_empty()),
            own,
        }
    }

    /// Gives a process its slot.
    pub fn add(&mut self, r: &mut Reading<'_>, daemon: &Daemon, group: &Group, p: &Process) -> u32 {
        let stdout = self.stream(r, daemon, p, &p.stdout, "stdout");
        let stderr = self.stream(r, daemon, p, &p.stderr, "stderr");
        let (argv, command_error) = match shlex::split(&p.command) {
            Ok(words) if words.is_empty() => (words, Some("command is empty".to_owned())),
            Ok(words) => (words, None),
            Err(why) => {
                let text = format!("can't parse command {}: {why}", repr(&p.command));
                (Vec::new(), Some(text))
            }
        };
        let mut variables = daemon.environment.clone();
        variables.extend(p.environment.clone());
        let listen = p.listen.iter().map(|(_, s)| self.sockets.number(r, &p.section, s)).collect();
        let identity = p.program.user.as_ref().and_then(|u| self.identity(u));
        let entry = Entry {
            name: bytes(&format!("{}:{}", group.name, p.name)),
            executables: self.executables(argv.first(), &variables),
            argv: argv.iter().map(|w| bytes(w)).collect(),
            env: self.environment(r, group, p, variables, identity.as_ref()),
            identity,
            directory: p.directory.as_ref().map(|d| bytes(d)),
            umask: p.program.umask,
            stdout_log: stdout.log,
            stderr_log: stderr.log,
            redirect_stderr: p.program.redirect_stderr,
            stdin: p.stdin.as_ref().map(|s| self.sockets.number(r, &p.section, s)),
            listen,
            staging: matches!(group.of, settings::Of::Pool { .. }),
            wave: group.priority,
            stop_signal: p.program.stopsignal,
            stop_group: p.program.stopasgroup,
            kill_group: p.program.killasgroup,
            kill_tree: p.program.killtree,
            stop_wait: milliseconds(p.program.stopwaitsecs),
        };
        let slot = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Some(entry));
        self.processes.insert(slot, told(group, p, command_error, stdout, stderr));
        slot
    }

    /// A stream as the broker is told, its logs opened under numbers.
    fn stream(
        &mut self,
        r: &mut Reading<'_>,
        daemon: &Daemon,
        p: &Process,
        stream: &Stream,
        channel: &str,
    ) -> settings::Stream {
        settings::Stream {
            logfile: match &stream.target {
                LogTarget::Auto => "auto".to_owned(),
                LogTarget::Path(path) => shown(path),
                LogTarget::None | LogTarget::Syslog => "none".to_owned(),
            },
            maxbytes: stream.maxbytes,
            backups: stream.backups,
            capture: stream.capture,
            events: stream.events,
            log: self.logs.stream(r, daemon, p, stream, channel),
            syslog: stream.syslog.then(|| self.logs.syslog()),
        }
    }

    /// Who to become; nobody else when the daemon already is that user.
    fn identity(&self, account: &Account) -> Option<Identity> {
        (account.uid != self.own || account.chosen).then(|| identity::of(account))
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

    /// What is set over the inherited environment; `variables` are those that the configuration sets.
    fn environment(
        &mut self,
        r: &mut Reading<'_>,
        group: &Group,
        p: &Process,
        variables: Variables,
        identity: Option<&Identity>,
    ) -> Vec<Vec<u8>> {
        let mut all = if p.program.login_env { self.login(r, p) } else { Variables::new() };
        let mut set = |name: &str, value: &str| {
            all.insert(name.to_owned(), value.to_owned());
        };
        set("SUPERVISOR_ENABLED", "1");
        let url = p.program.serverurl.as_ref().or(self.url.as_ref());
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            set("SUPERVISOR_SERVER_URL", url);
        }
        set("SUPERVISOR_PROCESS_NAME", &p.name);
        set("SUPERVISOR_GROUP_NAME", &group.name);
        all.extend(self.credentials(r, group, p, &variables, identity));
        all.extend(variables);
        if !p.listen.is_empty() {
            let names: Vec<&str> = p.listen.iter().map(|(name, _)| name.as_str()).collect();
            all.insert("LISTEN_FDS".to_owned(), names.len().to_string());
            all.insert("LISTEN_FDNAMES".to_owned(), names.join(":"));
        }
        all.iter().map(|(name, value)| bytes(&format!("{name}={value}"))).collect()
    }

    /// The token that the section asks for, as programs look for one.
    fn credentials(
        &mut self,
        r: &mut Reading<'_>,
        group: &Group,
        p: &Process,
        variables: &Variables,
        identity: Option<&Identity>,
    ) -> Variables {
        let Some(role) = &p.program.token else {
            return Variables::new();
        };
        let own = [tokens::VARIABLE, tokens::ROLE];
        if let Some(name) = own.into_iter().find(|name| variables.contains_key(*name)) {
            let text = format!("token= and {name} in environment= exclude each other");
            let details = vec![r.locate(&p.section, "token")];
            r.problems.refuse(text, "", details);
            return Variables::new();
        }
        let name = format!("{}:{}", group.name, p.name);
        let Some(token) = self.mint.token(r, &name, role, identity) else {
            return Variables::new();
        };
        let mut all: Variables =
            own.map(str::to_owned).into_iter().zip([token.clone(), role.clone()]).collect();
        let own = ["SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD"];
        // Half a login of somebody else's would be none.
        if !own.iter().any(|name| variables.contains_key(*name)) {
            all.extend(own.map(str::to_owned).into_iter().zip(["token".to_owned(), token]));
        }
        all
    }

    /// What a login as the process's user would set.
    fn login(&self, r: &mut Reading<'_>, p: &Process) -> Variables {
        let user = p.program.user.clone().or_else(|| r.host.account(&Who::Id(self.own)));
        let Some(user) = user else {
            let text = format!("login_env=true, but user id {} is not in passwd", self.own);
            let details = vec![r.locate(&p.section, "login_env")];
            r.problems.error(text, details);
            return Variables::new();
        };
        let shell = if user.shell.is_empty() { "/bin/sh".to_owned() } else { user.shell };
        let all = [
            ("HOME", user.home),
            ("LOGNAME", user.name.clone()),
            ("SHELL", shell),
            ("USER", user.name),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// A process as the broker is told.
fn told(
    group: &Group,
    p: &Process,
    command_error: Option<String>,
    stdout: settings::Stream,
    stderr: settings::Stream,
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
        killtree: program.killtree,
        redirect_stderr: program.redirect_stderr,
        stdout,
        stderr,
        syslog_tag: p.syslog_tag.clone(),
        serverurl: program.serverurl.as_deref().map(shown),
        directory: p.directory.as_deref().map(shown),
        uid: program.user.as_ref().map(|u| u.uid),
        labels: program.labels.clone(),
    }
}

fn milliseconds(seconds: i64) -> u32 {
    let most = i64::from(u32::MAX);
    u32::try_from(seconds.saturating_mul(1000).clamp(0, most)).unwrap_or(0)
}
