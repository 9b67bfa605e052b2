//! What a client may take: the figures, and who has to go when there are too many.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::line::Line;

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
/// Bytes of bodies and answers that one listener holds at a time. One alone may have more.
const HELD: u64 = 64 << 20;
/// Bytes of a body or an answer that are not counted.
const SMALL: u64 = 64 << 10;

/// Where a connection comes from, as far as limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    held: Cell<u64>,
}

/// A connection's place in the crowd, given back when dropped.
pub(super) struct Place {
    crowd: Rc<Crowd>,
    number: u64,
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
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.crowd.held.set(self.crowd.held.get().saturating_sub(self.bytes));
    }
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

    /// Room for a body or an answer; `None` while others have taken too much.
    pub(super) fn hold(&self, bytes: u64) -> Option<Share> {
        let crowd = &self.crowd;
        let bytes = if bytes <= SMALL { 0 } else { bytes };
        let held = crowd.held.get();
        let sum = held.saturating_add(bytes);
        if bytes > 0 && held > 0 && sum > HELD {
            return None;
        }
        crowd.held.set(sum);
        Some(Share { crowd: Rc::clone(crowd), bytes })
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
        Some(Place { crowd: Rc::clone(self), number, line })
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
