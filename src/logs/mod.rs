//! Log pipelines: what programs write goes from their pipes into their log files.
//!
//! Room: unprivileged. Bytes leave a pipe only when they are safely in the file. A plain log moves inside the kernel;
//! a stream that something is done to (`cut`, `syslog`), a file that refuses that way or that somebody else trims gets
//! its bytes by copy, append, consume, with a note in the journal (`append`). One file has one description here however
//! many streams name it, and is held while it is rotated, cleared or opened again. No stream has a buffer: what cannot
//! be told yet stays in its pipe. A file that takes nothing leaves bytes in the pipes; of a pipe that is full, the older
//! half is dropped and counted, so that no program waits for a disk.

pub mod activity;
mod append;
pub mod clock;
mod cut;
mod ear;
mod file;
mod files;
mod pump;
mod stream;
mod syslog;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use link::bytes::Scratch;
use link::{Journal, Watch};
use nix::errno::Errno;
use privsep::request::{Instance, Log, Slot};
use tokio::sync::Notify;

use append::{Appender, Buffers, Target};
use clock::Clock;
pub use ear::{Ear, Said, Source, Wants};
use file::LogFile;
pub use stream::Route;
use stream::Stream;
use syslog::Syslog;

/// Where in a journal cell the two streams of a slot keep their notes: 24 bytes each. What comes before is the heart's.
pub const JOURNAL_STREAMS_AT: usize = 72;

/// How long a busy pipe is let fill before it is looked at again.
const REST: Duration = Duration::from_micros(250);
/// A stream that has moved something within this time is busy.
const BUSY: Duration = Duration::from_millis(1);
/// How long the exit of a program waits for bytes that its log cannot take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the loop has to do for the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The file is over its limit and held: ask the spawner to rotate it.
    Rotate(Log),
    /// The log takes nothing; it is tried again. Said once until it works again.
    Trouble(Log, Errno),
    /// It works again; so much was given up meanwhile: lines of the system's log, bytes of a file.
    Works(Log, u64),
    /// The connection is of no use any more: ask the spawner for another.
    Reopen(Log),
    /// A program has written this text, for whom its route says that somebody wants it.
    Chunk(Slot, Output, Vec<u8>),
    /// A program has sent this message between tags, for whom its route says that somebody wants it.
    Captured(Slot, Output, Vec<u8>),
    /// A finished instance's pipes are empty and gone.
    Drained(Slot, Instance),
    /// Bytes that a finished instance left behind were given up, for this reason.
    Lost(Slot, usize),
}

/// Which of a program's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    /// `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        }
    }

    fn index(self) -> usize {
        match self {
            Output::Stdout => 0,
            Output::Stderr => 1,
        }
    }
}

/// Number of a stream: its slot and which output.
type Token = u64;

fn token(slot: Slot, output: Output) -> Token {
    u64::from(slot) * 2 + u64::from(output == Output::Stderr)
}

/// What the pipelines need, made before the sandbox.
pub struct Tools {
    /// The watch over all pipes.
    pub watch: Rc<Watch>,
    /// A pipe to look at bytes in.
    pub scratch: Scratch,
    /// /dev/null, for what nobody keeps.
    pub null: File,
}

/// All log files and all streams.
pub struct Logs {
    tools: Tools,
    journal: Option<Rc<Journal>>,
    clock: Clock,
    ear: Option<Rc<dyn Ear>>,
    limits: BTreeMap<Log, u64>,
    syslogs: HashMap<Log, Syslog>,
    files: HashMap<Log, LogFile>,
    numbers: HashMap<Log, Log>,
    streams: HashMap<Token, Stream>,
    resting: Vec<Token>,
    followers: HashMap<Log, Rc<Notify>>,
    buffers: Buffers,
    events: Vec<Event>,
    /// The number of the activity log.
    activity: Option<Log>,
    /// Bytes that were given up for logs that could not be opened.
    unopened: HashMap<Log, u64>,
    /// The same of logs that took nothing when they were closed.
    debts: HashMap<Log, u64>,
    /// Not all that runs has been handed back: what a note says of a file's end must be looked at first.
    taking_over: bool,
    /// Whether a file may be in trouble or an exit may wait; saves looking through all of them at every turn.
    uneasy: bool,
}

impl Logs {
    /// No file open yet.
    pub fn new(tools: Tools, journal: Option<Rc<Journal>>, clock: Clock) -> Logs {
        Logs {
            tools,
            journal,
            clock,
            ear: None,
            limits: BTreeMap::new(),
            syslogs: HashMap::new(),
            files: HashMap::new(),
            numbers: HashMap::new(),
            streams: HashMap::new(),
            resting: Vec::new(),
            followers: HashMap::new(),
            buffers: Buffers::default(),
            events: Vec::new(),
            activity: None,
            unopened: HashMap::new(),
            debts: HashMap::new(),
            taking_over: false,
            uneasy: false,
        }
    }

    /// Has what streams say that somebody wants told to `ear`.
    pub fn listen(&mut self, ear: Rc<dyn Ear>) {
        self.ear = Some(ear);
    }

    /// Moves nothing before [`Logs::begin`]: programs that already run are being handed back.
    pub fn take_over(&mut self) {
        self.taking_over = true;
    }

    /// All that runs has been handed back.
    pub fn begin(&mut self, now: Instant) {
        if std::mem::take(&mut self.taking_over) {
            let keys: Vec<Log> = self.files.keys().copied().collect();
            for key in keys {
                self.resume(key, now);
            }
            let nowhere = self.streams.iter().filter(|(_, s)| s.stuck.is_some() && s.log.is_none());
            let nowhere: Vec<Token> = nowhere.map(|(token, _)| *token).collect();
            for token in nowhere {
                if let Some(stream) = self.streams.get_mut(&token) {
                    stream.stuck = None;
                }
                self.turn(token, now);
            }
        }
    }

    /// What is to be done since the last time.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A pipe of a new instance. `fresh` is false when it was handed back: then a note in the journal may tell how far
    /// the broker before this one got.
    pub fn attach(
        &mut self,
        (slot, instance, output): (Slot, Instance, Output),
        pipe: OwnedFd,
        route: Route,
        fresh: bool,
    ) {
        let note = if fresh {
            None
        } else {
            self.note(slot, output).filter(|note| note.instance == instance)
        };
        let token = token(slot, output);
        self.detach(token);
        if self.tools.watch.add(pipe.as_fd(), token).is_ok() {
            if let (Some(log), Some(dropped)) = (route.log, note.and_then(|note| note.gap())) {
                self.owe(log, dropped);
            }
            let mut stream = Stream::new(pipe, (slot, instance, output), route, note);
            stream.turn = self.ear.as_ref().map_or(0, |ear| ear.turn(stream.source()));
            self.forget_told(&mut stream);
            self.streams.insert(token, stream);
        }
    }

    /// What was told and not consumed goes at once, before anybody is sent anything: the answer may be the same bytes.
    fn forget_told(&mut self, stream: &mut Stream) {
        if !stream.note.is_some_and(|note| note.told(stream.turn)) {
            return;
        }
        let Logs { tools, journal, buffers, syslogs, clock, events, ear, .. } = self;
        let (journal, ear, now) = (journal.as_deref(), ear.as_deref(), Instant::now());
        let mut appender = Appender { tools, journal, buffers, syslogs, clock, events, ear, now };
        // Its file has it already. A pipe that cannot be looked at will say so at its next turn.
        let _ = appender.recover(stream, &mut Target::Nowhere);
    }

    /// A listener was sent something: what it writes next may be the answer.
    pub fn asked(&mut self, slot: Slot) {
        if let Some(stream) = self.streams.get_mut(&token(slot, Output::Stdout)) {
            stream.asked();
        }
    }

    /// Takes what a listener has written, if there is something already; says whether there was. No report of it is needed.
    pub fn take_answer(&mut self, slot: Slot, now: Instant) -> bool {
        let token = token(slot, Output::Stdout);
        let waits = |stream: &Stream| stream.stuck.is_some() || stream.resting;
        let ready = |stream: &&Stream| stream.hasty() && stream.for_more && !waits(stream);
        self.streams.get(&token).filter(ready).is_some() && self.turn(token, now)
    }

    /// What is wanted of a running stream has changed.
    pub fn rewire(&mut self, slot: Slot, output: Output, route: Route) {
        let token = token(slot, output);
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        if stream.rewire(route) && stream.for_more && stream.stuck.is_none() && !stream.resting {
            // What waited for more of it waits for nothing now.
            self.turn(token, Instant::now());
        }
    }

    fn detach(&mut self, token: Token) {
        if let Some(stream) = self.streams.remove(&token) {
            self.tools.watch.remove(stream.pipe.as_fd());
            // The next to write to it opens it by its name, as somebody may have moved the file.
            if let Some(log) = stream.log.filter(|log| self.activity != Some(*log))
                && !self.waits_for(log)
            {
                self.close(log);
            }
        }
    }

    /// Something is in a pipe.
    pub fn ready(&mut self, token: Token, now: Instant) {
        if token == link::watch::PAUSE {
            for token in std::mem::take(&mut self.resting) {
                self.turn(token, now);
            }
            return;
        }
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        if stream.resting {
            return;
        }
        if stream.stuck.is_some() {
            // Its log does not matter to who waits for its answer.
            if stream.hasty() && !stream.babbles() {
                self.look(token, now);
            }
            return;
        }
        if stream.for_more && !stream.hasty() && stream.rests(0, now) {
            return self.rest(token);
        }
        self.turn(token, now);
    }

    /// An instance has exited: what its pipes hold now goes into the logs, then they are closed, though others may
    /// have them open. [`Event::Drained`] says when.
    pub fn finish(&mut self, slot: Slot, instance: Instance, now: Instant) {
        let mut tokens = Vec::new();
        for output in [Output::Stdout, Output::Stderr] {
            let token = token(slot, output);
            if let Some(stream) = self.streams.get_mut(&token) {
                stream.finish(now);
                tokens.push(token);
            }
        }
        if tokens.is_empty() {
            return self.drained(slot, instance);
        }
        self.uneasy = true;
        for token in tokens {
            self.turn(token, now);
        }
    }

    fn drained(&mut self, slot: Slot, instance: Instance) {
        let left = [Output::Stdout, Output::Stderr]
            .into_iter()
            .any(|output| self.streams.contains_key(&token(slot, output)));
        if !left {
            self.events.push(Event::Drained(slot, instance));
        }
    }

    /// When [`Logs::due`] is to be called; `None` while no file is in trouble.
    pub fn deadline(&mut self) -> Option<Instant> {
        if !self.uneasy {
            return None;
        }
        let retries = self.files.values().filter_map(LogFile::retry_at);
        let limits = self.streams.values().filter_map(|s| s.gives_up_at(PATIENCE));
        let looks = self.streams.values().filter_map(|s| s.look.map(|(at, _)| at));
        let syslogs = self.syslogs.values().filter_map(Syslog::wake_at);
        let next = retries.chain(limits).chain(looks).chain(syslogs).min();
        self.uneasy = next.is_some();
        next
    }

    /// Tries files again that took nothing, and gives up what exited programs wait for in vain.
    pub fn due(&mut self, now: Instant) {
        for syslog in self.syslogs.values_mut() {
            syslog.woken(now);
        }
        let again: Vec<Log> = self
            .files
            .iter_mut()
            .filter_map(|(key, file)| file.retry(now).then_some(*key))
            .collect();
        for key in again {
            self.resume(key, now);
        }
        let looks = self.streams.iter().filter(|(_, s)| s.look.is_some_and(|(at, _)| at <= now));
        let looks: Vec<Token> = looks.map(|(token, _)| *token).collect();
        for token in looks {
            self.look(token, now);
        }
        self.give_up(now);
    }

    /// Gives up what exited programs wait for in vain.
    fn give_up(&mut self, now: Instant) {
        let late = |stream: &Stream| stream.gives_up_at(PATIENCE).is_some_and(|at| at <= now);
        let tokens = self.streams.iter().filter(|(_, stream)| late(stream));
        let tokens: Vec<Token> = tokens.map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some(stream) = self.streams.get(&token) {
                let (slot, instance, log) = (stream.slot, stream.instance, stream.log);
                let lost = link::bytes::waiting(stream.pipe.as_fd()).unwrap_or(0);
                let key = log.and_then(|log| self.numbers.get(&log).copied());
                if !self.count(key, log, lost) && lost > 0 {
                    self.events.push(Event::Lost(slot, lost));
                }
                self.detach(token);
                self.drained(slot, instance);
            }
        }
    }

    fn note(&self, slot: Slot, output: Output) -> Option<append::Note> {
        let cell = usize::try_from(slot).ok()?.checked_add(1)?;
        let payload = self.journal.as_ref()?.read(cell)?;
        append::Note::decode(&payload, output)
    }
}
