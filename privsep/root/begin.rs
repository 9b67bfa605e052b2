//! Root. From exec to service: read, detach, lock, bind, open, start; and what is taken back at the end.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl, openat};
use nix::poll::PollFlags;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::{fstat, umask};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use nix::sys::uio::pread;
use nix::unistd::{
    UnlinkatFlags, chdir, dup2_stderr, dup2_stdin, dup2_stdout, ftruncate, getegid, geteuid, pipe2,
    read, setsid, unlinkat, write,
};
use privsep::audit::Deed;
use privsep::journal::{self, CARRIED};
use privsep::start::Start;
use privsep::table::{self, Limit, Sink, Socket, Table, endpoint};

use crate::audit::Audit;
use crate::child::become_user;
use crate::errand::Errand;
use crate::helpers::Helpers;
use crate::logfile::{self, Started, Task};
use crate::path::{DIRECTORY, OwnName, Walk, find, id, is, mode, trusted_uid};
use crate::reading::{self, sheet};
use crate::socket::{self, Refused};
use crate::spawner::{CGROUP_PREFIX, Job, Sealed, Spawner, Work};
use crate::store::Store;
use crate::sys::{self, say};

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
/// How long the end may take to remove the names of programs' sockets, in nanoseconds.
const LEAVING: u64 = 2_000_000_000;
/// Exit status of the reference for every error at start.
const USAGE: u8 = 2;

/// A daemon that is about to serve. What it made goes when it is dropped.
pub struct Begun {
    pub spawner: Spawner,
    pub signals: SignalFd,
    pidfile: Option<Pidfile>,
    /// Where the caller waits for the exit status.
    caller: Option<OwnedFd>,
}

struct Pidfile {
    /// Goes first, while the file is still locked.
    _name: OwnName,
    file: Flock<OwnedFd>,
}

/// Everything up to the broker. An error has been said already; it is the exit status. Paths and limits mean what they
/// meant at the `first` start, whatever the daemon has changed about itself since, but it may have become another user.
pub fn begin(run: u32, first: &Start, carried: [u8; CARRIED]) -> Result<Begun, u8> {
    let helpers = Helpers::open()?;
    let signals = crate::signals().ok_or_else(|| fail(&[b"could not take signals"]))?;
    let start = Start { uid: geteuid().as_raw(), gid: getegid().as_raw(), ..first.clone() };
    let (table, settings) = reading::read(&helpers, &start)?;
    let caller = if table.daemon && run == 1 { Some(detach()?) } else { None };
    let (spawner, pidfile) = establish(helpers, start, (table, settings.into()), (run, carried))
        .inspect_err(|status| report(caller.as_ref(), *status))?;
    Ok(Begun { spawner, signals, pidfile, caller })
}

/// Locks and binds before anything is removed or opened, so that a second daemon destroys nothing of the first.
fn establish(
    helpers: Helpers,
    start: Start,
    (table, settings): (Table, OwnedFd),
    (run, carried): (u32, [u8; CARRIED]),
) -> Result<(Spawner, Option<Pidfile>), u8> {
    let limits = raise_limits(&start, &table);
    if let Some(user) = &table.user {
        become_user(user).map_err(|_| fail(&[b"Can't drop privilege as nonroot user"]))?;
    }
    let pidfile = lock(&table)?;
    let bind = |wanted| socket::open(wanted).map_err(|refused| refusal(wanted, &refused));
    let listeners = table.sockets.iter().map(bind).collect::<Result<_, u8>>()?;
    table.sweep.iter().for_each(logfile::sweep);
    let mut store = Store::new(table.entries.len(), table.logs.len(), table.shared.len());
    activity_log(&table, &mut store)?;
    let journal = sheet("journal", journal::SIZE, &carried, CARRIED_AT);
    let journal = journal.map_err(|e| cannot(&[b"make the journal of 206 MB"], e))?;
    let audit = table.audit.as_ref().map(|wanted| audit_log(wanted, table.daemon)).transpose()?;
    let cgroup = cgroup(&table);
    trim_capabilities();
    let sealed = Sealed {
        start,
        table,
        helpers,
        settings,
        journal,
        listeners,
        cgroup,
        run,
        epoch: run,
        limits,
    };
    let mut spawner = Spawner::new(sealed, store, audit);
    spawner.note(Deed::Began(run));
    spawner.bind_held(crate::now());
    Ok((spawner, pidfile))
}

fn name(errno: Errno) -> &'static [u8] {
    errno.desc().as_bytes()
}

/// Says why there is no start, in the reference's form.
pub fn fail(parts: &[&[u8]]) -> u8 {
    let argv0 = std::env::args_os().next().unwrap_or_default();
    say(&[b"Error: ", &parts.concat(), b"\nFor help, use ", argv0.as_bytes(), b" -h\n"]);
    USAGE
}

pub fn cannot(what: &[&[u8]], errno: Errno) -> u8 {
    fail(&[b"could not ", &what.concat(), b": ", name(errno)])
}

/// What the reader is told of the caller.
pub fn start_record() -> Start {
    let limit = |what| getrlimit(what).unwrap_or((1024, 1024));
    let pair = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        [name.as_bytes(), b"=", value.as_bytes()].concat()
    };
    Start {
        nofile: limit(Resource::RLIMIT_NOFILE),
        nproc: limit(Resource::RLIMIT_NPROC),
        cwd: std::env::current_dir().map(|dir| dir.into_os_string().into_vec()).unwrap_or_default(),
        args: std::env::args_os().map(OsStringExt::into_vec).collect(),
        env: std::env::vars_os().map(pair).collect(),
        ..Start::default()
    }
}

/// Goes into the background. The caller's process waits for the outcome and leaves with its status.
fn detach() -> Result<OwnedFd, u8> {
    let stuck = |errno| cannot(&[b"go into the background"], errno);
    let (outcome, ours) = pipe2(OFlag::O_CLOEXEC).map_err(stuck)?;
    if sys::clone(None, None).map_err(stuck)?.is_none() {
        // The fork has lost it.
        let _ = nix::sys::prctl::set_child_subreaper(true);
        let _ = setsid();
        return Ok(ours);
    }
    drop(ours);
    let _ = nix::sys::signal::SigSet::all().thread_unblock();
    let _ = sys::wait(&outcome, PollFlags::POLLIN, 60_000);
    let _ = fcntl(&outcome, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    let mut status = [USAGE];
    if read(&outcome, &mut status) != Ok(1) {
        say(&[b"Error: supervisord ended, or took too long, before it was ready\n"]);
    }
    let [status] = status;
    sys::exit(i32::from(status))
}

fn report(caller: Option<&OwnedFd>, status: u8) {
    if let Some(caller) = caller {
        let _ = write(caller, &[status]);
    }
}

/// Raises our own limit of descriptors to what the table can need. Gives the limits of programs, and our own.
fn raise_limits(start: &Start, table: &Table) -> (Limit, Limit, Limit) {
    let (soft, hard) = start.nofile;
    let staging = table.entries.iter().flatten().filter(|entry| entry.staging).count();
    let want = u64::try_from(table.entries.len() * 8 + staging * 2).unwrap_or(0) + 768;
    // A later reading may need more: root asks for all that any table can need.
    let most = want.max(1 << 17);
    let raised = |to: u64| (soft.max(to), hard.max(to));
    let wishes = [raised(most), raised(want), (soft.max(most.min(hard)), hard)];
    let set = |own: &Limit| setrlimit(Resource::RLIMIT_NOFILE, own.0, own.1).is_ok();
    let own = wishes.into_iter().find(set).unwrap_or(start.nofile);
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
    let open = || {
        let place = find(path, Walk::All)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = place.open(flags, 0o644)?;
        let stat = fstat(&file)?;
        let ours = is(&stat, libc::S_IFREG) && stat.st_nlink == 1 && trusted_uid(stat.st_uid);
        if ours { Ok((file, place, id(&stat))) } else { Err(Errno::EPERM) }
    };
    let (file, place, id) = match open() {
        Ok(opened) => opened,
        Err(errno) => {
            say(&[b"could not write pidfile ", path, b": ", name(errno), b"\n"]);
            return Ok(None);
        }
    };
    let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        fail(&[b"Another supervisord is already running: it holds the pidfile ", path])
    })?;
    // A daemon that was just ending has removed the name meanwhile: its successor makes a new file.
    if fstat(&*file).is_ok_and(|stat| stat.st_nlink == 0) {
        drop(file);
        return lock(table);
    }
    Ok(Some(Pidfile { _name: OwnName::new(place, id), file }))
}

impl Pidfile {
    fn write(&self) {
        let text = format!("{}\n", std::process::id());
        let _ = ftruncate(&*self.file, 0).and_then(|()| write(&*self.file, text.as_bytes()));
    }
}

fn refusal(wanted: &Socket, refused: &Refused) -> u8 {
    let place = match wanted {
        Socket::Unix { path, .. } => path.clone(),
        Socket::Tcp { address, port } => endpoint(*address, *port).to_string().into_bytes(),
    };
    let why;
    let (before, after): (&[u8], &[u8]) = match refused {
        Refused::Errno(Errno::EADDRINUSE) => (
            b"Another program is already listening on a port that one of our HTTP servers is configured to use.  \
              Shut this program down first before starting supervisord.\n  (",
            b")",
        ),
        Refused::Errno(Errno::ENOTSOCK) => {
            (b"", b" exists and is not a socket; remove it, or name another file")
        }
        Refused::Owner => (
            b"Not permitted to chown ",
            b"; adjust \"sockchown\" value in config file or on command line to values that the current user can \
              successfully chown",
        ),
        Refused::Errno(errno) => {
            let number = *errno as i32;
            why = format!("Cannot open an HTTP server: socket.error reported errno.{errno:?} ({number})\n  (");
            (why.as_bytes(), b")")
        }
    };
    fail(&[before, &place, after])
}

/// The activity log is opened before anything starts: without it the daemon would be blind.
fn activity_log(table: &Table, store: &mut Store) -> Result<(), u8> {
    let Some(log) = table.log(0).filter(|_| table.activity_log) else {
        return Ok(());
    };
    let file = match logfile::start(log, Task::Write, None) {
        Started::Done(result) => result,
        Started::Sent(errand) => {
            let _ = sys::wait(&errand.answer, PollFlags::POLLIN, 5000);
            let made = errand.answer().unwrap_or(Err(Errno::ETIMEDOUT));
            errand.process.end(false);
            made
        }
    };
    if matches!((log, &file), (Sink::Syslog, Err(_))) {
        // Nobody serves it yet: the broker tries again.
        return Ok(());
    }
    let path = if let Sink::File(log) = log { log.path.as_slice() } else { b"(inherited)" };
    file.and_then(|file| store.keep_log(0, file).map(drop))
        .map_err(|errno| cannot(&[b"open the log file ", path], errno))
}

fn audit_log(wanted: &table::Audit, quiet: bool) -> Result<Audit, u8> {
    let rule = b" (neither it nor its directories may be writable by others)";
    let path = wanted.log.path.as_slice();
    Audit::open(wanted, quiet).map_err(|errno| cannot(&[b"open the audit log ", path, rule], errno))
}

const CARRIED_AT: nix::libc::off_t = journal::CARRIED_AT as nix::libc::off_t;

/// What a journal has for the next one. It means nothing here.
pub fn carried(journal: &OwnedFd) -> [u8; CARRIED] {
    let mut carried = [0; CARRIED];
    // What could not be read stays 0.
    let _ = pread(journal, &mut carried, CARRIED_AT);
    carried
}

/// The daemon's cgroup directory, where each instance gets one below. Empty ones of dead instances go.
fn cgroup(table: &Table) -> Option<OwnedFd> {
    let home = nix::fcntl::open(table.cgroup.as_deref()?, DIRECTORY, mode(0)).ok()?;
    let version2 = fstatfs(&home).ok()?.filesystem_type() == CGROUP2_SUPER_MAGIC;
    version2.then(|| sweep_cgroups(&home))?;
    Some(home)
}

/// Removes what instances of any daemon here left; one that somebody lives in cannot be removed.
fn sweep_cgroups(home: &OwnedFd) {
    let Ok(listing) = openat(home, ".", DIRECTORY, mode(0)).and_then(nix::dir::Dir::from_fd) else {
        return;
    };
    for entry in listing.into_iter().flatten() {
        if entry.file_name().to_bytes().starts_with(CGROUP_PREFIX) {
            let _ = unlinkat(home, entry.file_name(), UnlinkatFlags::RemoveDir);
        }
    }
}

fn trim_capabilities() {
    let Ok(held) = caps::read(None, caps::CapSet::Permitted) else { return };
    let kept = KEPT.into_iter().filter(|cap| held.contains(cap)).collect();
    let _ = caps::set(None, caps::CapSet::Effective, &kept);
    let _ = caps::set(None, caps::CapSet::Permitted, &kept);
    let _ = caps::clear(None, caps::CapSet::Inheritable);
}

impl Begun {
    /// The broker serves: the pidfile is written, and a daemon lets go of its caller.
    pub fn ready(&mut self) {
        let restarted = self.spawner.sealed.run > 1;
        let table = &self.spawner.sealed.table;
        if let Some(pidfile) = &self.pidfile {
            pidfile.write();
        }
        if !table.daemon || restarted {
            return;
        }
        umask(mode(table.umask));
        if let Some(directory) = &table.directory
            && let Err(errno) = chdir(directory.as_slice())
        {
            say(&[b"can't chdir into '", directory, b"': ", name(errno), b"\n"]);
        }
        let null = &self.spawner.sealed.helpers.null;
        let _ = (dup2_stdin(null), dup2_stdout(null));
        report(self.caller.as_ref(), 0);
        let _ = dup2_stderr(null);
        self.caller = None;
    }

    /// The first broker ended before it was ready; it has said why on standard error.
    pub fn failed(&self) -> u8 {
        let status = self.spawner.succession.detail;
        let how = match (status & 0x7f, status >> 8) {
            (0, 126) => "it could not be executed".to_owned(),
            (0, code) => format!("exit status {code}"),
            (signo, _) => format!("signal {signo}"),
        };
        let why = b"the broker (supervisor-broker) could not start: ";
        let status = fail(&[why, how.as_bytes()]);
        report(self.caller.as_ref(), status);
        status
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let spawner = &mut self.spawner;
        spawner.sealed.cgroup.iter().for_each(sweep_cgroups);
        // A reader dies with the child that runs it.
        let reading = |job: &&Job| matches!(job.what, Work::Read(_));
        spawner.jobs.iter().filter(reading).for_each(|job| job.errand.process.kill());
        let until = crate::now() + LEAVING;
        let finish = |errand: &Errand| {
            let left = until.saturating_sub(crate::now()) / 1_000_000;
            let _ = sys::wait(&errand.answer, PollFlags::POLLIN, left);
        };
        // Where this is all there is, as for pid 1, nobody carries on with what is not done when it ends.
        let named = |job: &&Job| matches!(job.what, Work::Bind { .. } | Work::Tidy { .. });
        spawner.jobs.iter().filter(named).for_each(|job| finish(&job.errand));
        spawner.finish_jobs(crate::now());
        let bound = std::mem::take(&mut spawner.store.bound).into_iter().flatten();
        let errands: Vec<Errand> = bound.filter_map(socket::close).collect();
        errands.iter().for_each(finish);
        spawner.note(Deed::Ended());
        spawner.audit.take().into_iter().for_each(|audit| audit.end(&spawner.sealed.helpers));
    }
}
