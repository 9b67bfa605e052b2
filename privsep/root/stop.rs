//! Root. The orderly stop of whatever runs when no broker is there to do it, or when one says so.
//!
//! Waves go down by the table's order, equal ones side by side; meanwhile the pipes are spliced into the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::unistd::{Whence, lseek, read, write};
use privsep::reply::Cause;
use privsep::request::{End, Whom};
use privsep::table::Entry;

use crate::spawner::Spawner;
use crate::store::{Life, Slot};

const CHUNK: usize = 1 << 16;
/// The most chunks of one stream in one turn.
const CHUNKS: usize = 16;
/// The most chunks of a dead process's stream: far more than a pipe holds.
const LAST_CHUNKS: usize = 64 * CHUNKS;

/// How long after its limit a stop tries SIGKILL again, in nanoseconds.
const AGAIN: u64 = 1_000_000_000;

/// A stop that has begun.
pub struct Stop {
    /// What the broker asked for; `None` when a signal or its absence began it.
    pub end: Option<End>,
    /// Slots that got their stop signal, and when SIGKILL is due.
    kills: BTreeMap<u32, u64>,
    /// Streams that have ended.
    closed: BTreeSet<(u32, usize)>,
    /// When everything that is left gets SIGKILL.
    until: Option<u64>,
}

impl Stop {
    pub fn new(end: Option<End>) -> Stop {
        Stop { end, kills: BTreeMap::new(), closed: BTreeSet::new(), until: None }
    }

    pub fn deadline(&self) -> Option<u64> {
        self.kills.values().chain(&self.until).min().copied()
    }
}

impl Spawner {
    /// The pipes that a stop without a broker moves into the logs.
    pub fn drained(&self) -> Vec<&OwnedFd> {
        let mut open = Vec::new();
        let Some(stop) = self.stop.as_ref().filter(|_| self.broker.is_none()) else {
            return open;
        };
        for (n, slot) in (0..).zip(&self.store.slots) {
            let Some(live) = slot.running() else { continue };
            let pipes = live.outputs().into_iter().enumerate();
            let pipes = pipes.filter(|(which, _)| !stop.closed.contains(&(n, *which)));
            open.extend(pipes.filter_map(|(_, pipe)| pipe));
        }
        open
    }

    /// One step of the stop. True when nothing is left.
    pub fn step_stop(&mut self, now: u64) -> bool {
        let Some(mut stop) = self.stop.take() else {
            return false;
        };
        if let Some(broker) = &mut self.broker {
            broker.end(Cause::Died, now);
            self.stop = Some(stop);
            return false;
        }
        let limit = self.sealed.table.shutdown.map(|millis| now + u64::from(millis) * 1_000_000);
        stop.until = stop.until.or(limit);
        let over = stop.until.is_some_and(|at| at <= now);
        if over {
            stop.until = Some(now + AGAIN);
        }
        self.drain(&mut stop);
        let store = &self.store;
        stop.kills.retain(|slot, _| store.slot(*slot).is_some_and(|of| of.running().is_some()));
        let runs = |of: &Slot| matches!(&of.life, Life::Running(live) if live.exit.is_none());
        let slots = (0..).zip(&store.slots).filter(|(_, of)| runs(of));
        let slots: Vec<u32> = slots.map(|(slot, _)| slot).collect();
        let wave = slots.iter().filter_map(|slot| self.entry(*slot)).map(|entry| entry.wave).max();
        for slot in slots {
            let due = stop.kills.get(&slot).copied();
            // What began goes on, also when one of a higher wave has just become a program.
            let its_turn = |entry: &&Entry| over || due.is_some() || Some(entry.wave) == wave;
            let Some(entry) = self.entry(slot).filter(its_turn) else {
                continue;
            };
            let (signo, group) = match due {
                _ if over => (9, entry.kill_group),
                None => (entry.stop_signal, entry.stop_group),
                Some(at) if at <= now => (9, entry.kill_group),
                Some(_) => continue,
            };
            let wait = u64::from(entry.stop_wait).max(10) * 1_000_000;
            let _ = self.signal(slot, signo, if group { Whom::Group } else { Whom::Process });
            stop.kills.insert(slot, now + wait);
        }
        self.stop = Some(stop);
        wave.is_none() && self.store.starting.is_empty()
    }

    /// Moves what the pipes hold into the logs, and frees what has ended.
    fn drain(&mut self, stop: &mut Stop) {
        let mut ended = Vec::new();
        for (slot, of) in (0..).zip(&self.store.slots) {
            let (Some(live), Some(entry)) = (of.live(), self.entry(slot)) else {
                continue;
            };
            // A dead process's pipe is drained whole; but others may hold its other end, and write for ever.
            let chunks = if live.exit.is_some() { LAST_CHUNKS } else { CHUNKS };
            let logs = [entry.stdout_log, entry.stderr_log];
            for (which, (pipe, log)) in live.outputs().into_iter().zip(logs).enumerate() {
                let log = log.and_then(|log| self.store.log(log));
                let log = log.map_or(&self.sealed.helpers.null, |log| &log.file);
                let open = pipe.filter(|_| !stop.closed.contains(&(slot, which)));
                if open.is_some_and(|pipe| pump(pipe, log, chunks)) {
                    stop.closed.insert((slot, which));
                }
            }
            if live.exit.is_some() {
                ended.push(slot);
            }
        }
        for slot in ended {
            if self.entry(slot).is_some_and(|entry| entry.kill_tree) {
                let _ = self.signal(slot, 9, Whom::Tree);
            }
            self.store.free(slot);
            stop.closed.retain(|(of, _)| *of != slot);
        }
    }
}

/// Moves so many chunks at most. True when the pipe has ended.
fn pump(pipe: &OwnedFd, log: &OwnedFd, chunks: usize) -> bool {
    for _ in 0..chunks {
        let _ = lseek(log, 0, Whence::SeekEnd);
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        let moved = match splice(pipe, None, log, None, CHUNK, flags) {
            Err(Errno::EAGAIN | Errno::EINTR) => return false,
            moved => moved.or_else(|_| copy(pipe, log)),
        };
        match moved {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

/// For a target that refuses splice.
fn copy(pipe: &OwnedFd, log: &OwnedFd) -> Result<usize, Errno> {
    let mut bytes = [0; 4096];
    let n = read(pipe, &mut bytes)?;
    let mut rest = bytes.get(..n).unwrap_or_default();
    while !rest.is_empty() {
        match write(log, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(_) => break,
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::tests::{null, spawner};
    use crate::store::Live;
    use crate::sys::Process;

    #[test]
    fn what_began_goes_on_beside_a_higher_wave() {
        let mut spawner = spawner();
        let entry = spawner.entry(0).unwrap().clone();
        spawner.sealed.table.entries.push(Some(Entry { wave: 1, ..entry }));
        spawner.store.make_room(2, 0, 0);
        for of in &mut spawner.store.slots {
            let (process, stdout) = (Process { pid: 0, pidfd: null() }, null());
            let live = Live {
                process,
                stdin: None,
                stdout,
                stderr: None,
                staging: None,
                failure: None,
                exit: None,
            };
            of.life = Life::Running(live);
        }
        let mut stop = Stop::new(None);
        stop.kills.insert(0, 5);
        spawner.stop = Some(stop);
        assert!(!spawner.step_stop(7));
        assert!(spawner.stop.unwrap().deadline() > Some(7));
    }
}
