//! What is there for somebody, by name. Nobody's lookup takes longer for what is hidden from them than for what is
//! missing: it is in no directory of theirs.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use policy::access::{Access, Principal};
use privsep::request::Slot;

use super::super::names::{self, Found};
use super::super::office::Office;
use super::Guard;
use crate::config::settings::{Group, Settings};

/// Directories that are kept: one for each of those who ask in turn.
const KEPT: usize = 8;

thread_local! {
    static DIRECTORIES: RefCell<Vec<Rc<Directory>>> = const { RefCell::new(Vec::new()) };
}

/// The processes that are there for somebody, by name.
pub(super) struct Directory {
    who: Principal,
    /// Of what it is made. While it points there nothing else can come to be in that place, nor can what is there change.
    settings: Weak<Settings>,
    latest: Weak<Settings>,
    access: Weak<Access>,
    /// Place of the group and slot, by name of the group, then name.
    entries: Vec<(usize, Slot)>,
}

impl Directory {
    /// The caller's for these settings.
    pub(super) fn of(guard: &Guard<'_, impl Office>, settings: &Rc<Settings>) -> Rc<Directory> {
        let who = &guard.caller.principal;
        let is = |known: &Rc<Directory>| {
            known.settings.as_ptr() == Rc::as_ptr(settings)
                && known.latest.as_ptr() == Rc::as_ptr(&guard.latest)
                && known.access.as_ptr() == Rc::as_ptr(&guard.access)
                && known.who == **who
        };
        let known = DIRECTORIES.with_borrow(|all| all.iter().find(|known| is(known)).cloned());
        known.unwrap_or_else(|| {
            let made = Rc::new(Directory::new(guard, settings));
            DIRECTORIES.with_borrow_mut(|all| {
                all.truncate(KEPT - 1);
                all.insert(0, Rc::clone(&made));
            });
            made
        })
    }

    fn new(guard: &Guard<'_, impl Office>, settings: &Rc<Settings>) -> Directory {
        let mut entries = Vec::new();
        for (n, group) in settings.groups.iter().enumerate() {
            let seen = names::members(settings, group);
            let seen = seen.filter(|(slot, process)| guard.sees(*slot, process));
            entries.extend(seen.map(|(slot, _)| (n, slot)));
        }
        entries.sort_by(|a, b| key(settings, *a).cmp(&key(settings, *b)));
        Directory {
            who: (*guard.caller.principal).clone(),
            settings: Rc::downgrade(settings),
            latest: Rc::downgrade(&guard.latest),
            access: Rc::downgrade(&guard.access),
            entries,
        }
    }

    /// What a name stands for.
    pub(super) fn find<'s>(&self, settings: &'s Settings, name: &str) -> Option<Found<'s>> {
        let (group, process) = name.split_once(':').unwrap_or((name, name));
        if name.contains(':') && matches!(process, "" | "*") {
            return self.group(settings, group).map(Found::Group);
        }
        let (found, slot) = self.from(settings, (group, process))?;
        let known = settings.process(slot).filter(|known| known.name == process);
        known.filter(|_| found.name == group).map(|known| Found::Process(slot, known))
    }

    /// The group of exactly this name, if one of its processes is there for them.
    pub(super) fn group<'s>(&self, settings: &'s Settings, name: &str) -> Option<&'s Group> {
        let (group, _) = self.from(settings, (name, ""))?;
        Some(group).filter(|group| group.name == name)
    }

    /// The first entry from this group and name on.
    fn from<'s>(&self, settings: &'s Settings, wanted: (&str, &str)) -> Option<(&'s Group, Slot)> {
        let at = self.entries.partition_point(|entry| key(settings, *entry) < wanted);
        let (n, slot) = *self.entries.get(at)?;
        Some((settings.groups.get(n)?, slot))
    }
}

fn key(settings: &Settings, (n, slot): (usize, Slot)) -> (&str, &str) {
    let group = settings.groups.get(n).map_or("", |group| &group.name);
    (group, settings.process(slot).map_or("", |process| &process.name))
}
