//! What is expected of the pools in a storm, told by what is on the tape.

use super::super::{Event, Input, Output, Pool};
use super::{Answer, Storm};

/// What became of an event in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    With(u32),
    Accepted,
    Discarded,
}

/// What is expected of a pool.
#[derive(Default)]
pub(super) struct Expected {
    /// By poolserial: the bytes that a listener is to read, the serial, and what became of it.
    pub(super) events: Vec<(String, u64, Fate)>,
    /// As the lines say that sum up.
    pub(super) summed: u64,
}

impl Storm {
    /// What is to be so, now that this step is on the tape. Without an input it is a new broker's first.
    pub(super) fn expect(&mut self, input: Option<Input>, out: &[Output]) {
        let resumes = input.is_none();
        match input {
            Some(Input::Happened(events)) => self.accept(&events),
            Some(Input::Told { turn, events, .. }) if turn > self.told => {
                self.told = turn;
                self.accept(&events);
            }
            Some(Input::Heard { slot, bytes, .. }) => self.hear(slot, bytes.len()),
            Some(Input::Ended { slot, .. }) => self.give_back(slot),
            Some(Input::Broken { slot, .. }) => {
                self.give_back(slot);
                self.lives.get_mut(&slot).unwrap().cut_off();
            }
            _ => {}
        }
        for output in out {
            match output {
                Output::Log(_, text) => self.read_line(text),
                Output::Send { slot, event, from: 0, .. } => {
                    self.hand_out(*slot, event, resumes);
                }
                _ => {}
            }
        }
    }

    fn accept(&mut self, events: &[Event]) {
        for event in events {
            let mut taken = false;
            for pool in self.pools.iter().filter(|pool| pool.kinds.has(event.kind())) {
                taken = true;
                let expected = self.expected.get_mut(&pool.name).unwrap();
                let text = format!(
                    "ver:3.0 server:s serial:{} pool:{} poolserial:{} eventname:{} len:{}\n{}",
                    self.serial,
                    pool.name,
                    expected.events.len(),
                    event.kind().name(),
                    event.payload().len(),
                    event.payload()
                );
                expected.events.push((text, self.serial, Fate::Waits));
            }
            self.serial += u64::from(taken);
        }
        assert_eq!(self.broker.exchange.serial(), self.serial);
    }

    pub(super) fn expected_of(&mut self, slot: u32) -> &mut Expected {
        let has = |pool: &&Pool| pool.listeners.iter().any(|(other, _)| *other == slot);
        let name = &self.pools.iter().find(has).unwrap().name;
        self.expected.get_mut(name).unwrap()
    }

    fn hear(&mut self, slot: u32, bytes: usize) {
        let life = self.lives.get_mut(&slot).unwrap();
        if life.heard > life.consumed {
            // It is on the tape already: a broker died over it.
            return;
        }
        life.heard += bytes;
        let mut answers = Vec::new();
        while let Some(at) = life.answers.front().filter(|(end, _)| *end <= life.heard) {
            answers.push(at.1);
            life.answers.pop_front();
        }
        for answer in answers {
            let expected = self.expected_of(slot);
            let (serial, fate) = match answer {
                Answer::Accepts(serial) => (serial, Fate::Accepted),
                Answer::Rejects(serial) => (serial, Fate::Waits),
                Answer::Breaks => return self.give_back(slot),
            };
            let event = &mut expected.events[serial as usize];
            assert_eq!(event.2, Fate::With(slot), "{}", event.0);
            event.2 = fate;
        }
    }

    fn give_back(&mut self, slot: u32) {
        let expected = self.expected_of(slot);
        for (.., fate) in expected.events.iter_mut().filter(|(.., f)| *f == Fate::With(slot)) {
            *fate = Fate::Waits;
        }
    }

    /// An event is sent. Nothing that came earlier waits any more, and the listener has no other one. A broker that
    /// `resumes` may also send one that the listener has: what came back since then was no obstacle when it got it.
    fn hand_out(&mut self, slot: u32, bytes: &[u8], resumes: bool) {
        let expected = self.expected_of(slot);
        let text = str::from_utf8(bytes).unwrap();
        let at = expected.events.iter().position(|(known, ..)| known == text).unwrap();
        if resumes && expected.events[at].2 == Fate::With(slot) {
            return;
        }
        assert_eq!(expected.events[at].2, Fate::Waits, "{text}");
        assert!(expected.events[..at].iter().all(|(.., fate)| *fate != Fate::Waits), "{text}");
        let has = expected.events.iter().any(|(.., fate)| *fate == Fate::With(slot));
        assert!(!has, "two events at once");
        expected.events[at].2 = Fate::With(slot);
    }

    fn read_line(&mut self, text: &str) {
        let mut words = text.split([' ', ',']).filter(|word| !word.is_empty());
        if words.next() != Some("pool") {
            return;
        }
        let expected = self.expected.get_mut(words.next().unwrap()).unwrap();
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [serial] => {
                let of = |(_, known, _): &&mut (String, u64, Fate)| *known == serial;
                let event = expected.events.iter_mut().find(of).unwrap();
                assert_eq!(event.2, Fate::Waits, "{text}");
                event.2 = Fate::Discarded;
            }
            [count, first, last] => {
                expected.summed += count;
                let is = |serial| {
                    expected.events.iter().any(|e| e.1 == serial && e.2 == Fate::Discarded)
                };
                assert!(is(first) && is(last), "{text}");
            }
            _ => panic!("{text}"),
        }
    }
}
