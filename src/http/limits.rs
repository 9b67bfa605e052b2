//! What a client may take: the figures, and who has to go when there are too many.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::line::Line;
use crate::rpc::room::Room;

/// From the first byte of a head (on a new connection: from accept) to its end.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// From the end of a head to the end of the body.
pub(super) const BODY_TIME: Duration = Duration::from_secs(30);
/// Between an answer and the next request.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(60);
/// For which a client may refuse to take a byte of an ordinary answer. A log that is followed may wait for ever: a
/// stopped pager is no attack, and holds one place and one buffer.
pub(super) const STALL_TIME: Duration = Duration::from_secs(60);
/// For which the rest of a refused request is still taken off the wire.
pub(super) const LINGER_TIME: Duration = Duration::from_secs(2);
/// Bytes of request line and header lines.
pub(super) const HEAD_SIZE: usize = 16 << 10;
/// Header lines.
pub(super) const HEADERS: usize = 64;
/// Bytes of a body.
pub(super) const BODY_SIZE: u64 = 1 << 20;
/// Bytes of a log that one step of following takes, and of what hyper keeps before it asks for no more.
pub(super) const CHUNK_SIZE: usize = 16 << 10;
/// Bytes of a long answer that hyper gets at a time.
pub(super) const PIECE: usize = 64 << 10;
/// Connections of one listener.
pub(super) const CONNECTIONS: usize = 256;
/// Of them, what one source can have at most: others always find a place.
pub(super) const MOST_OF_ONE: usize = CONNECTIONS - ASSURED;
/// What no source is turned away below while another one has more.
pub(super) const ASSURED: usize = 32;
/// Bytes of bodies and answers that one listener holds at a time.
const HELD: u64 = 64 << 20;
/// Of them, what one source can have at most: others always find room.
const HELD_BY_ONE: u64 = 48 << 20;
/// Bytes of a body or an answer that are not counted: a small one is never refused.
const SMALL: u64 = 64 << 10;

/// Where a connection comes from, as far as limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A user of this machine.
    User(u32),
    /// An address; of version 6 the network, as a host there has all of it.
    Address(IpAddr),
    /// Not known.
    Unknown,
}

impl Source {
    /// The source that an address belongs to.
    pub(super) fn of(address: IpAddr) -> Source {
        Source::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
            v4 => v4,
        })
    }

    /// Bytes that no other source has.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Source::User(uid) => [&b"u"[..], &uid.to_be_bytes()].concat(),
            Source::Address(IpAddr::V4(v4)) => [&b"4"[..], &v4.octets()].concat(),
            Source::Address(IpAddr::V6(v6)) => [&b"6"[..], &v6.octets()].concat(),
            Source::Unknown => b"?".to_vec(),
        }
    }
}

struct Member {
    source: Source,
    line: Rc<Line>,
    task: Option<AbortHandle>,
}

/// The connections of one listener.
#[derive(Default)]
pub(super) struct Crowd {
    members: RefCell<BTreeMap<u64, Member>>,
    last: Cell<u64>,
    /// Bytes that each source holds.
    held: RefCell<BTreeMap<Source, u64>>,
}

/// A connection's place in the crowd, given back when dropped.
pub(super) struct Place {
    crowd: Rc<Crowd>,
    number: u64,
    source: Source,
    line: Rc<Line>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.members.borrow_mut().remove(&self.number);
    }
}

/// Memory that is counted, given back when dropped.
pub(super) struct Share {
    crowd: Rc<Crowd>,
    source: Source,
    bytes: Cell<u64>,
}

impl Share {
    /// Whether there is room for this many bytes more.
    fn has_room(&self, more: u64) -> bool {
        let bytes = self.bytes.get();
        let more = counted_of(bytes.saturating_add(more)).saturating_sub(counted_of(bytes));
        let held = self.crowd.held.borrow();
        let own = held.get(&self.source).copied().unwrap_or(0);
        let all = held.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        more == 0 || own.saturating_add(more) <= HELD_BY_ONE && all.saturating_add(more) <= HELD
    }

    /// Takes room for this many bytes more; `false` where there is none, and then it stays as it is.
    pub(super) fn grow(&self, more: u64) -> bool {
        let fits = self.has_room(more);
        if fits {
            self.set(self.bytes.get().saturating_add(more));
        }
        fits
    }

    /// Counts this many bytes from now on, whether there is room or not: for what is there already.
    pub(super) fn set(&self, bytes: u64) {
        let before = counted_of(self.bytes.replace(bytes));
        let mut held = self.crowd.held.borrow_mut();
        let own = held.entry(self.source).or_default();
        *own = own.saturating_sub(before).saturating_add(counted_of(bytes));
        if *own == 0 {
            held.remove(&self.source);
        }
    }
}

impl Room for Share {
    fn fits(&self, bytes: usize) -> bool {
        self.has_room(bytes as u64)
    }

    fn hold(&self, bytes: usize) {
        self.set(self.bytes.get().saturating_add(bytes as u64));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What counts of a share of this many bytes.
fn counted_of(bytes: u64) -> u64 {
    if bytes <= SMALL { 0 } else { bytes }
}

impl Place {
    /// Names the task that is ended when another connection needs the place.
    pub(super) fn held_by(&self, task: AbortHandle) {
        if let Some(member) = self.crowd.members.borrow_mut().get_mut(&self.number) {
            member.task = Some(task);
        }
    }

    /// The connection.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Room for a body or an answer: none yet.
    pub(super) fn share(&self) -> Share {
        Share { crowd: Rc::clone(&self.crowd), source: self.source, bytes: Cell::new(0) }
    }

    /// Room for this many bytes; `None` while its source or all together have taken too much.
    pub(super) fn hold(&self, bytes: u64) -> Option<Share> {
        Some(self.share()).filter(|share| share.grow(bytes))
    }
}

impl Crowd {
    /// A place for a new connection. Where there is none left, the one that has been waiting longest for its client
    /// to ask something loses its own: silent connections never keep a speaking one out. A source with few connections
    /// also takes the place of one that keeps its answer waiting, from a source with many. `None` when all are at work.
    pub(super) fn admit(self: &Rc<Self>, source: Source, line: Rc<Line>) -> Option<Place> {
        let mut members = self.members.borrow_mut();
        let here = members.values().filter(|m| m.source == source).count();
        let full = members.len() >= CONNECTIONS;
        if here >= MOST_OF_ONE || full && here >= ASSURED {
            dismiss(&mut members, |m| m.source == source, Line::waiting_since)?;
        } else if full {
            let many = sources_with_many(&members);
            dismiss(&mut members, |m| many.contains(&m.source), Line::waiting_since)
                .or_else(|| dismiss(&mut members, |_| true, Line::waiting_since))
                .or_else(|| {
                    dismiss(&mut members, |m| many.contains(&m.source), Line::held_since)
                })?;
        }
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        members.insert(number, Member { source, line: Rc::clone(&line), task: None });
        Some(Place { crowd: Rc::clone(self), number, source, line })
    }
}

fn sources_with_many(members: &BTreeMap<u64, Member>) -> Vec<Source> {
    let mut counts: Vec<(Source, usize)> = Vec::new();
    for member in members.values() {
        match counts.iter_mut().find(|(source, _)| *source == member.source) {
            Some((_, count)) => *count += 1,
            None => counts.push((member.source, 1)),
        }
    }
    counts.into_iter().filter(|(_, count)| *count > ASSURED).map(|(source, _)| source).collect()
}

/// Ends the connection among `those` that is in a state longest; `None` when none of them is.
fn dismiss(
    members: &mut BTreeMap<u64, Member>,
    those: impl Fn(&Member) -> bool,
    since: impl Fn(&Line) -> Option<Instant>,
) -> Option<()> {
    let number = members
        .iter()
        .filter(|(_, m)| those(m))
        .filter_map(|(number, m)| Some((since(&m.line)?, *number)))
        .min()?
        .1;
    let member = members.remove(&number)?;
    if let Some(task) = member.task {
        task.abort();
    }
    Some(())
}
