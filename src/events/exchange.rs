//! The exchange: takes inputs in, hands events to pools and pools' events to listeners.

use std::collections::HashMap;
use std::time::Duration;

use privsep::journal::Payload;
use privsep::request::{Instance, Slot};

use super::desk::{Desk, Held};
use super::event::Event;
use super::pool::{InForce, after};
use super::seat::Seat;
use super::snapshot::State;
use super::tape::{self, Record, Unit};
use super::{Channel, Input, Kind, Kinds, Now, Output, Pool};
use crate::config::settings::Level;

/// All pools with what waits in them, and their listeners.
///
/// A step: [`handle`](Exchange::handle), [`commit_cells`](Exchange::commit_cells) where cells of the journal change with
/// it, [`records`](Exchange::records); these on the tape; then the cells, then the outputs.
#[derive(Debug)]
pub struct Exchange {
    identifier: String,
    level: Level,
    pub(super) state: State,
    /// What any pool is subscribed to.
    wanted: Kinds,
    /// The pool of each listener.
    pools_of: HashMap<Slot, usize>,
    held: Held,
    /// When ticks are due.
    pub(super) tick: Option<Duration>,
    /// What the step has for the tape.
    unit: Unit,
    /// Cells that change in this step.
    cells: Vec<(usize, Payload)>,
    /// Cells that changed in the last step that was put on the tape.
    redo: Vec<(usize, Payload)>,
}

impl Exchange {
    /// Without pools. `identifier` is the daemon's, as headers have it; `serial` is the number of the first event.
    /// A tape begins with its [`snapshot`](Exchange::snapshot).
    pub fn new(identifier: &str, serial: u64) -> Exchange {
        Exchange {
            identifier: identifier.to_owned(),
            level: Level::Debug,
            state: State { serial, ..State::default() },
            wanted: Kinds::NONE,
            pools_of: HashMap::new(),
            held: Held::default(),
            tick: None,
            unit: Unit::default(),
            cells: Vec::new(),
            redo: Vec::new(),
        }
    }

    /// What a former broker left on its tape. Any bytes give an exchange: what comes after a record that is broken does
    /// not count, and an empty tape gives a new one. [`resume`](Exchange::resume) is to come next, then the pools, then
    /// [`adopt`](Exchange::adopt): what is known already changes nothing.
    pub fn restore(identifier: &str, tape: &[u8]) -> Exchange {
        let mut exchange = Exchange::new(identifier, 0);
        // What was to be done then has been done, or is found out by `resume`.
        exchange.level = Level::Critical;
        let mut gone = Vec::new();
        for unit in tape::units(tape) {
            exchange.redo.clear();
            // Behind what is broken there may have been later cells than those that can be read.
            let Ok(unit) = unit else { break };
            for record in unit {
                match record {
                    Record::State(state) => exchange.load(*state),
                    Record::Cells(cells) => exchange.redo = cells,
                    Record::Input(now, input) => {
                        if let Some(input) = exchange.relevant(now, input) {
                            exchange.apply(now, input, &mut gone);
                        }
                    }
                }
                gone.clear();
            }
        }
        exchange.level = Level::Debug;
        exchange
    }

    /// Makes this state its own.
    fn load(&mut self, state: State) {
        self.state = state;
        self.held = Held::default();
        for pool in &mut self.state.pools {
            let with_listeners = pool.seats.iter().filter_map(|seat| seat.event.as_ref());
            let held = pool.queue.iter().chain(with_listeners).map(|item| item.weight());
            self.held.all = held.fold(self.held.all, usize::saturating_add);
            self.held.waiting = self.held.waiting.saturating_add(pool.weight);
            for sending in pool.seats.iter_mut().filter_map(|seat| seat.sending.as_mut()) {
                let item = &sending.item;
                let (serial, pool_serial) = (item.serial, item.pool_serial);
                sending.bytes =
                    item.event.envelope(&self.identifier, &pool.name, serial, pool_serial);
                sending.done = sending.done.min(sending.bytes.len());
            }
        }
        self.index();
    }

    /// Notes which listener is in which pool, and what is asked for.
    fn index(&mut self) {
        self.pools_of.clear();
        for (at, pool) in self.state.pools.iter().enumerate() {
            self.pools_of.extend(pool.seats.iter().map(|seat| (seat.slot, at)));
        }
        let all = self.state.pools.iter().map(|pool| pool.kinds);
        self.wanted = all.fold(Kinds::NONE, Kinds::or);
    }

    /// Whether lines of this level are made.
    pub(super) fn says(&self, level: Level) -> bool {
        level >= self.level
    }

    pub(super) fn seat(&self, slot: Slot) -> Option<&Seat> {
        let pool = self.state.pools.get(*self.pools_of.get(&slot)?)?;
        pool.seats.get(pool.place(slot)?)
    }

    /// Lines below this level are not made. At first it is [`Level::Debug`]: all are.
    pub fn log_from(&mut self, level: Level) {
        self.level = level;
    }

    /// Deals with one input and appends what is to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        if let Some(input) = self.relevant(now, input) {
            self.unit.input(now, &input);
            self.apply(now, input, out);
        }
        self.tick = self.state.ticks.next(now);
    }

    /// What of an input changes anything. Only that goes on the tape.
    fn relevant(&self, now: Now, mut input: Input) -> Option<Input> {
        let seat = |slot: Slot, life: Instance| {
            self.seat(slot).filter(|seat| seat.alive && seat.instance == life)
        };
        let counts = match &mut input {
            Input::Pools(pools) => {
                !self.state.pools.iter().map(InForce::pool).eq(pools.iter().cloned())
            }
            Input::Happened(_) | Input::Told { .. } => return self.wanted_of(input),
            Input::Heard { slot, instance, turn, bytes } => {
                let later = *turn != self.turn(*slot, Channel::Stdout, *instance);
                match self.seat(*slot) {
                    Some(seat) if seat.instance < *instance => later,
                    Some(seat) if seat.instance == *instance && seat.alive => {
                        if seat.is_out() {
                            // Nobody listens to it any more.
                            *bytes = Vec::new();
                        }
                        later
                    }
                    _ => false,
                }
            }
            Input::Spawned { slot, instance } => {
                self.seat(*slot).is_some_and(|seat| seat.instance < *instance)
            }
            Input::Running { slot, instance, running } => {
                seat(*slot, *instance).is_some_and(|seat| seat.running != *running)
            }
            Input::Ended { slot, instance } => seat(*slot, *instance).is_some(),
            Input::Staged { slot, instance, .. } => {
                let sending = seat(*slot, *instance).and_then(|seat| seat.sending.as_ref());
                sending.is_some_and(|sending| !sending.staged)
            }
            Input::Spliced { slot, instance } => {
                let sending = seat(*slot, *instance).and_then(|seat| seat.sending.as_ref());
                sending.is_some_and(|sending| sending.staged)
            }
            Input::Broken { slot, instance } => {
                seat(*slot, *instance).is_some_and(|seat| !seat.broken)
            }
            Input::Timer => {
                let due = self.state.pools.iter().filter_map(InForce::next_due).min();
                self.state.ticks.due(now) || due.is_some_and(|due| due <= now.mono)
            }
        };
        counts.then_some(input)
    }

    /// The events that somebody asks for.
    fn wanted_of(&self, mut input: Input) -> Option<Input> {
        if let Input::Told { slot, instance, channel, turn, .. } = &input {
            let last = self.state.turns.get(&(*slot, *channel));
            if last.is_some_and(|last| last.0 > *instance || *last == (*instance, *turn)) {
                return None;
            }
        }
        if let Input::Happened(events) | Input::Told { events, .. } = &mut input {
            events.retain(|event| self.wanted.has(event.kind));
            // No pool takes the whole of it, so the tape need not.
            events.iter_mut().for_each(Event::cut);
            if events.is_empty() {
                return None;
            }
        }
        Some(input)
    }

    fn apply(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Pools(pools) => self.enforce(now, pools, out),
            Input::Happened(events) => self.accept_all(now, events, out),
            Input::Told { slot, instance, channel, turn, events } => {
                self.state.turns.insert((slot, channel), (instance, turn));
                self.accept_all(now, events, out);
            }
            Input::Timer => {
                let events = self.state.ticks.tell(now);
                self.accept_all(now, events, out);
                for at in 0..self.state.pools.len() {
                    self.with(at, now, out, InForce::ring);
                }
            }
            Input::Heard { slot, instance, turn, bytes } => {
                self.state.turns.insert((slot, Channel::Stdout), (instance, turn));
                self.at_seat(slot, now, out, |pool, at, desk| {
                    pool.begin(at, instance, desk);
                    pool.heard(at, &bytes, desk);
                });
            }
            Input::Spawned { slot, instance } => {
                self.at_seat(slot, now, out, |pool, at, desk| pool.begin(at, instance, desk));
            }
            Input::Running { slot, running, .. } => {
                self.at_seat(slot, now, out, |pool, at, _| pool.running(at, running));
            }
            Input::Ended { slot, .. } => {
                self.at_seat(slot, now, out, InForce::ended);
            }
            Input::Staged { slot, done, .. } => {
                self.at_seat(slot, now, out, |pool, at, desk| pool.staged(at, done, desk));
            }
            Input::Spliced { slot, .. } => self.at_seat(slot, now, out, InForce::spliced),
            Input::Broken { slot, .. } => self.at_seat(slot, now, out, InForce::broke),
        }
    }

    /// Lets a pool act.
    fn with(
        &mut self,
        at: usize,
        now: Now,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut InForce, &mut Desk<'_>),
    ) {
        let (server, level, held) = (&*self.identifier, self.level, &mut self.held);
        if let Some(pool) = self.state.pools.get_mut(at) {
            act(pool, &mut Desk { now, server, level, held, out });
        }
    }

    /// Lets a pool act for one of its listeners, and hand out what can be handed out then.
    fn at_seat(
        &mut self,
        slot: Slot,
        now: Now,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut InForce, usize, &mut Desk<'_>),
    ) {
        let Some(pool) = self.pools_of.get(&slot).copied() else {
            return;
        };
        self.with(pool, now, out, |pool, desk| {
            if let Some(at) = pool.place(slot) {
                act(pool, at, desk);
                pool.dispatch(desk);
            }
        });
    }

    fn accept_all(&mut self, now: Now, events: Vec<Event>, out: &mut Vec<Output>) {
        for event in events {
            if !self.wanted.has(event.kind) {
                continue;
            }
            let serial = self.state.serial;
            self.state.serial = after(serial);
            for at in 0..self.state.pools.len() {
                self.with(at, now, out, |pool, desk| {
                    if pool.kinds.has(event.kind) {
                        pool.accept(event.clone(), serial, desk);
                    }
                });
            }
            self.shrink(now, out);
        }
    }

    /// Gives up what waits in the pool that holds most, as long as all of them hold too much.
    fn shrink(&mut self, now: Now, out: &mut Vec<Output>) {
        while self.held.is_over() {
            let waiting = self.state.pools.iter().enumerate().map(|(at, pool)| (pool.weight, at));
            let Some((1.., at)) = waiting.max() else {
                return;
            };
            self.with(at, now, out, |pool, desk| pool.give_up_oldest(desk));
        }
    }

    /// These pools are in force now.
    fn enforce(&mut self, now: Now, pools: Vec<Pool>, out: &mut Vec<Output>) {
        let (server, level, held) = (&*self.identifier, self.level, &mut self.held);
        let mut desk = Desk { now, server, level, held, out };
        let old = std::mem::take(&mut self.state.pools);
        let names = old.iter().enumerate().map(|(at, pool)| (pool.name.clone(), at));
        let names: HashMap<String, usize> = names.collect();
        let mut old: Vec<Option<InForce>> = old.into_iter().map(Some).collect();
        for pool in pools {
            let known = names.get(&pool.name).and_then(|at| old.get_mut(*at)?.take());
            match known {
                Some(mut known) => {
                    known.change(pool, &mut desk);
                    self.state.pools.push(known);
                }
                None => self.state.pools.push(InForce::new(pool)),
            }
        }
        old.into_iter().flatten().for_each(|pool| pool.drop_all(&mut desk));
        self.index();
        self.state.ticks.want(self.wanted, now);
    }

    /// Cells of the journal that change in this step: they and the events go to the tape together, or neither does. A
    /// cell that has gone this way once may be written in no other: [`redo`](Exchange::redo) would undo it.
    pub fn commit_cells(&mut self, cells: &[(usize, Payload)]) {
        self.cells.extend_from_slice(cells);
    }

    /// What has to be appended to the tape, as one piece, before the outputs are carried out; empty when nothing
    /// changed. When it finds no room, the tape starts over with [`snapshot`](Exchange::snapshot) in its place.
    pub fn records(&mut self) -> Vec<u8> {
        if !self.cells.is_empty() {
            self.unit.cells(&self.cells);
        }
        let bytes = self.unit.finish();
        if !bytes.is_empty() {
            self.redo = std::mem::take(&mut self.cells);
        }
        bytes
    }

    /// All of it, the last step included: what a tape that starts over begins with.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut unit = Unit::default();
        unit.state(&self.state);
        let cells = if self.cells.is_empty() { &self.redo } else { &self.cells };
        if !cells.is_empty() {
            unit.cells(cells);
        }
        unit.finish()
    }

    /// After [`restore`](Exchange::restore): the cells of the last step on the tape, which may not have been written.
    pub fn redo(&self) -> &[(usize, Payload)] {
        &self.redo
    }

    /// What is appended to a tape to which something could not be appended: cells that are written from now on are not
    /// undone.
    pub fn nothing_to_redo() -> Vec<u8> {
        let mut unit = Unit::default();
        unit.cells(&[]);
        unit.finish()
    }

    /// When [`Input::Timer`] is due, on the clock of [`Now::mono`]. May lie in the past. Nothing is due while no pool
    /// asks for ticks, no rejected event waits for a listener that is ready, and no listener waits for its restart.
    pub fn next(&self) -> Option<Duration> {
        self.state.pools.iter().filter_map(InForce::next_due).chain(self.tick).min()
    }

    /// Whether any pool is subscribed: other events need not be made.
    pub fn wants(&self, kind: Kind) -> bool {
        self.wanted.has(kind)
    }

    /// Whether anything waits for this listener, or for others of its pool.
    pub fn is_behind(&self, slot: Slot) -> bool {
        let pool = self.pools_of.get(&slot).and_then(|at| self.state.pools.get(*at));
        pool.is_some_and(|pool| !pool.queue.is_empty())
    }

    /// The number of the last chunk of a stream that was taken in; 0 before the first.
    pub fn turn(&self, slot: Slot, channel: Channel, instance: Instance) -> u32 {
        let last = self.state.turns.get(&(slot, channel));
        last.filter(|(life, _)| *life == instance).map_or(0, |(_, turn)| *turn)
    }

    /// The number that the next event will have.
    pub fn serial(&self) -> u64 {
        self.state.serial
    }
}
