//! Root. Work on which somebody else could make the spawner wait: a forked child does it and says what came of it.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use crate::sys::{self, Process};

/// A child at work, and the socket that it answers on.
pub struct Errand {
    pub process: Process,
    pub answer: OwnedFd,
}

/// Has a child do it, which keeps the descriptors of `held` and no other.
pub fn send(
    held: Option<&OwnedFd>,
    work: impl FnOnce() -> Result<Option<OwnedFd>, Errno>,
) -> Result<Errand, Errno> {
    let (answer, ours) = sys::datagrams()?;
    if let Some(process) = sys::clone(None, None)? {
        return Ok(Errand { process, answer });
    }
    sys::keep(&held.into_iter().chain([&ours]).map(AsFd::as_fd).collect::<Vec<_>>());
    let (errno, file) = match work() {
        Ok(file) => (0, file),
        Err(errno) => (errno as i32, None),
    };
    let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
    let _ = sys::send(&ours, &errno.to_le_bytes(), &fds);
    sys::exit(0)
}

impl Errand {
    /// What came of it, once that is known: a file, nothing (also where the child died of it), or why not.
    pub fn answer(&self) -> Option<Result<Option<OwnedFd>, Errno>> {
        match sys::receive_file(&self.answer) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Err(errno) => Some(Err(errno)),
            Ok(([0, 0, 0, 0], file)) => Some(Ok(file)),
            Ok((errno, _)) => Some(Err(Errno::from_raw(i32::from_le_bytes(errno)))),
        }
    }
}
