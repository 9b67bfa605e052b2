//! Root. The audit log: its files, the writer that has them, and what it is told of what is done here.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::resource::Resource;
use nix::sys::stat::lstat;
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{pipe2, write};
use privsep::audit::{ANCHOR, Deed, HEAD, NAME, Note};
use privsep::request::Request;
use privsep::start;
use privsep::table::{self, LogFile, Sink};

use crate::broker::Succession;
use crate::helpers::{Helpers, Launch};
use crate::logfile::{audit_file, syslog};
use crate::reading::sheet;
use crate::spawner::Spawner;
use crate::sys::{self, Process};

/// How often where the chain stands is anchored, in nanoseconds.
const EVERY: u64 = 60_000_000_000;
/// The same before the first time, and how long a writer lives that had something to do.
const SOON: u64 = 2_000_000_000;
/// How long the end waits for the writer, in milliseconds.
const LAST: u64 = 5_000;

pub struct Audit {
    wanted: table::Audit,
    /// A daemon's caller waits until nobody has its standard error any more.
    quiet: bool,
    /// For the broker and for us. Both ends are kept: what was said does not go with a writer.
    pub pipes: Vec<[OwnedFd; 2]>,
    log: OwnedFd,
    /// What the writer leaves to the next one.
    head: OwnedFd,
    anchor: OwnedFd,
    /// What is in the anchor.
    anchored: Vec<u8>,
    pub writer: Option<Process>,
    /// When that was started.
    since: u64,
    /// When there is something to do again: to anchor, or to start a writer.
    pub next: Succession,
    n: u64,
    lost: u32,
}

impl Audit {
    pub fn open(wanted: &table::Audit, quiet: bool) -> Result<Audit, Errno> {
        // An empty log beside one that was rotated was not emptied.
        let older = lstat([&*wanted.log.path, b".1"].concat().as_slice()).is_ok();
        let path = [wanted.log.path.as_slice(), b".anchor"].concat();
        let anchor = audit_file(&LogFile { path, ..wanted.log.clone() }, None)?;
        let mut anchored = vec![0; ANCHOR];
        pread(&anchor, &mut anchored, 0)?;
        let pipe = |_| {
            let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
            let _ = fcntl(&to, FcntlArg::F_SETPIPE_SZ(1 << 20));
            Ok([sys::aside(from), sys::aside(to)])
        };
        let limit = wanted.log.maxbytes.to_le_bytes();
        let begin = [&*anchored, &*anchored, &limit, &[older.into()]].concat();
        Ok(Audit {
            pipes: (0..2).map(pipe).collect::<Result<_, Errno>>()?,
            log: audit_file(&wanted.log, None)?,
            head: sheet("audit", HEAD, &begin, 0)?,
            wanted: wanted.clone(),
            quiet,
            anchor,
            anchored,
            writer: None,
            since: 0,
            next: Succession::default(),
            n: 0,
            lost: 0,
        })
    }

    fn start(&self, helpers: &Helpers) -> Result<Process, Errno> {
        let syslog = if self.wanted.syslog { syslog().ok() } else { None };
        let (null, err) = (helpers.null.as_fd(), std::io::stderr());
        let err = if self.quiet { null } else { err.as_fd() };
        let pipes = self.pipes.iter().map(|[from, _]| from);
        let own = pipes.chain([&self.log, &self.head]).chain(&syslog).map(AsFd::as_fd);
        let standard = [(null, 0), (null, 1), (err, 2)].into_iter();
        let launch = Launch {
            name: c"supervisor-audit",
            file: &helpers.audit,
            map: &standard.chain(own.zip(start::SOCKET..)).collect::<Vec<_>>(),
            identity: self.wanted.identity.as_ref(),
            limits: &[(Resource::RLIMIT_CORE, (0, 0)), (Resource::RLIMIT_AS, (1 << 28, 1 << 28))],
        };
        launch.start()
    }

    /// Anchors, and starts a writer where there is none, when it is time. Since a writer was there all the while, its
    /// successor need not wait.
    pub fn tend(&mut self, helpers: &Helpers, now: u64) {
        if self.next.restart_at > Some(now) {
            return;
        }
        self.write_anchor();
        if self.writer.is_some() {
            self.next = Succession::default();
        } else if let Ok(writer) = self.start(helpers) {
            (self.writer, self.since) = (Some(writer), now);
        } else {
            return self.next.again(now);
        }
        let first = self.anchored.starts_with(&[0]);
        self.next.restart_at = Some(now + if first { SOON } else { EVERY });
    }

    /// Copies where the chain stands, unless the writer is just saying it.
    fn write_anchor(&mut self) {
        let mut both = [0; 2 * ANCHOR];
        let _ = pread(&self.head, &mut both, 0);
        let (one, other) = both.split_at(ANCHOR);
        if one == other && one != self.anchored && pwrite(&self.anchor, one, 0).is_ok() {
            self.anchored = one.to_vec();
        }
    }

    /// Whether it was the writer that has ended. One that leaves by itself wants its file rotated.
    pub fn ended(&mut self, pid: i32, status: i32, now: u64) -> bool {
        if self.writer.take_if(|writer| writer.pid == pid).is_none() {
            return false;
        }
        self.next.again(now);
        // Before the file moves: an empty one goes on from what is in the anchor.
        self.write_anchor();
        if status == 0
            && let Ok(log) = audit_file(&self.wanted.log, Some(&self.log))
        {
            self.log = log;
            // One that finds its file full again at once is not started as fast as that.
            if now > self.since + SOON {
                self.next = Succession::default();
            }
        }
        true
    }

    /// The end: the writer takes what is left, and where the chain stands then is anchored.
    pub fn end(mut self, helpers: &Helpers) {
        self.next = Succession::default();
        self.tend(helpers, crate::now());
        self.pipes.clear();
        if let Some(writer) = &self.writer {
            let _ = sys::wait(&writer.pidfd, PollFlags::POLLIN, LAST);
        }
        self.write_anchor();
    }
}

impl Spawner {
    /// Whether a note would be taken.
    pub fn noted(&self) -> bool {
        let pipe = self.audit.as_ref().and_then(|audit| audit.pipes.last());
        let room = |to| sys::wait(to, PollFlags::POLLOUT, 0).is_ok_and(|events| !events.is_empty());
        pipe.is_none_or(|[_, to]| room(to))
    }

    /// Has it recorded. What finds the pipe full is lost, and counted.
    pub fn note(&mut self, deed: Deed) {
        use Request::{ClearLog, Retire, RotateLog, Signal};
        let Some(audit) = &mut self.audit else { return };
        let table = &self.sealed.table;
        let mut name = match &deed {
            Deed::Spawned(slot, _)
            | Deed::Failed(slot, _)
            | Deed::Exited(slot, ..)
            | Deed::Asked(Signal { slot, .. } | Retire { slot }) => {
                table.entry(*slot).map(|entry| entry.name.clone())
            }
            Deed::Asked(ClearLog { log } | RotateLog { log }) => match table.log(*log) {
                Some(Sink::File(file)) => Some(file.path.clone()),
                _ => None,
            },
            _ => None,
        }
        .unwrap_or_default();
        name.truncate(NAME);
        audit.n += 1;
        let note = Note { n: audit.n, lost: audit.lost, name, deed }.encode();
        let said = audit.pipes.last().map(|[_, to]| write(to, &note));
        audit.lost = if said == Some(Ok(note.len())) { 0 } else { audit.lost.saturating_add(1) };
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    /// With pipes, and without a writer.
    pub fn audit() -> Audit {
        let pipe = |_| pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        let (path, uid, gid) = (b"/nonexistent/audit.log".to_vec(), None, None);
        let (maxbytes, backups, mode, exact, auto) = (0, 0, 0o600, true, false);
        let log = LogFile { path, maxbytes, backups, mode, exact, uid, gid, auto };
        Audit {
            wanted: table::Audit { identity: None, log, syslog: false },
            quiet: true,
            pipes: (0..2).map(pipe).map(|(from, to)| [from, to]).collect(),
            log: null(),
            head: null(),
            anchor: null(),
            anchored: vec![0; ANCHOR],
            writer: None,
            since: 0,
            next: Succession::default(),
            n: 0,
            lost: 0,
        }
    }

    /// What was said, the oldest first.
    pub fn notes(spawner: &Spawner) -> Vec<Note> {
        let pipe = spawner.audit.as_ref().unwrap().pipes.last().unwrap();
        let mut bytes = [0; privsep::audit::SIZE];
        let mut next =
            || nix::unistd::read(&pipe[0], &mut bytes).ok().map(|_| Note::decode(&bytes));
        std::iter::from_fn(|| next().map(Result::unwrap)).collect()
    }
}
