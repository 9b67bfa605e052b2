//! A descriptor that the loop waits for.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::epoll::Epoll;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Types that own one descriptor for their whole life and always name that one.
pub(crate) trait Owner {
    fn raw(&self) -> RawFd;
}

impl Owner for OwnedFd {
    fn raw(&self) -> RawFd {
        self.as_raw_fd()
    }
}

impl Owner for Epoll {
    fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

struct Raw<T>(T);

impl<T: Owner> AsRawFd for Raw<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.raw()
    }
}

/// A descriptor registered with the running tokio runtime. It must be non-blocking: nothing here changes its flags.
pub(crate) struct PollFd<T: Owner>(AsyncFd<Raw<T>>);

impl<T: Owner> PollFd<T> {
    /// Registers it. Must be called inside a runtime.
    pub(crate) fn new(owner: T, interest: Interest) -> io::Result<Self> {
        // SAFETY: `Owner` types own their descriptor until they are dropped and name no other; `AsyncFd` owns the
        // value from here on, and nothing in this module hands out `&mut` to it or takes it out.
        let fd = unsafe { AsyncFd::register_with_interest(Raw(owner), interest) };
        fd.map(PollFd).map_err(|e| e.into_parts().1)
    }

    pub(crate) fn get(&self) -> &T {
        &self.0.get_ref().0
    }

    /// Resolves when `f` would probably not block. Cancelling it loses nothing.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        // The guard is dropped without clearing anything: `attempt` clears it when the kernel says so.
        self.0.ready(interest).await.map(drop)
    }

    /// Tries an operation at once; `None` when it would block, so that `ready` waits for the next edge.
    pub(crate) fn attempt<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<Option<R>> {
        match self.0.try_io(interest, |raw| f(&raw.0)) {
            Ok(value) => Ok(Some(value)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
}
