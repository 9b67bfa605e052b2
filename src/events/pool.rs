//! A pool in force: its queue, its listeners' seats, and who is sent what.

use std::collections::VecDeque;
use std::time::Duration;

use privsep::request::{Instance, Slot};

use super::Pool;
use super::desk::{Desk, HELD, LONGEST};
use super::event::Event;
use super::kind::Kinds;
use super::python;
use super::seat::{Item, Restart, Seat};
use crate::config::settings::Level;
use crate::process::texts;

/// How long an event that was rejected once waits, and how long any waits at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Beyond `buffer_size`, so many events that came too early to count are kept, or as many as take so many bytes.
const MOST_EARLY: usize = 1_000;
const EARLY_WEIGHT: usize = 1 << 20;

/// Events that found no room, since the last time there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Discarded {
    pub count: u64,
    pub first: u64,
    pub last: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InForce {
    pub name: String,
    pub buffer_size: u32,
    pub kinds: Kinds,
    /// The poolserial of the next event.
    pub next: u64,
    /// The poolserial of the first event that came when a listener had been ready, or all that had been started had
    /// ended. Those before do not count as waiting: nobody could have taken them.
    pub awake: Option<u64>,
    /// What waits, by poolserial.
    pub queue: VecDeque<Item>,
    /// How many of these came too early to count: they are the first.
    pub early: usize,
    /// Bytes of what waits.
    pub weight: usize,
    pub discarded: Discarded,
    pub seats: Vec<Seat>,
}

/// The serial after this one.
pub(super) fn after(serial: u64) -> u64 {
    if serial >= i64::MAX.unsigned_abs() { 0 } else { serial + 1 }
}

impl InForce {
    pub(super) fn new(pool: Pool) -> InForce {
        let seats = pool.listeners.into_iter().map(|(slot, name)| Seat::new(slot, name));
        InForce {
            name: pool.name,
            buffer_size: pool.buffer_size,
            kinds: pool.kinds,
            next: 0,
            awake: None,
            queue: VecDeque::new(),
            early: 0,
            weight: 0,
            discarded: Discarded::default(),
            seats: seats.collect(),
        }
    }

    /// As the configuration has it.
    pub(super) fn pool(&self) -> Pool {
        Pool {
            name: self.name.clone(),
            buffer_size: self.buffer_size,
            kinds: self.kinds,
            listeners: self.seats.iter().map(|seat| (seat.slot, seat.name.clone())).collect(),
        }
    }

    /// It stays in force, as `pool` has it.
    pub(super) fn change(&mut self, pool: Pool, desk: &mut Desk<'_>) {
        (self.buffer_size, self.kinds) = (pool.buffer_size, pool.kinds);
        let mut old = std::mem::take(&mut self.seats);
        for (slot, name) in pool.listeners {
            let known = old.iter().position(|seat| seat.slot == slot);
            let mut seat = match known {
                Some(at) => old.swap_remove(at),
                None => Seat::new(slot, String::new()),
            };
            seat.name = name;
            self.seats.push(seat);
        }
        for item in old.into_iter().filter_map(|mut seat| seat.end()) {
            self.give_back(item, desk);
        }
        self.dispatch(desk);
    }

    /// It is in force no more.
    pub(super) fn drop_all(mut self, desk: &mut Desk<'_>) {
        let (name, waiting) = (&self.name, self.queue.len());
        if waiting > 0 {
            desk.log(Level::Warn, || {
                format!("pool {name} is removed with {waiting} events that no listener has taken")
            });
        }
        self.tell_discarded(desk);
        let with_listeners = self.seats.iter().filter_map(|seat| seat.event.as_ref());
        for item in self.queue.iter().chain(with_listeners) {
            desk.release(item);
        }
        desk.unqueue(self.weight);
    }

    /// A new event.
    pub(super) fn accept(&mut self, event: Event, serial: u64, desk: &mut Desk<'_>) {
        let pool_serial = self.next;
        self.next = after(pool_serial);
        if event.is_too_long() {
            self.lost(serial, &format!(", it takes more than {} MiB", LONGEST >> 20), desk);
            return;
        }
        let item = Item { event, serial, pool_serial, rejections: 0, not_before: Duration::ZERO };
        desk.hold(&item);
        self.make_room(desk);
        self.weight = self.weight.saturating_add(item.weight());
        desk.queue(&item);
        self.early += usize::from(self.is_early(&item));
        self.queue.push_back(item);
        self.dispatch(desk);
    }

    /// An event comes back from a listener. It waits where it was: nothing that came later overtakes it.
    pub(super) fn give_back(&mut self, item: Item, desk: &mut Desk<'_>) {
        let (name, waiting, most) = (&self.name, self.queue.len(), self.buffer_size);
        desk.log(Level::Debug, || {
            format!(
                "rebuffering event {} for pool {name} (buf size={waiting}, max={most})",
                item.serial
            )
        });
        if self.is_early(&item) {
            self.early += 1;
        } else {
            self.make_room(desk);
        }
        self.weight = self.weight.saturating_add(item.weight());
        desk.queue(&item);
        let later = |other: &Item| other.pool_serial > item.pool_serial;
        let at = self.queue.iter().position(later).unwrap_or(self.queue.len());
        self.queue.insert(at, item);
    }

    /// A listener rejected an event: it comes back, and is not sent again at once.
    pub(super) fn reject(&mut self, mut item: Item, desk: &mut Desk<'_>) {
        let wait = FIRST_WAIT.saturating_mul(1 << item.rejections.min(10)).min(LONGEST_WAIT);
        item.rejections = item.rejections.saturating_add(1);
        item.not_before = desk.now.mono.saturating_add(wait);
        self.give_back(item, desk);
    }

    fn is_early(&self, item: &Item) -> bool {
        self.awake.is_none_or(|awake| item.pool_serial < awake)
    }

    /// How many wait that count.
    fn counted(&self) -> usize {
        self.queue.len().saturating_sub(self.early)
    }

    fn make_room(&mut self, desk: &mut Desk<'_>) {
        let most = usize::try_from(self.buffer_size).unwrap_or(usize::MAX);
        if self.awake.is_some() {
            if self.counted() >= most {
                self.discard(self.early, "", desk);
            }
            return;
        }
        // Early ones do not count, but it may be that no listener ever comes.
        let over = self.queue.len().checked_sub(most);
        if over.is_some_and(|over| over >= MOST_EARLY || self.weight >= EARLY_WEIGHT) {
            self.discard(0, "", desk);
        }
    }

    /// Gives up the oldest event, because all pools together hold too much.
    pub(super) fn give_up_oldest(&mut self, desk: &mut Desk<'_>) {
        let why = format!(", all events together take more than {} MiB", HELD >> 20);
        self.discard(0, &why, desk);
    }

    fn discard(&mut self, at: usize, why: &str, desk: &mut Desk<'_>) {
        let Some(item) = self.queue.remove(at) else {
            return;
        };
        self.taken(&item, desk);
        desk.release(&item);
        self.lost(item.serial, why, desk);
    }

    /// An event is given up.
    fn lost(&mut self, serial: u64, why: &str, desk: &mut Desk<'_>) {
        let name = &self.name;
        desk.log(Level::Error, || {
            format!("pool {name} event buffer overflowed, discarding event {serial}{why}")
        });
        let discarded = &mut self.discarded;
        if discarded.count == 0 {
            discarded.first = serial;
        }
        (discarded.count, discarded.last) = (discarded.count.saturating_add(1), serial);
    }

    /// An event has left the queue.
    fn taken(&mut self, item: &Item, desk: &mut Desk<'_>) {
        desk.unqueue(item.weight());
        self.weight = self.weight.saturating_sub(item.weight());
        if self.is_early(item) {
            self.early = self.early.saturating_sub(1);
        }
    }

    /// Hands what waits to listeners that are free.
    pub(super) fn dispatch(&mut self, desk: &mut Desk<'_>) {
        if self.awake.is_none() && self.seats.iter().any(Seat::ready) {
            self.awake = Some(self.next);
        }
        while self.queue.front().is_some_and(|first| first.not_before <= desk.now.mono) {
            let Some(at) = self.seats.iter().position(Seat::free) else {
                break;
            };
            let Some(item) = self.queue.pop_front() else {
                break;
            };
            self.taken(&item, desk);
            let bytes = item.event.envelope(desk.server, &self.name, item.serial, item.pool_serial);
            if let Some(seat) = self.seats.get_mut(at) {
                seat.engage(item, bytes, desk);
            }
        }
        self.have_room(desk);
    }

    /// Says what was lost when there is room again: not before half of it is free, so that a flood makes few lines.
    fn have_room(&mut self, desk: &mut Desk<'_>) {
        let most = usize::try_from(self.buffer_size).unwrap_or(usize::MAX);
        let counted = if self.awake.is_some() { self.counted() } else { self.queue.len() };
        if self.discarded.count > 0 && counted <= most / 2 && desk.roomy() {
            self.tell_discarded(desk);
        }
    }

    fn tell_discarded(&mut self, desk: &mut Desk<'_>) {
        let Discarded { count, first, last } = std::mem::take(&mut self.discarded);
        let name = &self.name;
        if count > 0 {
            desk.log(Level::Warn, || {
                format!(
                    "pool {name} event buffer has room again, {count} events were discarded, serials {first} to {last}"
                )
            });
        }
    }

    /// Puts this into the empty queue.
    pub(super) fn refill(&mut self, queue: VecDeque<Item>) {
        self.early = queue.iter().filter(|item| self.is_early(item)).count();
        self.weight = queue.iter().map(Item::weight).fold(0, usize::saturating_add);
        self.queue = queue;
    }

    /// A listener's process has begun another life.
    pub(super) fn begin(&mut self, at: usize, instance: Instance, desk: &mut Desk<'_>) {
        let seat = self.seats.get_mut(at).filter(|seat| seat.instance < instance);
        if let Some(item) = seat.and_then(|seat| seat.begin(instance)) {
            self.give_back(item, desk);
        }
    }

    /// A listener's process has entered RUNNING or left it.
    pub(super) fn running(&mut self, at: usize, running: bool) {
        if let Some(seat) = self.seats.get_mut(at) {
            seat.running = running;
        }
    }

    /// A listener's process has ended.
    pub(super) fn ended(&mut self, at: usize, desk: &mut Desk<'_>) {
        if let Some(item) = self.seats.get_mut(at).and_then(Seat::end) {
            self.give_back(item, desk);
        }
        if self.awake.is_none() && !self.seats.iter().any(|seat| seat.alive) {
            // It may never be ready: what comes from here on counts.
            self.awake = Some(self.next);
        }
    }

    pub(super) fn staged(&mut self, at: usize, done: usize, desk: &mut Desk<'_>) {
        if let Some(seat) = self.seats.get_mut(at) {
            seat.staged(done, desk);
        }
    }

    pub(super) fn spliced(&mut self, at: usize, desk: &mut Desk<'_>) {
        if let Some(seat) = self.seats.get_mut(at) {
            seat.spliced(desk);
        }
    }

    /// Nobody reads a listener's standard input.
    pub(super) fn broke(&mut self, at: usize, desk: &mut Desk<'_>) {
        if let Some(item) = self.seats.get_mut(at).and_then(|seat| seat.broke(desk)) {
            self.give_back(item, desk);
        }
    }

    /// Takes what a listener said, all of it.
    pub(super) fn heard(&mut self, at: usize, mut bytes: &[u8], desk: &mut Desk<'_>) {
        if let Some(seat) = self.seats.get(at).filter(|_| !bytes.is_empty()) {
            desk.log(Level::Debug, || {
                format!("{} stdout output:\n{}", texts::quoted(&seat.name), python::shown(bytes))
            });
        }
        while let Some(seat) = self.seats.get_mut(at)
            && let Some(word) = seat.protocol.hear(&mut bytes)
        {
            if let Some(item) = seat.heard(word, desk) {
                self.reject(item, desk);
            }
        }
    }

    /// When something is due by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let again = self.queue.front().filter(|_| self.seats.iter().any(Seat::free));
        let again = again.map(|first| first.not_before);
        let restarts = self.seats.iter().filter_map(|seat| match seat.restart {
            Restart::At(at) => Some(at),
            Restart::No | Restart::Asked => None,
        });
        restarts.chain(again).min()
    }

    /// Its time has come.
    pub(super) fn ring(&mut self, desk: &mut Desk<'_>) {
        self.seats.iter_mut().for_each(|seat| seat.ring(desk));
        self.dispatch(desk);
    }

    /// The place of a slot.
    pub(super) fn place(&self, slot: Slot) -> Option<usize> {
        self.seats.iter().position(|seat| seat.slot == slot)
    }
}
