//! One connection: its socket, what its client is expected to do next, and until when.

use std::cell::{Cell, RefCell};
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Instant;

use super::limits::{HEAD_TIME, IDLE_TIME, STALL_TIME};
use super::stream::Stream;
use super::tls::Channel;

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

/// What a connection does, and since when its client takes nothing.
pub(super) struct State {
    phase: Cell<Phase>,
    stalled: Cell<Option<Instant>>,
}

impl State {
    fn idle(&self) {
        self.phase.set(Phase::Idle(Instant::now()));
    }

    fn heard(&self) {
        if let Phase::Idle(_) = self.phase.get() {
            self.phase.set(Phase::Head(Instant::now()));
        }
    }

    /// What came of handing bytes to the socket.
    pub(super) fn wrote(&self, taken: bool) {
        if !taken {
            if self.stalled.get().is_none() {
                self.stalled.set(Some(Instant::now()));
            }
        } else if self.stalled.take().is_some() && matches!(self.phase.get(), Phase::Idle(_)) {
            self.idle();
        }
    }
}

/// A connection: its socket and its state, seen by hyper, by the answer under way and by the limits.
pub(super) struct Line {
    stream: Rc<Stream>,
    state: Rc<State>,
    /// TLS over the socket, once the handshake has passed.
    channel: RefCell<Option<Box<Channel>>>,
    unread: Cell<bool>,
    /// Where bytes arrive: hyper's own is not initialised.
    buffer: RefCell<Box<[u8]>>,
}

impl Line {
    /// A connection that was just accepted.
    pub(super) fn new(stream: Stream) -> Rc<Line> {
        let phase = Cell::new(Phase::Head(Instant::now()));
        Rc::new(Line {
            stream: Rc::new(stream),
            state: Rc::new(State { phase, stalled: Cell::new(None) }),
            channel: RefCell::new(None),
            unread: Cell::new(false),
            buffer: RefCell::new(vec![0; 4 << 10].into()),
        })
    }

    /// The socket itself, and what is to be told of what it takes.
    pub(super) fn bare(&self) -> (Rc<Stream>, Rc<State>) {
        (Rc::clone(&self.stream), Rc::clone(&self.state))
    }

    /// From now on all goes through this. The head of the first request is due.
    pub(super) fn secured(&self, channel: Channel) {
        self.channel.replace(Some(Box::new(channel)));
        self.state.phase.set(Phase::Head(Instant::now()));
    }

    /// Says that there is no place, as far as that can be said without waiting; over TLS, where no word is understood
    /// before the handshake, by an alert.
    pub(super) fn turn_away(&self, tls: bool) {
        const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x50";
        const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nServer: Medusa/1.12\r\nConnection: close\r\n\
            Content-Type: text/plain\r\nRetry-After: 1\r\nContent-Length: 21\r\n\r\ntoo many connections\n";
        // What is unread when a connection closes takes the answer with it.
        let _ = self.stream.try_read(&mut [0; 4 << 10]);
        let _ = self.stream.try_write(&[IoSlice::new(if tls { ALERT } else { FULL })]);
    }

    /// A request has arrived.
    pub(super) fn busy(&self) {
        self.state.phase.set(Phase::Busy);
    }

    /// The body of the request is due.
    pub(super) fn reading(&self) {
        self.state.phase.set(Phase::Body(Instant::now()));
    }

    /// The answer to a request follows a log.
    pub(super) fn following(&self) {
        self.state.phase.set(Phase::Following(Instant::now()));
    }

    /// Whether a log is being followed.
    pub(super) fn is_following(&self) -> bool {
        matches!(self.state.phase.get(), Phase::Following(_))
    }

    /// A request is answered.
    pub(super) fn idle(&self) {
        self.state.idle();
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
        match (self.state.phase.get(), self.state.stalled.get()) {
            (Phase::Following(_), _) | (Phase::Body(_) | Phase::Busy, None) => None,
            (_, Some(since)) => since.checked_add(STALL_TIME),
            (Phase::Head(since), None) => since.checked_add(HEAD_TIME),
            (Phase::Idle(since), None) => since.checked_add(IDLE_TIME),
        }
    }

    /// Since when only the client could have done something; `None` while there is work for it.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        match (self.state.phase.get(), self.state.stalled.get()) {
            (Phase::Head(since) | Phase::Idle(since), None) => Some(since),
            _ => None,
        }
    }

    /// Since when it holds its place and leaves the next step to its client: to send a body or to take an answer; or a
    /// log is being followed.
    pub(super) fn held_since(&self) -> Option<Instant> {
        match (self.state.phase.get(), self.state.stalled.get()) {
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
        while let Ok(1..) = ready!(self.poll_read(cx, &mut scrap)) {}
        Poll::Ready(())
    }

    /// The same below TLS, after the last answer: what comes is not even deciphered.
    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = self.buffer.borrow_mut();
        while let Ok(1..) = ready!(self.stream.poll_read(cx, &mut scrap)) {}
        Poll::Ready(())
    }

    /// Says over TLS that nothing more will come, as far as that can be said without waiting: else its client could not
    /// tell this end from one that somebody on the way has made.
    pub(super) fn part(&self, cx: &mut Context<'_>) {
        if let (Some(channel), true) =
            (&mut *self.channel.borrow_mut(), self.waiting_since().is_some())
        {
            let _ = channel.poll_shutdown(cx);
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut *self.channel.borrow_mut() {
            Some(channel) => channel.poll_read(cx, into),
            None => self.stream.poll_read(cx, into),
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
        let count = ready!(self.0.poll_read(cx, part))?;
        if count > 0 {
            self.0.state.heard();
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
        if let Some(channel) = &mut *self.0.channel.borrow_mut() {
            return channel.poll_write(cx, from);
        }
        let result = self.0.stream.poll_write(cx, from);
        self.0.state.wrote(result.is_ready());
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.channel.borrow_mut() {
            Some(channel) => channel.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.channel.borrow_mut() {
            Some(channel) => channel.poll_shutdown(cx),
            None => Poll::Ready(self.0.stream.end_writing()),
        }
    }
}
