//! Whose streams are listened to, and what their bytes are as events; which groups are pools.

use privsep::request::{Instance, Slot};

use super::Post;
use crate::config::settings::{Group, Of, Settings};
use crate::events::{About, Channel, Event, Input, Kinds, Pool};
use crate::logs::{self, Ear, Said, Source};

/// A process whose streams are listened to, as events name it.
pub(super) struct Person {
    instance: Instance,
    name: String,
    group: String,
    pid: i32,
    /// Its standard output is the protocol of listeners.
    listens: bool,
}

impl Post {
    /// A process whose streams may be listened to.
    pub(in crate::broker) fn meet(
        &self,
        settings: &Settings,
        slot: Slot,
        instance: Instance,
        pid: i32,
    ) {
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
    pub(in crate::broker) fn part(&self, slot: Slot, instance: Instance) {
        let mut people = self.people.borrow_mut();
        if people.get(&slot).is_some_and(|person| person.instance == instance) {
            people.remove(&slot);
        }
    }

    /// Whether the process of this slot is a listener, and which life of it there is.
    pub(in crate::broker) fn listener(&self, slot: Slot) -> Option<Instance> {
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
pub(in crate::broker) fn is_pool(group: &Group) -> bool {
    matches!(group.of, Of::Pool { .. })
}

/// The pools among these groups.
pub(in crate::broker) fn pools<'a>(
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
