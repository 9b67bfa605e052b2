//! One log file: its description, its limit, and why it takes nothing just now.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use link::bytes;
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use privsep::request::Log;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// A terminal that was stopped goes on without telling us, so it is asked more often.
const LAST_RETRY_FULL: Duration = Duration::from_millis(200);
/// After a rotation that failed, how long the file grows before the next one is asked for.
const ROTATE_AGAIN: Duration = Duration::from_secs(10);

/// Why nothing may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing is in the way.
    No,
    /// The spawner rotates or clears it.
    Spawner,
    /// The system refused bytes; the next try is then. `full`: that is no error, its reader is slow or stopped.
    Trouble { until: Instant, full: bool },
}

/// How long it may be with the spawner before that counts as trouble.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

fn is(fd: BorrowedFd<'_>, kind: SFlag) -> Option<(u64, u64)> {
    let stat = fstat(fd).ok()?;
    (stat.st_mode & SFlag::S_IFMT.bits() == kind.bits()).then_some((stat.st_dev, stat.st_ino))
}

/// Which file it is, where it is one.
pub(super) fn id(fd: BorrowedFd<'_>) -> Option<(u64, u64)> {
    is(fd, SFlag::S_IFREG)
}

pub(super) struct LogFile {
    fd: OwnedFd,
    pub(super) id: Option<(u64, u64)>,
    /// It is a connection: the daemon's standard output may be one.
    socket: bool,
    /// The smallest limit of the logs that are this file, and whose it is.
    limit: Option<(u64, Log)>,
    end: Option<u64>,
    hold: Hold,
    /// Since when the spawner has it.
    held_since: Option<Instant>,
    /// Bytes of its streams that were given up since it last took some.
    dropped: u64,
    /// How long the last failure made everybody wait; none since it last took bytes.
    delay: Option<Duration>,
    said: bool,
    /// False when the file refuses splice, or when somebody else trims it: between finding its end and moving bytes
    /// there it could be truncated, which would leave a hole of NULs.
    plain: bool,
    no_rotation_before: Option<Instant>,
}

impl LogFile {
    pub(super) fn new(fd: OwnedFd, limit: Option<(u64, Log)>) -> LogFile {
        let socket = is(fd.as_fd(), SFlag::S_IFSOCK).is_some();
        LogFile {
            id: id(fd.as_fd()),
            fd,
            socket,
            limit,
            end: None,
            hold: Hold::No,
            held_since: None,
            dropped: 0,
            delay: None,
            said: false,
            plain: !socket,
            no_rotation_before: None,
        }
    }

    /// A new description of the same log: after a rotation, or opened again.
    pub(super) fn replace(&mut self, fd: OwnedFd, limit: Option<(u64, Log)>) {
        self.socket = is(fd.as_fd(), SFlag::S_IFSOCK).is_some();
        self.plain &= !self.socket;
        self.id = id(fd.as_fd());
        self.fd = fd;
        self.limit = limit;
        self.end = None;
        self.hold = Hold::No;
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn plain(&self) -> bool {
        self.plain
    }

    /// It refuses splice.
    pub(super) fn not_plain(&mut self) {
        self.plain = false;
    }

    pub(super) fn hold(&mut self, now: Instant) {
        self.hold = Hold::Spawner;
        self.held_since = Some(now);
        self.end = None;
    }

    pub(super) fn release(&mut self, outcome: Result<(), Errno>, now: Instant) {
        self.hold = Hold::No;
        self.end = None;
        if !matches!(outcome, Ok(()) | Err(Errno::EAGAIN)) {
            self.no_rotation_before = Some(now + ROTATE_AGAIN);
        }
    }

    pub(super) fn held(&self, now: Instant) -> bool {
        match self.hold {
            Hold::No => false,
            Hold::Spawner => true,
            Hold::Trouble { until, .. } => now < until,
        }
    }

    /// Whether what does not fit into the pipes of its streams is given up: not while it is in the spawner's hands for a
    /// moment, and not while it is only slow or stopped, unless the stream is a `hasty` one.
    pub(super) fn drops(&self, hasty: bool, now: Instant) -> bool {
        match self.hold {
            Hold::No => false,
            Hold::Spawner => self.held_since.is_some_and(|since| now >= since + MOMENT),
            Hold::Trouble { full, .. } => hasty || !full,
        }
    }

    /// Bytes of a stream of its were given up. Whether that will be told when it works again.
    pub(super) fn dropped(&mut self, bytes: u64) -> bool {
        self.dropped = self.dropped.saturating_add(bytes);
        self.said
    }

    /// The end after bytes were moved there, and how many.
    pub(super) fn grew(&mut self, end: Option<u64>, by: usize) {
        let before = end.map(|end| end.saturating_sub(u64::try_from(by).unwrap_or(0)));
        if let (Some(known), Some(before)) = (self.end, before)
            && before < known
        {
            self.plain = false;
        }
        self.end = end;
    }

    pub(super) fn append(&mut self, text: &[u8]) -> nix::Result<usize> {
        if self.socket {
            return bytes::offer(self.fd(), text);
        }
        let bytes = bytes::append(self.fd(), text)?;
        self.grew(bytes::end_of(self.fd())?, bytes);
        Ok(bytes)
    }

    /// The log to be rotated, if the file has reached its limit.
    pub(super) fn over_limit(&self, now: Instant) -> Option<Log> {
        let (limit, log) = self.limit?;
        let wait = self.no_rotation_before.is_some_and(|at| now < at);
        (self.end? >= limit && !wait).then_some(log)
    }

    /// It refused bytes. True when that is news.
    pub(super) fn fails(&mut self, errno: Errno, now: Instant) -> bool {
        // EAGAIN is no error: a terminal that is stopped, or a pipe that nobody reads just now.
        let full = errno == Errno::EAGAIN;
        let last = if full { LAST_RETRY_FULL } else { LAST_RETRY };
        let delay = self.delay.map_or(FIRST_RETRY, |d| (d * 2).min(last));
        self.delay = Some(delay);
        self.hold = Hold::Trouble { until: now + delay, full };
        !full && !std::mem::replace(&mut self.said, true)
    }

    /// It has taken bytes. Gives how many were given up before, where trouble was said.
    pub(super) fn works(&mut self) -> Option<u64> {
        self.hold = Hold::No;
        self.delay = None;
        let dropped = std::mem::take(&mut self.dropped);
        (std::mem::take(&mut self.said) || dropped > 0).then_some(dropped)
    }

    /// What is still to be told when it works again.
    pub(super) fn debt(&self) -> Option<u64> {
        (self.said || self.dropped > 0).then_some(self.dropped)
    }

    /// The same of the description before this one.
    pub(super) fn owe(&mut self, dropped: u64) {
        self.said = true;
        self.dropped = self.dropped.saturating_add(dropped);
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self.hold {
            Hold::Trouble { until, .. } => Some(until),
            Hold::No | Hold::Spawner => None,
        }
    }

    /// Whether it is time to try again; then it is free until it fails again.
    pub(super) fn retry(&mut self, now: Instant) -> bool {
        let due = self.retry_at().is_some_and(|at| at <= now);
        if due {
            self.hold = Hold::No;
        }
        due
    }
}
