//! All that the exchange keeps, as the tape has it when it starts over.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;

use privsep::frame::{Cursor, Error, Wire};
use privsep::request::{Instance, Slot};
use privsep::table::MAX_SLOTS;

use super::Channel;
use super::desk::HELD;
use super::pool::{Discarded, InForce};
use super::protocol::{Body, Protocol, State as At};
use super::seat::{Breaches, Item, LEAST_WEIGHT, Restart, Seat, Sending};
use super::tape::{
    MOST_CELLS, get_bytes, get_channel, get_event, get_pool, get_size, get_slot, get_time, list,
    put_bytes, put_channel, put_count, put_event, put_pool, put_size, put_time,
};
use super::ticks::Ticks;

const VERSION: u8 = 1;
/// The most events that wait: each has its least weight, and all listeners may have given one back.
const MOST_WAITING: usize = HELD / LEAST_WEIGHT + MAX_SLOTS;

/// What the exchange keeps over the end of a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The number of the next event.
    pub serial: u64,
    pub ticks: Ticks,
    /// The last chunk of each stream that was taken in, with the life that wrote it.
    pub turns: BTreeMap<(Slot, Channel), (Instance, u32)>,
    pub pools: Vec<InForce>,
}

impl State {
    pub(super) fn put(&self, to: &mut Vec<u8>) {
        to.push(VERSION);
        self.serial.put(to);
        self.ticks.last.iter().for_each(|last| last.put(to));
        put_count(self.turns.len(), to);
        for ((slot, channel), turn) in &self.turns {
            slot.put(to);
            put_channel(*channel, to);
            turn.put(to);
        }
        put_count(self.pools.len(), to);
        self.pools.iter().for_each(|pool| put_in_force(pool, to));
    }

    pub(super) fn get(from: &mut Cursor<'_>) -> Result<State, Error> {
        if u8::get(from)? != VERSION {
            return Err(Error::Version);
        }
        let serial = u64::get(from)?;
        let mut last = || Option::<u64>::get(from);
        let ticks = Ticks { last: [last()?, last()?, last()?] };
        let turn = |from: &mut Cursor<'_>| {
            let stream = (get_slot(from)?, get_channel(from)?);
            Ok((stream, <(Instance, u32)>::get(from)?))
        };
        let turns = list(from, MOST_CELLS, turn)?.into_iter().collect();
        let mut room = MOST_WAITING;
        let pools = list(from, MAX_SLOTS, |from| get_in_force(from, &mut room))?;
        once(pools.iter().flat_map(|pool| &pool.seats).map(|seat| seat.slot))?;
        Ok(State { serial, ticks, turns, pools })
    }
}

/// No slot is in two places.
pub(super) fn once(mut slots: impl Iterator<Item = Slot>) -> Result<(), Error> {
    let mut known = HashSet::new();
    let once = slots.all(|slot| known.insert(slot));
    if once { Ok(()) } else { Err(Error::Value("a slot that comes twice")) }
}

fn put_in_force(pool: &InForce, to: &mut Vec<u8>) {
    put_pool(&pool.pool(), to);
    (pool.next, pool.awake).put(to);
    let Discarded { count, first, last } = pool.discarded;
    (count, (first, last)).put(to);
    put_count(pool.queue.len(), to);
    pool.queue.iter().for_each(|item| put_item(item, to));
    pool.seats.iter().for_each(|seat| put_seat(seat, to));
}

/// Reads a pool; there is `room` for so many events.
fn get_in_force(from: &mut Cursor<'_>, room: &mut usize) -> Result<InForce, Error> {
    let mut pool = InForce::new(get_pool(from)?);
    (pool.next, pool.awake) = <(u64, Option<u64>)>::get(from)?;
    let (count, (first, last)) = <(u64, (u64, u64))>::get(from)?;
    pool.discarded = Discarded { count, first, last };
    pool.refill(VecDeque::from(list(from, *room, get_item)?));
    *room = room.saturating_sub(pool.queue.len());
    for seat in &mut pool.seats {
        get_seat(seat, from)?;
    }
    Ok(pool)
}

fn put_item(item: &Item, to: &mut Vec<u8>) {
    put_event(&item.event, to);
    (item.serial, (item.pool_serial, item.rejections)).put(to);
    put_time(item.not_before, to);
}

fn get_item(from: &mut Cursor<'_>) -> Result<Item, Error> {
    let event = get_event(from)?;
    let (serial, (pool_serial, rejections)) = <(u64, (u64, u32))>::get(from)?;
    Ok(Item { event, serial, pool_serial, rejections, not_before: get_time(from)? })
}

fn put_seat(seat: &Seat, to: &mut Vec<u8>) {
    (seat.instance, (seat.alive, (seat.running, seat.broken))).put(to);
    put_protocol(&seat.protocol, to);
    seat.event.is_some().put(to);
    seat.event.iter().for_each(|item| put_item(item, to));
    match &seat.sending {
        None => to.push(0),
        Some(sending) => {
            // Mostly it is the event whose result is waited for.
            let same = seat.event.as_ref() == Some(&sending.item);
            to.push(if same { 1 } else { 2 });
            if !same {
                put_item(&sending.item, to);
            }
            put_size(sending.done, to);
            sending.staged.put(to);
        }
    }
    seat.breaches.count.put(to);
    put_time(seat.breaches.last, to);
    match seat.restart {
        Restart::No => to.push(0),
        Restart::Asked => to.push(1),
        Restart::At(at) => {
            to.push(2);
            put_time(at, to);
        }
    }
}

/// Reads what a seat in a pool is at.
fn get_seat(seat: &mut Seat, from: &mut Cursor<'_>) -> Result<(), Error> {
    (seat.instance, (seat.alive, (seat.running, seat.broken))) = Wire::get(from)?;
    seat.protocol = get_protocol(from)?;
    seat.event = if bool::get(from)? { Some(get_item(from)?) } else { None };
    let item = match u8::get(from)? {
        0 => None,
        1 => Some(seat.event.clone().ok_or(Error::Tag)?),
        2 => Some(get_item(from)?),
        _ => return Err(Error::Tag),
    };
    if let Some(item) = item {
        let (done, staged) = (get_size(from)?, bool::get(from)?);
        // The bytes are made anew, where the names are known.
        seat.sending = Some(Sending { item, bytes: Rc::new([]), done, staged });
    }
    seat.breaches = Breaches { count: u32::get(from)?, last: get_time(from)? };
    seat.restart = match u8::get(from)? {
        0 => Restart::No,
        1 => Restart::Asked,
        2 => Restart::At(get_time(from)?),
        _ => return Err(Error::Tag),
    };
    Ok(())
}

fn put_protocol(protocol: &Protocol, to: &mut Vec<u8>) {
    let at = At::ALL.iter().position(|at| *at == protocol.state);
    put_count(at.unwrap_or_default(), to);
    put_bytes(&protocol.line, to);
    let body = protocol.body.map(|body| (body.length, (body.seen, body.ok)));
    body.put(to);
}

fn get_protocol(from: &mut Cursor<'_>) -> Result<Protocol, Error> {
    let at = from.count(At::ALL.len())?;
    let state = At::ALL.get(at).copied().ok_or(Error::Tag)?;
    let line = get_bytes(from)?.to_vec();
    let body = Option::<(u64, (u64, bool))>::get(from)?;
    let body = body.map(|(length, (seen, ok))| Body { length, seen, ok });
    Ok(Protocol { state, line, body })
}
