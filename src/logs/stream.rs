//! One stream: a program's output pipe and where it goes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use link::bytes;
use nix::errno::Errno;
use privsep::request::{Instance, Log, Slot};

use super::append::Note;
use super::file::LogFile;
use super::{BUSY, Output};

/// The most bytes of one move; a file may exceed its limit by so much. No pipe of ours holds more.
const MOST: usize = 1 << 20;
/// A turn that moved this much is followed by the next without a rest.
const MUCH: usize = 32 << 10;

/// What a turn of a stream has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// This many bytes have arrived.
    Moved(usize),
    /// Nothing is there.
    Empty,
    /// All writers are gone.
    End,
    /// The file takes nothing just now.
    Held,
}

pub(super) struct Stream {
    pub(super) pipe: OwnedFd,
    pub(super) slot: Slot,
    pub(super) instance: Instance,
    pub(super) output: Output,
    /// Where it goes; nowhere when the log is NONE.
    pub(super) log: Option<Log>,
    /// What the broker before this one was about to append.
    pub(super) note: Option<Note>,
    /// It waits for its file.
    pub(super) stuck: bool,
    last: Option<Instant>,
    /// The instance has exited: since when, and how many of the bytes that were there then still are.
    finishing: Option<(Instant, usize)>,
}

impl Stream {
    pub(super) fn new(
        pipe: OwnedFd,
        slot: Slot,
        instance: Instance,
        output: Output,
        log: Option<Log>,
        note: Option<Note>,
    ) -> Stream {
        Stream {
            pipe,
            slot,
            instance,
            output,
            log,
            note,
            stuck: false,
            last: None,
            finishing: None,
        }
    }

    pub(super) fn finish(&mut self, now: Instant) {
        let left = bytes::waiting(self.pipe.as_fd()).unwrap_or(0);
        self.finishing.get_or_insert((now, left));
    }

    pub(super) fn finishing(&self) -> bool {
        self.finishing.is_some()
    }

    /// When waiting for its file ends, once its instance has exited.
    pub(super) fn gives_up_at(&self, patience: Duration) -> Option<Instant> {
        self.finishing.map(|(since, _)| since + patience)
    }

    /// Whether that was its last turn. What others write after the exit does not keep it open.
    pub(super) fn over(&mut self, turn: &Turn) -> bool {
        match (turn, &mut self.finishing) {
            (Turn::End, _) | (Turn::Empty, Some(_)) => true,
            (Turn::Moved(bytes), Some((_, left))) => {
                *left = left.saturating_sub(*bytes);
                *left == 0
            }
            (Turn::Held, _) | (Turn::Empty | Turn::Moved(_), None) => false,
        }
    }

    /// Whether, after a turn that moved so much, its pipe is let fill for a while.
    pub(super) fn rests(&mut self, bytes: usize, now: Instant) -> bool {
        let busy = self.last.is_some_and(|last| now.duration_since(last) < BUSY);
        self.last = Some(now);
        busy && bytes < MUCH
    }

    /// Moves bytes inside the kernel. EINVAL makes the file one that is appended to from then on.
    pub(super) fn splice(&self, file: &mut LogFile) -> nix::Result<Turn> {
        // All that is there, which is whole writes, so that lines of two streams do not cut each other; and no more,
        // or the kernel would go on while the program writes, at a place that was the file's end when it began.
        let there = bytes::waiting(self.pipe.as_fd())?;
        let most = if there == 0 { MOST } else { there.min(MOST) };
        match bytes::splice_to_end(self.pipe.as_fd(), file.fd(), most) {
            Ok(moved) if moved.bytes == 0 => Ok(Turn::End),
            Ok(moved) => {
                file.grew(moved.end, moved.bytes);
                Ok(Turn::Moved(moved.bytes))
            }
            Err(Errno::EAGAIN) if there == 0 => Ok(Turn::Empty),
            Err(Errno::EINVAL) => {
                file.not_plain();
                Ok(Turn::Moved(0))
            }
            Err(e) => Err(e),
        }
    }

    /// Takes bytes that nobody keeps.
    pub(super) fn discard(&self, null: BorrowedFd<'_>) -> Turn {
        match bytes::drain(self.pipe.as_fd(), null, MOST) {
            Ok(0) | Err(Errno::EPIPE) => Turn::End,
            Ok(n) => Turn::Moved(n),
            Err(_) => Turn::Empty,
        }
    }
}
