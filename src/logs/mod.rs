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
use syslog::{Sent, Syslog};

use crate::config::settings::{self, Kind};

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

    /// What the logs are, by their numbers. Those that are open already stay as they are.
    /// `activity` is never closed.
    pub fn configure(&mut self, logs: &BTreeMap<Log, settings::LogFile>, activity: Option<Log>) {
        self.activity = activity;
        // What the daemon was started with is not ours to rotate.
        let limit = |log: &settings::LogFile| (log.kind == Kind::File).then_some(log.maxbytes);
        self.limits = logs.iter().filter_map(|(n, log)| Some((*n, limit(log)?))).collect();
        let syslog = |n: &Log| logs.get(n).is_some_and(|log| log.kind == Kind::Syslog);
        self.syslogs.retain(|n, _| syslog(n));
        for n in logs.keys().filter(|n| syslog(n)) {
            self.syslogs.entry(*n).or_insert_with(|| Syslog::new(*n));
        }
    }

    /// A log comes into force.
    pub fn add(&mut self, log: Log, file: &settings::LogFile) {
        match file.kind {
            Kind::File => drop(self.limits.insert(log, file.maxbytes)),
            Kind::Syslog => drop(self.syslogs.entry(log).or_insert_with(|| Syslog::new(log))),
            Kind::Inherited => {}
        }
    }

    /// A log goes out of force: its number may become another file's.
    pub fn forget(&mut self, log: Log) {
        if let Some(notify) = self.followers.get(&log) {
            notify.notify_waiters();
        }
        self.limits.remove(&log);
        self.syslogs.remove(&log);
        let key = self.numbers.get(&log).copied();
        self.close(log);
        self.unopened.remove(&log);
        self.debts.remove(&log);
        // A file that had its number goes on under the lowest of its others.
        let others = self.numbers.iter().filter(|(_, same)| Some(**same) == key);
        if let Some(low) = others.map(|(log, _)| *log).min()
            && key == Some(log)
        {
            self.numbers.values_mut().filter(|same| **same == log).for_each(|same| *same = low);
            let file = self.files.remove(&log);
            self.files.extend(file.map(|file| (low, file)));
        }
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

    /// Whether a log can be written to.
    pub fn is_open(&self, log: Log) -> bool {
        self.numbers.contains_key(&log)
    }

    /// Whether a log is the system's.
    pub fn is_syslog(&self, log: Log) -> bool {
        self.syslogs.contains_key(&log)
    }

    /// Whether a running program has bytes for a log.
    pub fn waits_for(&self, log: Log) -> bool {
        self.streams.values().any(|stream| stream.log == Some(log))
    }

    /// Lets go of a log that nobody writes to any more.
    pub fn close(&mut self, log: Log) {
        if let Some(key) = self.numbers.remove(&log)
            && !self.numbers.values().any(|other| *other == key)
            && let Some(debt) = self.files.remove(&key).and_then(|file| file.debt())
        {
            self.debts.insert(log, debt);
        }
    }

    /// The descriptor of some open log, for tests of the sandbox.
    #[cfg(supervisor_hooks)]
    pub fn some_descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.files.values().map(LogFile::fd).next()
    }

    /// The numbers of all open logs.
    pub fn open_logs(&self) -> Vec<Log> {
        let mut logs: Vec<Log> = self.numbers.keys().copied().collect();
        logs.sort_unstable();
        logs
    }

    /// A descriptor has come: the log was opened, opened again or rotated. `same` is the lowest number of this file.
    pub fn opened(&mut self, log: Log, same: Log, fd: OwnedFd, now: Instant) {
        if let Some(syslog) = self.syslogs.get_mut(&log) {
            return syslog.opened(fd);
        }
        if let Some(dropped) = self.unopened.remove(&log) {
            self.events.push(Event::Works(log, dropped));
        }
        // Logs that were opened by their names one after the other may lead to one file by now.
        let id = file::id(fd.as_fd());
        let known = self.files.iter().find(|(_, file)| id.is_some() && file.id == id);
        let same = known.map_or(same, |(key, _)| *key);
        let before = self.numbers.insert(log, same);
        if let Some(before) = before.filter(|before| *before != same)
            && !self.numbers.values().any(|key| *key == before)
        {
            self.files.remove(&before);
        }
        let tightest = self.numbers.iter().filter(|(_, key)| **key == same);
        let limited = tightest.filter_map(|(log, _)| {
            let limit = self.limits.get(log);
            limit.filter(|limit| **limit > 0).map(|limit| (*limit, *log))
        });
        let limit = limited.min();
        match self.files.get_mut(&same) {
            Some(file) => file.replace(fd, limit),
            None => {
                let mut file = LogFile::new(fd, limit);
                if let Some(debt) = self.debts.remove(&log) {
                    file.owe(debt);
                }
                self.files.insert(same, file);
            }
        }
        self.told(same);
        self.resume(same, now);
    }

    /// A log that somebody waits for could not be opened.
    pub fn not_opened(&mut self, log: Log, errno: Errno, now: Instant) {
        if let Some(syslog) = self.syslogs.get_mut(&log) {
            syslog.not_opened(errno, now, &mut self.events);
            self.uneasy = true;
        } else {
            self.unopened.entry(log).or_default();
        }
    }

    /// The spawner would not rotate or clear a log that was held for it, or has done so in place.
    pub fn release(&mut self, log: Log, outcome: Result<(), Errno>, now: Instant) {
        let Some(key) = self.numbers.get(&log).copied() else {
            // Nobody writes to it just now, but somebody may follow it.
            return self.followers.get(&log).into_iter().for_each(|notify| notify.notify_waiters());
        };
        if let Some(file) = self.files.get_mut(&key) {
            file.release(outcome, now);
        }
        self.told(key);
        self.resume(key, now);
    }

    /// Holds a log while the spawner empties it or opens it again.
    pub fn hold(&mut self, log: Log, now: Instant) {
        if let Some(file) = self.file_mut(log) {
            file.hold(now);
        }
    }

    /// Resolves when the log has grown, was rotated, cleared or opened again.
    pub fn follow(&mut self, log: Log) -> Rc<Notify> {
        self.followers.retain(|_, notify| Rc::strong_count(notify) > 1);
        self.followers.entry(log).or_default().clone()
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

    /// The broker before this one has said that a log takes nothing, and given up this much.
    fn owe(&mut self, log: Log, dropped: u64) {
        let key = self.numbers.get(&log);
        match key.and_then(|key| self.files.get_mut(key)) {
            Some(file) => file.owe(dropped),
            None => *self.debts.entry(log).or_default() += dropped,
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

    /// Writes text at the end of a log. Gives how many bytes it took: 0 while it is held.
    pub fn write(&mut self, log: Log, text: &[u8], now: Instant) -> usize {
        if let Some(syslog) = self.syslogs.get_mut(&log) {
            // One line of the activity log, with its own end, which the reference sends too.
            let line = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
            let line = text.get(..line).unwrap_or_default();
            return match syslog.line(
                (syslog::DAEMON, line),
                &self.clock,
                (now, true),
                &mut self.events,
            ) {
                Sent::Wait => {
                    self.uneasy = true;
                    0
                }
                Sent::Yes | Sent::Dropped => line.len(),
            };
        }
        let Some(key) = self.numbers.get(&log).copied().filter(|_| !self.taking_over) else {
            return 0;
        };
        let Some(file) = self.files.get_mut(&key) else {
            return 0;
        };
        if file.held(now) {
            return 0;
        }
        match file.append(text) {
            Ok(bytes) => {
                self.settle(key, now);
                bytes
            }
            Err(errno) => {
                self.refused(key, errno, now);
                0
            }
        }
    }

    fn file_mut(&mut self, log: Log) -> Option<&mut LogFile> {
        let key = self.numbers.get(&log)?;
        self.files.get_mut(key)
    }

    fn told(&self, key: Log) {
        for (log, notify) in &self.followers {
            if self.numbers.get(log) == Some(&key) {
                notify.notify_waiters();
            }
        }
    }

    fn note(&self, slot: Slot, output: Output) -> Option<append::Note> {
        let cell = usize::try_from(slot).ok()?.checked_add(1)?;
        let payload = self.journal.as_ref()?.read(cell)?;
        append::Note::decode(&payload, output)
    }
}
