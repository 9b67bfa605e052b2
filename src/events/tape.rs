//! How steps are written on the tape. Any bytes give steps or nothing.
//!
//! A tape is a run of units: a length, then records. A unit is what was appended in one piece; it counts as a whole or
//! not at all.

use std::time::Duration;

use privsep::frame::{Cursor, Error, Wire};
use privsep::journal::{PAYLOAD, Payload};
use privsep::request::{Instance, Slot};
use privsep::table::MAX_SLOTS;

use super::event::Event;
use super::kind::{Kind, Kinds};
use super::snapshot::{State, once};
use super::{Channel, Input, Now, Pool};

/// The longest text, in bytes.
const MOST: usize = 1 << 26;
/// The most events of one step: a chunk of a stream has fewer.
const MOST_EVENTS: usize = 1 << 16;
/// The most cells of one step, and the most streams.
pub(super) const MOST_CELLS: usize = 2 * (MAX_SLOTS + 1);

/// Room for most units.
const ROOM: usize = 256;

/// What a unit consists of.
#[derive(Debug)]
pub(super) enum Record {
    /// All there is.
    State(Box<State>),
    /// An input that changed something, and when.
    Input(Now, Input),
    /// Cells of the journal that changed in the same step.
    Cells(Vec<(usize, Payload)>),
}

const STATE: u8 = 1;
const CELLS: u8 = 2;
const POOLS: u8 = 3;
const HAPPENED: u8 = 4;
const TOLD: u8 = 5;
const HEARD: u8 = 6;
const SPAWNED: u8 = 7;
const RUNNING: u8 = 8;
const ENDED: u8 = 9;
const STAGED: u8 = 10;
const SPLICED: u8 = 11;
const BROKEN: u8 = 12;
const TIMER: u8 = 13;

/// A unit that is being written.
#[derive(Debug, Default)]
pub(super) struct Unit(Vec<u8>);

impl Unit {
    /// Appends a record. Nothing is there while there is none.
    fn record(&mut self, tag: u8) -> &mut Vec<u8> {
        if self.0.is_empty() {
            self.0.reserve(ROOM);
            // The length comes here.
            0_u32.put(&mut self.0);
        }
        self.0.push(tag);
        &mut self.0
    }

    pub(super) fn cells(&mut self, cells: &[(usize, Payload)]) {
        let to = self.record(CELLS);
        put_count(cells.len(), to);
        for (cell, payload) in cells {
            put_size(*cell, to);
            to.extend_from_slice(payload);
        }
    }

    pub(super) fn state(&mut self, state: &State) {
        state.put(self.record(STATE));
    }

    pub(super) fn input(&mut self, now: Now, input: &Input) {
        let tag = match input {
            Input::Pools(_) => POOLS,
            Input::Happened(_) => HAPPENED,
            Input::Told { .. } => TOLD,
            Input::Heard { .. } => HEARD,
            Input::Spawned { .. } => SPAWNED,
            Input::Running { .. } => RUNNING,
            Input::Ended { .. } => ENDED,
            Input::Staged { .. } => STAGED,
            Input::Spliced { .. } => SPLICED,
            Input::Broken { .. } => BROKEN,
            Input::Timer => TIMER,
        };
        let to = self.record(tag);
        put_time(now.mono, to);
        put_time(now.wall, to);
        put_input(input, to);
    }

    /// The bytes; empty without a record.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.0);
        let length = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(head) = bytes.first_chunk_mut::<4>() {
            *head = length.to_le_bytes();
        }
        bytes
    }
}

fn put_input(input: &Input, to: &mut Vec<u8>) {
    match input {
        Input::Timer => {}
        Input::Pools(pools) => {
            put_count(pools.len(), to);
            pools.iter().for_each(|pool| put_pool(pool, to));
        }
        Input::Happened(events) => put_events(events, to),
        Input::Told { slot, instance, channel, turn, events } => {
            (*slot, *instance).put(to);
            put_channel(*channel, to);
            turn.put(to);
            put_events(events, to);
        }
        Input::Heard { slot, instance, turn, bytes } => {
            (*slot, (*instance, *turn)).put(to);
            put_bytes(bytes, to);
        }
        Input::Spawned { slot, instance }
        | Input::Ended { slot, instance }
        | Input::Spliced { slot, instance }
        | Input::Broken { slot, instance } => (*slot, *instance).put(to),
        Input::Running { slot, instance, running } => (*slot, (*instance, *running)).put(to),
        Input::Staged { slot, instance, done } => {
            (*slot, *instance).put(to);
            put_size(*done, to);
        }
    }
}

/// The units of a tape, as far as they are whole; then an error, if the tape goes on after them.
pub(super) fn units(tape: &[u8]) -> impl Iterator<Item = Result<Vec<Record>, Error>> {
    let mut rest = tape;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (next, behind) = first_unit(rest).unzip();
        rest = behind.unwrap_or_default();
        Some(next.ok_or(Error::Short))
    })
}

/// The first unit, and what comes behind it.
fn first_unit(tape: &[u8]) -> Option<(Vec<Record>, &[u8])> {
    let (length, behind) = tape.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (bytes, behind) = behind.split_at_checked(length)?;
    Some((unit(bytes).ok()?, behind))
}

fn unit(bytes: &[u8]) -> Result<Vec<Record>, Error> {
    let mut cursor = Cursor::new(bytes);
    let mut records = Vec::new();
    while let Ok(tag) = u8::get(&mut cursor) {
        records.push(match tag {
            STATE => Record::State(Box::new(State::get(&mut cursor)?)),
            CELLS => Record::Cells(list(&mut cursor, MOST_CELLS, get_cell)?),
            tag => {
                let now = Now { mono: get_time(&mut cursor)?, wall: get_time(&mut cursor)? };
                Record::Input(now, get_input(tag, &mut cursor)?)
            }
        });
    }
    // Nothing is appended without a record.
    if records.is_empty() { Err(Error::Short) } else { Ok(records) }
}

fn get_input(tag: u8, from: &mut Cursor<'_>) -> Result<Input, Error> {
    let life = |from: &mut Cursor<'_>| Ok((get_slot(from)?, Instance::get(from)?));
    Ok(match tag {
        TIMER => Input::Timer,
        POOLS => {
            let pools = list(from, MAX_SLOTS, get_pool)?;
            let all = pools.iter().flat_map(|pool| &pool.listeners);
            once(all.map(|(slot, _)| *slot))?;
            Input::Pools(pools)
        }
        HAPPENED => Input::Happened(list(from, MOST_EVENTS, get_event)?),
        TOLD => {
            let ((slot, instance), channel) = (life(from)?, get_channel(from)?);
            let (turn, events) = (u32::get(from)?, list(from, MOST_EVENTS, get_event)?);
            Input::Told { slot, instance, channel, turn, events }
        }
        HEARD => {
            let ((slot, instance), turn) = (life(from)?, u32::get(from)?);
            Input::Heard { slot, instance, turn, bytes: get_bytes(from)?.to_vec() }
        }
        RUNNING => {
            let ((slot, instance), running) = (life(from)?, bool::get(from)?);
            Input::Running { slot, instance, running }
        }
        STAGED => {
            let ((slot, instance), done) = (life(from)?, get_size(from)?);
            Input::Staged { slot, instance, done }
        }
        _ => {
            let (slot, instance) = life(from)?;
            match tag {
                SPAWNED => Input::Spawned { slot, instance },
                ENDED => Input::Ended { slot, instance },
                SPLICED => Input::Spliced { slot, instance },
                BROKEN => Input::Broken { slot, instance },
                _ => return Err(Error::Tag),
            }
        }
    })
}

fn get_cell(from: &mut Cursor<'_>) -> Result<(usize, Payload), Error> {
    Ok((get_size(from)?, from.array::<PAYLOAD>()?))
}

pub(super) fn put_pool(pool: &Pool, to: &mut Vec<u8>) {
    put_bytes(pool.name.as_bytes(), to);
    (pool.buffer_size, pool.kinds.bits()).put(to);
    put_count(pool.listeners.len(), to);
    for (slot, name) in &pool.listeners {
        slot.put(to);
        put_bytes(name.as_bytes(), to);
    }
}

pub(super) fn get_pool(from: &mut Cursor<'_>) -> Result<Pool, Error> {
    let name = get_text(from)?.to_owned();
    let (buffer_size, kinds) = <(u32, u32)>::get(from)?;
    let kinds = Kinds::from_bits(kinds).ok_or(Error::Value("types of events"))?;
    let listeners =
        list(from, MAX_SLOTS, |from| Ok((get_slot(from)?, get_text(from)?.to_owned())))?;
    Ok(Pool { name, buffer_size, kinds, listeners })
}

fn put_events(events: &[Event], to: &mut Vec<u8>) {
    put_count(events.len(), to);
    events.iter().for_each(|event| put_event(event, to));
}

pub(super) fn put_event(event: &Event, to: &mut Vec<u8>) {
    to.push(event.kind.code());
    put_bytes(event.payload.as_bytes(), to);
}

pub(super) fn get_event(from: &mut Cursor<'_>) -> Result<Event, Error> {
    let kind = Kind::from_code(u8::get(from)?).ok_or(Error::Tag)?;
    Ok(Event { kind, payload: get_text(from)?.into() })
}

pub(super) fn put_channel(channel: Channel, to: &mut Vec<u8>) {
    (channel == Channel::Stderr).put(to);
}

pub(super) fn get_channel(from: &mut Cursor<'_>) -> Result<Channel, Error> {
    Ok(if bool::get(from)? { Channel::Stderr } else { Channel::Stdout })
}

/// A slot that there may be.
pub(super) fn get_slot(from: &mut Cursor<'_>) -> Result<Slot, Error> {
    let slot = Slot::get(from)?;
    let may_be = usize::try_from(slot).is_ok_and(|slot| slot <= MAX_SLOTS);
    if may_be { Ok(slot) } else { Err(Error::Limit) }
}

/// Items, as many as a count before them says, which is `most` at most. Memory is taken as they come.
pub(super) fn list<T>(
    from: &mut Cursor<'_>,
    most: usize,
    mut item: impl FnMut(&mut Cursor<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = from.count(most)?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(from)?);
    }
    Ok(items)
}

pub(super) fn put_count(count: usize, to: &mut Vec<u8>) {
    u32::try_from(count).unwrap_or(u32::MAX).put(to);
}

pub(super) fn put_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    put_count(bytes.len(), to);
    to.extend_from_slice(bytes);
}

pub(super) fn get_bytes<'a>(from: &mut Cursor<'a>) -> Result<&'a [u8], Error> {
    let length = from.count(MOST)?;
    from.take(length)
}

fn get_text<'a>(from: &mut Cursor<'a>) -> Result<&'a str, Error> {
    str::from_utf8(get_bytes(from)?).map_err(|_| Error::Value("a text"))
}

pub(super) fn put_size(size: usize, to: &mut Vec<u8>) {
    u64::try_from(size).unwrap_or(u64::MAX).put(to);
}

pub(super) fn get_size(from: &mut Cursor<'_>) -> Result<usize, Error> {
    usize::try_from(u64::get(from)?).map_err(|_| Error::Limit)
}

pub(super) fn put_time(time: Duration, to: &mut Vec<u8>) {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).put(to);
}

pub(super) fn get_time(from: &mut Cursor<'_>) -> Result<Duration, Error> {
    u64::get(from).map(Duration::from_nanos)
}
