//! Moving bytes from pipes to where they belong, inside the kernel where it can.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice, tee};
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::{Whence, lseek, pipe2, read, write};

/// What a move has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Bytes that left the pipe; 0 when all its writers are gone.
    pub bytes: usize,
    /// Size of the file now; `None` where there is no such thing (a terminal, a FIFO, a socket).
    pub end: Option<u64>,
}

fn moving() -> SpliceFFlags {
    SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK
}

fn retry<T>(mut f: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match f() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Where the file ends, and moves the description's position there; `None` where there is no position.
pub fn end_of(file: BorrowedFd<'_>) -> nix::Result<Option<u64>> {
    match lseek(file, 0, Whence::SeekEnd) {
        Ok(end) => Ok(u64::try_from(end).ok()),
        Err(Errno::ESPIPE) => Ok(None),
        // A terminal says so in its own way.
        Err(Errno::EINVAL) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Moves at most `most` bytes from a pipe to the end of a file. EAGAIN: nothing is there, or the target has no room;
/// EINVAL: the target cannot be spliced into.
pub fn splice_to_end(
    pipe: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    most: usize,
) -> nix::Result<Moved> {
    let end = end_of(file)?;
    let bytes = retry(|| splice(pipe, None, file, None, most, moving()))?;
    let moved = u64::try_from(bytes).unwrap_or(u64::MAX);
    Ok(Moved { bytes, end: end.map(|end| end.saturating_add(moved)) })
}

/// Moves at most `most` bytes from a pipe to `null`, which is /dev/null.
pub fn drain(pipe: BorrowedFd<'_>, null: BorrowedFd<'_>, most: usize) -> nix::Result<usize> {
    retry(|| splice(pipe, None, null, None, most, moving()))
}

/// Writes at the end of a file, or to a target without a position. Gives how many bytes it took.
///
/// The end is found under the file's own lock, so that a file which somebody else truncates at this moment gets no
/// hole. (Position and splice are two steps and can be torn apart.)
pub fn append(file: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    match retry(|| write_appending(file, bytes)) {
        // Old kernels, and the few file systems that have no such flag.
        Err(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINVAL) => {
            end_of(file)?;
            retry(|| write(file, bytes))
        }
        other => other,
    }
}

fn write_appending(file: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    let iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let (at, flags) = (-1_i64, i64::from(libc::RWF_APPEND));
    // SAFETY: `iov` names `bytes`, which the kernel only reads, and both outlive the call. The offset −1 is the
    // position of the description, which the flag overrules.
    let result = unsafe {
        let (fd, iov) = (i64::from(file.as_raw_fd()), &raw const iov);
        libc::syscall(libc::SYS_pwritev2, fd, iov, 1_i64, at, at, flags)
    };
    let written = Errno::result(result)?;
    Ok(usize::try_from(written).unwrap_or(0))
}

/// Writes to a target that may be anything, a socket included, and never waits for it.
pub fn offer(target: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match retry(|| send(target.as_raw_fd(), bytes, flags)) {
        Err(Errno::ENOTSOCK) => append(target, bytes),
        other => other,
    }
}

/// How many bytes wait in a pipe.
pub fn waiting(pipe: BorrowedFd<'_>) -> nix::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int to the address that is given, which is that of `count`.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    Errno::result(result)?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Bytes that the spawner lets the pipes of programs hold.
const PIPE: i32 = 1 << 18;

/// How many bytes a pipe can hold if its writers fill every page of it.
pub fn capacity(pipe: BorrowedFd<'_>) -> nix::Result<usize> {
    fcntl(pipe, FcntlArg::F_GETPIPE_SZ).map(|n| usize::try_from(n).unwrap_or(0))
}

fn page() -> usize {
    // SAFETY: sysconf reads nothing of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| *size > 0).unwrap_or(4096)
}

/// A pipe of our own, to look at bytes without taking them.
pub struct Scratch {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Scratch {
    /// Makes the pipe. There are no new pipes inside the sandbox.
    pub fn new() -> nix::Result<Scratch> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // As large as the pipes of programs; where that cannot be had, less is looked at in one go.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE));
        Ok(Scratch { reader, writer })
    }

    /// Copies the first bytes of a pipe into `bytes` and leaves them there. Gives how many; 0 when all writers are
    /// gone and nothing is left. EAGAIN: nothing is there.
    pub fn peek(&self, pipe: BorrowedFd<'_>, bytes: &mut [u8]) -> nix::Result<usize> {
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        let copied = retry(|| tee(pipe, self.writer.as_fd(), bytes.len(), flags))?;
        let mut got = 0;
        while got < copied {
            let Some(room) = bytes.get_mut(got..copied) else {
                return Err(Errno::EOVERFLOW);
            };
            got += retry(|| read(self.reader.as_fd(), room))?;
        }
        Ok(copied)
    }

    /// Whether a pipe has no page left, so that its writers may have to wait. Its bytes stay there; `null` is
    /// /dev/null.
    pub fn full(&self, pipe: BorrowedFd<'_>, null: BorrowedFd<'_>) -> nix::Result<bool> {
        let (there, room) = (waiting(pipe)?, capacity(pipe)?);
        // Two neighbouring pages hold more than one page of bytes, or the second write had gone into the first page.
        if there < (room / 2).saturating_sub(page()) {
            return Ok(false);
        }
        // What fills all its pages does not fit into as many of ours when one of them is taken.
        let spare = (capacity(self.reader.as_fd())? / page()).checked_sub(room / page());
        let Some(spare) = spare else {
            return Ok(there >= room.saturating_sub(page()));
        };
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        let copy = |most| retry(|| tee(pipe, self.writer.as_fd(), most, flags));
        let mut taken = 0;
        for _ in 0..=spare {
            taken += copy(1).unwrap_or(0);
        }
        let copied = copy(usize::MAX >> 1).unwrap_or(0);
        taken += copied;
        while taken > 0 {
            match drain(self.reader.as_fd(), null, taken)? {
                0 => return Err(Errno::EIO),
                n => taken = taken.saturating_sub(n),
            }
        }
        Ok(copied < there)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::unix::fs::FileExt;

    use super::*;

    fn pipe() -> (OwnedFd, OwnedFd) {
        pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap()
    }

    fn put(writer: &OwnedFd, bytes: &[u8]) {
        assert_eq!(write(writer, bytes), Ok(bytes.len()));
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; 200];
        let n = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(n);
        bytes
    }

    #[test]
    fn bytes_go_to_the_end_wherever_that_is_by_then() {
        let (reader, writer) = pipe();
        let file = tempfile::tempfile().unwrap();
        let go = || splice_to_end(reader.as_fd(), file.as_fd(), 1 << 16);
        put(&writer, b"one\n");
        let four = Moved { bytes: 4, end: Some(4) };
        assert_eq!(go(), Ok(four));
        // Somebody else appends; then somebody truncates.
        file.write_at(b"other\n", 4).unwrap();
        put(&writer, b"two\n");
        assert_eq!(go().unwrap().end, Some(14));
        assert_eq!(content(&file), b"one\nother\ntwo\n");
        file.set_len(0).unwrap();
        put(&writer, b"three\n");
        assert_eq!(go().unwrap().end, Some(6));
        assert_eq!(content(&file), b"three\n");
        assert_eq!(go(), Err(Errno::EAGAIN));
        drop(writer);
        assert_eq!(go().unwrap().bytes, 0);
    }

    #[test]
    fn no_more_moves_than_was_asked_for() {
        let (reader, writer) = pipe();
        let file = tempfile::tempfile().unwrap();
        put(&writer, b"abcdef");
        let moved = splice_to_end(reader.as_fd(), file.as_fd(), 4).unwrap();
        assert_eq!(moved.bytes, 4);
        assert_eq!(waiting(reader.as_fd()), Ok(2));
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        assert_eq!(drain(reader.as_fd(), null.as_fd(), 100), Ok(2));
        assert_eq!(drain(reader.as_fd(), null.as_fd(), 100), Err(Errno::EAGAIN));
        assert_eq!(content(&file), b"abcd");
    }

    #[test]
    fn a_file_that_only_appends_refuses_splice_and_takes_writes() {
        let (reader, writer) = pipe();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "old ").unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        put(&writer, b"new");
        let refused = splice_to_end(reader.as_fd(), file.as_fd(), 100);
        assert_eq!(refused, Err(Errno::EINVAL));
        let scratch = Scratch::new().unwrap();
        let mut bytes = [0; 100];
        assert_eq!(scratch.peek(reader.as_fd(), &mut bytes), Ok(3));
        assert_eq!(scratch.peek(reader.as_fd(), &mut bytes[..2]), Ok(2));
        assert_eq!(waiting(reader.as_fd()), Ok(3), "looking takes nothing");
        assert_eq!(append(file.as_fd(), &bytes[..3]), Ok(3));
        assert_eq!(std::fs::read(&path).unwrap(), b"old new");
    }

    #[test]
    fn appending_leaves_no_hole_while_somebody_truncates() {
        let file = tempfile::tempfile().unwrap();
        let other = file.try_clone().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    other.set_len(0).unwrap();
                    let mut first = [b'x'];
                    if other.read_at(&mut first, 0).unwrap() == 1 {
                        assert_eq!(first, [b'x']);
                    }
                }
                done.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(append(file.as_fd(), &[b'x'; 4096]), Ok(4096));
            }
        });
    }

    #[test]
    fn a_pipe_is_full_when_its_last_page_is_taken() {
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let scratch = Scratch::new().unwrap();
        // Writes that leave much of each page empty, writes that fill them, and lines.
        let sizes = [(3_000, 1 << 16), (4_096, 1 << 18), (80, 1 << 13), (3_000, PIPE)];
        for (size, capacity) in sizes {
            let (reader, writer) = pipe();
            fcntl(&writer, FcntlArg::F_SETPIPE_SZ(capacity)).unwrap();
            let line = vec![b'x'; size];
            let mut full = false;
            while write(&writer, &line).is_ok_and(|n| n == size) {
                assert!(!full, "there was room for {size} more");
                full = scratch.full(reader.as_fd(), null.as_fd()).unwrap();
                // The last page may have room for a little more.
                full &= size > 80;
            }
            let there = waiting(reader.as_fd()).unwrap();
            assert_eq!(scratch.full(reader.as_fd(), null.as_fd()), Ok(true), "{size}");
            assert_eq!(waiting(reader.as_fd()), Ok(there), "nothing is taken");
            drain(reader.as_fd(), null.as_fd(), 4_096).unwrap();
            assert_eq!(scratch.full(reader.as_fd(), null.as_fd()), Ok(false), "{size}");
            let mut bytes = [0; 10];
            assert_eq!(scratch.peek(reader.as_fd(), &mut bytes), Ok(10), "its own pipe is empty");
        }
        let (reader, _writer) = pipe();
        assert_eq!(scratch.full(reader.as_fd(), null.as_fd()), Ok(false));
    }

    #[test]
    fn a_target_without_a_position_takes_bytes_too() {
        let (reader, writer) = pipe();
        let (far, target) = pipe();
        put(&writer, b"abc");
        let moved = splice_to_end(reader.as_fd(), target.as_fd(), 100).unwrap();
        assert_eq!((moved.bytes, moved.end), (3, None));
        assert_eq!(append(target.as_fd(), b"de"), Ok(2));
        assert_eq!(offer(target.as_fd(), b"f"), Ok(1));
        let mut bytes = [0; 10];
        assert_eq!(read(&far, &mut bytes), Ok(6));
        assert_eq!(&bytes[..6], b"abcdef");
    }
}
