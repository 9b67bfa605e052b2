//! The system's log: one datagram a line, never waited for.
//!
//! While it takes nothing, lines wait in the pipes for a moment; then they are dropped and counted, and the streams go
//! on without it. A socket that is of no use any more (the daemon behind it has been restarted) is asked for again.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use link::bytes;
use nix::errno::Errno;
use privsep::request::Log;

use super::Event;
use super::clock::{self, Clock};

/// Facility user, severity informational: what the reference gives every line.
const PRIORITY: &str = "<14>";
/// Who says it in the activity log's lines, as in the reference.
pub(super) const DAEMON: &str = "supervisord: ";
/// A longer line is sent in pieces: receivers cut what is longer than their own limit, 8 KiB with most.
pub(super) const LONGEST: usize = 8_000;
/// How long lines wait before they are dropped.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long nothing may have been dropped before it is said to work again.
const CALM: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// How soon a line that is not dropped is offered again.
const SOON: Duration = Duration::from_millis(10);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Who says a program's lines: the daemon for the program of this name, as in the reference, or the program under its tag.
pub(super) fn caller(name: &str, tag: Option<&str>) -> String {
    match tag {
        Some(tag) => format!("{tag}: "),
        None => format!("{DAEMON}{name} "),
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// It cannot be taken just now.
    Wait,
    /// It is lost, and counted.
    Dropped,
}

pub(super) struct Syslog {
    log: Log,
    socket: Option<OwnedFd>,
    /// A socket is on its way.
    asked: bool,
    /// When the next one may be asked for, and how long the last failure made us wait.
    again: Option<(Instant, Duration)>,
    /// Since when it takes nothing.
    since: Option<Instant>,
    dropped: u64,
    last_dropped: Option<Instant>,
    said: bool,
    /// Somebody waits for it to take a line; it is to be tried again then.
    wake: Option<Instant>,
    header: (Duration, String),
    message: Vec<u8>,
}

impl Syslog {
    pub(super) fn new(log: Log) -> Syslog {
        Syslog {
            log,
            socket: None,
            asked: false,
            again: None,
            since: None,
            dropped: 0,
            last_dropped: None,
            said: false,
            wake: None,
            header: (Duration::MAX, String::new()),
            message: Vec::new(),
        }
    }

    pub(super) fn opened(&mut self, socket: OwnedFd) {
        self.socket = Some(socket);
        self.asked = false;
    }

    /// It could not be opened.
    pub(super) fn not_opened(&mut self, errno: Errno, now: Instant, events: &mut Vec<Event>) {
        self.asked = false;
        let before = self.again.map_or(Duration::ZERO, |(_, delay)| delay);
        let delay = (before * 2).clamp(FIRST_RETRY, LAST_RETRY);
        self.again = Some((now + delay, delay));
        self.say(errno, events);
    }

    fn say(&mut self, errno: Errno, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.said, true) {
            events.push(Event::Trouble(self.log, errno));
        }
    }

    /// When whoever waits should try again.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.wake
    }

    pub(super) fn woken(&mut self, now: Instant) {
        self.wake = self.wake.filter(|at| *at > now);
    }

    /// Sends one line after who says it. `patient`: it is not to be dropped, however long it waits.
    pub(super) fn line(
        &mut self,
        (caller, text): (&str, &[u8]),
        clock: &Clock,
        (now, patient): (Instant, bool),
        events: &mut Vec<Event>,
    ) -> Sent {
        let Some(socket) = &self.socket else {
            self.ask(now, events);
            return self.refused(None, (now, patient), events);
        };
        let wall = Duration::from_secs(clock::now().wall.as_secs());
        if self.header.0 != wall {
            self.header = (wall, format!("{PRIORITY}{} ", clock.short(wall)));
        }
        self.message.clear();
        self.message.extend(self.header.1.as_bytes());
        self.message.extend(caller.as_bytes());
        self.message.extend(text);
        match bytes::offer(socket.as_fd(), &self.message) {
            Ok(_) => {
                self.works(now, events);
                Sent::Yes
            }
            Err(errno @ (Errno::EAGAIN | Errno::ENOBUFS)) => {
                self.refused(Some(errno), (now, patient), events)
            }
            Err(Errno::EMSGSIZE) => self.lost(Errno::EMSGSIZE, now, events),
            Err(errno) => {
                self.socket = None;
                self.ask(now, events);
                self.again.get_or_insert((now + FIRST_RETRY, Duration::ZERO));
                self.refused(Some(errno), (now, patient), events)
            }
        }
    }

    fn works(&mut self, now: Instant, events: &mut Vec<Event>) {
        (self.since, self.again) = (None, None);
        // One that is overloaded works and fails in turn: that is said once too.
        let calm = self.last_dropped.is_none_or(|at| now.duration_since(at) >= CALM);
        if self.said && calm {
            self.said = false;
            events.push(Event::Works(self.log, std::mem::take(&mut self.dropped)));
        }
    }

    fn ask(&mut self, now: Instant, events: &mut Vec<Event>) {
        if !self.asked && self.again.is_none_or(|(at, _)| at <= now) {
            self.asked = true;
            events.push(Event::Reopen(self.log));
        }
    }

    fn refused(
        &mut self,
        errno: Option<Errno>,
        (now, patient): (Instant, bool),
        events: &mut Vec<Event>,
    ) -> Sent {
        let since = *self.since.get_or_insert(now);
        if patient {
            let again = self.again.filter(|_| self.socket.is_none()).map_or(now, |(at, _)| at);
            self.wake = Some(again.max(now + SOON));
            return Sent::Wait;
        }
        if now.duration_since(since) < PATIENCE {
            return Sent::Wait;
        }
        self.lost(errno.unwrap_or(Errno::ENOTCONN), now, events)
    }

    fn lost(&mut self, errno: Errno, now: Instant, events: &mut Vec<Event>) -> Sent {
        self.say(errno, events);
        self.dropped = self.dropped.saturating_add(1);
        self.last_dropped = Some(now);
        Sent::Dropped
    }
}
