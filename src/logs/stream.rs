//! One stream: a program's output pipe, where it goes and what is done to it on the way.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use link::bytes;
use nix::errno::Errno;
use privsep::request::{Instance, Log, Slot};

use super::append::Note;
use super::cut::Rules;
use super::ear::{Source, Wants};
use super::file::LogFile;
use super::syslog;
use super::{BUSY, Output};
use crate::config::settings;

/// The most bytes of one move; a file may exceed its limit by so much. No pipe of ours holds more.
const MOST: usize = 1 << 20;
/// A turn that moved this much is followed by the next without a rest.
const MUCH: usize = 32 << 10;
/// So many turns of a listener, close upon each other, have no rest though it was sent nothing meanwhile: a greeting or an
/// answer has fewer writes.
const GREETING: u32 = 32;

/// Where a stream goes, and what is done to it on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// What the system's log is told before each line: who says it.
    pub caller: String,
    /// Its log file.
    pub log: Option<Log>,
    /// The system's log.
    pub syslog: Option<Log>,
    /// The most bytes of a message between tags; `None`: tags are text.
    pub capture: Option<usize>,
    /// Whether sequences of a terminal are taken out.
    pub strip: bool,
    /// Whether somebody wants what is written, as [`super::Event::Chunk`].
    pub chunks: bool,
    /// Whether somebody wants messages, as [`super::Event::Captured`].
    pub messages: bool,
    /// What is told to the [`super::Ear`].
    pub wants: Wants,
}

impl Route {
    /// The route of a process's output. Nobody wants chunks or messages of it.
    pub fn new(process: &settings::Process, output: Output, strip: bool) -> Route {
        let stream = match output {
            Output::Stdout => &process.stdout,
            Output::Stderr => &process.stderr,
        };
        let capture = usize::try_from(stream.capture).ok().filter(|most| *most > 0);
        Route {
            caller: syslog::caller(&process.name, process.syslog_tag.as_deref()),
            log: stream.log,
            syslog: stream.syslog,
            capture,
            strip,
            chunks: false,
            messages: false,
            wants: Wants::default(),
        }
    }

    /// Whether its bytes are looked at at all.
    fn worked(&self) -> bool {
        let heard = self.syslog.is_some() || self.chunks || self.wants.any();
        heard || self.messages || self.log.is_some() && (self.strip || self.capture.is_some())
    }
}

/// What a stream needs whose bytes are looked at.
pub(super) struct Work {
    pub(super) rules: Rules,
    /// The most bytes of a message.
    pub(super) most: usize,
    pub(super) chunks: bool,
    pub(super) messages: bool,
    pub(super) wants: Wants,
    pub(super) syslog: Option<Log>,
    /// What comes before each line in the system's log.
    pub(super) caller: String,
    /// What came before is the beginning of a message.
    pub(super) inside: bool,
    /// As much of that message as is known.
    pub(super) message: Vec<u8>,
    /// How much of the text in front of the pipe has been sent to the system's log.
    pub(super) sent: usize,
    /// The system's log did not take all of it.
    pub(super) full: bool,
    /// Since when half a line waits for the rest of it.
    pub(super) half_line: Option<Instant>,
}

impl Work {
    fn new(route: Route) -> Work {
        Work {
            rules: Rules { capture: route.capture.is_some(), strip: route.strip },
            most: route.capture.unwrap_or(0),
            chunks: route.chunks,
            messages: route.messages,
            wants: route.wants,
            syslog: route.syslog,
            caller: route.caller,
            inside: false,
            message: Vec::new(),
            sent: 0,
            full: false,
            half_line: None,
        }
    }
}

/// What a turn of a stream has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// This many bytes have left the pipe.
    Moved(usize),
    /// Nothing is there.
    Empty,
    /// All writers are gone.
    End,
    /// The file takes nothing just now.
    Held,
    /// What is there is not enough to tell what it is: it stays until more comes, or until then.
    Waits(Option<Instant>),
}

pub(super) struct Stream {
    pub(super) pipe: OwnedFd,
    pub(super) slot: Slot,
    pub(super) instance: Instance,
    pub(super) output: Output,
    /// Where it goes; nowhere when the log is NONE.
    pub(super) log: Option<Log>,
    /// Nothing is done to a plain stream.
    pub(super) work: Option<Box<Work>>,
    /// How many chunks of it have been told to the ear.
    pub(super) turn: u32,
    /// What the broker before this one was about to append.
    pub(super) note: Option<Note>,
    /// So many bytes were dropped since its file last took some.
    pub(super) gap: Option<u64>,
    /// It waits for its file, since then.
    pub(super) stuck: Option<Instant>,
    /// It is let fill for a moment.
    pub(super) resting: bool,
    /// It is reported whenever something is added to what is in it.
    pub(super) for_more: bool,
    /// When it is to be looked at again though nothing is reported, and how long that was put off.
    pub(super) look: Option<(Instant, Duration)>,
    last: Option<Instant>,
    /// Turns close upon each other since it was last sent something.
    unasked: u32,
    /// The instance has exited: since when, and how many of the bytes that were there then still are.
    finishing: Option<(Instant, usize)>,
}

impl Stream {
    pub(super) fn new(
        pipe: OwnedFd,
        (slot, instance, output): (Slot, Instance, Output),
        route: Route,
        note: Option<Note>,
    ) -> Stream {
        let log = route.log;
        let work = route.worked().then(|| Box::new(Work::new(route)));
        Stream {
            pipe,
            slot,
            instance,
            output,
            log,
            work,
            turn: 0,
            gap: note.and_then(|note| note.gap()),
            note,
            stuck: None,
            resting: false,
            for_more: false,
            look: None,
            last: None,
            unasked: 0,
            finishing: None,
        }
    }

    /// Whose stream it is.
    pub(super) fn source(&self) -> Source {
        Source { slot: self.slot, instance: self.instance, output: self.output }
    }

    /// What is wanted of it from now on. Whether that has made it a plain one.
    pub(super) fn rewire(&mut self, route: Route) -> bool {
        match &mut self.work {
            // Inside a message, or before a former broker's note is settled, it matters what comes next.
            Some(work) if !route.worked() && !work.inside && self.note.is_none() => {
                self.work = None;
                return true;
            }
            Some(work) => work.wants = route.wants,
            None => self.work = route.worked().then(|| Box::new(Work::new(route))),
        }
        false
    }

    /// Whether somebody waits for each of its bytes.
    pub(super) fn hasty(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.wants.protocol)
    }

    /// Its program was sent something: what it says next may be the answer.
    pub(super) fn asked(&mut self) {
        self.unasked = 0;
    }

    /// Whether it is not let rest after a turn that moved so much: somebody waits for its bytes, and it does not just babble.
    pub(super) fn goes_on(&mut self, bytes: usize, now: Instant) -> bool {
        if !self.hasty() {
            return false;
        }
        let busy = self.rests(bytes, now);
        self.unasked = if busy { self.unasked.saturating_add(1) } else { 0 };
        !self.babbles()
    }

    /// Whether it goes on and on though nobody has asked.
    pub(super) fn babbles(&self) -> bool {
        self.unasked >= GREETING
    }

    pub(super) fn finish(&mut self, now: Instant) {
        let left = bytes::waiting(self.pipe.as_fd()).unwrap_or(0);
        self.finishing.get_or_insert((now, left));
    }

    pub(super) fn finishing(&self) -> bool {
        self.finishing.is_some()
    }

    /// How many of the bytes that were there at the exit still are.
    pub(super) fn left(&self) -> Option<usize> {
        self.finishing.map(|(_, left)| left)
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
            (Turn::Held | Turn::Waits(_), _) | (Turn::Empty | Turn::Moved(_), None) => false,
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
