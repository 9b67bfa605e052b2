//! The launch table: everything that the spawner may ever do for a broker, decided before the broker starts.
//!
//! The reader writes it, the spawner decodes and validates it once and never takes another word on any of it. The
//! encoding is canonical. Paths, arguments and variables are bytes without NUL.

use crate::frame::{Cursor, Error, Writer};
use crate::request::VERSION;

const MAGIC: u16 = 0x5650;
/// The most bytes of an encoded table.
pub const MAX: usize = 64 << 20;
/// The most program processes.
pub const MAX_SLOTS: usize = 16_384;
/// The most log files.
pub const MAX_LOGS: usize = 2 * MAX_SLOTS + 1;
/// The most listening sockets.
pub const MAX_SOCKETS: usize = 64;
/// The longest path; the system's limit less the room for a rotation's suffix.
pub const MAX_PATH: usize = 4_000;
/// The longest single argument or variable, as in Linux.
pub const MAX_WORD: usize = 131_072;
const MAX_WORDS: usize = 65_536;
const MAX_GROUPS: usize = 65_536;
const MAX_BACKUPS: u32 = 100_000;

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

/// A limit pair; `u64::MAX` is unlimited.
pub type Limit = (u64, u64);

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Rotate at this size in bytes; 0 never.
    pub maxbytes: u64,
    /// How many rotated files to keep; 0 empties the file in place instead.
    pub backups: u32,
    /// Mode of a new file before the umask.
    pub mode: u32,
    /// The name was made for this start (AUTO): it is created, and must not be there yet.
    pub auto: bool,
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// A unix socket.
    Unix {
        /// Absolute path.
        path: Vec<u8>,
        /// Its mode.
        mode: u32,
        /// Owner to set; `None` leaves it.
        uid: Option<u32>,
        /// Group to set; `None` leaves it.
        gid: Option<u32>,
    },
    /// A TCP socket over IPv4.
    Tcp {
        /// Address; 0.0.0.0 for all.
        address: [u8; 4],
        /// Port, never 0.
        port: u16,
    },
}

/// One program process: what the spawner needs to start, stop and log it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the identity to become; `None` stays what the spawner is.
    pub identity: Option<u32>,
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
    /// Number of the process's group, for the spawner's own orderly stop: a higher wave is stopped earlier.
    pub wave: i64,
    /// Signal that stops it, 1 to 64.
    pub stop_signal: u8,
    /// Whether the stop signal goes to the process group.
    pub stop_group: bool,
    /// Whether SIGKILL goes to the process group.
    pub kill_group: bool,
    /// Milliseconds from the stop signal to SIGKILL.
    pub stop_wait: u32,
}

/// Old AUTO logs to remove at start: regular files of our own in this directory whose names carry the infix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Absolute path of the directory.
    pub directory: Vec<u8>,
    /// `---IDENTIFIER-`.
    pub infix: Vec<u8>,
}

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
    /// Identities of programs.
    pub identities: Vec<Identity>,
    /// Listening sockets.
    pub sockets: Vec<Socket>,
    /// Log files; number 0 is the activity log where `activity_log` says so.
    pub logs: Vec<LogFile>,
    /// Whether log 0 is the activity log.
    pub activity_log: bool,
    /// Old AUTO logs to remove.
    pub sweep: Option<Sweep>,
    /// Program processes; the position is the slot.
    pub entries: Vec<Entry>,
}

impl Table {
    /// The bytes of the table.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u16(MAGIC).u8(VERSION).u8(0);
        w.bool(self.daemon).bool(self.stdout).u32(self.umask);
        option(&mut w, &self.directory, |w, d| {
            w.text(d);
        });
        option(&mut w, &self.user, put_identity);
        option(&mut w, &self.broker, put_identity);
        w.bool(self.sandbox_required);
        option(&mut w, &self.nofile, put_limit);
        option(&mut w, &self.nproc, put_limit);
        for path in [&self.pidfile, &self.cgroup] {
            option(&mut w, path, |w, p| {
                w.text(p);
            });
        }
        put_words(&mut w, &self.env);
        w.list(&self.identities, put_identity);
        w.list(&self.sockets, put_socket);
        w.list(&self.logs, put_log);
        w.bool(self.activity_log);
        option(&mut w, &self.sweep, |w, s| {
            w.text(&s.directory).text(&s.infix);
        });
        w.list(&self.entries, put_entry);
        w.finish()
    }

    /// Reads and validates a table. What this returns is safe to act on as far as numbers and references go; who may
    /// appear in it is for [`Table::permit`].
    pub fn decode(bytes: &[u8]) -> Result<Table, Error> {
        let mut c = Cursor::new(bytes);
        if c.u16()? != MAGIC || c.u8()? != VERSION || c.u8()? != 0 {
            return Err(Error::Version);
        }
        let table = Table {
            daemon: c.bool()?,
            stdout: c.bool()?,
            umask: umask(&mut c)?,
            directory: maybe(&mut c, path)?,
            user: maybe(&mut c, identity)?,
            broker: maybe(&mut c, identity)?,
            sandbox_required: c.bool()?,
            nofile: maybe(&mut c, limit)?,
            nproc: maybe(&mut c, limit)?,
            pidfile: maybe(&mut c, path)?,
            cgroup: maybe(&mut c, path)?,
            env: words(&mut c)?,
            identities: c.list(MAX_SLOTS, identity)?,
            sockets: c.list(MAX_SOCKETS, socket)?,
            logs: c.list(MAX_LOGS, log)?,
            activity_log: c.bool()?,
            sweep: maybe(&mut c, sweep)?,
            entries: c.list(MAX_SLOTS, entry)?,
        };
        c.end()?;
        table.references()?;
        Ok(table)
    }

    /// Every number that names something names something that is there.
    fn references(&self) -> Result<(), Error> {
        let within = |n: Option<u32>, len: usize| {
            n.is_none_or(|n| usize::try_from(n).is_ok_and(|n| n < len))
        };
        if self.activity_log && self.logs.is_empty() {
            return Err(Error::Value("activity log"));
        }
        for e in &self.entries {
            if !within(e.identity, self.identities.len()) {
                return Err(Error::Value("identity number"));
            }
            if !within(e.stdout_log, self.logs.len()) || !within(e.stderr_log, self.logs.len()) {
                return Err(Error::Value("log number"));
            }
            if e.redirect_stderr && e.stderr_log.is_some() {
                return Err(Error::Value("a log for a redirected stream"));
            }
        }
        Ok(())
    }

    /// Who may appear: as root (`euid` 0) the broker has a uid of its own that no program and no daemon has; otherwise
    /// there is one uid and the broker's identity is not set.
    pub fn permit(&self, euid: u32) -> Result<(), Error> {
        let root = self.user.as_ref().map_or(euid, |user| user.uid) == 0;
        match &self.broker {
            None if root => return Err(Error::Value("no user for the broker")),
            None => {}
            Some(_) if !root => return Err(Error::Value("a user for the broker")),
            Some(broker) => {
                let taken = |i: &Identity| i.uid == broker.uid;
                if broker.uid == 0 || broker.gid == 0 || broker.groups.contains(&0) {
                    return Err(Error::Value("the broker would be root"));
                }
                if self.identities.iter().any(taken) {
                    return Err(Error::Value("a program has the broker's user id"));
                }
            }
        }
        Ok(())
    }

    /// The identity that an entry becomes.
    pub fn identity(&self, entry: &Entry) -> Option<&Identity> {
        let n = usize::try_from(entry.identity?).ok()?;
        self.identities.get(n)
    }
}

fn option<T>(w: &mut Writer, value: &Option<T>, put: impl FnOnce(&mut Writer, &T)) {
    w.bool(value.is_some());
    if let Some(value) = value {
        put(w, value);
    }
}

fn maybe<T>(
    c: &mut Cursor<'_>,
    get: impl FnOnce(&mut Cursor<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if c.bool()? { get(c).map(Some) } else { Ok(None) }
}

fn put_words(w: &mut Writer, words: &[Vec<u8>]) {
    w.list(words, |w, word| {
        w.text(word);
    });
}

fn words(c: &mut Cursor<'_>) -> Result<Vec<Vec<u8>>, Error> {
    c.list(MAX_WORDS, |c| c.text(MAX_WORD))
}

fn path(c: &mut Cursor<'_>) -> Result<Vec<u8>, Error> {
    let path = c.text(MAX_PATH)?;
    if path.first() == Some(&b'/') { Ok(path) } else { Err(Error::Value("path")) }
}

fn id(c: &mut Cursor<'_>) -> Result<u32, Error> {
    match c.u32()? {
        u32::MAX => Err(Error::Value("user or group id")),
        id => Ok(id),
    }
}

fn umask(c: &mut Cursor<'_>) -> Result<u32, Error> {
    match c.u32()? {
        mask @ 0..=0o777 => Ok(mask),
        _ => Err(Error::Value("umask")),
    }
}

fn mode(c: &mut Cursor<'_>) -> Result<u32, Error> {
    match c.u32()? {
        mode @ 0..=0o777 => Ok(mode),
        _ => Err(Error::Value("mode")),
    }
}

fn put_limit(w: &mut Writer, limit: &Limit) {
    w.u64(limit.0).u64(limit.1);
}

fn limit(c: &mut Cursor<'_>) -> Result<Limit, Error> {
    let (soft, hard) = (c.u64()?, c.u64()?);
    if soft > hard { Err(Error::Value("limit")) } else { Ok((soft, hard)) }
}

fn put_identity(w: &mut Writer, i: &Identity) {
    w.u32(i.uid).u32(i.gid).list(&i.groups, |w, g| {
        w.u32(*g);
    });
}

fn identity(c: &mut Cursor<'_>) -> Result<Identity, Error> {
    Ok(Identity { uid: id(c)?, gid: id(c)?, groups: c.list(MAX_GROUPS, id)? })
}

fn put_socket(w: &mut Writer, socket: &Socket) {
    match socket {
        Socket::Unix { path, mode, uid, gid } => {
            w.u8(1).text(path).u32(*mode);
            for id in [uid, gid] {
                option(w, id, |w, id| {
                    w.u32(*id);
                });
            }
        }
        Socket::Tcp { address, port } => {
            w.u8(2).raw(address).u16(*port);
        }
    }
}

fn socket(c: &mut Cursor<'_>) -> Result<Socket, Error> {
    match c.u8()? {
        1 => {
            let (path, mode) = (path(c)?, mode(c)?);
            if path.ends_with(b"/") {
                return Err(Error::Value("path"));
            }
            Ok(Socket::Unix { path, mode, uid: maybe(c, id)?, gid: maybe(c, id)? })
        }
        2 => {
            let address = [c.u8()?, c.u8()?, c.u8()?, c.u8()?];
            match c.u16()? {
                0 => Err(Error::Value("port")),
                port => Ok(Socket::Tcp { address, port }),
            }
        }
        _ => Err(Error::Tag),
    }
}

fn put_log(w: &mut Writer, log: &LogFile) {
    w.text(&log.path).u64(log.maxbytes).u32(log.backups).u32(log.mode).bool(log.auto);
}

fn log(c: &mut Cursor<'_>) -> Result<LogFile, Error> {
    let log = LogFile {
        path: path(c)?,
        maxbytes: c.u64()?,
        backups: c.u32()?,
        mode: mode(c)?,
        auto: c.bool()?,
    };
    if log.backups > MAX_BACKUPS {
        return Err(Error::Value("number of rotated logs"));
    }
    if log.path.ends_with(b"/") { Err(Error::Value("path")) } else { Ok(log) }
}

fn sweep(c: &mut Cursor<'_>) -> Result<Sweep, Error> {
    let sweep = Sweep { directory: path(c)?, infix: c.text(MAX_PATH)? };
    // An empty infix would match every file.
    if sweep.infix.len() < 4 || !sweep.infix.starts_with(b"---") || sweep.infix.contains(&b'/') {
        return Err(Error::Value("infix of old logs"));
    }
    Ok(sweep)
}

fn put_entry(w: &mut Writer, e: &Entry) {
    let number = |w: &mut Writer, n: &u32| {
        w.u32(*n);
    };
    option(w, &e.identity, number);
    put_words(w, &e.argv);
    put_words(w, &e.executables);
    put_words(w, &e.env);
    option(w, &e.directory, |w, d| {
        w.text(d);
    });
    option(w, &e.umask, number);
    option(w, &e.stdout_log, number);
    option(w, &e.stderr_log, number);
    w.bool(e.redirect_stderr).u64(e.wave.cast_unsigned()).u8(e.stop_signal);
    w.bool(e.stop_group).bool(e.kill_group).u32(e.stop_wait);
}

fn entry(c: &mut Cursor<'_>) -> Result<Entry, Error> {
    let number = |c: &mut Cursor<'_>| c.u32();
    Ok(Entry {
        identity: maybe(c, number)?,
        argv: words(c)?,
        executables: c.list(MAX_WORDS, |c| c.text(MAX_PATH))?,
        env: words(c)?,
        directory: maybe(c, |c| c.text(MAX_PATH))?,
        umask: maybe(c, umask)?,
        stdout_log: maybe(c, number)?,
        stderr_log: maybe(c, number)?,
        redirect_stderr: c.bool()?,
        wave: c.u64()?.cast_signed(),
        stop_signal: match c.u8()? {
            signo @ 1..=64 => signo,
            _ => return Err(Error::Value("stop signal")),
        },
        stop_group: c.bool()?,
        kill_group: c.bool()?,
        stop_wait: c.u32()?,
    })
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
            sandbox_required: true,
            nofile: Some((1024, 20_000)),
            nproc: None,
            pidfile: Some(b"/run/supervisord.pid".to_vec()),
            cgroup: Some(b"/sys/fs/cgroup".to_vec()),
            env: vec![b"PATH=/bin".to_vec()],
            identities: vec![Identity { uid: 65_534, gid: 65_534, groups: vec![65_534, 4] }],
            sockets: vec![
                Socket::Unix {
                    path: b"/run/s.sock".to_vec(),
                    mode: 0o700,
                    uid: None,
                    gid: Some(4),
                },
                Socket::Tcp { address: [127, 0, 0, 1], port: 9001 },
            ],
            logs: vec![LogFile {
                path: b"/var/log/supervisord.log".to_vec(),
                maxbytes: 50 << 20,
                backups: 10,
                mode: 0o666,
                auto: false,
            }],
            activity_log: true,
            sweep: Some(Sweep { directory: b"/tmp".to_vec(), infix: b"---supervisor-".to_vec() }),
            entries: vec![Entry {
                identity: Some(0),
                argv: vec![b"cat".to_vec(), b"-u".to_vec()],
                executables: vec![b"/bin/cat".to_vec()],
                env: vec![b"A=1".to_vec()],
                directory: None,
                umask: Some(0o77),
                stdout_log: Some(0),
                stderr_log: None,
                redirect_stderr: true,
                wave: -1,
                stop_signal: 15,
                stop_group: false,
                kill_group: false,
                stop_wait: 10_000,
            }],
        }
    }

    #[test]
    fn survives_the_wire_and_every_cut_is_refused() {
        let bytes = sample().encode();
        let table = Table::decode(&bytes).unwrap();
        assert_eq!(table, sample());
        assert_eq!(table.encode(), bytes);
        for n in 0..bytes.len() {
            assert!(Table::decode(&bytes[..n]).is_err(), "{n} bytes");
        }
    }

    fn refused(change: impl FnOnce(&mut Table)) -> Option<Error> {
        let mut table = sample();
        change(&mut table);
        Table::decode(&table.encode()).err()
    }

    #[test]
    fn values_that_would_harm_are_refused() {
        let value = |name| Some(Error::Value(name));
        assert_eq!(refused(|t| t.identities[0].uid = u32::MAX), value("user or group id"));
        assert_eq!(refused(|t| t.identities[0].groups[1] = u32::MAX), value("user or group id"));
        assert_eq!(refused(|t| t.umask = 0o1000), value("umask"));
        assert_eq!(refused(|t| t.logs[0].path = b"log".to_vec()), value("path"));
        assert_eq!(refused(|t| t.logs[0].path = b"/var/log/".to_vec()), value("path"));
        assert_eq!(refused(|t| t.pidfile = Some(b"a\0b".to_vec())), value("NUL in a string"));
        assert_eq!(
            refused(|t| t.sweep.as_mut().unwrap().infix.clear()),
            value("infix of old logs")
        );
        assert_eq!(refused(|t| t.entries[0].stop_signal = 0), value("stop signal"));
        assert_eq!(refused(|t| t.entries[0].identity = Some(1)), value("identity number"));
        assert_eq!(refused(|t| t.entries[0].stdout_log = Some(1)), value("log number"));
        assert_eq!(
            refused(|t| t.entries[0].stderr_log = Some(0)),
            value("a log for a redirected stream")
        );
        assert_eq!(refused(|t| t.nofile = Some((2, 1))), value("limit"));
        assert_eq!(refused(|t| t.logs.clear()), value("activity log"));
    }

    #[test]
    fn the_broker_is_nobody_else() {
        let permit = |change: fn(&mut Table), euid| {
            let mut table = sample();
            change(&mut table);
            table.permit(euid)
        };
        assert_eq!(permit(|_| {}, 0), Ok(()));
        let value = |name| Err(Error::Value(name));
        assert_eq!(permit(|t| t.broker = None, 0), value("no user for the broker"));
        assert_eq!(permit(|_| {}, 1000), value("a user for the broker"));
        assert_eq!(permit(|t| t.broker = None, 1000), Ok(()));
        assert_eq!(
            permit(|t| t.broker.as_mut().unwrap().uid = 0, 0),
            value("the broker would be root")
        );
        assert_eq!(
            permit(|t| t.broker.as_mut().unwrap().groups.push(0), 0),
            value("the broker would be root")
        );
        assert_eq!(
            permit(|t| t.identities[0].uid = 65_520, 0),
            value("a program has the broker's user id")
        );
        // `user=` makes the spawner an ordinary process: one uid.
        let user = |t: &mut Table| t.user = Some(Identity { uid: 7, gid: 7, groups: vec![] });
        assert_eq!(permit(user, 0), value("a user for the broker"));
    }
}
