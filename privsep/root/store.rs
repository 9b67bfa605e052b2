//! Root. What outlives a broker: every instance with its descriptors and its exit, and the open log files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::unistd::read;
use privsep::reply::Failure;

use crate::child::Ends;
use crate::errand::Made;
use crate::logfile::copy;
use crate::socket::Bound;
use crate::sys::{self, Exit, Process};

/// A process and the daemon's ends of its pipes.
pub struct Live {
    pub process: Process,
    /// Where its standard input is not a socket.
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: Option<OwnedFd>,
    /// Both ends of the pipe for what is on its way to its standard input; no child has one.
    pub staging: Option<[OwnedFd; 2]>,
    /// A step before exec failed; it is about to leave with 127.
    pub failure: Option<Failure>,
    /// How it ended: on record until the broker acknowledges it.
    pub exit: Option<Exit>,
}

impl Live {
    /// Standard output and, where it has one of its own, standard error.
    pub fn outputs(&self) -> [Option<&OwnedFd>; 2] {
        [Some(&self.stdout), self.stderr.as_ref()]
    }
}

/// Between fork and exec; the report says how it went, at the latest by the deadline.
pub struct Starting {
    pub live: Live,
    pub report: OwnedFd,
    /// What the child gets, open until it has a table of descriptors of its own.
    pub ends: Option<Ends>,
    pub deadline: u64,
}

/// What a slot is doing.
pub enum Life {
    Idle,
    /// Sockets are bound for it first; then it is started, as the answer to this request.
    Binding(u32),
    Starting(Starting),
    /// It runs, or has run.
    Running(Live),
}

/// What the broker is to be told of a slot next.
#[derive(Clone, Copy)]
pub enum News {
    /// It could not be started, as the answer to this request.
    Failed(u32, Failure),
    /// It runs, as the answer to this request; that it has ended comes after that.
    Spawned(u32),
    Exited,
}

/// One program process over its lives, and what the broker is still to be told of it.
pub struct Slot {
    pub instance: u32,
    pub life: Life,
    pub news: Option<News>,
}

impl Slot {
    pub fn live(&self) -> Option<&Live> {
        match &self.life {
            Life::Idle | Life::Binding(_) => None,
            Life::Starting(Starting { live, .. }) | Life::Running(live) => Some(live),
        }
    }

    pub fn running(&self) -> Option<&Live> {
        self.live().filter(|live| live.exit.is_none())
    }

    pub fn exit(&self) -> Option<Exit> {
        self.live()?.exit
    }

    /// Lets go of what a starting child has in a table of its own by now, which its first byte says, or its death.
    pub fn let_go(&mut self, dead: bool) {
        if let Life::Starting(Starting { report, ends, .. }) = &mut self.life
            && ends.is_some()
            && (read(&*report, &mut [0]) == Ok(1) || dead)
        {
            *ends = None;
        }
    }
}

/// A log file's description and which file it is.
pub struct OpenLog {
    pub file: OwnedFd,
    id: (u64, u64),
}

#[derive(Default)]
pub struct Store {
    pub slots: Vec<Slot>,
    /// Which slot a process id belongs to.
    pub pids: BTreeMap<i32, u32>,
    /// Slots between fork and exec, in the order of their starts.
    pub starting: VecDeque<u32>,
    /// Slots that the broker is to be told about.
    pub due: BTreeSet<u32>,
    /// Slots whose exit the broker has not acknowledged, and since when that is owed.
    pub owed: BTreeMap<u32, u64>,
    /// Numbers of the same file share its description.
    logs: Vec<Option<Rc<OpenLog>>>,
    /// Sockets for programs, by number.
    pub bound: Vec<Option<Bound>>,
}

/// What has this number in a list.
pub fn at<T>(list: &[T], n: u32) -> Option<&T> {
    list.get(usize::try_from(n).ok()?)
}

fn place<T>(list: &mut [T], n: u32) -> Option<&mut T> {
    list.get_mut(usize::try_from(n).ok()?)
}

impl Store {
    pub fn new(slots: usize, logs: usize, sockets: usize) -> Store {
        let mut store = Store::default();
        store.make_room(slots, logs, sockets);
        store
    }

    /// Has places for at least so many; what is there stays.
    pub fn make_room(&mut self, slots: usize, logs: usize, sockets: usize) {
        let idle = || Slot { instance: 0, life: Life::Idle, news: None };
        self.slots.resize_with(slots.max(self.slots.len()), idle);
        self.logs.resize(logs.max(self.logs.len()), None);
        self.bound.resize_with(sockets.max(self.bound.len()), || None);
    }

    /// Forgets an open log.
    pub fn drop_log(&mut self, n: u32) {
        place(&mut self.logs, n).into_iter().for_each(|log| *log = None);
    }

    pub fn slot(&self, n: u32) -> Option<&Slot> {
        at(&self.slots, n)
    }

    pub fn slot_mut(&mut self, n: u32) -> Option<&mut Slot> {
        place(&mut self.slots, n)
    }

    pub fn log(&self, n: u32) -> Option<&OpenLog> {
        at(&self.logs, n)?.as_deref()
    }

    /// Another descriptor of an open log's description.
    pub fn copy_log(&self, n: u32) -> Result<OwnedFd, Errno> {
        copy(&self.log(n).ok_or(Errno::EBADF)?.file)
    }

    /// The starts that are looked at. One that began after `since` holds back those behind it, so that starts are told
    /// in their order; an older one, which somebody may have stopped, holds back nobody.
    pub fn awaited(&self, since: u64) -> impl Iterator<Item = (u32, &Starting)> {
        let mut held = false;
        self.starting.iter().map_while(move |slot| match &self.slot(*slot)?.life {
            Life::Starting(starting) if !held => {
                held = starting.deadline > since;
                Some((*slot, starting))
            }
            _ => None,
        })
    }

    /// Keeps a freshly opened log. Where another number has the same file, its description is shared instead. Gives a copy.
    pub fn keep_log(&mut self, n: u32, made: Made) -> Result<OwnedFd, Errno> {
        let (id, file) = (made.id, made.file()?);
        let others = (0..).zip(&self.logs).filter(|(at, _)| *at != n);
        let same = others.filter_map(|(_, log)| log.clone()).find(|log| log.id == id);
        let log = same.unwrap_or_else(|| Rc::new(OpenLog { file: sys::aside(file), id }));
        place(&mut self.logs, n).into_iter().for_each(|at| *at = Some(log.clone()));
        self.copy_log(n)
    }

    /// The lowest number with the same file as this one.
    pub fn same_log(&self, n: u32) -> u32 {
        let Some(own) = self.log(n) else { return n };
        let same = |log: &Option<Rc<OpenLog>>| log.as_ref().is_some_and(|log| log.id == own.id);
        self.logs.iter().position(same).and_then(|at| u32::try_from(at).ok()).unwrap_or(n)
    }

    /// Puts a rotated file in the place of the old one, under every number that had it. Gives a copy.
    pub fn replace_log(&mut self, n: u32, made: Made) -> Result<OwnedFd, Errno> {
        let new = Rc::new(OpenLog { id: made.id, file: sys::aside(made.file()?) });
        let old = self.log(n).ok_or(Errno::EBADF)?.id;
        for log in self.logs.iter_mut().flatten().filter(|log| log.id == old) {
            *log = new.clone();
        }
        self.copy_log(n)
    }

    /// A socket for programs.
    pub fn socket(&self, n: u32) -> Option<&Bound> {
        at(&self.bound, n)?.as_ref()
    }

    pub fn keep_socket(&mut self, n: u32, bound: Bound) {
        if let Some(place) = place(&mut self.bound, n) {
            *place = Some(bound);
        }
    }

    pub fn take_socket(&mut self, n: u32) -> Option<Bound> {
        place(&mut self.bound, n)?.take()
    }

    /// The start of a slot's program, on this request, has failed.
    pub fn fail(&mut self, n: u32, seq: u32, failure: Failure) {
        if let Some(slot) = self.slot_mut(n) {
            (slot.life, slot.news) = (Life::Idle, Some(News::Failed(seq, failure)));
            self.due.insert(n);
        }
    }

    /// Frees an instance that has ended.
    pub fn free(&mut self, n: u32) {
        self.owed.remove(&n);
        if let Some(slot) = self.slot_mut(n) {
            (slot.life, slot.news) = (Life::Idle, None);
        }
    }

    /// Everything that exists is news for a new broker.
    pub fn hand_back(&mut self, now: u64) {
        self.due.clear();
        for (n, slot) in (0..).zip(&mut self.slots) {
            slot.news = slot.live().map(|_| News::Spawned(0));
            if let Life::Binding(seq) = &mut slot.life {
                *seq = 0;
            }
            if let Life::Running(live) = &slot.life {
                if live.exit.is_some() {
                    self.owed.insert(n, now);
                }
                self.due.insert(n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &std::path::Path, name: &str) -> OwnedFd {
        std::fs::File::create(dir.join(name)).unwrap().into()
    }

    #[test]
    fn one_file_is_one_description() {
        let dir = std::env::temp_dir().join(format!("store-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut store = Store::new(0, 3, 0);
        for (n, name, same) in [(1, "a", 1), (2, "a", 1), (0, "b", 0)] {
            store.keep_log(n, Made::one(file(&dir, name)).unwrap()).unwrap();
            assert_eq!(store.same_log(n), same);
        }
        let new = file(&dir, "c");
        store.replace_log(2, Made::one(new).unwrap()).unwrap();
        let inode = |n| store.log(n).map(|log| log.id);
        assert_eq!(inode(1), inode(2));
        assert_ne!(inode(0), inode(1));

        std::fs::remove_dir_all(&dir).unwrap();
    }
}
