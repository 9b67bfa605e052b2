//! Numbers for logs: one for each file, and one for each automatic log.

use std::collections::{BTreeMap, HashMap};

use privsep::table::{self, MAX_PATH, Sink};

use super::daemon::{backups, limit};
use super::model::{Daemon, Ownership, Process, Stream};
use super::path::{join, normalise};
use super::reading::Reading;
use super::settings::{Kind, LogFile};
use super::text::{bytes, repr, shown};
use super::values::LogTarget;

/// The logs of a table, as they are given numbers.
pub struct Logs {
    /// What the spawner is told.
    pub sinks: Vec<Option<Sink>>,
    /// What the broker is told.
    pub shown: BTreeMap<u32, LogFile>,
    numbers: HashMap<String, u32>,
    syslog: Option<u32>,
    base: String,
}

/// A file that is to be logged to.
struct Wanted<'w> {
    path: &'w str,
    /// The path as people see it.
    name: &'w str,
    maxbytes: u64,
    backups: u32,
    owner: Ownership,
    auto: bool,
}

impl Logs {
    /// No logs yet; relative paths start at `base`.
    pub fn new(base: String) -> Self {
        Logs {
            sinks: Vec::new(),
            shown: BTreeMap::new(),
            numbers: HashMap::new(),
            syslog: None,
            base,
        }
    }

    /// The activity log, which has number 0.
    pub fn activity(&mut self, daemon: &Daemon) -> u32 {
        match &daemon.logfile {
            None => self.add(Sink::Syslog, system_log()),
            Some(path) => self.file(&Wanted {
                path,
                name: path,
                maxbytes: daemon.logfile_maxbytes,
                backups: daemon.logfile_backups,
                owner: daemon.logfile_owner,
                auto: false,
            }),
        }
    }

    /// The system's log, for what programs write.
    pub fn syslog(&mut self) -> u32 {
        if let Some(n) = self.syslog {
            return n;
        }
        let n = self.add(Sink::Syslog, system_log());
        self.syslog = Some(n);
        n
    }

    fn add(&mut self, sink: Sink, shown: LogFile) -> u32 {
        let n = u32::try_from(self.sinks.len()).unwrap_or(u32::MAX);
        self.sinks.push(Some(sink));
        self.shown.insert(n, shown);
        n
    }

    fn file(&mut self, wanted: &Wanted<'_>) -> u32 {
        let Wanted { path, name, maxbytes, backups, owner, auto } = *wanted;
        let (sink, kind) = match inherited(path) {
            Some(number) => (Sink::Inherited(number), Kind::Inherited),
            None => {
                let standard = if auto { 0o600 } else { 0o666 };
                let file = table::LogFile {
                    path: bytes(path),
                    maxbytes,
                    backups,
                    mode: owner.mode.unwrap_or(standard),
                    exact: owner.mode.is_some(),
                    uid: owner.uid,
                    gid: owner.gid,
                    auto,
                };
                (Sink::File(file), Kind::File)
            }
        };
        let n = self.add(sink, LogFile { path: shown(name), kind, maxbytes, backups });
        self.numbers.insert(path.to_owned(), n);
        n
    }

    /// The log of a stream: streams that name one path share one log. `channel` is `stdout` or `stderr`.
    pub fn stream(
        &mut self,
        r: &mut Reading<'_>,
        daemon: &Daemon,
        process: &Process,
        stream: &Stream,
        channel: &str,
    ) -> Option<u32> {
        let mut wanted = Wanted {
            path: "",
            name: "",
            maxbytes: limit(stream.maxbytes),
            backups: backups(stream.backups),
            owner: stream.owner,
            auto: false,
        };
        match &stream.target {
            LogTarget::None | LogTarget::Syslog => None,
            LogTarget::Path(path) if path.is_empty() => None,
            LogTarget::Auto => {
                let path = self.auto(r, daemon, &process.name, channel)?;
                wanted = Wanted { path: &path, name: &path, auto: true, ..wanted };
                Some(self.file(&wanted))
            }
            LogTarget::Path(path) => {
                let full = self.path(r, process, path)?;
                wanted = Wanted { path: &full, name: path, ..wanted };
                if let Some(n) = self.numbers.get(&full).copied() {
                    self.same_rules(r, n, process, &wanted, channel);
                    return Some(n);
                }
                Some(self.file(&wanted))
            }
        }
    }

    /// A new name for an automatic log.
    fn auto(
        &self,
        r: &mut Reading<'_>,
        daemon: &Daemon,
        name: &str,
        which: &str,
    ) -> Option<String> {
        let identifier = &daemon.identifier;
        if identifier.contains('/') {
            let text = format!(
                "identifier {} cannot be part of an automatic log's name because of character: '/'",
                repr(identifier)
            );
            let details = vec![r.locate("supervisord", "identifier")];
            r.problems.error(text, details);
            return None;
        }
        loop {
            let file = format!("{name}-{which}---{identifier}-{}.log", random_name());
            let path = join(&daemon.childlogdir, &file);
            if !self.numbers.contains_key(&path) {
                return Some(path);
            }
        }
    }

    /// The absolute path of a log. Text alone does not say what `..` leads to, so such a path is left as it is.
    fn path(&self, r: &mut Reading<'_>, process: &Process, path: &str) -> Option<String> {
        let full = join(&self.base, path);
        let full = if full.split('/').any(|part| part == "..") { full } else { normalise(&full) };
        let len = bytes(&full).len();
        if len > MAX_PATH {
            let text = format!("a log path of {len} bytes is longer than the limit of {MAX_PATH}");
            let details = vec![r.locate_section(&process.section)];
            r.problems.error(text, details);
            return None;
        }
        Some(full)
    }

    fn same_rules(
        &self,
        r: &mut Reading<'_>,
        log: u32,
        process: &Process,
        wanted: &Wanted<'_>,
        channel: &str,
    ) {
        let first = usize::try_from(log).ok().and_then(|n| self.sinks.get(n));
        let same = match first {
            Some(Some(Sink::File(file))) => {
                let owner = Ownership {
                    uid: file.uid,
                    gid: file.gid,
                    mode: file.exact.then_some(file.mode),
                };
                let rules = (file.maxbytes, file.backups, owner);
                rules == (wanted.maxbytes, wanted.backups, wanted.owner)
            }
            _ => true,
        };
        if !same {
            let place = r.locate(&process.section, &format!("{channel}_logfile"));
            r.problems.advice(format!(
                "{place}: this file is logged to elsewhere with other limits; the first ones count"
            ));
        }
    }
}

fn system_log() -> LogFile {
    LogFile { path: "syslog".to_owned(), kind: Kind::Syslog, maxbytes: 0, backups: 0 }
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
