//! What exec left open for us.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The socket that the spawner put on descriptor 3. `None` when it was taken before or nothing is open there.
pub fn socket() -> Option<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) { None } else { adopt(privsep::start::SOCKET) }
}

/// What the spawner gave the audit writer at its start.
#[derive(Debug)]
pub struct AuditEnds {
    /// What the broker says.
    pub broker: OwnedFd,
    /// What the spawner says.
    pub spawner: OwnedFd,
    /// The log, for reading and writing.
    pub log: OwnedFd,
    /// The head.
    pub head: OwnedFd,
    /// A socket to the system's log, where one is wanted and there.
    pub syslog: Option<OwnedFd>,
}

/// Takes them. `None` when they were taken before or one is not open.
pub fn audit() -> Option<AuditEnds> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let first = privsep::start::SOCKET;
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    Some(AuditEnds {
        broker: adopt(first)?,
        spawner: adopt(first + 1)?,
        log: adopt(first + 2)?,
        head: adopt(first + 3)?,
        syslog: adopt(first + 4),
    })
}

/// What exec left open under a number. Each kind of helper takes each of its numbers once, before it opens anything.
pub(crate) fn adopt(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD reads one flag; a number that is not open gives an error.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the descriptor is open and was given to this process at its start; the flags of the callers see to it that
    // it is adopted once.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets standard error end in `target`.
pub fn silence(target: BorrowedFd<'_>) -> io::Result<()> {
    // Without a flag musl makes a dup2 of it, which the sandbox does not know.
    // SAFETY: both numbers are open descriptors; 2 has no owner in Rust that could be surprised.
    match unsafe { libc::dup3(target.as_raw_fd(), libc::STDERR_FILENO, libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
