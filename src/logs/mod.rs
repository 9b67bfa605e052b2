//! Log pipelines: what programs write goes from their pipes into their log files.
//!
//! Room: unprivileged. Bytes leave a pipe only when they are safely in the file. A plain log moves inside the kernel;
//! a file that refuses that, or that somebody else trims, gets its bytes by copy, append, consume, with a note in the
//! journal (`append`). One file has one description here however many streams name it, and is held while it is rotated
//! or cleared. No stream has a buffer.

pub mod activity;
mod append;
pub mod clock;
mod file;
mod pump;
mod stream;
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

use file::LogFile;
use stream::{Stream, Turn};

/// Where in a journal cell the two streams of a slot keep their notes: 20 bytes each. What comes before is the heart's.
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
    /// The file takes nothing; it is tried again. Said once until it works again.
    Trouble(Log, Errno),
    /// A finished instance's pipes are empty and gone.
    Drained(Slot, Instance),
    /// Bytes that a finished instance left behind were given up, for this reason.
    Lost(Slot, usize),
}

/// Which of a program's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
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
    limits: BTreeMap<u32, u64>,
    files: HashMap<Log, LogFile>,
    numbers: HashMap<Log, Log>,
    streams: HashMap<Token, Stream>,
    resting: Vec<Token>,
    followers: HashMap<Log, Rc<Notify>>,
    buffer: Vec<u8>,
    events: Vec<Event>,
    /// Whether a file may be in trouble or an exit may wait; saves looking through all of them at every turn.
    uneasy: bool,
}

impl Logs {
    /// No file open yet. `limits` has each log's rotation limit in bytes, by its number; 0 is never.
    pub fn new(tools: Tools, journal: Option<Rc<Journal>>, limits: BTreeMap<u32, u64>) -> Logs {
        Logs {
            tools,
            journal,
            limits,
            files: HashMap::new(),
            numbers: HashMap::new(),
            streams: HashMap::new(),
            resting: Vec::new(),
            followers: HashMap::new(),
            buffer: Vec::new(),
            events: Vec::new(),
            uneasy: false,
        }
    }

    /// A log comes into force, with its rotation limit in bytes.
    pub fn add(&mut self, log: Log, maxbytes: u64) {
        self.limits.insert(log, maxbytes);
    }

    /// A log goes out of force: if it is open it is closed, and its number may become another file's.
    pub fn close(&mut self, log: Log) {
        self.limits.remove(&log);
        if let Some(notify) = self.followers.get(&log) {
            notify.notify_waiters();
        }
        let Some(key) = self.numbers.remove(&log) else {
            return;
        };
        let others = self.numbers.iter().filter(|(_, same)| **same == key);
        match others.map(|(log, _)| *log).min() {
            None => drop(self.files.remove(&key)),
            // The file goes on under the lowest of its other numbers.
            Some(low) if key == log => {
                self.numbers.values_mut().filter(|same| **same == key).for_each(|same| *same = low);
                let file = self.files.remove(&key);
                self.files.extend(file.map(|file| (low, file)));
            }
            Some(_) => {}
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

    /// Whether a running program has bytes for a log.
    pub fn waits_for(&self, log: Log) -> bool {
        self.streams.values().any(|stream| stream.log == Some(log))
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
        if let Some(before) = self.numbers.insert(log, same)
            && before != same
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
                self.files.insert(same, LogFile::new(fd, limit));
            }
        }
        self.told(same);
        self.resume(same, now);
    }

    /// The spawner would not rotate or clear a log that was held for it, or has done so in place.
    pub fn release(&mut self, log: Log, outcome: Result<(), Errno>, now: Instant) {
        let Some(key) = self.numbers.get(&log).copied() else {
            return;
        };
        if let Some(file) = self.files.get_mut(&key) {
            file.release(outcome, now);
        }
        self.told(key);
        self.resume(key, now);
    }

    /// Holds a log while the spawner empties it.
    pub fn hold(&mut self, log: Log) {
        if let Some(file) = self.file_mut(log) {
            file.hold();
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
        log: Option<Log>,
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
            let stream = Stream::new(pipe, slot, instance, output, log, note);
            self.streams.insert(token, stream);
        }
    }

    fn detach(&mut self, token: Token) {
        if let Some(stream) = self.streams.remove(&token) {
            self.tools.watch.remove(stream.pipe.as_fd());
        }
    }

    /// Something is in a pipe.
    pub fn ready(&mut self, token: Token, now: Instant) {
        if token != link::watch::PAUSE {
            return self.turn(token, now);
        }
        for token in std::mem::take(&mut self.resting) {
            self.turn(token, now);
        }
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
        let next = retries.chain(limits).min();
        self.uneasy = next.is_some();
        next
    }

    /// Tries files again that took nothing, and gives up what exited programs wait for in vain.
    pub fn due(&mut self, now: Instant) {
        let again: Vec<Log> = self
            .files
            .iter_mut()
            .filter_map(|(key, file)| file.retry(now).then_some(*key))
            .collect();
        for key in again {
            self.resume(key, now);
        }
        let late = |stream: &Stream| stream.gives_up_at(PATIENCE).is_some_and(|at| at <= now);
        let tokens = self.streams.iter().filter(|(_, stream)| late(stream));
        let tokens: Vec<Token> = tokens.map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some(stream) = self.streams.get(&token) {
                let (slot, instance) = (stream.slot, stream.instance);
                let lost = link::bytes::waiting(stream.pipe.as_fd()).unwrap_or(0);
                self.events.push(Event::Lost(slot, lost));
                self.detach(token);
                self.drained(slot, instance);
            }
        }
    }

    /// Writes text at the end of a log. Gives how many bytes it took: 0 while it is held.
    pub fn write(&mut self, log: Log, text: &[u8], now: Instant) -> usize {
        let Some(key) = self.numbers.get(&log).copied() else {
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
                self.settle(key, &Turn::Moved(bytes), now);
                bytes
            }
            Err(errno) => {
                self.uneasy = true;
                if file.fails(errno, now) {
                    self.events.push(Event::Trouble(key, errno));
                }
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
