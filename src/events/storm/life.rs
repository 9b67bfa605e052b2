//! A listener's process as the storm plays it: what it reads, says and forgets, and the pipes between it and a broker.

use std::collections::VecDeque;

use super::Dice;

/// What the staging pipe takes: long events go in rounds.
const STAGING: usize = 100;

/// What it said of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accepts(u64),
    Rejects(u64),
    /// It broke the protocol.
    Breaks,
}

/// An event that it is reading.
struct Reading {
    pool_serial: u64,
    /// All of it.
    text: Vec<u8>,
    /// How long it will be.
    length: usize,
    answered: bool,
}

/// One life of a listener. All of it outlives a broker.
pub(super) struct Life {
    pub instance: u32,
    /// It has ended.
    pub ended: bool,
    /// It is in RUNNING.
    pub running: bool,
    /// Nobody reads its standard input.
    pub deaf: bool,
    pub staging: Vec<u8>,
    stdin: VecDeque<u8>,
    /// All that it ever wrote.
    pub stdout: Vec<u8>,
    /// How much of that has left the pipe.
    pub consumed: usize,
    /// How much of that is on the tape.
    pub heard: usize,
    /// The chunk that a broker is at: its number and length.
    pub note: Option<(u32, usize)>,
    /// Its answers, with the end of each in what it wrote.
    pub answers: VecDeque<(usize, Answer)>,
    reading: Option<Reading>,
    said_ready: bool,
    rogue: bool,
}

impl Life {
    pub(super) fn new(instance: u32) -> Life {
        Life {
            instance,
            ended: false,
            running: false,
            deaf: false,
            staging: Vec::new(),
            stdin: VecDeque::new(),
            stdout: Vec::new(),
            consumed: 0,
            heard: 0,
            note: None,
            answers: VecDeque::new(),
            reading: None,
            said_ready: false,
            rogue: false,
        }
    }

    /// Whether it will never take an event again.
    pub(super) fn is_lost(&self) -> bool {
        self.rogue || self.deaf
    }

    /// A broker writes into the staging pipe; how much went in.
    pub(super) fn stage(&mut self, bytes: &[u8], dice: &mut Dice) -> usize {
        assert!(self.staging.is_empty(), "the staging pipe is not empty");
        let room = STAGING - dice.below(10);
        let taken = &bytes[..bytes.len().min(room)];
        self.staging.extend_from_slice(taken);
        taken.len()
    }

    /// Some of what is staged, or all, goes on; whether the pipe is empty.
    pub(super) fn splice(&mut self, dice: &mut Dice) -> bool {
        let most = if dice.percent(70) { STAGING } else { dice.below(30) };
        let count = most.min(self.staging.len());
        self.stdin.extend(self.staging.drain(..count));
        self.staging.is_empty()
    }

    /// A broker has given it up: whatever it says of its event now is a breach.
    pub(super) fn cut_off(&mut self) {
        (self.deaf, self.reading) = (true, None);
        self.answers.clear();
    }

    fn say(&mut self, text: &str, answer: Option<Answer>) {
        self.stdout.extend_from_slice(text.as_bytes());
        self.answers.extend(answer.map(|answer| (self.stdout.len(), answer)));
    }

    /// It reads, or says what is to be said. `calm`: it does all right. Gives an event that it has read to its end.
    pub(super) fn act(&mut self, calm: bool, dice: &mut Dice) -> Option<String> {
        if self.ended {
            return None;
        }
        if !calm && !self.rogue && dice.percent(1) {
            self.rogue = true;
            self.say("what is this?\n", Some(Answer::Breaks));
        }
        if !self.said_ready && !self.rogue {
            self.said_ready = true;
            self.say("READY\n", None);
        }
        let read = if self.deaf { None } else { self.read(dice) };
        if !self.rogue {
            self.answer(calm, read.is_some(), dice);
        }
        read
    }

    fn read(&mut self, dice: &mut Dice) -> Option<String> {
        if self.reading.as_ref().is_some_and(|reading| reading.text.len() == reading.length) {
            let answered = self.reading.as_ref().is_some_and(|reading| reading.answered);
            if !answered {
                assert!(self.rogue || self.stdin.is_empty(), "two events at once");
                return None;
            }
            self.reading = None;
        }
        if self.reading.is_none() {
            let end = self.stdin.iter().position(|byte| *byte == b'\n')?;
            let head: Vec<u8> = self.stdin.drain(..=end).collect();
            let line = str::from_utf8(&head).unwrap().trim_end();
            let field = |name: &str| {
                let mut fields = line.split(' ').filter_map(|field| field.split_once(':'));
                fields.find(|(key, _)| *key == name).unwrap().1.parse::<u64>().unwrap()
            };
            let (pool_serial, length) = (field("poolserial"), field("len") as usize);
            let length = length + head.len();
            self.said_ready = true;
            self.reading = Some(Reading { pool_serial, text: head, length, answered: false });
        }
        let reading = self.reading.as_mut()?;
        let missing = reading.length - reading.text.len();
        let most = if dice.percent(70) { missing } else { dice.below(missing + 1) };
        reading.text.extend(self.stdin.drain(..most.min(self.stdin.len())));
        let whole = reading.text.len() == reading.length;
        whole.then(|| String::from_utf8(reading.text.clone()).unwrap())
    }

    /// It answers what it has read, or what it has only begun to read.
    fn answer(&mut self, calm: bool, whole: bool, dice: &mut Dice) {
        let early = !calm && dice.percent(10);
        let Some(reading) = self.reading.as_mut().filter(|reading| !reading.answered) else {
            return;
        };
        if !whole && !early && reading.text.len() < reading.length {
            return;
        }
        if !calm && dice.percent(30) {
            return;
        }
        reading.answered = true;
        let serial = reading.pool_serial;
        let (text, answer) = match if calm { 9 } else { dice.below(10) } {
            0 => ("RESULT 4\nFAIL", Answer::Rejects(serial)),
            1 => ("RESULT 0\n", Answer::Rejects(serial)),
            2 if dice.percent(20) => {
                self.rogue = true;
                ("FOOBAR 2\n", Answer::Breaks)
            }
            _ => ("RESULT 2\nOK", Answer::Accepts(serial)),
        };
        self.say(text, Some(answer));
        self.said_ready = self.rogue;
    }
}
