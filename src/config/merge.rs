//! A later reading: what is in force keeps its numbers, what is new gets free ones.
//!
//! Every entry, log and socket of the table in force stays where it is until the spawner is told that it is retired,
//! whatever the new configuration says. Daemon-level fields stay as they are until the daemon restarts.

use std::collections::{BTreeMap, HashMap};

use privsep::table::{Entry, LogFile, Shared, Sink, Table};

use super::audit;
use super::settings::{self, AuditLog, Settings};
use super::text::{from_bytes, shown};

/// A list in which the position is the number, with its free places.
struct Places<T> {
    list: Vec<Option<T>>,
    next: usize,
}

impl<T> Places<T> {
    fn new(list: Vec<Option<T>>) -> Self {
        Places { list, next: 0 }
    }

    /// The lowest free number for this.
    fn put(&mut self, item: T) -> u32 {
        while self.list.get(self.next).is_some_and(Option::is_some) {
            self.next += 1;
        }
        match self.list.get_mut(self.next) {
            Some(place) => *place = Some(item),
            None => self.list.push(Some(item)),
        }
        u32::try_from(self.next).unwrap_or(u32::MAX)
    }
}

fn at<T>(list: &[Option<T>], n: u32) -> Option<&T> {
    list.get(usize::try_from(n).ok()?)?.as_ref()
}

/// Which of the two streams.
#[derive(Clone, Copy)]
enum Channel {
    Stdout,
    Stderr,
}

impl Channel {
    fn of(self, entry: &Entry) -> Option<u32> {
        match self {
            Channel::Stdout => entry.stdout_log,
            Channel::Stderr => entry.stderr_log,
        }
    }
}

struct Merger<'t> {
    current: &'t Table,
    fresh: &'t Table,
    /// Slots in force by entry name.
    names: HashMap<&'t [u8], Vec<u32>>,
    /// Log numbers in force by path.
    paths: HashMap<&'t [u8], Vec<u32>>,
    entries: Places<Entry>,
    logs: Places<Sink>,
    shared: Places<Shared>,
    /// New log numbers to merged ones.
    log_numbers: BTreeMap<u32, u32>,
    /// New socket numbers to merged ones.
    shared_numbers: BTreeMap<u32, u32>,
}

/// Gives `table` and `settings`, as a first reading makes them, the numbers that are in force. Returns a line for each
/// daemon-level setting that differs and stays.
pub fn merge(current: &Table, table: &mut Table, settings: &mut Settings) -> Vec<String> {
    let fresh = std::mem::take(table);
    let mut changed = differences(current, &fresh);
    let mut merger = Merger::new(current, &fresh);
    let slots: BTreeMap<u32, u32> = (0..)
        .zip(&fresh.entries)
        .filter_map(|(n, entry)| Some((n, merger.entry(entry.as_ref()?))))
        .collect();
    merger.renumber(&slots, settings);
    changed.extend(accounts(current, &fresh, settings));
    changed.extend(servers(current, &fresh, settings));
    let audit = current.audit.as_ref().map(audit::described);
    changed.extend(audit_changed(audit.as_ref(), settings.audit.as_ref()));
    settings.audit = audit;
    settings.daemon = current.daemon;
    settings.activity.stdout = current.stdout;
    settings.sandbox_required = current.sandbox_required;
    settings.shutdown_timeout = current.shutdown;
    *table = Table {
        entries: merger.entries.list,
        logs: merger.logs.list,
        shared: merger.shared.list,
        sockets: current.sockets.clone(),
        tls: current.tls.clone(),
        pam: fresh.pam,
        directory: current.directory.clone(),
        user: current.user.clone(),
        broker: current.broker.clone(),
        audit: current.audit.clone(),
        pidfile: current.pidfile.clone(),
        cgroup: current.cgroup.clone(),
        env: current.env.clone(),
        sweep: current.sweep.clone(),
        ..*current
    };
    changed
}

impl<'t> Merger<'t> {
    fn new(current: &'t Table, fresh: &'t Table) -> Self {
        let mut names: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for (n, entry) in (0..).zip(&current.entries) {
            if let Some(entry) = entry {
                names.entry(&entry.name).or_default().push(n);
            }
        }
        let mut paths: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for (n, sink) in (0..).zip(&current.logs) {
            if let Some(Sink::File(file)) = sink {
                paths.entry(&file.path).or_default().push(n);
            }
        }
        Merger {
            current,
            fresh,
            names,
            paths,
            entries: Places::new(current.entries.clone()),
            logs: Places::new(current.logs.clone()),
            shared: Places::new(current.shared.clone()),
            log_numbers: BTreeMap::new(),
            shared_numbers: BTreeMap::new(),
        }
    }

    /// The slot of an entry: that of an equal one in force, or a free one.
    fn entry(&mut self, entry: &Entry) -> u32 {
        let known = self.names.get(entry.name.as_slice()).cloned().unwrap_or_default();
        let same = known.iter().copied().find_map(|slot| self.same(entry, slot));
        if let Some((slot, old)) = same {
            for channel in [Channel::Stdout, Channel::Stderr] {
                let numbers = channel.of(entry).zip(channel.of(old));
                self.log_numbers.extend(numbers);
            }
            let sockets = entry.stdin.into_iter().chain(entry.listen.iter().copied());
            let olds = old.stdin.into_iter().chain(old.listen.iter().copied());
            self.shared_numbers.extend(sockets.zip(olds));
            return slot;
        }
        let olds: Vec<&Entry> =
            known.iter().filter_map(|n| at(&self.current.entries, *n)).collect();
        let stdout_log = self.log(entry.stdout_log, &olds, Channel::Stdout);
        let stderr_log = self.log(entry.stderr_log, &olds, Channel::Stderr);
        let stdin = entry.stdin.map(|n| self.socket(n));
        let listen = entry.listen.iter().map(|n| self.socket(*n)).collect();
        self.entries.put(Entry { stdout_log, stderr_log, stdin, listen, ..entry.clone() })
    }

    /// The entry of that slot, if a new one is equal to it once its numbers are translated.
    fn same(&self, entry: &Entry, slot: u32) -> Option<(u32, &'t Entry)> {
        let old = at(&self.current.entries, slot)?;
        let logs = [Channel::Stdout, Channel::Stderr].into_iter().all(|channel| {
            match (channel.of(entry), channel.of(old)) {
                (None, None) => true,
                (Some(new), Some(old)) => self.log_in_force(new, Some(old)) == Some(old),
                _ => false,
            }
        });
        let socket = |n: u32| self.socket_in_force(n);
        let stdin = entry.stdin.and_then(socket) == old.stdin
            && entry.stdin.is_some() == old.stdin.is_some();
        let listen: Option<Vec<u32>> = entry.listen.iter().map(|n| socket(*n)).collect();
        let linked = logs && stdin && listen.as_ref() == Some(&old.listen);
        let equal = || {
            Entry {
                stdout_log: old.stdout_log,
                stderr_log: old.stderr_log,
                stdin: old.stdin,
                listen: old.listen.clone(),
                ..entry.clone()
            } == *old
        };
        (linked && equal()).then_some((slot, old))
    }

    /// The number in force of a new log. An automatic one is that of the same stream, `old`, by the same rules.
    fn log_in_force(&self, n: u32, old: Option<u32>) -> Option<u32> {
        if let Some(merged) = self.log_numbers.get(&n) {
            return Some(*merged);
        }
        let force = &self.current.logs;
        match at(&self.fresh.logs, n)? {
            Sink::File(file) if file.auto => old.filter(
                |old| matches!(at(force, *old), Some(Sink::File(other)) if same_rules(file, other)),
            ),
            sink @ Sink::File(file) => {
                let known = self.paths.get(file.path.as_slice())?;
                known.iter().copied().find(|n| at(force, *n) == Some(sink))
            }
            // The activity log's connection is its own.
            Sink::Syslog => (1..)
                .zip(force.iter().skip(1))
                .find_map(|(n, sink)| (*sink == Some(Sink::Syslog)).then_some(n)),
            sink => {
                (0..).zip(force).find_map(|(n, other)| (other.as_ref() == Some(sink)).then_some(n))
            }
        }
    }

    /// The merged number of a new log; `olds` are entries of the same name.
    fn log(&mut self, n: Option<u32>, olds: &[&Entry], channel: Channel) -> Option<u32> {
        let n = n?;
        let of_old = || {
            let mut streams = olds.iter().filter_map(|old| channel.of(old));
            streams.find_map(|old| self.log_in_force(n, Some(old)))
        };
        let merged = match of_old().or_else(|| self.log_in_force(n, None)) {
            Some(merged) => merged,
            None => self.logs.put(at(&self.fresh.logs, n)?.clone()),
        };
        self.log_numbers.insert(n, merged);
        Some(merged)
    }

    fn socket_in_force(&self, n: u32) -> Option<u32> {
        if let Some(merged) = self.shared_numbers.get(&n) {
            return Some(*merged);
        }
        let shared = at(&self.fresh.shared, n)?;
        let force = (0..).zip(&self.current.shared);
        force.into_iter().find_map(|(n, other)| (other.as_ref() == Some(shared)).then_some(n))
    }

    fn socket(&mut self, n: u32) -> u32 {
        let merged = match (self.socket_in_force(n), at(&self.fresh.shared, n)) {
            (Some(merged), _) => merged,
            (None, Some(shared)) => self.shared.put(shared.clone()),
            // The new table is sound: there is no such number in it.
            (None, None) => n,
        };
        self.shared_numbers.insert(n, merged);
        merged
    }

    /// Puts the merged numbers into the settings.
    fn renumber(&mut self, slots: &BTreeMap<u32, u32>, settings: &mut Settings) {
        let slot = |n: &u32| slots.get(n).copied().unwrap_or(*n);
        for group in &mut settings.groups {
            group.slots = group.slots.iter().map(slot).collect();
        }
        let mut processes = std::mem::take(&mut settings.processes);
        for process in processes.values_mut() {
            for stream in [&mut process.stdout, &mut process.stderr] {
                stream.log = stream.log.and_then(|n| self.log_numbers.get(&n).copied());
                stream.syslog = self.log(stream.syslog, &[], Channel::Stdout);
            }
        }
        settings.processes = processes.into_iter().map(|(n, p)| (slot(&n), p)).collect();
        let mut logs = BTreeMap::new();
        for (new, merged) in &self.log_numbers {
            if let Some(file) = settings.logs.get(new) {
                logs.insert(*merged, self.shown(*merged, file));
            }
        }
        // The activity log is what it was.
        let activity =
            settings.logs.get(&0).filter(|_| self.fresh.logs.first() == self.current.logs.first());
        let activity = activity.cloned().or_else(|| at(&self.current.logs, 0).map(described));
        logs.extend(activity.map(|file| (0, file)));
        settings.logs = logs;
    }

    /// A log as people see it: an automatic one by the name it has.
    fn shown(&self, merged: u32, file: &settings::LogFile) -> settings::LogFile {
        match at(&self.logs.list, merged) {
            Some(sink @ Sink::File(LogFile { auto: true, .. })) => described(sink),
            _ => file.clone(),
        }
    }
}

fn same_rules(a: &LogFile, b: &LogFile) -> bool {
    LogFile { path: b.path.clone(), ..a.clone() } == *b
}

/// What the table alone says about a log.
fn described(sink: &Sink) -> settings::LogFile {
    let (path, kind, maxbytes, backups) = match sink {
        Sink::File(file) => {
            (shown(&from_bytes(&file.path)), settings::Kind::File, file.maxbytes, file.backups)
        }
        Sink::Inherited(2) => ("/dev/stderr".to_owned(), settings::Kind::Inherited, 0, 0),
        Sink::Inherited(_) => ("/dev/stdout".to_owned(), settings::Kind::Inherited, 0, 0),
        Sink::Syslog => ("syslog".to_owned(), settings::Kind::Syslog, 0, 0),
    };
    settings::LogFile { path, kind, maxbytes, backups }
}

/// Servers listen where they did: those that the new configuration still has keep their sockets. Says what is different.
fn servers(current: &Table, fresh: &Table, settings: &mut Settings) -> Vec<String> {
    let all = std::mem::take(&mut settings.servers);
    let mut changed = Vec::new();
    for server in all {
        let wanted = usize::try_from(server.socket).ok().and_then(|n| fresh.sockets.get(n));
        let place = (0..).zip(&current.sockets).find(|(_, socket)| Some(*socket) == wanted);
        let Some((socket, _)) = place else {
            continue;
        };
        // One that is to begin or to cease to speak TLS goes on as it is, by what it was told last.
        match server.tls.is_some() == current.tls.contains(&socket) {
            true => settings.servers.push(settings::Server { socket, ..server }),
            false => changed.push(later(&format!("[{}] tls_cert", server.section))),
        }
    }
    if fresh.sockets != current.sockets {
        changed.push(later("[unix_http_server] or [inet_http_server]"));
    }
    changed
}

/// Servers ask PAM when the start and the last reading say so; what either says alone they ask for, and nobody can give it.
fn accounts(current: &Table, fresh: &Table, settings: &Settings) -> Vec<String> {
    match (current.pam, fresh.pam) {
        (false, true) => {
            let servers = settings.servers.iter().filter(|server| server.pam);
            servers.map(|server| later(&format!("[{}] auth", server.section))).collect()
        }
        (true, false) => vec![later("auth=pam")],
        _ => Vec::new(),
    }
}

fn later(what: &str) -> String {
    format!("{what} changed; it takes effect at the next restart")
}

/// The audit log is what it was at the start, from one restart to the next.
fn audit_changed(current: Option<&AuditLog>, fresh: Option<&AuditLog>) -> Option<String> {
    match (current, fresh) {
        (None, Some(fresh)) => Some(format!(
            "the audit log {} begins at the next restart: until then nothing is recorded",
            fresh.path
        )),
        _ => (current != fresh)
            .then(|| later("[supervisord] audit_logfile, its limits or audit_syslog")),
    }
}

/// The daemon-level settings that are not as they were.
fn differences(current: &Table, fresh: &Table) -> Vec<String> {
    let user = fresh.user.is_some() && fresh.user != current.user;
    let all = [
        ("nodaemon", fresh.daemon != current.daemon),
        ("silent", fresh.daemon == current.daemon && fresh.stdout != current.stdout),
        ("umask", fresh.umask != current.umask),
        ("directory", fresh.directory != current.directory),
        ("user", user),
        ("sandbox", fresh.sandbox_required != current.sandbox_required),
        ("minfds", fresh.nofile != current.nofile),
        ("minprocs", fresh.nproc != current.nproc),
        ("pidfile", fresh.pidfile != current.pidfile),
        ("shutdown_timeout", fresh.shutdown != current.shutdown),
        ("logfile", fresh.logs.first() != current.logs.first()),
        ("childlogdir, identifier or nocleanup", fresh.sweep != current.sweep),
    ];
    let changed = all.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| later(&format!("[supervisord] {key}"))).collect()
}
