//! A listener's seat in its pool: which process sits there, what it is at, and what is on its way to it.

use std::rc::Rc;
use std::time::Duration;

use privsep::request::{Instance, Slot};

use super::Output;
use super::desk::Desk;
use super::event::Event;
use super::protocol::{Protocol, State, Word};
use crate::config::settings::Level;

/// What an event takes beside its payload, in memory and on the tape.
pub(super) const LEAST_WEIGHT: usize = 128;
/// How long the second restart waits, and how long any waits at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After this long without a breach, all are forgotten.
const CALM: Duration = Duration::from_secs(120);

/// An event that a pool has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub event: Event,
    pub serial: u64,
    pub pool_serial: u64,
    /// How often listeners rejected it.
    pub rejections: u32,
    /// It is sent again no earlier than this.
    pub not_before: Duration,
}

impl Item {
    /// Bytes that it counts for.
    pub(super) fn weight(&self) -> usize {
        self.event.payload().len().saturating_add(LEAST_WEIGHT)
    }
}

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sending {
    pub item: Item,
    pub bytes: Rc<[u8]>,
    /// Bytes that were staged in the rounds before, and in this one once it is `staged`.
    pub done: usize,
    /// This round is in the staging pipe; otherwise that is empty, or the writing has been begun.
    pub staged: bool,
}

/// When a listener that broke the protocol is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Restart {
    /// It is not.
    #[default]
    No,
    /// Then.
    At(Duration),
    /// It was asked for.
    Asked,
}

/// Breaches of the protocol, over the lives of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Breaches {
    pub count: u32,
    pub last: Duration,
}

impl Breaches {
    /// Another one: how long to wait for the restart.
    fn another(&mut self, now: Duration) -> Duration {
        if now.saturating_sub(self.last) > CALM {
            self.count = 0;
        }
        let wait = match self.count.checked_sub(1) {
            None => Duration::ZERO,
            Some(n) => FIRST_WAIT.saturating_mul(1 << n.min(10)).min(LONGEST_WAIT),
        };
        (self.count, self.last) = (self.count.saturating_add(1), now);
        wait
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub slot: Slot,
    pub name: String,
    /// The last known life; 0 before the first.
    pub instance: Instance,
    /// That life has not ended.
    pub alive: bool,
    /// It is in RUNNING.
    pub running: bool,
    /// Nobody reads its standard input.
    pub broken: bool,
    pub protocol: Protocol,
    /// What it is to give a result for: in BUSY alone.
    pub event: Option<Item>,
    pub sending: Option<Sending>,
    pub breaches: Breaches,
    pub restart: Restart,
}

impl Seat {
    pub(super) fn new(slot: Slot, name: String) -> Seat {
        Seat {
            slot,
            name,
            instance: 0,
            alive: false,
            running: false,
            broken: false,
            protocol: Protocol::new(),
            event: None,
            sending: None,
            breaches: Breaches::default(),
            restart: Restart::No,
        }
    }

    /// Whether it would be sent an event, once it has room for one.
    pub(super) fn ready(&self) -> bool {
        self.running && self.protocol.state == State::Ready
    }

    /// Whether it can be sent an event now.
    pub(super) fn free(&self) -> bool {
        self.ready() && !self.broken && self.sending.is_none()
    }

    /// Whether nothing that it says counts any more.
    pub(super) fn is_out(&self) -> bool {
        self.protocol.state == State::Unknown
    }

    /// Whether something was asked for that may not have been done.
    pub(super) fn has_business(&self) -> bool {
        self.sending.is_some() || self.restart == Restart::Asked
    }

    /// What it is at is not known: nothing that it says counts, and it is to be started again.
    pub(super) fn doubt(&mut self) -> Option<Output> {
        self.protocol.state = State::Unknown;
        self.restart = Restart::Asked;
        self.restart_again()
    }

    /// Another life begins. Gives back the event of the last one.
    pub(super) fn begin(&mut self, instance: Instance) -> Option<Item> {
        let event = self.end();
        (self.instance, self.alive) = (instance, true);
        event
    }

    /// Its life is over. Gives back its event.
    pub(super) fn end(&mut self) -> Option<Item> {
        (self.alive, self.running, self.broken) = (false, false, false);
        self.protocol = Protocol::new();
        (self.sending, self.restart) = (None, Restart::No);
        self.event.take()
    }

    /// Begins to send an event.
    pub(super) fn engage(&mut self, item: Item, bytes: Rc<[u8]>, desk: &mut Desk<'_>) {
        let name = &self.name;
        desk.log(Level::Debug, || format!("event {} sent to listener {name}", item.serial));
        self.protocol.engage();
        self.event = Some(item.clone());
        self.sending = Some(Sending { item, bytes, done: 0, staged: false });
        desk.out.extend(self.round());
    }

    /// Has the next bytes of its event written.
    pub(super) fn round(&self) -> Option<Output> {
        let sending = self.sending.as_ref()?;
        let (event, from) = (Rc::clone(&sending.bytes), sending.done);
        Some(Output::Send { slot: self.slot, instance: self.instance, event, from })
    }

    /// Has what is staged moved.
    pub(super) fn splice(&self) -> Output {
        Output::Splice { slot: self.slot, instance: self.instance }
    }

    /// So much of its event has been staged.
    pub(super) fn staged(&mut self, done: usize, desk: &mut Desk<'_>) {
        if let Some(sending) = self.sending.as_mut().filter(|sending| !sending.staged) {
            sending.done = done.clamp(sending.done, sending.bytes.len());
            sending.staged = true;
            desk.out.push(self.splice());
        }
    }

    /// What was staged has arrived.
    pub(super) fn spliced(&mut self, desk: &mut Desk<'_>) {
        let Some(sending) = self.sending.as_mut().filter(|sending| sending.staged) else {
            return;
        };
        sending.staged = false;
        if sending.done >= sending.bytes.len() {
            self.sending = None;
        } else {
            desk.out.extend(self.round());
        }
    }

    /// Its standard input is gone. Gives back its event.
    pub(super) fn broke(&mut self, desk: &mut Desk<'_>) -> Option<Item> {
        let serial = self.sending.take().map(|sending| sending.item.serial);
        self.broken = true;
        self.protocol.disengage();
        let name = &self.name;
        if let Some(serial) = serial {
            desk.log(Level::Debug, || {
                format!(
                    "epipe occurred while sending event {serial} to listener {name}, listener state unchanged"
                )
            });
        }
        self.event.take()
    }

    /// Takes what it said, with its lines for the log. Gives back an event that it rejects.
    pub(super) fn heard(&mut self, word: Word, desk: &mut Desk<'_>) -> Option<Item> {
        match word {
            Word::Ready => {
                self.changed(State::Acknowledged, desk);
                None
            }
            Word::Result { ok } => {
                let name = &self.name;
                if ok {
                    desk.log(Level::Debug, || format!("{name}: event was processed"));
                } else {
                    desk.log(Level::Warn, || format!("{name}: event was rejected"));
                }
                self.changed(State::Busy, desk);
                let item = self.event.take()?;
                if ok {
                    desk.release(&item);
                }
                Some(item).filter(|_| !ok)
            }
            Word::Broke { at, line } => {
                let name = &self.name;
                if let Some(line) = line {
                    desk.log(Level::Warn, || format!("{name}: bad result line: '{line}'"));
                }
                self.changed(at, desk);
                self.breach(desk);
                self.event.take()
            }
        }
    }

    fn changed(&self, from: State, desk: &mut Desk<'_>) {
        let (name, to) = (&self.name, self.protocol.state);
        desk.log(Level::Debug, || format!("{name}: {} -> {}", from.name(), to.name()));
    }

    fn breach(&mut self, desk: &mut Desk<'_>) {
        let wait = self.breaches.another(desk.now.mono);
        self.restart = Restart::At(desk.now.mono.saturating_add(wait));
        let name = &self.name;
        desk.log(Level::Warn, || {
            format!(
                "{name}: has entered the UNKNOWN state and will no longer receive events, this usually indicates the \
                 process violated the eventlistener protocol"
            )
        });
        let when = match wait.as_secs() {
            0 => "now".to_owned(),
            1 => "in 1 second".to_owned(),
            n => format!("in {n} seconds"),
        };
        desk.log(Level::Warn, || format!("{name}: is stopped and started again {when}"));
        self.ring(desk);
    }

    /// Asks for its restart if that is due.
    pub(super) fn ring(&mut self, desk: &mut Desk<'_>) {
        if matches!(self.restart, Restart::At(at) if at <= desk.now.mono) {
            self.restart = Restart::Asked;
            desk.out.extend(self.restart_again());
        }
    }

    /// Asks for the restart that was asked for: a broker may have died over it.
    pub(super) fn restart_again(&self) -> Option<Output> {
        let asked = self.restart == Restart::Asked;
        asked.then_some(Output::Restart { slot: self.slot, instance: self.instance })
    }
}
