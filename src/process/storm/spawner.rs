//! The simulated spawner: what becomes of what it is asked for, and in which order that is told.

use privsep::reply::Stage;
use privsep::request::{Instance, Request, Slot};

use super::{Message, SLOTS, Storm, pid};
use crate::process::world::failure;
use crate::process::{Input, State};

impl Storm {
    pub(super) fn carry_out(&mut self, request: Request) {
        let at = |slot: Slot| slot as usize;
        self.trace.push((self.now.mono, request));
        match request {
            Request::Spawn { slot } => {
                // The broker leaves the settings in force to its successor before it starts anything.
                assert!(self.settings.process(slot).is_some(), "slot {slot} is in no group");
                self.written = self.settings.clone();
                let cell = &mut self.cells[at(slot)];
                let busy = cell.flight || cell.live.is_some() || cell.ended.is_some();
                if busy {
                    assert!(self.forged, "two instances of slot {slot}");
                    let failure = failure(Stage::Fork, 17);
                    self.mail.push(Message::Input(Input::SpawnFailed { slot, failure }));
                } else {
                    assert!(!self.heart.shutting_down(), "started while going down");
                    cell.flight = true;
                    self.mail.push(Message::Flight(slot));
                }
            }
            Request::Probe { slot } => {
                let failure = self.dice.percent(10).then(|| failure(Stage::Find, 2));
                self.mail.push(Message::Input(Input::Probed { slot, failure }));
            }
            Request::Signal { slot, instance, signo, .. } => self.signal(slot, instance, signo),
            Request::Ack { slot, instance } => {
                let cell = &mut self.cells[at(slot)];
                assert!(instance <= cell.lives);
                if cell.ended.is_some_and(|(ended, ..)| ended == instance) {
                    cell.ended = None;
                }
            }
            Request::End(_) => {
                assert!(!self.ended, "the end is asked for once");
                self.ended = true;
                for (slot, cell) in (0..).zip(&self.cells) {
                    // In no group: it is killed when it shows, whoever sees that.
                    let unknown = matches!(self.heart.state(slot), None | Some(State::Unknown));
                    let gone = cell.live.is_none() && !cell.flight;
                    assert!(gone || unknown || self.forged, "slot {slot} is left");
                }
            }
            other => panic!("never asked for: {other:?}"),
        }
    }

    fn signal(&mut self, slot: Slot, instance: Instance, signo: u8) {
        // A stop that a client asked for goes its own way.
        if self.heart.shutting_down() && signo == 15 && self.by_shutdown.contains(&slot) {
            let priority = |slot: u32| {
                let process = self.settings.process(slot);
                process.map(|p| self.settings.group(&p.group).unwrap().priority)
            };
            for other in 0..SLOTS {
                let higher = priority(other) > priority(slot);
                let stopped = self.heart.state(other).is_none_or(State::is_stopped);
                assert!(!higher || stopped, "{other} is to stop before {slot}");
            }
        }
        let alive = self.cells[slot as usize].live == Some(instance);
        let errno = if !alive {
            3
        } else if self.refuses && self.dice.percent(20) {
            1
        } else {
            0
        };
        if errno != 0 {
            self.mail.push(Message::Input(Input::SignalFailed { slot, instance, errno }));
        } else if signo == 9 || self.dice.percent(60) {
            self.dies(slot, signo.into());
        }
    }

    /// The instance that lives in this slot ends now.
    pub(super) fn dies(&mut self, slot: Slot, status: i32) {
        let cell = &mut self.cells[slot as usize];
        if let Some(instance) = cell.live.take() {
            let at = self.now.mono;
            cell.ended = Some((instance, status, at));
            self.mail.push(Message::Input(Input::Exited { slot, instance, status, at }));
        }
    }

    /// Delivers a message at random. An instance's start always comes before its end.
    pub(super) fn deliver(&mut self) {
        if self.mail.is_empty() {
            return;
        }
        let pick = self.dice.below(self.mail.len() as u64) as usize;
        let slot_of = |message: &Message| match message {
            Message::Flight(slot)
            | Message::Input(Input::Spawned { slot, .. } | Input::Exited { slot, .. }) => {
                Some(*slot)
            }
            Message::Input(_) => None,
        };
        let slot = slot_of(&self.mail[pick]);
        let first = self.mail.iter().position(|m| slot.is_some() && slot_of(m) == slot);
        match self.mail.remove(first.unwrap_or(pick)) {
            Message::Input(input) => {
                self.send(input);
            }
            Message::Flight(slot) => {
                let input = self.land(slot);
                self.send(input);
            }
        }
    }

    /// Decides what becomes of a start.
    pub(super) fn land(&mut self, slot: Slot) -> Input {
        let cell = &mut self.cells[slot as usize];
        cell.flight = false;
        if self.dice.percent(15) {
            let failure = failure(Stage::Pipes, 24);
            return Input::SpawnFailed { slot, failure };
        }
        cell.lives += 1;
        let instance = cell.lives;
        cell.live = Some(instance);
        if self.dice.percent(15) {
            self.dies(slot, 0x7f00);
        }
        let failure = None;
        let pid = pid(instance);
        Input::Spawned { slot, instance, pid, failure }
    }
}
