//! The launch table: everything that the spawner may ever do for a broker, decided before the broker starts.
//!
//! The reader writes it, the spawner decodes and validates it once and never takes another word on any of it. The
//! encoding is canonical. Paths, arguments and variables are bytes without NUL.

use std::net::{Ipv6Addr, SocketAddr};

use crate::frame::{Error, Wire, lists, record, tagged};

/// The most bytes of an encoded table.
pub const MAX: usize = 64 << 20;
/// The most program processes.
pub const MAX_SLOTS: usize = 16_384;
/// The most log files.
pub const MAX_LOGS: usize = 2 * MAX_SLOTS + 1;
/// The most listening sockets.
pub const MAX_SOCKETS: usize = 64;
/// The most listening sockets of programs.
pub const MAX_SHARED: usize = 4_096;
/// The most sockets that one process gets by the LISTEN_FDS convention.
pub const MAX_LISTEN: usize = 64;
/// The longest path; the system's limit less the room for a rotation's suffix.
pub const MAX_PATH: usize = 4_000;
/// The most rotated files of one log.
pub const MAX_BACKUPS: u32 = 10_000;

record! {
/// Who a program, or the broker, runs as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// User id; never −1.
    pub uid: u32,
    /// Primary group id; never −1.
    pub gid: u32,
    /// Supplementary groups, exactly these.
    pub groups: Vec<u32>,
}
}

/// A limit pair; `u64::MAX` is unlimited.
pub type Limit = (u64, u64);

record! {
/// A log file of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Rotate at this size in bytes; 0 never.
    pub maxbytes: u64,
    /// How many rotated files to keep; 0 empties the file in place instead.
    pub backups: u32,
    /// Mode of a new file: before the umask, or exactly where an owner or mode was asked for.
    pub mode: u32,
    /// Whether the mode is exact, whatever the umask.
    pub exact: bool,
    /// Owner of a new file; `None` leaves whoever makes it.
    pub uid: Option<u32>,
    /// Group of a new file.
    pub gid: Option<u32>,
    /// The name was made for this start (AUTO): it is created, and must not be there yet.
    pub auto: bool,
}
}

tagged! {
/// What a log number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A file.
    1 File(file: LogFile),
    /// The daemon's own standard output (1) or error (2).
    2 Inherited(number: u8),
    /// The system's log socket.
    3 Syslog,
}
}

tagged! {
/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// A unix socket.
    1 Unix {
        /// Absolute path.
        path: Vec<u8>,
        /// Its mode.
        mode: u32,
        /// Owner to set; `None` leaves it.
        uid: Option<u32>,
        /// Group to set; `None` leaves it.
        gid: Option<u32>,
    },
    /// A TCP socket.
    2 Tcp {
        /// Address, most significant byte first: of IPv6, or of IPv4 as `::ffff:a.b.c.d`. 0 for all of both.
        address: u128,
        /// Port, never 0.
        port: u16,
    },
}
}

record! {
/// A listening socket that programs get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Where it listens.
    pub socket: Socket,
    /// How many connections may wait.
    pub backlog: u32,
    /// Held from the start until its last slot is retired; otherwise only while an instance has it.
    pub held: bool,
}
}

record! {
/// One program process: what the spawner needs to start, stop and log it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `group:process`; unique, and what an entry is known by over readings.
    pub name: Vec<u8>,
    /// Who to become; `None` stays what the spawner is.
    pub identity: Option<Identity>,
    /// Arguments, the program's name as written first.
    pub argv: Vec<Vec<u8>>,
    /// Paths to try for the executable, in order; relative ones start at the spawner's directory.
    pub executables: Vec<Vec<u8>>,
    /// Variables to set, as NAME=VALUE, over the inherited ones.
    pub env: Vec<Vec<u8>>,
    /// Working directory to change to.
    pub directory: Option<Vec<u8>>,
    /// File creation mask to set.
    pub umask: Option<u32>,
    /// Number of the log of standard output.
    pub stdout_log: Option<u32>,
    /// Number of the log of standard error.
    pub stderr_log: Option<u32>,
    /// Standard error goes where standard output goes.
    pub redirect_stderr: bool,
    /// Number of the socket that is standard input, instead of a pipe.
    pub stdin: Option<u32>,
    /// Numbers of the sockets to pass by the LISTEN_FDS convention, from descriptor 3 on.
    pub listen: Vec<u32>,
    /// Whether the broker gets a pipe of its own beside standard input, for text that is on its way into that. Only where
    /// standard input is a pipe.
    pub staging: bool,
    /// Number of the process's group, for the spawner's own orderly stop: a higher wave is stopped earlier.
    pub wave: i64,
    /// Signal that stops it, 1 to 64.
    pub stop_signal: u8,
    /// Whether the stop signal goes to the process group.
    pub stop_group: bool,
    /// Whether SIGKILL goes to the process group.
    pub kill_group: bool,
    /// Whether what is left of its cgroup is killed when it has stopped.
    pub kill_tree: bool,
    /// Milliseconds from the stop signal to SIGKILL.
    pub stop_wait: u32,
}
}

record! {
/// Old AUTO logs to remove at start: regular files of our own in this directory whose names carry the infix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Absolute path of the directory.
    pub directory: Vec<u8>,
    /// `---IDENTIFIER-`.
    pub infix: Vec<u8>,
}
}

record! {
/// The audit log and its writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Who the writer runs as; `None` is the spawner's own identity.
    pub identity: Option<Identity>,
    /// Its file. Where the chain stands is anchored beside it, in the same name with `.anchor`. Neither is opened where
    /// others could put another file in its place.
    pub log: LogFile,
    /// Whether the writer gets a socket to the system's log.
    pub syslog: bool,
}
}

record! {
/// The launch table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Leave the terminal and run in the background.
    pub daemon: bool,
    /// In the foreground, whether the broker gets a copy of standard output for the log.
    pub stdout: bool,
    /// File creation mask to set when daemonising.
    pub umask: u32,
    /// Directory to change to when daemonising.
    pub directory: Option<Vec<u8>>,
    /// Who the spawner itself is to become (`user=` of the daemon).
    pub user: Option<Identity>,
    /// Who the broker runs as; `None` is the spawner's own identity.
    pub broker: Option<Identity>,
    /// The audit log, where there is one; decided for the daemon's life.
    pub audit: Option<Audit>,
    /// Whether the broker may ask for PAM helpers.
    pub pam: bool,
    /// Refuse to start where a layer of the sandbox is missing.
    pub sandbox_required: bool,
    /// Limit of open descriptors for programs.
    pub nofile: Option<Limit>,
    /// Limit of processes for programs.
    pub nproc: Option<Limit>,
    /// Absolute path of the pidfile.
    pub pidfile: Option<Vec<u8>>,
    /// Absolute path of the cgroup v2 directory that the daemon lives in.
    pub cgroup: Option<Vec<u8>>,
    /// The environment that programs inherit, as NAME=VALUE.
    pub env: Vec<Vec<u8>>,
    /// Milliseconds that an orderly stop of everything may take; `None` as long as it needs.
    pub shutdown: Option<u32>,
    /// Listening sockets of the HTTP servers.
    pub sockets: Vec<Socket>,
    /// Which of them speak TLS, by their places in that list; for later readings.
    pub tls: Vec<u32>,
    /// Listening sockets of programs; the position is the number, `None` is free.
    pub shared: Vec<Option<Shared>>,
    /// Logs; the position is the number, `None` is free. Number 0 is the activity log where `activity_log` says so.
    pub logs: Vec<Option<Sink>>,
    /// Whether log 0 is the activity log.
    pub activity_log: bool,
    /// Old AUTO logs to remove.
    pub sweep: Option<Sweep>,
    /// Program processes; the position is the slot, `None` is free.
    pub entries: Vec<Option<Entry>>,
}
}

lists!(Socket, Option<Shared>, Option<Sink>, Option<Entry>);

impl Table {
    /// Reads and validates a table: what this returns is safe to act on as far as numbers and references go. Who may
    /// appear in it is for [`Table::permit`].
    pub fn read(bytes: &[u8]) -> Result<Table, Error> {
        let table = Table::decode(bytes)?;
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), Error> {
        let ensure = |good, field| if good { Ok(()) } else { Err(Error::Value(field)) };
        ensure(self.entries.len() <= MAX_SLOTS && self.logs.len() <= MAX_LOGS, "size")?;
        let sockets = self.sockets.len() <= MAX_SOCKETS && self.shared.len() <= MAX_SHARED;
        ensure(sockets, "number of sockets")?;
        let activity = self.logs.first().is_some_and(Option::is_some);
        ensure(!self.activity_log || activity, "activity log")?;
        ensure(self.umask <= 0o777, "umask")?;
        for limit in self.nofile.iter().chain(&self.nproc) {
            ensure(limit.0 <= limit.1, "limit")?;
        }
        let programs = self.entries.iter().flatten().filter_map(|e| e.identity.as_ref());
        for identity in programs.chain(&self.user).chain(&self.broker).chain(self.writer()) {
            let mut ids = identity.groups.iter().chain([&identity.uid, &identity.gid]);
            ensure(ids.all(|id| *id != u32::MAX), "user or group id")?;
        }
        let sweep = self.sweep.as_ref();
        let directories = [&self.directory, &self.pidfile, &self.cgroup];
        for path in directories.into_iter().flatten().chain(sweep.map(|s| &s.directory)) {
            ensure(absolute(path), "path")?;
        }
        self.logs.iter().flatten().try_for_each(Sink::check)?;
        if let Some(Audit { log: audit, .. }) = &self.audit {
            Sink::File(audit.clone()).check()?;
            let ours = |path: &[u8]| match path.strip_prefix(&*audit.path) {
                Some([b'.', n @ ..]) => n == b"anchor" || n.iter().all(u8::is_ascii_digit),
                rest => rest.is_some_and(<[u8]>::is_empty),
            };
            let mut logs = self.logs.iter().flatten();
            let taken = logs.any(|log| matches!(log, Sink::File(log) if ours(&log.path)));
            ensure(!taken, "a log where the audit log is")?;
        }
        // A shorter infix would match files of others.
        let infix = |s: &Sweep| s.infix.len() > 3 && s.infix.starts_with(b"---");
        ensure(sweep.is_none_or(infix), "infix of old logs")?;
        let shared = self.shared.iter().flatten().map(|shared| &shared.socket);
        self.sockets.iter().chain(shared).try_for_each(Socket::check)?;
        self.entries.iter().flatten().try_for_each(|entry| self.check_entry(entry))
    }

    fn check_entry(&self, e: &Entry) -> Result<(), Error> {
        let ensure = |good, field| if good { Ok(()) } else { Err(Error::Value(field)) };
        ensure(e.logs().all(|n| self.log(n).is_some()), "log number")?;
        ensure(e.sockets().all(|n| self.socket(n).is_some()), "socket number")?;
        ensure(e.listen.len() <= MAX_LISTEN, "number of sockets")?;
        ensure(!e.redirect_stderr || e.stderr_log.is_none(), "a log for a redirected stream")?;
        ensure(!e.staging || e.stdin.is_none(), "a staging pipe before a socket")?;
        ensure((1..=64).contains(&e.stop_signal), "stop signal")?;
        ensure(e.umask.is_none_or(|mask| mask <= 0o777), "umask")
    }

    /// Whether everything that lives under a number in `old` is the same here: a later reading may add and leave
    /// room, but change nothing that is not retired.
    pub fn keeps(&self, old: &Table) -> bool {
        fn same<T: PartialEq>(new: &[Option<T>], old: &[Option<T>]) -> bool {
            (0..).zip(old).all(|(n, item)| item.is_none() || new.get::<usize>(n) == Some(item))
        }
        same(&self.entries, &old.entries)
            && same(&self.logs, &old.logs)
            && same(&self.shared, &old.shared)
    }

    /// Forgets an entry, and the logs and sockets that only it had. Gives the numbers of these.
    pub fn retire(&mut self, slot: u32) -> (Vec<u32>, Vec<u32>) {
        let Some(entry) = place(&mut self.entries, slot).and_then(Option::take) else {
            return (Vec::new(), Vec::new());
        };
        let mut logs: Vec<u32> = entry.logs().filter(|n| *n > 0 || !self.activity_log).collect();
        let mut sockets: Vec<u32> = entry.sockets().collect();
        for other in self.entries.iter().flatten() {
            logs.retain(|n| other.logs().all(|log| log != *n));
            sockets.retain(|n| other.sockets().all(|socket| socket != *n));
        }
        logs.iter().for_each(|n| drop(place(&mut self.logs, *n).map(Option::take)));
        sockets.iter().for_each(|n| drop(place(&mut self.shared, *n).map(Option::take)));
        (logs, sockets)
    }

    /// The entry of a slot.
    pub fn entry(&self, slot: u32) -> Option<&Entry> {
        at(&self.entries, slot)
    }

    /// A socket for programs.
    pub fn socket(&self, n: u32) -> Option<&Shared> {
        at(&self.shared, n)
    }

    /// What a log number stands for.
    pub fn log(&self, log: u32) -> Option<&Sink> {
        at(&self.logs, log)
    }

    /// The identity of the audit writer, where it has one of its own.
    fn writer(&self) -> Option<&Identity> {
        self.audit.as_ref()?.identity.as_ref()
    }

    /// Who may appear: as root (`euid` 0) broker and audit writer have a uid of their own each, that no program and no
    /// daemon has; otherwise there is one uid and their identities are not set.
    pub fn permit(&self, euid: u32) -> Result<(), Error> {
        let ensure = |good, why| if good { Ok(()) } else { Err(Error::Value(why)) };
        let root = self.user.as_ref().map_or(euid, |user| user.uid) == 0;
        let needed = 1 + usize::from(self.audit.is_some());
        let helpers: Vec<&Identity> = self.broker.iter().chain(self.writer()).collect();
        ensure(!root || helpers.len() == needed, "no user for the broker or the audit writer")?;
        ensure(root || helpers.is_empty(), "a user for the broker or the audit writer")?;
        for (n, own) in helpers.iter().enumerate() {
            let harmless = own.uid != 0 && own.gid != 0 && !own.groups.contains(&0);
            ensure(harmless, "the broker or the audit writer would be root")?;
            let mut programs = self.entries.iter().flatten().filter_map(|e| e.identity.as_ref());
            let mut others = programs.by_ref().chain(helpers.iter().skip(n + 1).copied());
            ensure(others.all(|other| other.uid != own.uid), "a user id that others have")?;
        }
        Ok(())
    }
}

impl Entry {
    /// Numbers of its logs.
    pub fn logs(&self) -> impl Iterator<Item = u32> {
        self.stdout_log.into_iter().chain(self.stderr_log)
    }

    /// Numbers of its sockets.
    pub fn sockets(&self) -> impl Iterator<Item = u32> {
        self.stdin.into_iter().chain(self.listen.iter().copied())
    }
}

fn place<T>(list: &mut [T], n: u32) -> Option<&mut T> {
    list.get_mut(usize::try_from(n).ok()?)
}

/// What stands under a number.
fn at<T>(list: &[Option<T>], n: u32) -> Option<&T> {
    list.get(usize::try_from(n).ok()?)?.as_ref()
}

fn absolute(path: &[u8]) -> bool {
    path.starts_with(b"/") && path.len() <= MAX_PATH
}

impl Sink {
    fn check(&self) -> Result<(), Error> {
        let (good, field) = match self {
            Sink::File(log) => {
                let owner = [log.uid, log.gid].into_iter().all(|id| id != Some(u32::MAX));
                let path = absolute(&log.path) && !log.path.ends_with(b"/");
                let sound = log.backups <= MAX_BACKUPS && log.mode <= 0o777 && owner;
                (path && sound, if path { "log file" } else { "path" })
            }
            Sink::Inherited(number) => ((1..=2).contains(number), "inherited descriptor"),
            Sink::Syslog => (true, ""),
        };
        if good { Ok(()) } else { Err(Error::Value(field)) }
    }
}

/// Where a [`Socket::Tcp`] listens.
pub fn endpoint(address: u128, port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::from_bits(address).to_canonical(), port)
}

impl Socket {
    fn check(&self) -> Result<(), Error> {
        let (good, field) = match self {
            Socket::Unix { path, mode, uid, gid } => {
                let ids = [uid, gid].into_iter().all(|id| *id != Some(u32::MAX));
                let path = absolute(path) && !path.ends_with(b"/");
                (path && ids && *mode <= 0o777, "unix socket")
            }
            Socket::Tcp { port, .. } => (*port != 0, "port"),
        };
        if good { Ok(()) } else { Err(Error::Value(field)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        Table {
            daemon: true,
            stdout: false,
            umask: 0o22,
            directory: Some(b"/".to_vec()),
            user: None,
            broker: Some(Identity { uid: 65_520, gid: 65_520, groups: vec![] }),
            audit: Some(Audit {
                identity: Some(Identity { uid: 65_521, gid: 65_521, groups: vec![] }),
                log: LogFile {
                    path: b"/var/log/audit.log".to_vec(),
                    maxbytes: 50 << 20,
                    backups: 10,
                    mode: 0o600,
                    exact: false,
                    uid: None,
                    gid: None,
                    auto: false,
                },
                syslog: true,
            }),
            pam: true,
            sandbox_required: true,
            nofile: Some((1024, 20_000)),
            nproc: None,
            pidfile: Some(b"/run/supervisord.pid".to_vec()),
            cgroup: Some(b"/sys/fs/cgroup".to_vec()),
            env: vec![b"PATH=/bin".to_vec()],
            shutdown: Some(8_000),
            shared: vec![
                None,
                Some(Shared {
                    socket: Socket::Tcp { address: 0, port: 80 },
                    backlog: 128,
                    held: true,
                }),
            ],
            tls: vec![0],
            sockets: vec![
                Socket::Unix {
                    path: b"/run/s.sock".to_vec(),
                    mode: 0o700,
                    uid: None,
                    gid: Some(4),
                },
                Socket::Tcp { address: 0xffff_7f00_0001, port: 9001 },
            ],
            logs: vec![
                Some(Sink::File(LogFile {
                    path: b"/var/log/supervisord.log".to_vec(),
                    maxbytes: 50 << 20,
                    backups: 10,
                    mode: 0o666,
                    exact: false,
                    uid: None,
                    gid: Some(4),
                    auto: false,
                })),
                None,
                Some(Sink::Syslog),
            ],
            activity_log: true,
            sweep: Some(Sweep { directory: b"/tmp".to_vec(), infix: b"---supervisor-".to_vec() }),
            entries: vec![Some(Entry {
                name: b"cat:cat".to_vec(),
                identity: Some(Identity { uid: 65_534, gid: 65_534, groups: vec![65_534, 4] }),
                argv: vec![b"cat".to_vec(), b"-u".to_vec()],
                executables: vec![b"/bin/cat".to_vec()],
                env: vec![b"A=1".to_vec()],
                directory: None,
                umask: Some(0o77),
                stdout_log: Some(0),
                stderr_log: None,
                redirect_stderr: true,
                stdin: None,
                listen: vec![1],
                staging: true,
                wave: -1,
                stop_signal: 15,
                stop_group: false,
                kill_group: false,
                kill_tree: true,
                stop_wait: 10_000,
            })],
        }
    }

    #[test]
    fn survives_the_wire_and_every_cut_is_refused() {
        let bytes = sample().encode();
        let table = Table::read(&bytes).unwrap();
        assert_eq!(table, sample());
        assert_eq!(table.encode(), bytes);
        for n in 0..bytes.len() {
            assert!(Table::read(&bytes[..n]).is_err(), "{n} bytes");
        }
    }

    fn refused(change: impl FnOnce(&mut Table)) -> Option<Error> {
        let mut table = sample();
        change(&mut table);
        Table::read(&table.encode()).err()
    }

    fn entry(table: &mut Table) -> &mut Entry {
        table.entries[0].as_mut().unwrap()
    }

    fn log(table: &mut Table) -> &mut LogFile {
        match &mut table.logs[0] {
            Some(Sink::File(log)) => log,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_that_would_harm_are_refused() {
        let value = |name| Some(Error::Value(name));
        let identity = |t: &mut Table, change: fn(&mut Identity)| {
            change(entry(t).identity.as_mut().unwrap());
        };
        assert_eq!(refused(|t| identity(t, |i| i.uid = u32::MAX)), value("user or group id"));
        assert_eq!(refused(|t| identity(t, |i| i.groups[1] = u32::MAX)), value("user or group id"));
        assert_eq!(refused(|t| t.umask = 0o1000), value("umask"));
        assert_eq!(refused(|t| log(t).path = b"log".to_vec()), value("path"));
        assert_eq!(refused(|t| log(t).path = b"/var/log/".to_vec()), value("path"));
        let relative = |t: &mut Table| t.audit.as_mut().unwrap().log.path = b"log".to_vec();
        assert_eq!(refused(relative), value("path"));
        let beside = |end: &'static [u8]| {
            refused(move |t| log(t).path = [&t.audit.clone().unwrap().log.path, end].concat())
        };
        for end in [&b""[..], b".anchor", b".1", b".12"] {
            assert_eq!(beside(end), value("a log where the audit log is"));
        }
        assert_eq!(beside(b".old").or(beside(b"1")).or(beside(b".1x")), None);
        assert_eq!(refused(|t| log(t).uid = Some(u32::MAX)), value("log file"));
        assert_eq!(refused(|t| log(t).mode = 0o4755), value("log file"));
        assert_eq!(
            refused(|t| t.logs[0] = Some(Sink::Inherited(3))),
            value("inherited descriptor")
        );
        assert_eq!(refused(|t| t.pidfile = Some(b"a\0b".to_vec())), value("NUL in a string"));
        assert_eq!(
            refused(|t| t.sweep.as_mut().unwrap().infix.clear()),
            value("infix of old logs")
        );
        assert_eq!(refused(|t| entry(t).stop_signal = 0), value("stop signal"));
        // A number of the list that is free names nothing.
        assert_eq!(refused(|t| entry(t).stdout_log = Some(1)), value("log number"));
        assert_eq!(refused(|t| entry(t).stdout_log = Some(3)), value("log number"));
        assert_eq!(refused(|t| entry(t).stdin = Some(0)), value("socket number"));
        assert_eq!(refused(|t| entry(t).stdin = Some(1)), value("a staging pipe before a socket"));
        assert_eq!(refused(|t| entry(t).listen[0] = 2), value("socket number"));
        assert_eq!(
            refused(|t| entry(t).stderr_log = Some(0)),
            value("a log for a redirected stream")
        );
        assert_eq!(refused(|t| t.nofile = Some((2, 1))), value("limit"));
        assert_eq!(refused(|t| t.logs[0] = None), value("activity log"));
    }

    #[test]
    fn a_later_reading_changes_nothing_that_lives() {
        let kept = |change: fn(&mut Table)| {
            let mut new = sample();
            change(&mut new);
            new.keeps(&sample())
        };
        assert!(kept(|_| {}));
        assert!(kept(|t| t.entries.push(None)));
        assert!(kept(|t| t.logs[1] = Some(Sink::Syslog)));
        assert!(!kept(|t| t.entries[0] = None));
        assert!(!kept(|t| entry(t).argv.clear()));
        assert!(!kept(|t| entry(t).staging = false));
        assert!(!kept(|t| log(t).path.push(b'x')));
        assert!(!kept(|t| t.shared.truncate(1)));
    }

    #[test]
    fn an_address_of_either_version_has_one_form() {
        let text = |address| endpoint(address, 80).to_string();
        assert_eq!(text(0), "[::]:80");
        assert_eq!(text(1), "[::1]:80");
        assert_eq!(text(0xffff_0000_0000), "0.0.0.0:80");
        assert_eq!(text(0xffff_7f00_0001), "127.0.0.1:80");
        assert_eq!(text(0x7f00_0001), "[::7f00:1]:80");
    }

    #[test]
    fn what_only_a_retired_entry_had_is_forgotten() {
        let mut table = sample();
        let shared = table.entries[0].clone();
        table.logs[1] = table.logs[0].clone();
        entry(&mut table).stderr_log = Some(1);
        entry(&mut table).redirect_stderr = false;
        table.entries.push(shared);
        // Its standard output goes to the activity log, and the socket is another's, too.
        assert_eq!(table.retire(0), (vec![1], vec![]));
        assert_eq!(table.retire(0), (vec![], vec![]));
        assert_eq!(table.retire(1), (vec![], vec![1]));
        assert_eq!(table.retire(7), (vec![], vec![]));
        assert!(table.log(0).is_some() && table.log(1).is_none() && table.socket(1).is_none());
        assert_eq!(Table::read(&table.encode()), Ok(table));
    }

    #[test]
    fn broker_and_writer_are_nobody_else() {
        let permit = |change: fn(&mut Table), euid| {
            let mut table = sample();
            change(&mut table);
            table.permit(euid)
        };
        assert_eq!(permit(|_| {}, 0), Ok(()));
        let none = Err(Error::Value("no user for the broker or the audit writer"));
        let one = Err(Error::Value("a user for the broker or the audit writer"));
        let root = Err(Error::Value("the broker or the audit writer would be root"));
        let taken = Err(Error::Value("a user id that others have"));
        fn writer(t: &mut Table) -> &mut Option<Identity> {
            &mut t.audit.as_mut().unwrap().identity
        }
        assert_eq!(permit(|t| t.broker = None, 0), none);
        assert_eq!(permit(|t| *writer(t) = None, 0), none);
        assert_eq!(permit(|t| t.audit = None, 0), Ok(()));
        assert_eq!(permit(|_| {}, 1000), one);
        assert_eq!(permit(|t| t.broker = None, 1000), one);
        assert_eq!(permit(|t| (t.broker, *writer(t)) = (None, None), 1000), Ok(()));
        assert_eq!(permit(|t| t.broker.as_mut().unwrap().uid = 0, 0), root);
        assert_eq!(permit(|t| t.broker.as_mut().unwrap().groups.push(0), 0), root);
        assert_eq!(permit(|t| writer(t).as_mut().unwrap().gid = 0, 0), root);
        assert_eq!(permit(|t| entry(t).identity.as_mut().unwrap().uid = 65_520, 0), taken);
        assert_eq!(permit(|t| entry(t).identity.as_mut().unwrap().uid = 65_521, 0), taken);
        assert_eq!(permit(|t| writer(t).as_mut().unwrap().uid = 65_520, 0), taken);
        // `user=` makes the spawner an ordinary process: one uid.
        let user = |t: &mut Table| t.user = Some(Identity { uid: 7, gid: 7, groups: vec![] });
        assert_eq!(permit(user, 0), one);
    }
}
