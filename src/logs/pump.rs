//! The turns of the streams: who may move bytes now, what comes after, and what a refusal means.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use privsep::request::Log;

use super::append::{Appender, CHUNK, Target};
use super::file::MOMENT;
use super::stream::{Stream, Turn};
use super::{Event, Logs, REST, Token};

/// How soon a stream is looked at whose file takes nothing, and how late when nothing comes.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(100);
/// How soon one from which something was dropped.
const NEXT_LOOK: Duration = Duration::from_millis(1);

impl Logs {
    /// One turn of one stream: move what is there, then rest, wait for more, or end. Says whether something was there.
    pub(super) fn turn(&mut self, token: Token, now: Instant) -> bool {
        let mut moved = false;
        loop {
            let Some(mut stream) = self.streams.remove(&token) else {
                return moved;
            };
            (stream.resting, stream.look) = (false, None);
            let turn = self.move_some(&mut stream, now);
            let (slot, instance, finishing) = (stream.slot, stream.instance, stream.finishing());
            let over = stream.over(&turn);
            self.streams.insert(token, stream);
            moved |= matches!(turn, Turn::Moved(1..));
            if over {
                self.detach(token);
                if finishing {
                    self.drained(slot, instance);
                }
                return moved;
            }
            if !finishing || matches!(turn, Turn::Held | Turn::Waits(_)) {
                self.then(token, turn, now);
                return moved;
            }
        }
    }

    fn then(&mut self, token: Token, turn: Turn, now: Instant) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        match turn {
            Turn::Held => {
                stream.stuck.get_or_insert(now);
                stream.look = Some((now + FIRST_LOOK, FIRST_LOOK));
                self.uneasy = true;
                if stream.hasty() {
                    self.look(token, now);
                }
            }
            Turn::Waits(Some(until)) if until <= now + REST => self.rest(token),
            Turn::Waits(until) => {
                stream.look = until.map(|until| (until, FIRST_LOOK));
                self.uneasy |= until.is_some();
                if !std::mem::replace(&mut stream.for_more, true) {
                    let _ = self.tools.watch.arm_for_more(stream.pipe.as_fd(), token);
                }
            }
            // By edges, so that nothing has to be armed again for each answer of a listener.
            Turn::Moved(bytes) if bytes < CHUNK && stream.goes_on(bytes, now) => {
                if !std::mem::replace(&mut stream.for_more, true) {
                    let _ = self.tools.watch.arm_for_more(stream.pipe.as_fd(), token);
                }
            }
            Turn::Empty if stream.hasty() && stream.for_more => {}
            // Not while each write to it is reported.
            Turn::Moved(_) if stream.babbles() && !stream.for_more => self.rest(token),
            Turn::Moved(bytes) if !stream.hasty() && stream.rests(bytes, now) => self.rest(token),
            Turn::Moved(_) | Turn::Empty | Turn::End => self.arm(token),
        }
    }

    /// Lets a pipe fill for a moment.
    pub(super) fn rest(&mut self, token: Token) {
        if self.resting.is_empty() && self.tools.watch.pause(REST).is_err() {
            return self.arm(token);
        }
        if let Some(stream) = self.streams.get_mut(&token)
            && !std::mem::replace(&mut stream.resting, true)
        {
            self.resting.push(token);
        }
    }

    fn arm(&mut self, token: Token) {
        if let Some(stream) = self.streams.get_mut(&token) {
            stream.for_more = false;
            let _ = self.tools.watch.arm(stream.pipe.as_fd(), token);
        }
    }

    fn move_some(&mut self, stream: &mut Stream, now: Instant) -> Turn {
        let key = self.key(stream);
        let Logs { tools, journal, buffers, syslogs, clock, events, files, ear, .. } = self;
        let free = !self.taking_over;
        let file = key.and_then(|key| files.get_mut(&key)).filter(|file| free && !file.held(now));
        let target = match (stream.log, file) {
            (None, _) if free => Target::Nowhere,
            (None, _) => Target::Held,
            (Some(_), Some(file)) => Target::File(file),
            (Some(_), None) => Target::Held,
        };
        let journal = journal.as_deref();
        let ear = ear.as_deref();
        let mut appender = Appender { tools, journal, buffers, syslogs, clock, events, ear, now };
        let result = match (&stream.work, target) {
            (None, Target::Nowhere) => return stream.discard(tools.null.as_fd()),
            (None, Target::Held) => return Turn::Held,
            (Some(work), Target::Held) if work.syslog.is_none() => return Turn::Held,
            (None, Target::File(file))
                if file.plain() && stream.note.is_none() && stream.gap.is_none() =>
            {
                stream.splice(file).map(|turn| match turn {
                    Turn::Moved(bytes) => (turn, bytes),
                    _ => (turn, 0),
                })
            }
            (_, target) => appender.turn(stream, target),
        };
        match (result, key) {
            (Ok((turn, written)), Some(key)) => {
                if written > 0 {
                    self.settle(key, now);
                }
                turn
            }
            (Ok((turn, _)), None) => turn,
            (Err(errno), Some(key)) => {
                self.refused(key, errno, now);
                Turn::Held
            }
            // Nothing but a journal and a pipe is involved.
            (Err(_), None) => Turn::Empty,
        }
    }

    /// Under which number the file of a stream is open.
    fn key(&self, stream: &Stream) -> Option<Log> {
        self.numbers.get(&stream.log?).copied()
    }

    /// After bytes have reached a file: is it over its limit?
    pub(super) fn settle(&mut self, key: Log, now: Instant) {
        self.told(key);
        let Some(file) = self.files.get_mut(&key) else {
            return;
        };
        if let Some(dropped) = file.works() {
            self.events.push(Event::Works(key, dropped));
        }
        if let Some(log) = file.over_limit(now) {
            file.hold(now);
            self.events.push(Event::Rotate(log));
        }
    }

    pub(super) fn refused(&mut self, key: Log, errno: Errno, now: Instant) {
        self.uneasy = true;
        if let Some(file) = self.files.get_mut(&key)
            && file.fails(errno, now)
        {
            self.events.push(Event::Trouble(key, errno));
        }
    }

    /// Looks at a stream that nothing was reported of.
    pub(super) fn look(&mut self, token: Token, now: Instant) {
        let Some(mut stream) = self.streams.remove(&token) else {
            return;
        };
        if stream.stuck.is_none() {
            self.streams.insert(token, stream);
            self.turn(token, now);
            return;
        }
        let delay = stream.look.map_or(FIRST_LOOK, |(_, delay)| delay);
        let turn = if self.is_full(&stream, now) {
            let next = if stream.hasty() { FIRST_LOOK } else { NEXT_LOOK };
            stream.look = Some((now + next, FIRST_LOOK));
            let turn = self.drop_some(&mut stream, now);
            if stream.hasty() {
                self.go_on_without_log(token, &mut stream, turn, now);
            }
            turn
        } else {
            stream.look = Some((now + delay, (delay * 2).min(LAST_LOOK)));
            // The system's log may go on without the file.
            let look = stream.look;
            if stream.work.as_ref().is_some_and(|work| work.syslog.is_some()) {
                let _ = self.move_some(&mut stream, now);
            }
            stream.look = look;
            Turn::Held
        };
        let (slot, instance, over) = (stream.slot, stream.instance, stream.over(&turn));
        self.streams.insert(token, stream);
        if over {
            self.detach(token);
            self.drained(slot, instance);
        }
    }

    /// After a turn of a stream whose log takes nothing and for whose bytes somebody waits: has the next reported.
    fn go_on_without_log(&self, token: Token, stream: &mut Stream, turn: Turn, now: Instant) {
        let known = stream.for_more;
        let (look, for_more) = match turn {
            // It is looked at after a while, and not reported meanwhile.
            Turn::Moved(bytes) if !stream.goes_on(bytes, now) => (stream.look, false),
            Turn::Moved(bytes) => (None, bytes < CHUNK),
            Turn::Empty => (None, known),
            Turn::End | Turn::Held | Turn::Waits(_) => return,
        };
        (stream.look, stream.for_more) = (look, for_more);
        let (pipe, watch) = (stream.pipe.as_fd(), &self.tools.watch);
        let _ = match (known, for_more) {
            (true, true) => Ok(()),
            (false, true) => watch.arm_for_more(pipe, token),
            (_, false) => watch.arm(pipe, token),
        };
    }

    /// Whether a stream's program would have to wait for a file that takes nothing. Nobody waits for a listener's log: who
    /// waits for its answer does not care for that.
    fn is_full(&self, stream: &Stream, now: Instant) -> bool {
        let drops = match self.key(stream).and_then(|key| self.files.get(&key)) {
            Some(file) => file.drops(stream.hasty(), now),
            None => stream.stuck.is_some_and(|since| now >= since + MOMENT),
        };
        drops
            && (stream.hasty()
                || self
                    .tools
                    .scratch
                    .full(stream.pipe.as_fd(), self.tools.null.as_fd())
                    .unwrap_or(false))
    }

    fn drop_some(&mut self, stream: &mut Stream, now: Instant) -> Turn {
        let key = self.key(stream);
        let Logs { tools, journal, buffers, syslogs, clock, events, ear, .. } = self;
        let journal = journal.as_deref();
        let ear = ear.as_deref();
        let mut appender = Appender { tools, journal, buffers, syslogs, clock, events, ear, now };
        match appender.turn(stream, Target::Dropped) {
            Ok((turn, dropped)) => {
                self.count(key, stream.log, dropped);
                turn
            }
            Err(_) => Turn::Held,
        }
    }

    /// Counts bytes that were given up. Whether that will be told when the log works again.
    pub(super) fn count(&mut self, key: Option<Log>, log: Option<Log>, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match (key.and_then(|key| self.files.get_mut(&key)), log) {
            (Some(file), _) => file.dropped(bytes),
            (None, Some(log)) => {
                let sum = self.unopened.entry(log).or_default();
                *sum = sum.saturating_add(bytes);
                true
            }
            (None, None) => false,
        }
    }

    pub(super) fn resume(&mut self, key: Log, now: Instant) {
        let waits = |stream: &&Stream| stream.stuck.is_some() && self.key(stream) == Some(key);
        let stuck = self.streams.iter().filter(|(_, stream)| waits(stream));
        // Notes first: what they say of the file's end holds until something else is appended.
        let mut stuck: Vec<(bool, Token)> =
            stuck.map(|(token, stream)| (stream.note.is_none(), *token)).collect();
        stuck.sort_unstable();
        for (_, token) in stuck {
            if let Some(stream) = self.streams.get_mut(&token) {
                stream.stuck = None;
            }
            self.turn(token, now);
        }
    }
}
