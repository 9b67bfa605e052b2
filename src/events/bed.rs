//! Tests: an exchange on a bench, its tape, and what it wants done.

use std::time::Duration;

use super::{Event, Exchange, Input, Kept, Kinds, Now, Output, Pool};
use crate::config::settings::Level;

pub(super) fn pool(name: &str, size: u32, kinds: &str, listeners: &[u32]) -> Pool {
    let kinds = kinds.split(',').filter_map(Kinds::named).fold(Kinds::NONE, Kinds::or);
    let listeners = listeners.iter().map(|slot| (*slot, format!("l{slot}"))).collect();
    Pool { name: name.to_owned(), buffer_size: size, kinds, listeners }
}

/// The nth remote event.
pub(super) fn event(n: usize) -> Event {
    Event::remote("t", &n.to_string())
}

pub(super) struct Bed {
    pub exchange: Exchange,
    pub now: Now,
    pub tape: Vec<u8>,
    /// All lines so far that were not looked at, with their levels' first letters.
    pub lines: Vec<String>,
    /// All other outputs so far that were not looked at.
    pub outputs: Vec<Output>,
    /// The last numbers of what listeners said.
    pub turn: u32,
}

impl Bed {
    pub(super) fn new(pools: &[Pool]) -> Bed {
        let exchange = Exchange::new("supervisor", 0);
        let wall = Duration::from_secs(1_795_226_181);
        let mut bed = Bed {
            tape: exchange.snapshot(),
            exchange,
            now: Now { mono: Duration::from_secs(5_000), wall },
            lines: Vec::new(),
            outputs: Vec::new(),
            turn: 0,
        };
        bed.put(Input::Pools(pools.to_vec()));
        bed
    }

    pub(super) fn put(&mut self, input: Input) {
        let mut out = Vec::new();
        self.exchange.handle(self.now, input, &mut out);
        self.keep(out);
    }

    fn keep(&mut self, out: Vec<Output>) {
        self.tape.extend(self.exchange.records());
        for output in out {
            match output {
                Output::Log(level, text) => {
                    self.lines.push(format!("{} {text}", letter(level)));
                }
                other => self.outputs.push(other),
            }
        }
        // What is on the tape is what is in memory, at every step.
        let again = Exchange::restore("supervisor", &self.tape);
        assert_eq!(again.snapshot(), self.exchange.snapshot());
        assert_eq!(again.redo(), self.exchange.redo());
    }

    /// A new broker.
    pub(super) fn replace(&mut self, kept: &[Kept]) {
        self.exchange = Exchange::restore("supervisor", &self.tape);
        let mut out = Vec::new();
        self.exchange.resume(self.now, kept, &mut out);
        self.keep(out);
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now.mono += Duration::from_millis(millis);
        self.now.wall += Duration::from_millis(millis);
    }

    /// How long until something is due, in milliseconds.
    pub(super) fn due(&self) -> Option<u128> {
        self.exchange.next().map(|next| next.saturating_sub(self.now.mono).as_millis())
    }

    pub(super) fn happen(&mut self, numbers: std::ops::Range<usize>) {
        self.put(Input::Happened(numbers.map(event).collect()));
    }

    pub(super) fn spawn(&mut self, slot: u32, instance: u32) {
        self.put(Input::Spawned { slot, instance });
    }

    pub(super) fn running(&mut self, slot: u32, instance: u32, running: bool) {
        self.put(Input::Running { slot, instance, running });
    }

    pub(super) fn say(&mut self, slot: u32, instance: u32, text: &str) {
        self.turn += 1;
        let bytes = text.as_bytes().to_vec();
        self.put(Input::Heard { slot, instance, turn: self.turn, bytes });
    }

    /// A first life that is RUNNING and READY.
    pub(super) fn up(&mut self, slot: u32) {
        self.spawn(slot, 1);
        self.running(slot, 1, true);
        self.say(slot, 1, "READY\n");
    }

    /// Does what is asked for about events; gives the events with their listeners.
    pub(super) fn deliver(&mut self) -> Vec<(u32, String)> {
        let mut sent = Vec::new();
        while !self.outputs.is_empty() {
            match self.outputs.remove(0) {
                Output::Send { slot, instance, event, from } => {
                    let text = str::from_utf8(&event).unwrap();
                    sent.push((slot, text[from..].to_owned()));
                    self.put(Input::Staged { slot, instance, done: event.len() });
                }
                Output::Splice { slot, instance } => self.put(Input::Spliced { slot, instance }),
                other => panic!("{other:?}"),
            }
        }
        sent
    }

    /// Delivers and gives the numbers of the events with their listeners.
    pub(super) fn numbers(&mut self) -> Vec<(u32, usize)> {
        let number = |text: &str| text.rsplit('\n').next().unwrap().parse().unwrap();
        self.deliver().into_iter().map(|(slot, text)| (slot, number(&text))).collect()
    }

    /// The lines from this level on.
    pub(super) fn said(&mut self, level: Level) -> Vec<String> {
        let lines = std::mem::take(&mut self.lines);
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        let from = levels.into_iter().filter(|other| *other >= level).map(letter);
        let letters: Vec<char> = from.collect();
        lines.into_iter().filter(|line| line.starts_with(&letters[..])).collect()
    }
}

fn letter(level: Level) -> char {
    match level {
        Level::Debug => 'D',
        Level::Info => 'I',
        Level::Warn => 'W',
        Level::Error => 'E',
        other => panic!("{other:?}"),
    }
}
