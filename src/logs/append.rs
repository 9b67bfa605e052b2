//! The way for streams that something is done to, for files that refuse splice and for those that somebody else trims:
//! copy, append, consume.
//!
//! Before text is appended, a note in the journal says where and from which bytes; after those are consumed it is taken
//! back. A broker that finds a note compares the pipe's first bytes with it: if they differ, they were consumed; if not,
//! they are cut again, and the file's end tells how much of their text has arrived.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use link::{Journal, bytes};
use nix::errno::Errno;
use privsep::journal::Payload;
use privsep::request::{Instance, Log};

use super::clock::Clock;
use super::cut::{Cut, Kind, Rules};
use super::file::LogFile;
use super::stream::{Stream, Turn, Work};
use super::syslog::{self, Sent, Syslog};
use super::tell::Telling;
use super::{Ear, Event, JOURNAL_STREAMS_AT, Output, REST, Said, Tools};

pub(super) const CHUNK: usize = 64 << 10;
const NOTE: usize = 24;
/// The hash looks at this much of both ends of a chunk: enough to tell lines apart, little enough to cost nothing.
const LOOKED_AT: usize = 1 << 10;

/// Set in the length of a note: its bytes begin inside a message.
const BEFORE: u32 = 1 << 31;
/// And they end inside one.
const AFTER: u32 = 1 << 30;
/// Set in the length of a note: what was in the pipe before it was dropped; its place is how many bytes.
const GAP: u32 = 1 << 29;
/// How long half a line waits for the rest of it before it is sent to the system's log.
const HALF_LINE: Duration = Duration::from_millis(200);
/// What is looked at for a system's log that was full: more than the few lines that it takes in one go, and than its
/// longest line.
const GLANCE: usize = 16 << 10;
/// Pages that must stay free in a pipe, so that bytes which wait there for more are never all that fits.
const SPARE: usize = 8 << 10;

/// What was about to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) instance: Instance,
    /// Where the file ended.
    at: u64,
    /// How many bytes of the pipe it was made from; 0 when nothing was about to be, inside a message.
    length: u32,
    hash: u32,
    /// Whether these bytes begin, and end, inside a message.
    before: bool,
    after: bool,
    /// Nothing was about to be appended, but so many bytes were dropped before.
    gap: Option<u64>,
    /// The number of the chunk, where it is told to somebody.
    turn: u32,
}

fn place(output: Output) -> usize {
    JOURNAL_STREAMS_AT + output.index() * NOTE
}

impl Note {
    /// How many bytes were dropped, if any were.
    pub(super) fn gap(&self) -> Option<u64> {
        self.gap
    }

    /// Whether it was told, where the last chunk that was has this number. Only the last can be in the pipe still.
    pub(super) fn told(&self, last: u32) -> bool {
        self.turn > 0 && self.turn == last
    }

    fn new(instance: Instance, at: u64, chunk: &[u8], (before, after): (bool, bool)) -> Note {
        let length = u32::try_from(chunk.len()).unwrap_or(0);
        Note { instance, at, length, hash: hash(chunk), before, after, gap: None, turn: 0 }
    }

    fn encode(self) -> [u8; NOTE] {
        let mut bytes = [0; NOTE];
        let inside = |yes, flag| if yes { flag } else { 0 };
        let inside = inside(self.before, BEFORE) | inside(self.after, AFTER);
        let length = self.length | inside | self.gap.map_or(0, |_| GAP);
        let fields = (self.instance.to_le_bytes().into_iter())
            .chain(self.gap.unwrap_or(self.at).to_le_bytes())
            .chain(length.to_le_bytes())
            .chain(self.hash.to_le_bytes())
            .chain(self.turn.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    #[cfg(test)]
    pub(super) fn of(instance: Instance, at: usize, chunk: &[u8]) -> Vec<u8> {
        Note::new(instance, u64::try_from(at).unwrap(), chunk, (false, false)).encode().to_vec()
    }

    /// The same of a chunk with a number.
    #[cfg(test)]
    pub(super) fn turned(instance: Instance, at: usize, chunk: &[u8], turn: u32) -> Vec<u8> {
        let at = u64::try_from(at).unwrap();
        let note = Note::new(instance, at, chunk, (false, false));
        Note { turn, ..note }.encode().to_vec()
    }

    /// The note of this stream in its slot's cell; any bytes give a note or none.
    pub(super) fn decode(payload: &Payload, output: Output) -> Option<Note> {
        let at = place(output);
        let (instance, rest) = payload.get(at..at + NOTE)?.split_first_chunk::<4>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (hash, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let note = Note {
            instance: u32::from_le_bytes(*instance),
            at: u64::from_le_bytes(*at),
            length: length & !(BEFORE | AFTER | GAP),
            hash: u32::from_le_bytes(*hash),
            before: length & BEFORE != 0,
            after: length & AFTER != 0,
            gap: (length & GAP != 0).then_some(u64::from_le_bytes(*at)),
            turn: u32::from_le_bytes(*rest.first_chunk::<4>()?),
        };
        let length = usize::try_from(note.length).ok()?;
        let rest = note.before || note.gap.is_some();
        (length <= CHUNK && (length > 0 || rest)).then_some(note)
    }
}

/// The number of the chunk after this one; 0 is that of none.
fn after(turn: u32) -> u32 {
    turn.wrapping_add(1).max(1)
}

fn hash(chunk: &[u8]) -> u32 {
    let head = chunk.get(..LOOKED_AT).unwrap_or(chunk);
    let tail = chunk.len().saturating_sub(LOOKED_AT);
    let tail = chunk.get(tail..).unwrap_or_default();
    head.iter()
        .chain(tail)
        .fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Where the text of a stream goes in this turn.
pub(super) enum Target<'a> {
    /// To its file.
    File(&'a mut LogFile),
    /// It has no file.
    Nowhere,
    /// Its file takes nothing just now.
    Held,
    /// Its file takes nothing and its pipe is full: a part of it is dropped.
    Dropped,
}

/// What a turn has come to, and how many bytes of text went where they should or were dropped.
pub(super) type Done = (Turn, usize);

pub(super) struct Appender<'a> {
    pub(super) tools: &'a Tools,
    pub(super) journal: Option<&'a Journal>,
    /// Shared by all streams; empty until one needs it.
    pub(super) buffers: &'a mut Buffers,
    pub(super) syslogs: &'a mut HashMap<Log, Syslog>,
    pub(super) clock: &'a Clock,
    pub(super) events: &'a mut Vec<Event>,
    pub(super) ear: Option<&'a dyn Ear>,
    pub(super) now: Instant,
}

/// Room for one turn.
#[derive(Default)]
pub(super) struct Buffers {
    /// What is in front of the pipe.
    bytes: Vec<u8>,
    cut: Cut,
    /// Its text, where that is not all of it.
    text: Vec<u8>,
}

impl Buffers {
    /// The text among the first `there` bytes.
    fn text(&mut self, there: usize) -> &[u8] {
        let bytes = self.bytes.get(..there).unwrap_or_default();
        if self.cut.plain() {
            return bytes.get(..self.cut.length).unwrap_or_default();
        }
        self.text.clear();
        for (_, run) in self.cut.of(bytes).filter(|(kind, _)| *kind == Kind::Text) {
            self.text.extend(run);
        }
        &self.text
    }

    fn made_from(&self) -> &[u8] {
        self.bytes.get(..self.cut.length).unwrap_or_default()
    }
}

impl Appender<'_> {
    /// Moves at most one chunk. EAGAIN: the target has no room.
    pub(super) fn turn(
        &mut self,
        stream: &mut Stream,
        mut target: Target<'_>,
    ) -> nix::Result<Done> {
        self.recover(stream, &mut target)?;
        self.mend(stream, &mut target)?;
        let most = match stream.left() {
            Some(0) => return Ok((Turn::Empty, 0)),
            Some(left) => left.min(CHUNK),
            None => CHUNK,
        };
        // The end of what is left must be seen as such.
        let full = stream.work.as_ref().is_some_and(|work| work.full);
        let most = if full && stream.left().is_none() { GLANCE } else { most };
        let there = match self.peek(stream, most) {
            Ok(0) => return Ok((Turn::End, 0)),
            Ok(n) => n,
            Err(Errno::EAGAIN) => return Ok((Turn::Empty, 0)),
            Err(e) => return Err(e),
        };
        let last = stream.left().is_some_and(|left| left <= there);
        if let Some(until) = self.decide(stream, there, last, &target) {
            return Ok((Turn::Waits(until), 0));
        }
        if matches!(target, Target::Held) {
            return Ok((Turn::Held, 0));
        }
        self.move_text(stream, there, target)
    }

    /// Cuts what is there, as far as that can be done; gives until when to wait where it cannot at all.
    fn decide(
        &mut self,
        stream: &mut Stream,
        there: usize,
        last: bool,
        target: &Target<'_>,
    ) -> Option<Option<Instant>> {
        let Buffers { bytes, cut, .. } = &mut *self.buffers;
        let bytes = bytes.get(..there).unwrap_or_default();
        let (rules, inside) =
            stream.work.as_ref().map_or_else(Default::default, |w| (w.rules, w.inside));
        let (hasty, text) = stream
            .work
            .as_ref()
            .map_or((false, false), |work| (work.wants.protocol, work.wants.text));
        // Whoever waits for an answer does not wait for what a sequence may become.
        cut.make(bytes, rules, inside, last || hasty);
        if text && !last {
            cut.leave_half_character(bytes);
        }
        if cut.after && !last {
            let room = bytes::capacity(stream.pipe.as_fd()).unwrap_or(0) / 2;
            cut.leave_open(room.saturating_sub(SPARE).min(CHUNK / 2), there);
        }
        let mut until = None;
        if let Some(work) = &mut stream.work
            && let Some(syslog) = work.syslog.and_then(|log| self.syslogs.get_mut(&log))
        {
            let mut sender =
                Lines { syslog, clock: self.clock, now: self.now, events: &mut *self.events };
            until = sender.send(work, self.buffers, there, last);
        }
        if matches!(target, Target::Dropped) && !hasty {
            self.half(there, rules, inside);
        }
        (self.buffers.cut.length == 0).then_some(until)
    }

    /// Of a full pipe the older half, in whole lines.
    fn half(&mut self, there: usize, rules: Rules, inside: bool) {
        let Buffers { bytes, cut, .. } = &mut *self.buffers;
        cut.make(bytes.get(..there).unwrap_or_default(), rules, inside, true);
        let text = self.buffers.text(there);
        let (_, newer) = text.split_at(text.len() / 2);
        let rest =
            newer.iter().position(|byte| *byte == b'\n').map_or(0, |at| newer.len() - at - 1);
        let older = text.len() - rest;
        self.buffers.cut.shorten(older);
    }

    fn move_text(
        &mut self,
        stream: &mut Stream,
        there: usize,
        target: Target<'_>,
    ) -> nix::Result<Done> {
        let end = match &target {
            Target::File(file) if self.buffers.cut.text > 0 => bytes::end_of(file.fd())?,
            _ => None,
        };
        let dropping = matches!(target, Target::Dropped);
        let cut = &self.buffers.cut;
        let heard = self.is_heard(stream);
        let noted = end.is_some() || cut.before || cut.after || heard;
        let at = end.unwrap_or(u64::MAX);
        if noted {
            self.note(stream, at, heard);
        }
        let text = self.buffers.text(there);
        let result = match target {
            Target::File(file) if !text.is_empty() => match file.append(text) {
                Ok(0) => Err(Errno::EAGAIN),
                other => other,
            },
            _ => Ok(text.len()),
        };
        if let Ok(written) = result {
            let length = self.buffers.cut.length;
            self.buffers.cut.shorten(written);
            if heard && self.buffers.cut.length < length {
                // What is told is what leaves the pipe.
                self.note(stream, at, heard);
            }
            if self.buffers.cut.length < there {
                // What stays is no news of its own: the pipe has to be armed again for it.
                stream.for_more = false;
            }
            self.tell(stream);
            self.consume(stream, self.buffers.cut.length)?;
        }
        if dropping {
            stream.gap =
                Some(stream.gap.unwrap_or(0) + u64::try_from(text_of(&result)).unwrap_or(0));
        }
        if noted || dropping {
            self.keep_rest(stream);
        }
        result.map(|written| (Turn::Moved(self.buffers.cut.length), written))
    }

    /// Consumes what the broker before this one has appended and not consumed.
    pub(super) fn recover(
        &mut self,
        stream: &mut Stream,
        target: &mut Target<'_>,
    ) -> nix::Result<()> {
        let Some(note) = stream.note else {
            return Ok(());
        };
        if matches!(target, Target::Held) {
            return Ok(());
        }
        let length = usize::try_from(note.length).unwrap_or(CHUNK);
        let there = match self.peek(stream, length) {
            Err(Errno::EAGAIN | Errno::EINVAL) => 0,
            other => other?,
        };
        let chunk = self.buffers.bytes.get(..there).unwrap_or_default();
        let same = length > 0 && there == length && hash(chunk) == note.hash;
        if let Some(work) = &mut stream.work {
            work.inside = if same { note.before } else { note.after };
        }
        if same {
            let rules = stream.work.as_ref().map_or_else(Rules::default, |work| work.rules);
            let Buffers { bytes, cut, .. } = &mut *self.buffers;
            cut.make(bytes.get(..there).unwrap_or_default(), rules, note.before, true);
            let end = match target {
                Target::File(file) => bytes::end_of(file.fd())?,
                _ => None,
            };
            let arrived = end.map_or(0, |end| end.saturating_sub(note.at));
            let mut arrived = usize::try_from(arrived).unwrap_or(usize::MAX);
            if note.told(stream.turn) {
                // It was told, after all of it had been appended.
                arrived = usize::MAX;
            }
            // The first comes after 0 as it does after the last of all.
            stream.turn = note.turn.checked_sub(1).unwrap_or(stream.turn);
            if arrived > 0 {
                self.buffers.cut.shorten(arrived);
                self.tell(stream);
                self.consume(stream, self.buffers.cut.length)?;
            }
        }
        stream.note = None;
        stream.turn = self.ear.map_or(stream.turn, |ear| ear.turn(stream.source()));
        self.keep_rest(stream);
        Ok(())
    }

    /// Whether the ear will be told something of the cut.
    fn is_heard(&self, stream: &Stream) -> bool {
        let wants = stream.work.as_ref().map(|work| work.wants).unwrap_or_default();
        let ends = || self.buffers.cut.kinds().any(|kind| kind == Kind::End);
        let cut = &self.buffers.cut;
        let said = wants.protocol || wants.text && cut.text > 0 || wants.messages && ends();
        said && self.ear.is_some() && cut.length > 0
    }

    /// Notes what is about to be done with the cut.
    fn note(&self, stream: &Stream, at: u64, heard: bool) {
        let inside = (self.buffers.cut.before, self.buffers.cut.after);
        let mut note = Note::new(stream.instance, at, self.buffers.made_from(), inside);
        if heard {
            note.turn = after(stream.turn);
        }
        self.keep(stream, &note.encode());
    }

    /// Tells whoever wants to hear what leaves the pipe now.
    fn tell(&mut self, stream: &mut Stream) {
        let heard = self.is_heard(stream);
        let source = stream.source();
        let Some(work) = &mut stream.work else {
            return;
        };
        work.inside = self.buffers.cut.after;
        work.sent = work.sent.saturating_sub(self.buffers.cut.text);
        let mut said = Vec::new();
        if work.chunks || work.messages || work.wants.text || work.wants.messages {
            let mut telling = Telling { work, source, events: self.events, said: &mut said };
            telling.runs(self.buffers.cut.of(&self.buffers.bytes));
        }
        if work.wants.protocol {
            said.push(Said::Protocol(self.buffers.made_from().to_vec()));
        }
        if let Some(ear) = self.ear.filter(|_| heard) {
            stream.turn = after(stream.turn);
            ear.hear(source, stream.turn, said);
        }
    }

    fn peek(&mut self, stream: &Stream, most: usize) -> nix::Result<usize> {
        if self.buffers.bytes.is_empty() {
            self.buffers.bytes.resize(CHUNK, 0);
        }
        let room = self.buffers.bytes.get_mut(..most).ok_or(Errno::EOVERFLOW)?;
        self.tools.scratch.peek(stream.pipe.as_fd(), room)
    }

    fn consume(&self, stream: &Stream, mut bytes: usize) -> nix::Result<()> {
        while bytes > 0 {
            match bytes::drain(stream.pipe.as_fd(), self.tools.null.as_fd(), bytes)? {
                0 => return Ok(()),
                taken => bytes = bytes.saturating_sub(taken),
            }
        }
        Ok(())
    }

    /// After a gap, the file begins a new line: the one before may have been cut.
    fn mend(&mut self, stream: &mut Stream, target: &mut Target<'_>) -> nix::Result<()> {
        if let (Some(_), Target::File(file)) = (stream.gap, target) {
            file.append(b"\n")?;
            stream.gap = None;
            self.keep_rest(stream);
        }
        Ok(())
    }

    /// What the journal says of a stream between two turns.
    fn keep_rest(&self, stream: &Stream) {
        let inside = stream.work.as_ref().is_some_and(|work| work.inside);
        if inside || stream.gap.is_some() {
            let mut note = Note::new(stream.instance, 0, &[], (inside, inside));
            note.gap = stream.gap;
            self.keep(stream, &note.encode());
        } else {
            self.keep(stream, &[0; NOTE]);
        }
    }

    fn keep(&self, stream: &Stream, note: &[u8]) {
        let cell = usize::try_from(stream.slot).ok().and_then(|n| n.checked_add(1));
        if let (Some(journal), Some(cell)) = (self.journal, cell) {
            journal.patch(cell, place(stream.output), note);
        }
    }
}

fn text_of(result: &nix::Result<usize>) -> usize {
    result.unwrap_or(0)
}

/// Text on its way to the system's log.
struct Lines<'a> {
    syslog: &'a mut Syslog,
    clock: &'a Clock,
    now: Instant,
    events: &'a mut Vec<Event>,
}

impl Lines<'_> {
    /// Sends the lines that are whole, and shortens the cut to what has been sent. Gives when to try again, where
    /// something is left.
    fn send(
        &mut self,
        work: &mut Work,
        buffers: &mut Buffers,
        there: usize,
        last: bool,
    ) -> Option<Instant> {
        let text = buffers.text(there);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let half = text.len() - whole;
        let mut until = None;
        let mut end = text.len();
        if half == 0 || work.sent >= text.len() {
            work.half_line = None;
        } else if half < syslog::LONGEST && !last {
            if whole > work.sent {
                work.half_line = None;
            }
            let waits = *work.half_line.get_or_insert(self.now) + HALF_LINE;
            if waits > self.now {
                (until, end) = (Some(waits), whole);
            } else {
                work.half_line = None;
            }
        }
        let sent = self.pieces(work, text.get(..end).unwrap_or_default());
        work.full = sent < end;
        if work.full {
            (until, end) = (Some(self.now + REST), sent);
        }
        buffers.cut.shorten(end);
        until
    }

    /// Sends line by line what has not been sent; gives how far that went.
    fn pieces(&mut self, work: &mut Work, text: &[u8]) -> usize {
        while let Some(rest) = text.get(work.sent..).filter(|rest| !rest.is_empty()) {
            let (line, taken) =
                match memchr::memchr(b'\n', rest.get(..=syslog::LONGEST).unwrap_or(rest)) {
                    Some(at) => (at, at + 1),
                    None => {
                        let length = rest.len().min(syslog::LONGEST);
                        (length, length)
                    }
                };
            let line = rest.get(..line).unwrap_or_default();
            if self.syslog.line((&work.caller, line), self.clock, (self.now, false), self.events)
                == Sent::Wait
            {
                break;
            }
            work.sent += taken;
        }
        work.sent.min(text.len())
    }
}
