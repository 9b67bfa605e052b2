//! The log and the head, as the writer has them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use link::bytes;
use nix::sys::stat::fstat;
use policy::audit::Anchor;
use privsep::audit::{ANCHOR, STATE_AT};

use super::state::{PLACE, State};

/// The log.
pub(super) struct Log(File);

impl Log {
    /// Nobody else appends to it from here on. A writer of a daemon that was killed may still be at it: it ends soon.
    pub(super) fn lock(fd: OwnedFd) -> io::Result<Log> {
        let file = File::from(fd);
        if file.try_lock().is_err() {
            super::complain("The audit log is another writer's; waiting for its end\n");
            file.lock()?;
        }
        Ok(Log(file))
    }

    /// Which file it is, and its size.
    pub(super) fn look(&self) -> io::Result<((u64, u64), u64)> {
        // std's own would ask in a way that the sandbox does not know.
        let stat = fstat(self.0.as_fd())?;
        Ok(((stat.st_dev, stat.st_ino), u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// Appends; gives how many bytes were taken.
    pub(super) fn append(&self, text: &[u8]) -> io::Result<usize> {
        Ok(bytes::append(self.0.as_fd(), text)?)
    }

    /// What is in it here, as much as there is up to the length of `to`.
    pub(super) fn read(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        let mut got = 0;
        while let Some(rest) = to.get_mut(got..).filter(|rest| !rest.is_empty()) {
            let from = at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
            match self.0.read_at(rest, from) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(got)
    }

    /// Everything is on the disk then.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The head: the anchor to be, the rotation limit, and two places for a state.
pub(super) struct Head(File);

impl Head {
    pub(super) fn new(fd: OwnedFd) -> Head {
        Head(File::from(fd))
    }

    fn bytes<const N: usize>(&self, at: usize) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact_at(&mut bytes, u64::try_from(at).unwrap_or(u64::MAX))?;
        Ok(bytes)
    }

    fn put(&self, bytes: &[u8], at: usize) -> io::Result<()> {
        self.0.write_all_at(bytes, u64::try_from(at).unwrap_or(u64::MAX))
    }

    /// What the anchor said when the daemon started.
    pub(super) fn anchor(&self) -> io::Result<Option<Anchor>> {
        Ok(Anchor::read(&self.bytes::<ANCHOR>(0)?))
    }

    /// Whether there is a file that was rotated.
    pub(super) fn older(&self) -> io::Result<bool> {
        Ok(self.bytes::<1>(2 * ANCHOR + 8)? == [1])
    }

    /// The size at which the log is to be rotated; `None` never.
    pub(super) fn limit(&self) -> io::Result<Option<u64>> {
        Ok(Some(u64::from_le_bytes(self.bytes(2 * ANCHOR)?)).filter(|limit| *limit > 0))
    }

    /// Says where the chain stands, twice: who reads it in between sees a difference.
    pub(super) fn publish(&self, anchor: &Anchor) -> io::Result<()> {
        let text = anchor.text(ANCHOR);
        self.put(text.repeat(2).as_bytes(), 0)
    }

    fn place(serial: u64) -> usize {
        STATE_AT + if serial.is_multiple_of(2) { 0 } else { PLACE }
    }

    /// What the last writer was at.
    pub(super) fn state(&self) -> io::Result<Option<State>> {
        let places = [self.bytes::<PLACE>(Head::place(0))?, self.bytes(Head::place(1))?];
        Ok(State::newest(places.map(|bytes| State::decode(&bytes))))
    }

    /// Keeps it for the next one, in the place of the one before the last.
    pub(super) fn keep(&self, state: &State) -> io::Result<()> {
        let bytes = state.encode().ok_or_else(|| io::Error::other("a state is too long"))?;
        self.put(&bytes, Head::place(state.serial))
    }
}
