//! Root. From exec to service: read, detach, lock, bind, open, start; and what is taken back at the end.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, SealFlag, fcntl, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::{Mode, fstat, fstatat, mkdirat, umask};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{
    UnlinkatFlags, chdir, dup2_stderr, dup2_stdin, dup2_stdout, ftruncate, getegid, geteuid, pipe2,
    read, setsid, unlinkat, write,
};
use privsep::journal;
use privsep::start::Start;
use privsep::table::{Limit, Socket, Table};

use crate::child::become_user;
use crate::helpers::Helpers;
use crate::logfile::{self, Started, Task};
use crate::path::{Place, Walk, plain, trusted_uid, walk};
use crate::reading::{self, Failed, Reading};
use crate::socket::{self, Bound, Refused};
use crate::spawner::Spawner;
use crate::store::Store;
use crate::sys::{self, Cloned, say};

/// The capabilities that the spawner keeps. The bounding set stays: a program of root's gets all of it at exec.
const KEPT: [caps::Capability; 9] = [
    caps::Capability::CAP_CHOWN,
    caps::Capability::CAP_DAC_OVERRIDE,
    caps::Capability::CAP_FOWNER,
    caps::Capability::CAP_KILL,
    caps::Capability::CAP_SETGID,
    caps::Capability::CAP_SETUID,
    caps::Capability::CAP_SETPCAP,
    caps::Capability::CAP_NET_BIND_SERVICE,
    caps::Capability::CAP_SYS_RESOURCE,
];
/// Exit status of the reference for every error at start.
const USAGE: u8 = 2;

/// A daemon that is about to serve.
pub struct Begun {
    pub spawner: Spawner,
    pub signals: SignalFd,
    pidfile: Option<Pidfile>,
    cgroup_parent: Option<OwnedFd>,
    /// Where the caller waits for the exit status.
    caller: Option<OwnedFd>,
}

struct Pidfile {
    file: Flock<OwnedFd>,
    place: Place,
}

/// Everything up to the broker. An error has been said already; it is the exit status.
pub fn begin(restarted: bool) -> Result<Begun, u8> {
    let helpers = Helpers::open().map_err(|(path, errno)| {
        fail(&[b"could not use the helper program ", &path, b": ", name(errno)])
    })?;
    let signals = crate::signals().ok_or_else(|| fail(&[b"could not take signals"]))?;
    let start = start_record();
    let Reading { table, settings } = reading::read(&helpers, &start).map_err(explain)?;
    let caller = if table.daemon && !restarted { Some(detach()?) } else { None };
    let begun = establish(helpers, signals, start, table, settings)
        .inspect_err(|status| report(caller.as_ref(), *status))?;
    Ok(Begun { caller, ..begun })
}

fn establish(
    helpers: Helpers,
    signals: SignalFd,
    start: Start,
    table: Table,
    settings: OwnedFd,
) -> Result<Begun, u8> {
    let limits = raise_limits(&start, &table);
    if let Some(user) = &table.user {
        become_user(user).map_err(|_| fail(&[b"Can't drop privilege as nonroot user"]))?;
    }
    let pidfile = lock(&table)?;
    let listeners = bind(&table)?;
    let spawner =
        prepare(helpers, settings, limits, table, listeners).map_err(|(listeners, status)| {
            listeners.iter().for_each(Bound::remove);
            pidfile.iter().for_each(Pidfile::remove);
            status
        })?;
    Ok(Begun { spawner: spawner.0, signals, pidfile, cgroup_parent: spawner.1, caller: None })
}

type Prepared = (Spawner, Option<OwnedFd>);

/// What comes after the lock and the sockets, so that a second daemon has destroyed nothing.
fn prepare(
    helpers: Helpers,
    settings: OwnedFd,
    limits: (Limit, Limit, Limit),
    table: Table,
    listeners: Vec<Bound>,
) -> Result<Prepared, (Vec<Bound>, u8)> {
    if let Some(sweep) = &table.sweep {
        logfile::sweep(sweep);
    }
    let mut store = Store::new(table.entries.len(), table.logs.len());
    let ready = activity_log(&table, &mut store).and_then(|()| {
        make_journal(table.entries.len())
            .map_err(|e| fail(&[b"could not make the journal: ", name(e)]))
    });
    let journal = match ready {
        Ok(journal) => journal,
        Err(status) => return Err((listeners, status)),
    };
    let (cgroup, cgroup_parent) = cgroup(&table).unzip();
    trim_capabilities();
    let spawner = Spawner {
        table,
        store,
        helpers,
        settings,
        journal,
        listeners,
        cgroup,
        limits,
        broker: None,
        succession: Default::default(),
        jobs: Vec::new(),
        ours: Default::default(),
        strangers: Default::default(),
        untold: Default::default(),
        unheard: Default::default(),
        leaving: false,
        stop: None,
    };
    Ok((spawner, cgroup_parent))
}

fn name(errno: Errno) -> &'static [u8] {
    errno.desc().as_bytes()
}

/// Says why there is no start, in the reference's form.
fn fail(parts: &[&[u8]]) -> u8 {
    let argv0 = std::env::args_os().next().unwrap_or_default();
    say(&[b"Error: ", &parts.concat(), b"\nFor help, use ", argv0.as_bytes(), b" -h\n"]);
    USAGE
}

fn explain(failed: Failed) -> u8 {
    match failed {
        Failed::Leave(status) => status,
        Failed::System(what, errno) => {
            fail(&[b"could not read the configuration: ", what.as_bytes(), b": ", name(errno)])
        }
        Failed::Table(error) => {
            fail(&[b"the launch table was refused: ", error.to_string().as_bytes()])
        }
        Failed::Reader(why) => fail(&[b"the configuration reader was ended: ", why.as_bytes()]),
    }
}

fn start_record() -> Start {
    let limit = |what| getrlimit(what).unwrap_or((1024, 1024));
    let pair = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        [name.as_bytes(), b"=", value.as_bytes()].concat()
    };
    Start {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        spare: if geteuid().is_root() { reading::spare_uids() } else { 0 },
        nofile: limit(Resource::RLIMIT_NOFILE),
        nproc: limit(Resource::RLIMIT_NPROC),
        args: std::env::args_os().map(OsStringExt::into_vec).collect(),
        env: std::env::vars_os().map(pair).collect(),
    }
}

/// Goes into the background. The caller's process waits for the outcome and leaves with its status.
fn detach() -> Result<OwnedFd, u8> {
    let (outcome, ours) = pipe2(OFlag::O_CLOEXEC)
        .map_err(|e| fail(&[b"could not go into the background: ", name(e)]))?;
    match sys::clone(None) {
        Ok(Cloned::Child) => {
            let _ = setsid();
            Ok(ours)
        }
        Ok(Cloned::Parent { .. }) => {
            drop(ours);
            let _ = nix::sys::signal::SigSet::all().thread_unblock();
            let _ = poll(
                &mut [PollFd::new(outcome.as_fd(), PollFlags::POLLIN)],
                PollTimeout::from(60_000u16),
            );
            let _ = fcntl(&outcome, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
            let mut status = [USAGE];
            if read(&outcome, &mut status) != Ok(1) {
                say(&[b"Error: supervisord ended, or took too long, before it was ready\n"]);
            }
            let [status] = status;
            sys::exit(i32::from(status))
        }
        Err(errno) => Err(fail(&[b"could not go into the background: ", name(errno)])),
    }
}

fn report(caller: Option<&OwnedFd>, status: u8) {
    if let Some(caller) = caller {
        let _ = write(caller, &[status]);
    }
}

/// Raises our own limit of descriptors to what the table can need. Gives the limits of programs, and our own.
fn raise_limits(start: &Start, table: &Table) -> (Limit, Limit, Limit) {
    let (soft, hard) = start.nofile;
    let want = u64::try_from(table.entries.len()).unwrap_or(0).saturating_mul(8) + 256;
    let own = if setrlimit(Resource::RLIMIT_NOFILE, soft.max(want), hard.max(want)).is_ok() {
        (soft.max(want), hard.max(want))
    } else {
        (soft.max(want.min(hard)), hard)
    };
    let _ = setrlimit(Resource::RLIMIT_NOFILE, own.0, own.1);
    if own.0 < want {
        let text = format!(
            "Warning: {want} open files may be needed, but no more than {} are allowed (ulimit -n)\n",
            own.0
        );
        say(&[text.as_bytes()]);
    }
    (table.nofile.unwrap_or(start.nofile), table.nproc.unwrap_or(start.nproc), own)
}

/// Opens and locks the pidfile. One that cannot be written is said and done without, as by the reference.
fn lock(table: &Table) -> Result<Option<Pidfile>, u8> {
    let Some(path) = &table.pidfile else {
        return Ok(None);
    };
    let open = || -> Result<(OwnedFd, Place), Errno> {
        let place = if geteuid().is_root() { walk(path, Walk::All, false)? } else { plain(path)? };
        let flags = OFlag::O_RDWR
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK
            | OFlag::O_CLOEXEC;
        let file =
            openat(&place.dir, place.name.as_slice(), flags, Mode::from_bits_truncate(0o644))?;
        let stat = fstat(&file)?;
        let ours = stat.st_mode & libc::S_IFMT == libc::S_IFREG
            && stat.st_nlink == 1
            && trusted_uid(stat.st_uid);
        if ours { Ok((file, place)) } else { Err(Errno::EPERM) }
    };
    match open() {
        Ok((file, place)) => match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Pidfile { file, place })),
            Err(_) => {
                Err(fail(&[b"Another supervisord is already running: it holds the pidfile ", path]))
            }
        },
        Err(errno) => {
            say(&[b"could not write pidfile ", path, b": ", name(errno), b"\n"]);
            Ok(None)
        }
    }
}

impl Pidfile {
    fn write(&self) {
        let text = format!("{}\n", std::process::id());
        let _ = ftruncate(&*self.file, 0).and_then(|()| write(&*self.file, text.as_bytes()));
    }

    /// Removes the name if it is still this file's.
    fn remove(&self) {
        let name = self.place.name.as_slice();
        let there = fstatat(&self.place.dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW);
        let own = fstat(&*self.file);
        if there.is_ok_and(|t| own.is_ok_and(|o| (t.st_dev, t.st_ino) == (o.st_dev, o.st_ino))) {
            let _ = unlinkat(&self.place.dir, name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn bind(table: &Table) -> Result<Vec<Bound>, u8> {
    let mut bound: Vec<Bound> = Vec::new();
    for wanted in &table.sockets {
        match socket::open(wanted) {
            Ok(socket) => bound.push(socket),
            Err(refused) => {
                bound.iter().for_each(Bound::remove);
                return Err(refusal(wanted, &refused));
            }
        }
    }
    Ok(bound)
}

fn refusal(wanted: &Socket, refused: &Refused) -> u8 {
    let place = match wanted {
        Socket::Unix { path, .. } => path.clone(),
        Socket::Tcp { address, port } => {
            let [a, b, c, d] = address.to_be_bytes();
            format!("{a}.{b}.{c}.{d}:{port}").into_bytes()
        }
    };
    match refused {
        Refused::Busy => fail(&[
            b"Another program is already listening on a port that one of our HTTP servers is configured to use.  \
              Shut this program down first before starting supervisord.\n  (",
            &place,
            b")",
        ]),
        Refused::Occupied => fail(&[&place, b" exists and is not a socket; remove it, or name another file"]),
        Refused::Owner => fail(&[
            b"Not permitted to chown ",
            &place,
            b"; adjust \"sockchown\" value in config file or on command line to values that the current user can \
              successfully chown",
        ]),
        Refused::Errno(errno) => {
            let text = format!("Cannot open an HTTP server: socket.error reported errno.{errno:?} ({})\n  (", *errno as i32);
            fail(&[text.as_bytes(), &place, b")"])
        }
    }
}

/// The activity log is opened before anything starts: without it the daemon would be blind.
fn activity_log(table: &Table, store: &mut Store) -> Result<(), u8> {
    let Some(log) = table.logs.first().filter(|_| table.activity_log) else {
        return Ok(());
    };
    let file = match logfile::start(log, Task::Write, None) {
        Started::Done(result) => result,
        Started::Job { answer, .. } => {
            let _ = poll(
                &mut [PollFd::new(answer.as_fd(), PollFlags::POLLIN)],
                PollTimeout::from(5000u16),
            );
            logfile::answer(&answer).unwrap_or(Err(Errno::ETIMEDOUT))
        }
    };
    file.and_then(|file| store.keep_log(0, file))
        .map_err(|errno| fail(&[b"could not open the log file ", &log.path, b": ", name(errno)]))
}

fn make_journal(slots: usize) -> Result<OwnedFd, Errno> {
    let journal = memfd_create("journal", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&journal, i64::try_from(journal::size(slots)).map_err(|_| Errno::EFBIG)?)?;
    let seals = SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&journal, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(journal)
}

const LIST: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// A directory of ours below the daemon's cgroup, and that one; empty ones of dead daemons go.
fn cgroup(table: &Table) -> Option<(OwnedFd, OwnedFd)> {
    let parent = nix::fcntl::open(table.cgroup.as_deref()?, LIST, Mode::empty()).ok()?;
    if fstatfs(&parent).ok()?.filesystem_type() != CGROUP2_SUPER_MAGIC {
        return None;
    }
    for old in names(&parent).iter().filter(|name| name.starts_with(b"supervisord-")) {
        clear_cgroup(&parent, old);
    }
    let own = own_cgroup();
    mkdirat(&parent, own.as_slice(), Mode::from_bits_truncate(0o755)).ok()?;
    Some((openat(&parent, own.as_slice(), LIST, Mode::empty()).ok()?, parent))
}

fn own_cgroup() -> Vec<u8> {
    format!("supervisord-{}", std::process::id()).into_bytes()
}

/// Removes a cgroup and those below it, as far as nobody lives in them.
fn clear_cgroup(parent: &OwnedFd, name: &[u8]) {
    if let Ok(dir) = openat(parent, name, LIST, Mode::empty()) {
        for inner in names(&dir).iter().filter(|inner| inner.starts_with(b"process-")) {
            let _ = unlinkat(&dir, inner.as_slice(), UnlinkatFlags::RemoveDir);
        }
    }
    let _ = unlinkat(parent, name, UnlinkatFlags::RemoveDir);
}

fn names(dir: &OwnedFd) -> Vec<Vec<u8>> {
    let copy = openat(dir, ".", LIST, Mode::empty()).and_then(nix::dir::Dir::from_fd);
    let Ok(mut listing) = copy else {
        return Vec::new();
    };
    listing.iter().flatten().map(|entry| entry.file_name().to_bytes().to_vec()).collect()
}

fn trim_capabilities() {
    let Ok(held) = caps::read(None, caps::CapSet::Permitted) else {
        return;
    };
    let kept = KEPT.into_iter().filter(|cap| held.contains(cap)).collect();
    let _ = caps::set(None, caps::CapSet::Effective, &kept);
    let _ = caps::set(None, caps::CapSet::Permitted, &kept);
    let _ = caps::clear(None, caps::CapSet::Inheritable);
}

impl Begun {
    /// The broker serves: the pidfile is written, and a daemon lets go of its caller.
    pub fn ready(&mut self, restarted: bool) {
        let table = &self.spawner.table;
        if table.daemon && !restarted {
            umask(Mode::from_bits_truncate(table.umask));
        }
        if let Some(pidfile) = &self.pidfile {
            pidfile.write();
        }
        if !table.daemon || restarted {
            return;
        }
        if let Some(directory) = &table.directory
            && let Err(errno) = chdir(directory.as_slice())
        {
            say(&[b"can't chdir into '", directory, b"': ", name(errno), b"\n"]);
        }
        let null = &self.spawner.helpers.null;
        let _ = (dup2_stdin(null), dup2_stdout(null));
        report(self.caller.as_ref(), 0);
        let _ = dup2_stderr(null);
        self.caller = None;
    }

    /// The first broker ended before it was ready; it has said why on standard error.
    pub fn failed(&mut self) -> u8 {
        let status = self.spawner.succession.detail;
        let how = match (status & 0x7f, status >> 8) {
            (0, 126) => "it could not be executed".to_owned(),
            (0, code) => format!("exit status {code}"),
            (signo, _) => format!("signal {signo}"),
        };
        let status = fail(&[b"the broker (supervisor-broker) could not start: ", how.as_bytes()]);
        self.finish();
        report(self.caller.as_ref(), status);
        status
    }

    /// Takes back what the start made.
    pub fn finish(&mut self) {
        self.spawner.listeners.iter().for_each(Bound::remove);
        self.spawner.listeners.clear();
        if let Some(pidfile) = self.pidfile.take() {
            pidfile.remove();
        }
        if let Some(parent) = &self.cgroup_parent {
            clear_cgroup(parent, &own_cgroup());
        }
    }
}
