//! TLS over a socket, as [`Line`](super::super::line::Line) uses it.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::super::line::State;
use super::super::stream::Stream;
use super::turns::Turn;

/// The first byte of all that speak TLS: a record of a handshake.
const HANDSHAKE: u8 = 0x16;

/// How a client has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// It has sent nothing.
    Silence,
    /// As TLS begins.
    Tls,
    /// In some other way.
    Other,
}

/// The socket below TLS.
pub(super) struct Socket {
    stream: Rc<Stream>,
    state: Rc<State>,
    opening: Rc<Cell<Opening>>,
    turn: Rc<RefCell<Turn>>,
}

impl Socket {
    /// One, and how its client begins, once it has.
    pub(super) fn new(
        (stream, state): (Rc<Stream>, Rc<State>),
        turn: &Rc<RefCell<Turn>>,
    ) -> (Socket, Rc<Cell<Opening>>) {
        let opening = Rc::new(Cell::new(Opening::Silence));
        (Socket { stream, state, opening: Rc::clone(&opening), turn: Rc::clone(turn) }, opening)
    }

    fn take(&self, from: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        {
            let mut turn = self.turn.borrow_mut();
            turn.pay();
            turn.end_step();
        }
        let result = self.stream.poll_write(cx, from);
        self.state.wrote(result.is_ready());
        result
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut turn = self.turn.borrow_mut();
        turn.end_step();
        // Only who has sent something has a turn, and never longer than it takes to look at that.
        let Poll::Ready(readable) = self.stream.poll_readable(cx) else {
            turn.yield_turn();
            return Poll::Pending;
        };
        readable?;
        ready!(turn.poll(cx));
        let room = into.initialize_unfilled();
        let Poll::Ready(count) = self.stream.poll_read(cx, room) else {
            turn.yield_turn();
            return Poll::Pending;
        };
        let count = count?;
        turn.begin();
        let first = room.first().filter(|_| count > 0).copied();
        if let (Opening::Silence, Some(first)) = (self.opening.get(), first) {
            let is_tls = first == HANDSHAKE;
            self.opening.set(if is_tls { Opening::Tls } else { Opening::Other });
            if !is_tls {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        into.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(&[IoSlice::new(from)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(from, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.end_writing())
    }
}

/// A connection whose handshake has passed.
pub(in super::super) struct Channel(pub(super) TlsStream<Socket>);

impl Channel {
    /// Reads what there is; no bytes at the end, whether it was said by TLS or is only that of the socket.
    pub(in super::super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut into))?;
        Poll::Ready(Ok(into.filled().len()))
    }

    /// Takes bytes, of which some may wait here to be flushed.
    pub(in super::super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, from)
    }

    /// Ready once nothing waits here.
    pub(in super::super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// Says that nothing more will come.
    pub(in super::super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
