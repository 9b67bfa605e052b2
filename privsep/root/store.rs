//! Root. What outlives a broker: every instance with its descriptors and its exit, and the open log files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::unistd::read;
use privsep::reply::Failure;

use crate::child::Ends;
use crate::sys;

/// A process and the daemon's ends of its pipes.
pub struct Live {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: Option<OwnedFd>,
    /// A step before exec failed; it is about to leave with 127.
    pub failure: Option<Failure>,
}

/// How an instance ended.
#[derive(Clone, Copy)]
pub struct Exit {
    pub status: i32,
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at: u64,
    pub cpu: u64,
    pub maxrss: u64,
}

/// What a slot is doing.
pub enum Life {
    Idle,
    /// Between fork and exec; the report says how it went, at the latest by the deadline.
    Starting {
        live: Live,
        report: OwnedFd,
        /// What the child gets, open until it has a table of descriptors of its own.
        ends: Option<(Ends, OwnedFd)>,
        deadline: u64,
    },
    Running(Live),
    /// On record until the broker acknowledges it.
    Ended(Live, Exit),
}

/// One program process over its lives, and what the broker is still to be told of it.
pub struct Slot {
    pub instance: u32,
    pub life: Life,
    /// `Spawned` is due, as the answer to this request.
    pub tell_spawned: Option<u32>,
    /// `SpawnFailed` is due.
    pub tell_failed: Option<(u32, Failure)>,
    /// `Exited` is due.
    pub tell_exited: bool,
}

impl Slot {
    pub fn live(&self) -> Option<&Live> {
        match &self.life {
            Life::Idle => None,
            Life::Starting { live, .. } | Life::Running(live) | Life::Ended(live, _) => Some(live),
        }
    }

    /// Lets go of what a starting child has in a table of its own by now, which its first byte says, or its death.
    pub fn let_go(&mut self, dead: bool) {
        if let Life::Starting { report, ends, .. } = &mut self.life
            && ends.is_some()
            && (read(&*report, &mut [0]) == Ok(1) || dead)
        {
            *ends = None;
        }
    }

    pub fn running(&self) -> Option<&Live> {
        match &self.life {
            Life::Starting { live, .. } | Life::Running(live) => Some(live),
            Life::Idle | Life::Ended(..) => None,
        }
    }
}

/// A log file's description and which file it is.
pub struct OpenLog {
    pub file: OwnedFd,
    pub device: u64,
    pub inode: u64,
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
    pub logs: Vec<Option<OpenLog>>,
}

impl Store {
    pub fn new(slots: usize, logs: usize) -> Store {
        let slot = || Slot {
            instance: 0,
            life: Life::Idle,
            tell_spawned: None,
            tell_failed: None,
            tell_exited: false,
        };
        Store {
            slots: (0..slots).map(|_| slot()).collect(),
            logs: (0..logs).map(|_| None).collect(),
            ..Store::default()
        }
    }

    pub fn slot(&self, n: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(n).ok()?)
    }

    pub fn slot_mut(&mut self, n: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(n).ok()?)
    }

    pub fn log(&self, n: u32) -> Option<&OpenLog> {
        self.logs.get(usize::try_from(n).ok()?)?.as_ref()
    }

    /// The starts that are looked at. One that began after `since` holds back those behind it, so that starts are told
    /// in their order; an older one, which somebody may have stopped, holds back nobody.
    pub fn awaited(&self, since: u64) -> impl Iterator<Item = (u32, &OwnedFd, u64)> {
        let mut held = false;
        self.starting.iter().map_while(move |slot| match &self.slot(*slot)?.life {
            Life::Starting { report, deadline, .. } if !held => {
                held = *deadline > since;
                Some((*slot, report, *deadline))
            }
            _ => None,
        })
    }

    /// Keeps a freshly opened log. Where another number has the same file, its description is shared instead.
    pub fn keep_log(&mut self, n: u32, file: OwnedFd) -> Result<(), Errno> {
        let stat = fstat(&file)?;
        let (device, inode) = (stat.st_dev, stat.st_ino);
        let others =
            (0..).zip(&self.logs).filter(|(at, _)| *at != n).filter_map(|(_, log)| log.as_ref());
        let file = match others.into_iter().find(|log| (log.device, log.inode) == (device, inode)) {
            Some(other) => other.file.try_clone().map_err(|_| Errno::EMFILE)?,
            None => sys::aside(file),
        };
        if let Some(log) = usize::try_from(n).ok().and_then(|n| self.logs.get_mut(n)) {
            *log = Some(OpenLog { file, device, inode });
        }
        Ok(())
    }

    /// The lowest number with the same file as this one.
    pub fn same_log(&self, n: u32) -> u32 {
        let Some(own) = self.log(n) else { return n };
        let is = |log: &Option<OpenLog>| {
            log.as_ref().is_some_and(|l| (l.device, l.inode) == (own.device, own.inode))
        };
        self.logs.iter().position(is).and_then(|at| u32::try_from(at).ok()).unwrap_or(n)
    }

    /// Puts a rotated file in the place of the old one, under every number that had it.
    pub fn replace_log(&mut self, n: u32, file: &OwnedFd) -> Result<(), Errno> {
        let stat = fstat(file)?;
        let old = self.log(n).map(|log| (log.device, log.inode)).ok_or(Errno::EBADF)?;
        for log in self.logs.iter_mut().flatten().filter(|log| (log.device, log.inode) == old) {
            let file = file.try_clone().map_err(|_| Errno::EMFILE)?;
            *log = OpenLog { file, device: stat.st_dev, inode: stat.st_ino };
        }
        Ok(())
    }

    /// Frees an instance that has ended.
    pub fn free(&mut self, n: u32) {
        self.owed.remove(&n);
        if let Some(slot) = self.slot_mut(n) {
            slot.life = Life::Idle;
            slot.tell_exited = false;
        }
    }

    /// Everything that exists is news for a new broker.
    pub fn hand_back(&mut self, now: u64) {
        self.due.clear();
        for (n, slot) in (0..).zip(&mut self.slots) {
            (slot.tell_spawned, slot.tell_failed, slot.tell_exited) = (None, None, false);
            match slot.life {
                Life::Running(_) => slot.tell_spawned = Some(0),
                Life::Ended(..) => {
                    slot.tell_spawned = Some(0);
                    slot.tell_exited = true;
                    self.owed.insert(n, now);
                }
                Life::Starting { .. } => {
                    slot.tell_spawned = Some(0);
                    continue;
                }
                Life::Idle => continue,
            }
            self.due.insert(n);
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
        let mut store = Store::new(0, 3);
        for (n, name, same) in [(1, "a", 1), (2, "a", 1), (0, "b", 0)] {
            store.keep_log(n, file(&dir, name)).unwrap();
            assert_eq!(store.same_log(n), same);
        }
        let new = file(&dir, "c");
        store.replace_log(2, &new).unwrap();
        let inode = |n| store.log(n).map(|log| log.inode);
        assert_eq!(inode(1), inode(2));
        assert_ne!(inode(0), inode(1));

        std::fs::remove_dir_all(&dir).unwrap();
    }
}
