//! What exec left open for us.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The socket that the spawner put on descriptor 3. `None` when it was taken before or nothing is open there.
pub fn socket() -> Option<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    // SAFETY: F_GETFD reads one flag; a number that is not open gives an error.
    let open = unsafe { libc::fcntl(privsep::start::SOCKET, libc::F_GETFD) } != -1;
    if !open || TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: the descriptor is open, it was given to this process at its start, and `TAKEN` makes this its only owner.
    Some(unsafe { OwnedFd::from_raw_fd(privsep::start::SOCKET) })
}

/// Lets standard error end in `target`.
pub fn silence(target: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both numbers are open descriptors; 2 has no owner in Rust that could be surprised.
    match unsafe { libc::dup3(target.as_raw_fd(), libc::STDERR_FILENO, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
