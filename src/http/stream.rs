//! A connected socket, whatever its kind: what is read and written without waiting.

use std::io;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
pub(super) enum Stream {
    /// A local one.
    Unix(UnixStream),
    /// One over the network.
    Tcp(TcpStream),
}

impl Stream {
    /// Ready when there may be something to read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Unix(s) => s.poll_read_ready(cx),
            Stream::Tcp(s) => s.poll_read_ready(cx),
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Unix(s) => s.poll_write_ready(cx),
            Stream::Tcp(s) => s.poll_write_ready(cx),
        }
    }

    /// Reads what there is.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_readable(cx))?;
            let result = self.try_read(into);
            if let Ok(1..) = result
                && result.as_ref().is_ok_and(|count| *count < into.len())
            {
                self.emptied();
            }
            if !would_block(&result) {
                return Poll::Ready(result);
            }
        }
    }

    /// The same without a waker.
    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => s.try_read(into),
            Stream::Tcp(s) => s.try_read(into),
        }
    }

    /// Writes what is taken at once, without a waker.
    pub(super) fn try_write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => s.try_write_vectored(from),
            Stream::Tcp(s) => s.try_write_vectored(from),
        }
    }

    /// A read took all there was: the next one can wait for the system to say that there is more, without asking.
    fn emptied(&self) {
        let nothing = || io::Result::<()>::Err(io::ErrorKind::WouldBlock.into());
        let _ = match self {
            Stream::Unix(s) => s.try_io(Interest::READABLE, nothing),
            Stream::Tcp(s) => s.try_io(Interest::READABLE, nothing),
        };
    }

    /// Writes what is taken.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_writable(cx))?;
            let result = self.try_write(from);
            if !would_block(&result) {
                return Poll::Ready(result);
            }
        }
    }

    /// Says that nothing more will come.
    pub(super) fn end_writing(&self) -> io::Result<()> {
        let fd = match self {
            Stream::Unix(s) => s.as_raw_fd(),
            Stream::Tcp(s) => s.as_raw_fd(),
        };
        Ok(shutdown(fd, Shutdown::Write)?)
    }
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
}
