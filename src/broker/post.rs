//! The way of events into the exchange, and of its records onto the tape. What it wants done waits here for the loop.
//!
//! A step is on the tape before anything of it is done: a broker that takes over knows all that may have been done.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use link::Journal;
use privsep::journal::Payload;
use privsep::request::{Instance, Slot};

use crate::config::settings::{Group, Of, Settings};
use crate::events::{About, Channel, Event, Exchange, Input, Kept, Kind, Kinds, Output, Pool};
use crate::logs::{self, Ear, Said, Source, clock};

/// The tape starts over when it is this long, or longer than some times what it started with: it takes memory.
const SHORT: usize = 256 << 10;
const TIMES: usize = 4;

/// A process whose streams are listened to, as events name it.
struct Person {
    instance: Instance,
    name: String,
    group: String,
    pid: i32,
    /// Its standard output is the protocol of listeners.
    listens: bool,
}

/// The exchange with its tape.
pub(super) struct Post {
    exchange: RefCell<Exchange>,
    journal: Rc<Journal>,
    /// When the tape is so long, it starts over.
    limit: Cell<usize>,
    people: RefCell<HashMap<Slot, Person>>,
    outputs: RefCell<VecDeque<Output>>,
    /// No former broker has left a tape.
    fresh: bool,
    /// The tape took nothing.
    full: Cell<bool>,
}

impl Post {
    /// What a former broker left in the journal, or what there is at the first start.
    pub(super) fn new(settings: &Settings, journal: Rc<Journal>) -> Post {
        let tape = journal.tape();
        let fresh = tape.is_empty();
        let mut exchange = match fresh {
            // A daemon that started over goes on with its numbers.
            true => Exchange::new(&settings.identifier, journal.carried()),
            false => Exchange::restore(&settings.identifier, &tape),
        };
        exchange.log_from(settings.activity.level);
        let limit = Cell::new(SHORT.max(tape.len().saturating_add(SHORT)));
        Post {
            exchange: RefCell::new(exchange),
            journal,
            limit,
            people: RefCell::default(),
            outputs: RefCell::default(),
            fresh,
            full: Cell::new(false),
        }
    }

    /// Whether nothing of it has happened yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Cells of the journal that a former broker may not have come to write.
    pub(super) fn redo(&self) -> Vec<(usize, Payload)> {
        self.exchange.borrow().redo().to_vec()
    }

    /// Goes on with what a former broker had under way.
    pub(super) fn resume(&self, kept: &[Kept]) {
        let mut out = Vec::new();
        self.exchange.borrow_mut().resume(clock::now(), kept, &mut out);
        self.outputs.borrow_mut().extend(out);
    }

    /// Puts something in that happened. It counts once it is [committed](Post::commit).
    pub(super) fn put(&self, input: Input) {
        let mut out = Vec::new();
        self.exchange.borrow_mut().handle(clock::now(), input, &mut out);
        self.outputs.borrow_mut().extend(out);
    }

    /// Has what was put in on the tape, together with these cells of the journal, which are written after that.
    pub(super) fn commit(&self, cells: &[(usize, Payload)]) {
        let mut exchange = self.exchange.borrow_mut();
        exchange.commit_cells(cells);
        let records = exchange.records();
        if !records.is_empty() {
            self.keep(&exchange, &records);
            self.journal.carry(exchange.serial());
        }
    }

    fn keep(&self, exchange: &Exchange, records: &[u8]) {
        let long = self.journal.tape_len().saturating_add(records.len()) > self.limit.get();
        if !long && self.journal.tape_len() > 0 && self.journal.append(records) {
            return;
        }
        let snapshot = exchange.snapshot();
        if self.journal.start_over(&snapshot) {
            self.limit.set(SHORT.max(snapshot.len().saturating_mul(TIMES)));
        } else if !self.journal.append(records) {
            self.full.set(true);
        }
    }

    /// Whether the tape has refused something since the last time.
    pub(super) fn was_full(&self) -> bool {
        self.full.take()
    }

    /// The next that is to be done.
    pub(super) fn next_output(&self) -> Option<Output> {
        self.outputs.borrow_mut().pop_front()
    }

    /// Whether the next round of an event for this listener is about to be sent.
    pub(super) fn goes_on(&self, slot: Slot) -> bool {
        let goes_on = |output: &Output| matches!(output, Output::Send { slot: other, from: 1.., .. } if *other == slot);
        self.outputs.borrow().iter().any(goes_on)
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

    /// A process whose streams may be listened to.
    pub(super) fn meet(&self, settings: &Settings, slot: Slot, instance: Instance, pid: i32) {
        let Some(process) = settings.process(slot) else {
            return;
        };
        let group = settings.group(&process.group);
        let person = Person {
            instance,
            name: process.name.clone(),
            group: process.group.clone(),
            pid,
            listens: group.is_some_and(is_pool),
        };
        self.people.borrow_mut().insert(slot, person);
    }

    /// An instance is gone.
    pub(super) fn part(&self, slot: Slot, instance: Instance) {
        let mut people = self.people.borrow_mut();
        if people.get(&slot).is_some_and(|person| person.instance == instance) {
            people.remove(&slot);
        }
    }

    /// Whether the process of this slot is a listener, and which life of it there is.
    pub(super) fn listener(&self, slot: Slot) -> Option<Instance> {
        let people = self.people.borrow();
        people.get(&slot).filter(|person| person.listens).map(|person| person.instance)
    }
}

impl Ear for Post {
    fn hear(&self, source: Source, turn: u32, said: Vec<Said>) {
        let Source { slot, instance, output } = source;
        let channel = channel(output);
        let mut events = Vec::with_capacity(said.len());
        {
            let people = self.people.borrow();
            let person = people.get(&slot).filter(|person| person.instance == instance);
            let Some(person) = person else {
                return;
            };
            let about = About { process: &person.name, group: &person.group };
            for said in said {
                match said {
                    Said::Text(text) => events.push(Event::log(about, channel, person.pid, &text)),
                    Said::Message(text) => {
                        events.push(Event::communication(about, channel, person.pid, &text));
                    }
                    Said::Protocol(bytes) => {
                        self.put(Input::Heard { slot, instance, turn, bytes });
                    }
                }
            }
        }
        if !events.is_empty() {
            self.put(Input::Told { slot, instance, channel, turn, events });
        }
        self.commit(&[]);
    }

    fn turn(&self, source: Source) -> u32 {
        let Source { slot, instance, output } = source;
        self.exchange.borrow().turn(slot, channel(output), instance)
    }
}

fn channel(output: logs::Output) -> Channel {
    match output {
        logs::Output::Stdout => Channel::Stdout,
        logs::Output::Stderr => Channel::Stderr,
    }
}

/// Whether a group is one of listeners.
pub(super) fn is_pool(group: &Group) -> bool {
    matches!(group.of, Of::Pool { .. })
}

/// The pools among these groups.
pub(super) fn pools<'a>(
    settings: &Settings,
    groups: impl IntoIterator<Item = &'a Group>,
) -> Vec<Pool> {
    let pool = |group: &Group| {
        let Of::Pool { buffer_size, events, .. } = &group.of else {
            return None;
        };
        let name = |slot: &Slot| Some((*slot, settings.process(*slot)?.name.clone()));
        Some(Pool {
            name: group.name.clone(),
            buffer_size: *buffer_size,
            kinds: events.iter().filter_map(|name| Kinds::named(name)).fold(Kinds::NONE, Kinds::or),
            listeners: group.slots.iter().filter_map(name).collect(),
        })
    };
    groups.into_iter().filter_map(pool).collect()
}
