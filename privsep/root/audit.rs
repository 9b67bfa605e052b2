//! Root. The audit log: its files, the writer that has them, and what it is told of what is done here.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::resource::Resource;
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{pipe2, write};
use privsep::audit::{ANCHOR, Deed, HEAD, NAME, Note, first};
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
/// How long the end waits for the writer, in milliseconds.
const LAST: u64 = 5_000;

pub struct Audit {
    /// For the broker and for us. Both ends are kept: what was said does not go with a writer.
    pipes: Vec<[OwnedFd; 2]>,
    log: OwnedFd,
    /// What the writer leaves to the next one.
    head: OwnedFd,
    anchor: OwnedFd,
    /// What is in the anchor.
    anchored: Vec<u8>,
    anchor_at: u64,
    writer: Option<Process>,
    since: u64,
    succession: Succession,
    n: u64,
    lost: u32,
}

impl Audit {
    pub fn open(wanted: &table::Audit) -> Result<Audit, Errno> {
        let path = [wanted.log.path.as_slice(), b".anchor"].concat();
        let anchor = audit_file(&LogFile { path, ..wanted.log.clone() }, None)?;
        let mut anchored = vec![0; ANCHOR];
        pread(&anchor, &mut anchored, 0)?;
        let pipe = |_| {
            let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
            let _ = fcntl(&to, FcntlArg::F_SETPIPE_SZ(1 << 20));
            Ok([sys::aside(from), sys::aside(to)])
        };
        Ok(Audit {
            pipes: (0..2).map(pipe).collect::<Result<_, Errno>>()?,
            log: audit_file(&wanted.log, None)?,
            head: sheet("audit", HEAD, &first(&anchored, wanted.log.maxbytes), 0)?,
            anchor,
            anchored,
            anchor_at: 0,
            writer: None,
            since: 0,
            succession: Succession { restart_at: Some(0), ..Succession::default() },
            n: 0,
            lost: 0,
        })
    }

    /// Where the broker says what is to be in the log.
    pub fn mouth(&self) -> Option<&OwnedFd> {
        self.pipes.first().map(|[_, to]| to)
    }

    fn start(&self, helpers: &Helpers, wanted: &table::Audit) -> Result<Process, Errno> {
        let syslog = if wanted.syslog { syslog().ok() } else { None };
        let (null, err) = (helpers.null.as_fd(), std::io::stderr());
        let pipes = self.pipes.iter().map(|[from, _]| from);
        let own = pipes.chain([&self.log, &self.head]).chain(&syslog).map(AsFd::as_fd);
        let standard = [(null, 0), (null, 1), (err.as_fd(), 2)].into_iter();
        let launch = Launch {
            name: c"supervisor-audit",
            file: &helpers.audit,
            map: &standard.chain(own.zip(start::SOCKET..)).collect::<Vec<_>>(),
            identity: wanted.identity.as_ref(),
            limits: &[(Resource::RLIMIT_CORE, (0, 0)), (Resource::RLIMIT_AS, (1 << 28, 1 << 28))],
        };
        launch.start()
    }

    /// Copies where the chain stands, unless the writer is just saying it.
    fn anchor(&mut self) {
        let mut both = [0; 2 * ANCHOR];
        let _ = pread(&self.head, &mut both, 0);
        let (one, other) = both.split_at(ANCHOR);
        if one == other && one != self.anchored && pwrite(&self.anchor, one, 0).is_ok() {
            self.anchored = one.to_vec();
        }
    }
}

impl Spawner {
    /// Starts a writer and anchors, each when its time has come.
    pub fn tend_audit(&mut self, now: u64) {
        let (Some(audit), Some(wanted)) = (&mut self.audit, &self.sealed.table.audit) else {
            return;
        };
        if audit.anchor_at <= now {
            audit.anchor();
            audit.anchor_at = now + EVERY;
        }
        if audit.writer.is_none() && audit.succession.restart_at.is_some_and(|at| at <= now) {
            match audit.start(&self.sealed.helpers, wanted) {
                Ok(writer) => (audit.writer, audit.since) = (Some(writer), now),
                Err(_) => audit.succession.again(0, now),
            }
        }
    }

    pub fn audit_due(&self) -> Option<u64> {
        let audit = self.audit.as_ref()?;
        let next = audit.succession.restart_at.filter(|_| audit.writer.is_none());
        next.into_iter().chain([audit.anchor_at]).min()
    }

    /// Whether it was the writer that has ended. One that leaves by itself wants its file rotated.
    pub fn writer_ended(&mut self, pid: i32, status: i32, now: u64) -> bool {
        let (Some(audit), Some(wanted)) = (&mut self.audit, &self.sealed.table.audit) else {
            return false;
        };
        if audit.writer.take_if(|writer| writer.pid == pid).is_none() {
            return false;
        }
        audit.anchor();
        let mut served = now.saturating_sub(audit.since);
        if status == 0
            && let Ok(log) = audit_file(&wanted.log, Some(&audit.log))
        {
            (audit.log, served) = (log, u64::MAX);
        }
        audit.succession.again(served, now);
        true
    }

    /// Has it recorded. What finds the pipe full is lost, and counted.
    pub fn note(&mut self, deed: Deed) {
        let name = self.name_of(&deed).to_vec();
        let Some(audit) = &mut self.audit else { return };
        audit.n += 1;
        let note = Note { n: audit.n, lost: audit.lost, name, deed }.encode();
        let said = audit.pipes.last().map(|[_, to]| write(to, &note));
        audit.lost = if said == Some(Ok(note.len())) { 0 } else { audit.lost.saturating_add(1) };
    }

    fn name_of(&self, deed: &Deed) -> &[u8] {
        use Request::{ClearLog, Retire, Signal};
        let name = match deed {
            Deed::Spawned(slot, ..)
            | Deed::Failed(slot, _)
            | Deed::Exited(slot, ..)
            | Deed::Asked(Signal { slot, .. } | Retire { slot }) => {
                self.entry(*slot).map(|entry| &entry.name)
            }
            Deed::Asked(ClearLog { log }) => match self.sealed.table.log(*log) {
                Some(Sink::File(file)) => Some(&file.path),
                _ => None,
            },
            _ => None,
        };
        let name = name.map(Vec::as_slice).unwrap_or_default();
        name.get(..NAME).unwrap_or(name)
    }

    /// The end: the writer takes what is left, and where the chain stands then is anchored.
    pub fn end_audit(&mut self, now: u64) {
        self.note(Deed::Ended());
        self.audit.iter_mut().for_each(|audit| audit.succession.restart_at = Some(0));
        self.tend_audit(now);
        if let Some(mut audit) = self.audit.take() {
            audit.pipes.clear();
            audit.writer.iter().for_each(|writer| {
                let _ = sys::wait(&writer.pidfd, PollFlags::POLLIN, LAST);
            });
            audit.anchor();
        }
    }
}
