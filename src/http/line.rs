//! One connection's socket, what its client is expected to do next, and until when.

use std::cell::{Cell, RefCell};
use std::io;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::Interest;
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

    fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => s.try_read(into),
            Stream::Tcp(s) => s.try_read(into),
        }
    }

    fn try_write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
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

    fn poll_write(&self, cx: &mut Context<'_>, from: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_writable(cx))?;
            let result = self.try_write(from);
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
    /// The body of a request is due; since when.
    Body(Instant),
    /// A request is being answered.
    Busy,
    /// A log is being followed; since when.
    Following(Instant),
}

/// A connection: its socket and its state, seen by hyper, by the answer under way and by the limits.
pub(super) struct Line {
    stream: Stream,
    phase: Cell<Phase>,
    stalled: Cell<Option<Instant>>,
    unread: Cell<bool>,
    /// Where bytes arrive: hyper's own is not initialised.
    buffer: RefCell<Box<[u8]>>,
}

impl Line {
    /// A connection that was just accepted.
    pub(super) fn new(stream: Stream) -> Rc<Line> {
        Rc::new(Line {
            stream,
            phase: Cell::new(Phase::Head(Instant::now())),
            stalled: Cell::new(None),
            unread: Cell::new(false),
            buffer: RefCell::new(vec![0; 4 << 10].into()),
        })
    }

    /// Says that there is no place, as far as that can be said without waiting.
    pub(super) fn turn_away(&self) {
        const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nServer: Medusa/1.12\r\nConnection: close\r\n\
            Content-Type: text/plain\r\nRetry-After: 1\r\nContent-Length: 21\r\n\r\ntoo many connections\n";
        // What is unread when a connection closes takes the answer with it.
        let _ = self.stream.try_read(&mut [0; 4 << 10]);
        let _ = self.stream.try_write(&[IoSlice::new(FULL)]);
    }

    /// A request has arrived.
    pub(super) fn busy(&self) {
        self.phase.set(Phase::Busy);
    }

    /// The body of the request is due.
    pub(super) fn reading(&self) {
        self.phase.set(Phase::Body(Instant::now()));
    }

    /// The answer to a request follows a log.
    pub(super) fn following(&self) {
        self.phase.set(Phase::Following(Instant::now()));
    }

    /// Whether a log is being followed.
    pub(super) fn is_following(&self) -> bool {
        matches!(self.phase.get(), Phase::Following(_))
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
            (Phase::Following(_), _) | (Phase::Body(_) | Phase::Busy, None) => None,
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

    /// Since when it holds its place and leaves the next step to its client: to send a body or to take an answer; or a
    /// log is being followed.
    pub(super) fn held_since(&self) -> Option<Instant> {
        match (self.phase.get(), self.stalled.get()) {
            (Phase::Body(since) | Phase::Following(since), _) => Some(since),
            (_, stalled) => stalled,
        }
    }

    /// Ready once the client has closed. Whatever it still sends is dropped.
    ///
    /// While an answer that never ends is under way, hyper looks for the end of the connection only if nothing came
    /// after the request; the reference's client sends an empty line too many.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = self.buffer.borrow_mut();
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
        let mut buffer = self.0.buffer.borrow_mut();
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
