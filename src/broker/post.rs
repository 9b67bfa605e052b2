//! The way of events into the exchange, and of its records onto the tape. What it wants done waits here for the loop.
//!
//! A step is on the tape before anything of it is done: a broker that takes over knows all that may have been done.

mod people;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use link::Journal;
use privsep::journal::{Payload, TAPE};
use privsep::reply::Cause;
use privsep::request::Slot;

use crate::config::settings::Settings;
use crate::events::{Exchange, Input, Kept, Kind, Kinds, Output, Pool};
use crate::logs::clock;
use people::Person;
pub(super) use people::{is_pool, pools};

/// The tape starts over when it is this long, or longer than some times what it started with: it takes memory.
const SHORT: usize = 256 << 10;
const TIMES: usize = 4;
/// Room at its end for the mark that not all is on it.
const MARK: usize = 16;
/// How long after it took nothing it is tried again: that copies all there is.
const RETRY: Duration = Duration::from_secs(1);

/// What a former broker has left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing: there was none.
    None,
    /// A tape.
    Tape,
    /// A tape that is not believed: it may be what made that broker break the rules, or hang.
    Doubted,
}

/// The exchange with its tape.
pub(super) struct Post {
    exchange: RefCell<Exchange>,
    journal: Rc<Journal>,
    /// When the tape is so long, it starts over.
    limit: Cell<usize>,
    people: RefCell<HashMap<Slot, Person>>,
    outputs: RefCell<VecDeque<Output>>,
    /// Something was put in that goes on the tape with what comes next.
    behind: Cell<bool>,
    past: Past,
    /// The tape took nothing; from then on it takes nothing until it starts over, which is tried then.
    torn: Cell<Option<Duration>>,
    /// Nobody was told of that.
    full: Cell<bool>,
    /// Outputs are being carried out.
    delivering: Cell<bool>,
}

impl Post {
    /// What a former broker left in the journal, or what there is at the first start. `cause`: why there is a new one.
    pub(super) fn new(settings: &Settings, journal: Rc<Journal>, cause: Cause) -> Post {
        let tape = journal.tape();
        let past = match cause {
            Cause::Misbehaved | Cause::Hung => Past::Doubted,
            Cause::Start | Cause::Died if tape.is_empty() => Past::None,
            Cause::Start | Cause::Died => Past::Tape,
        };
        let mut exchange = match past {
            Past::Tape => Exchange::restore(&settings.identifier, &tape),
            // A daemon that started over goes on with its numbers.
            Past::None | Past::Doubted => Exchange::new(&settings.identifier, journal.carried()),
        };
        exchange.log_from(settings.activity.level);
        let limit = Cell::new(SHORT.max(tape.len().saturating_add(SHORT)));
        Post {
            exchange: RefCell::new(exchange),
            journal,
            limit,
            people: RefCell::default(),
            outputs: RefCell::default(),
            behind: Cell::new(false),
            past,
            torn: Cell::new(None),
            full: Cell::new(false),
            delivering: Cell::new(false),
        }
    }

    /// Whether nothing of it has happened yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.past == Past::None
    }

    /// Cells of the journal that a former broker may not have come to write.
    pub(super) fn redo(&self) -> Vec<(usize, Payload)> {
        self.exchange.borrow().redo().to_vec()
    }

    /// Goes on with what a former broker had under way, and with these pools.
    pub(super) fn resume(&self, kept: &[Kept], pools: Vec<Pool>) {
        let (now, mut out) = (clock::now(), Vec::new());
        let mut exchange = self.exchange.borrow_mut();
        if self.past == Past::Tape {
            exchange.resume(now, kept, &mut out);
        }
        exchange.handle(now, Input::Pools(pools), &mut out);
        exchange.adopt(now, kept, &mut out);
        if self.past == Past::Doubted {
            exchange.doubt(kept, &mut out);
        }
        self.outputs.borrow_mut().extend(out);
    }

    /// Begins the tape with what there is now. What is appended to one that is broken somewhere is never read.
    pub(super) fn begin(&self) {
        let mut exchange = self.exchange.borrow_mut();
        let _ = exchange.records();
        if !self.start_over(&exchange) {
            self.tear();
        }
        self.journal.carry(exchange.serial());
    }

    /// Puts something in that happened. It counts once it is [committed](Post::commit).
    pub(super) fn put(&self, input: Input) {
        let mut out = Vec::new();
        self.exchange.borrow_mut().handle(clock::now(), input, &mut out);
        self.outputs.borrow_mut().extend(out);
    }

    /// The same of what a broker that takes over finds out by itself: it is committed with what comes next, at the latest
    /// before anything is done because of it.
    pub(super) fn put_later(&self, input: Input) {
        self.put(input);
        self.behind.set(true);
    }

    /// Has what was put in on the tape, together with these cells of the journal, which are written after that.
    pub(super) fn commit(&self, cells: &[(usize, Payload)]) {
        self.behind.set(false);
        let mut exchange = self.exchange.borrow_mut();
        exchange.commit_cells(cells);
        let records = exchange.records();
        if !records.is_empty() {
            self.keep(&exchange, &records);
            self.journal.carry(exchange.serial());
        }
    }

    fn keep(&self, exchange: &Exchange, records: &[u8]) {
        if let Some(again_at) = self.torn.get() {
            // Behind a hole nothing could be understood.
            let now = clock::now().mono;
            if now >= again_at && !self.start_over(exchange) {
                self.torn.set(Some(now.saturating_add(RETRY)));
            }
            return;
        }
        let end = self.journal.tape_len().saturating_add(records.len());
        let fits = self.journal.tape_len() > 0 && end <= TAPE.saturating_sub(MARK);
        let short = end <= self.limit.get();
        if fits && short && self.journal.append(records) || self.start_over(exchange) {
            return;
        }
        if fits && self.journal.append(records) {
            // As long as it does, nothing is copied in vain.
            self.limit.set(usize::MAX);
        } else {
            self.tear();
        }
    }

    fn start_over(&self, exchange: &Exchange) -> bool {
        let snapshot = exchange.snapshot();
        let done = self.journal.start_over(&snapshot);
        if done {
            self.limit.set(SHORT.max(snapshot.len().saturating_mul(TIMES)));
            self.torn.set(None);
        }
        done
    }

    /// The tape does not go on.
    fn tear(&self) {
        self.journal.append(&Exchange::nothing_to_redo());
        self.torn.set(Some(clock::now().mono.saturating_add(RETRY)));
        self.full.set(true);
    }

    /// Whether outputs are being carried out already; if not, they are from now on.
    pub(super) fn is_delivering(&self) -> bool {
        self.delivering.replace(true)
    }

    /// No outputs are left.
    pub(super) fn has_delivered(&self) {
        self.delivering.set(false);
    }

    /// Whether the tape takes nothing any more, and nobody was told.
    pub(super) fn was_full(&self) -> bool {
        self.full.take()
    }

    /// The next that is to be done.
    pub(super) fn next_output(&self) -> Option<Output> {
        let next = self.outputs.borrow_mut().pop_front()?;
        if self.behind.get() {
            self.commit(&[]);
        }
        Some(next)
    }

    /// Whether the next round of an event for this listener is about to be sent.
    pub(super) fn goes_on(&self, slot: Slot) -> bool {
        let goes_on = |output: &Output| matches!(output, Output::Send { slot: other, from: 1.., .. } if *other == slot);
        self.outputs.borrow().iter().any(goes_on)
    }

    /// Whether anything waits for this listener.
    pub(super) fn is_behind(&self, slot: Slot) -> bool {
        self.exchange.borrow().is_behind(slot)
    }

    /// When [`Input::Timer`] is due, on the monotonic clock.
    pub(super) fn next(&self) -> Option<Duration> {
        self.exchange.borrow().next()
    }

    /// Whether anybody listens to events of this type.
    pub(super) fn wants(&self, kind: Kind) -> bool {
        self.exchange.borrow().wants(kind)
    }

    /// All types that anybody listens to.
    pub(super) fn wanted(&self) -> Kinds {
        let exchange = self.exchange.borrow();
        Kind::ALL.into_iter().filter(|kind| exchange.wants(*kind)).collect()
    }
}
