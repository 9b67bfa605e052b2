//! What a client may take: the figures, and who has to go when there are too many.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;

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
/// Connections of one listener.
pub(super) const CONNECTIONS: usize = 256;
/// Connections of one listener from one source.
pub(super) const FROM_ONE: usize = 32;

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
}

/// A connection's place in the crowd, given back when dropped.
pub(super) struct Place {
    crowd: Rc<Crowd>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.members.borrow_mut().remove(&self.number);
    }
}

impl Place {
    /// Names the task that is ended when another connection needs the place.
    pub(super) fn held_by(&self, task: AbortHandle) {
        if let Some(member) = self.crowd.members.borrow_mut().get_mut(&self.number) {
            member.task = Some(task);
        }
    }
}

impl Crowd {
    /// A place for a new connection. Where there is none left, the one that has been waiting longest for its client
    /// to ask something loses its own: silent connections never keep a speaking one out. `None` when all are at work.
    pub(super) fn admit(self: &Rc<Self>, source: Source, line: Rc<Line>) -> Option<Place> {
        let mut members = self.members.borrow_mut();
        let here = members.values().filter(|m| m.source == source).count();
        if here >= FROM_ONE {
            dismiss(&mut members, |m| m.source == source)?;
        } else if members.len() >= CONNECTIONS {
            dismiss(&mut members, |_| true)?;
        }
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        members.insert(number, Member { source, line, task: None });
        Some(Place { crowd: Rc::clone(self), number })
    }
}

/// Ends the connection among `those` that waits longest; `None` when none of them waits.
fn dismiss(members: &mut BTreeMap<u64, Member>, those: impl Fn(&Member) -> bool) -> Option<()> {
    let number = members
        .iter()
        .filter(|(_, m)| those(m))
        .filter_map(|(number, m)| Some((m.line.waiting_since()?, *number)))
        .min()?
        .1;
    let member = members.remove(&number)?;
    if let Some(task) = member.task {
        task.abort();
    }
    Some(())
}
