//! One connection's socket, what its client is expected to do next, and until when.

use std::cell::Cell;
use std::io;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::limits::{HEAD_TIME, IDLE_TIME, STALL_TIME};

/// A connected socket.
pub(super) enum Stream {
    /// A local one.
    Unix(UnixStream),
    /// One over the network.
    Tcp(TcpStream),
}

impl Stream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_readable(cx))?;
            let result = match self {
                Stream::Unix(s) => s.try_read(into),
                Stream::Tcp(s) => s.try_read(into),
            };
            if !would_block(&result) {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_writable(cx))?;
            let result = match self {
                Stream::Unix(s) => s.try_write_vectored(from),
                Stream::Tcp(s) => s.try_write_vectored(from),
            };
            if !would_block(&result) {
                return Poll::Ready(result);
            }
        }
    }

    fn end_writing(&self) -> io::Result<()> {
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

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is due; since when.
    Head(Instant),
    /// Nothing is due; since when.
    Idle(Instant),
    /// A request is being read or answered.
    Busy,
    /// A log is being followed.
    Following,
}

/// A connection: its socket and its state, seen by hyper, by the answer under way and by the limits.
pub(super) struct Line {
    stream: Stream,
    phase: Cell<Phase>,
    stalled: Cell<Option<Instant>>,
    unread: Cell<bool>,
}

impl Line {
    /// A connection that was just accepted.
    pub(super) fn new(stream: Stream) -> Rc<Line> {
        Rc::new(Line {
            stream,
            phase: Cell::new(Phase::Head(Instant::now())),
            stalled: Cell::new(None),
            unread: Cell::new(false),
        })
    }

    /// A request has arrived.
    pub(super) fn busy(&self) {
        self.phase.set(Phase::Busy);
    }

    /// The answer to a request follows a log.
    pub(super) fn following(&self) {
        self.phase.set(Phase::Following);
    }

    /// Whether a log is being followed.
    pub(super) fn is_following(&self) -> bool {
        self.phase.get() == Phase::Following
    }

    /// A request is answered.
    pub(super) fn idle(&self) {
        self.phase.set(Phase::Idle(Instant::now()));
    }

    /// Part of the request was refused unread.
    pub(super) fn leave_unread(&self) {
        self.unread.set(true);
    }

    /// Whether part of the request was refused unread.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.get()
    }

    /// When the connection is given up unless something happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.phase.get(), self.stalled.get()) {
            (Phase::Following, _) | (Phase::Busy, None) => None,
            (_, Some(since)) => since.checked_add(STALL_TIME),
            (Phase::Head(since), None) => since.checked_add(HEAD_TIME),
            (Phase::Idle(since), None) => since.checked_add(IDLE_TIME),
        }
    }

    /// Since when only the client could have done something; `None` while there is work for it.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        match (self.phase.get(), self.stalled.get()) {
            (Phase::Head(since) | Phase::Idle(since), None) => Some(since),
            _ => None,
        }
    }

    /// Ready once the client has closed. Whatever it still sends is dropped.
    ///
    /// While an answer that never ends is under way, hyper looks for the end of the connection only if nothing came
    /// after the request; the reference's client sends an empty line too many.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 512];
        while let Ok(1..) = ready!(self.stream.poll_read(cx, &mut scrap)) {}
        Poll::Ready(())
    }

    fn heard(&self) {
        if let Phase::Idle(_) = self.phase.get() {
            self.phase.set(Phase::Head(Instant::now()));
        }
    }

    fn taken(&self) {
        if self.stalled.take().is_some() && matches!(self.phase.get(), Phase::Idle(_)) {
            self.idle();
        }
    }

    fn refused(&self) {
        if self.stalled.get().is_none() {
            self.stalled.set(Some(Instant::now()));
        }
    }
}

/// hyper's hold on a [`Line`].
pub(super) struct Wire(pub(super) Rc<Line>);

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = [0; 8 << 10];
        let room = into.remaining().min(buffer.len());
        let (part, _) = buffer.split_at_mut(room);
        let count = ready!(self.0.stream.poll_read(cx, part))?;
        if count > 0 {
            self.0.heard();
        }
        into.put_slice(part.get(..count).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(from)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.0.stream.poll_write(cx, from);
        match result {
            Poll::Pending => self.0.refused(),
            Poll::Ready(_) => self.0.taken(),
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.stream.end_writing())
    }
}
