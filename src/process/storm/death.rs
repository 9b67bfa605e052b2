//! The broker dies, and the next one takes what it finds.

use privsep::journal::PAYLOAD;

use super::{Expected, Message, SLOTS, Storm, pid};
use crate::process::record::Record;
use crate::process::{Heart, Input, State};

impl Storm {
    /// The next broker: clients are gone, messages are made anew from what is the case.
    pub(super) fn broker_dies(&mut self) {
        self.remember_owed();
        self.open.clear();
        self.fresh.clear();
        // What was not written yet is forgotten: groups that were removed are there again, and the reverse.
        self.settings = self.written.clone();
        for slot in 0..SLOTS {
            if self.settings.process(slot).is_none() {
                self.states[slot as usize] = State::Stopped;
                self.told[slot as usize] = State::Stopped;
                self.expected[slot as usize] = Expected::default();
            }
        }
        if self.dice.percent(3) {
            self.forge();
        }
        self.heart = Heart::new(&self.settings, &self.journal);
        let mut first = Vec::new();
        for slot in 0..SLOTS {
            if self.cells[slot as usize].flight && self.dice.percent(50) {
                // It came to something before the next broker was there; a failure nobody hears of.
                self.land(slot);
            }
        }
        self.mail.clear();
        for slot in 0..SLOTS {
            let cell = &self.cells[slot as usize];
            if let Some(instance) = cell.live {
                self.heart.adopt(slot, instance, pid(instance));
            } else if cell.flight {
                self.mail.push(Message::Flight(slot));
            }
        }
        for slot in 0..SLOTS {
            let Some((instance, status, at)) = self.cells[slot as usize].ended else {
                continue;
            };
            let exited = Input::Exited { slot, instance, status, at };
            let before = self.dice.percent(50);
            if !before || self.dice.percent(50) {
                self.heart.adopt(slot, instance, pid(instance));
            }
            if before {
                first.push(exited);
            } else {
                self.mail.push(Message::Input(exited));
            }
        }
        for exited in first {
            let mut out = Vec::new();
            self.heart.handle(self.now, exited, &mut out);
            assert_eq!(out, [], "nothing before the beginning");
        }
        self.ended = false;
        self.died = self.now.mono;
        self.send(Input::Begin);
    }

    pub(super) fn forge(&mut self) {
        self.forged = true;
        for cell in &mut self.journal {
            let mut payload = cell.unwrap_or(Record::default().encode());
            for _ in 0..self.dice.below(20) {
                let at = self.dice.below(PAYLOAD as u64) as usize;
                payload[at] = self.dice.next() as u8;
            }
            if self.dice.percent(50) {
                let at = self.dice.below(8) as usize;
                let state = State::ALL[at].code().to_le_bytes();
                payload[..2].copy_from_slice(b"\x01P");
                payload[2] &= 31;
                payload[5..9].copy_from_slice(&state);
            }
            *cell = Some(payload);
        }
    }
}
