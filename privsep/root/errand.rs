//! Root. Work on which somebody else could make the spawner wait: a forked child does it and says what came of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use privsep::frame::Wire;

use crate::path::id;
use crate::sys::{self, Process};

/// A child at work, and the socket that it answers on.
pub struct Errand {
    pub process: Process,
    pub answer: OwnedFd,
}

/// What it made: descriptors, and which file it is, so that nobody has to ask a file system again that may not answer.
#[derive(Default)]
pub struct Made {
    pub files: Vec<OwnedFd>,
    pub id: (u64, u64),
}

impl Made {
    pub fn one(file: OwnedFd) -> Result<Made, Errno> {
        let id = id(&fstat(&file)?);
        Ok(Made { files: vec![file], id })
    }

    pub fn file(self) -> Result<OwnedFd, Errno> {
        self.files.into_iter().next().ok_or(Errno::EIO)
    }
}

/// Has a child do it, which keeps the descriptors of `held` and no other.
pub fn send(
    held: &[BorrowedFd<'_>],
    work: impl FnOnce() -> Result<Made, Errno>,
) -> Result<Errand, Errno> {
    let (answer, ours) = sys::datagrams()?;
    if let Some(process) = sys::clone(None, None)? {
        return Ok(Errand { process, answer });
    }
    sys::keep(&[held, &[ours.as_fd()]].concat());
    let (errno, made) = match work() {
        Ok(made) => (0, made),
        Err(errno) => (errno as i32, Made::default()),
    };
    let fds: Vec<_> = made.files.iter().map(AsFd::as_fd).collect();
    let _ = sys::send(&ours, &(errno, made.id).encode(), &fds);
    sys::exit(0)
}

impl Errand {
    /// What came of it, once that is known, or why nothing did; EIO where the child died of it.
    pub fn answer(&self) -> Option<Result<Made, Errno>> {
        match sys::receive_files(&self.answer) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Err(errno) => Some(Err(errno)),
            Ok((bytes, files)) => Some(match <(i32, (u64, u64))>::decode(&bytes) {
                Ok((0, id)) => Ok(Made { files, id }),
                Ok((errno, _)) => Err(Errno::from_raw(errno)),
                Err(_) => Err(Errno::EIO),
            }),
        }
    }
}
