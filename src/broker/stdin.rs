//! Standard input of programs: text goes into their pipes, what finds no room waits here until there is some.
//!
//! An event for a listener goes by a pipe of its own, from which it is moved inside the kernel: what is in neither pipe
//! was never written, so that a broker that takes over goes on at the byte. Text of clients waits until no event is
//! half sent.
//!
//! Nothing here waits for a program. What waits is in memory alone: it goes with the instance it is for, and with the
//! broker; what is in the pipe survives both.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use link::{Watch, bytes};
use nix::errno::Errno;
use nix::unistd::write;
use privsep::request::{Instance, Slot};

use crate::rpc::office::Unwritten;

/// Bytes that wait for one program at most.
const MOST: usize = 1 << 20;
/// Bytes that wait for all programs together at most.
const MOST_IN_ALL: usize = 16 << 20;
/// Bytes that may wait for any program, however many wait for others. What goes into an empty pipe at once is as much.
const ASSURED: usize = 64 << 10;
/// What tells the tokens of these pipes from those of the logs, which have no more than 33 bits.
const MARK: u64 = 1 << 62;

/// The pipe that events of a listener go by.
pub(super) struct Staging {
    pub(super) reader: OwnedFd,
    pub(super) writer: OwnedFd,
}

/// What came of moving what is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// There is no room yet, or nothing to be moved.
    Later,
    /// All of it has gone to this life of the listener.
    All(Instance),
    /// Nobody reads it any more.
    Never(Instance, Errno),
}

/// Standard input of one life of a process.
struct Input {
    instance: Instance,
    pipe: OwnedFd,
    staging: Option<Staging>,
    /// How much is in it, once known.
    staged: Option<usize>,
    /// What is staged is to be moved once there is room.
    moving: bool,
    /// A part of an event has been sent: text waits for the rest of it.
    under_way: bool,
    /// Text that came since.
    later: VecDeque<u8>,
    waiting: VecDeque<u8>,
    /// The watch knows the pipe.
    watched: bool,
}

/// The pipes to all programs that run.
pub(super) struct Inputs {
    watch: Rc<Watch>,
    inputs: HashMap<Slot, Input>,
    /// Bytes that wait in all of them.
    waiting: usize,
    /// Listeners that have been sent something of an event.
    sent: Vec<Slot>,
}

fn token(slot: Slot) -> u64 {
    MARK | u64::from(slot)
}

/// The slot whose pipe has room again, where a token says that.
pub(super) fn slot_of(reported: u64) -> Option<Slot> {
    let slot = Slot::try_from(reported & !MARK).ok()?;
    (token(slot) == reported).then_some(slot)
}

impl Inputs {
    pub(super) fn new(watch: Rc<Watch>) -> Inputs {
        Inputs { watch, inputs: HashMap::new(), waiting: 0, sent: Vec::new() }
    }

    /// The pipe of an instance.
    pub(super) fn attach(
        &mut self,
        (slot, instance): (Slot, Instance),
        pipe: OwnedFd,
        staging: Option<Staging>,
    ) {
        self.close(slot);
        let input = Input {
            instance,
            pipe,
            staging,
            staged: None,
            moving: false,
            under_way: false,
            later: VecDeque::new(),
            waiting: VecDeque::new(),
            watched: false,
        };
        self.inputs.insert(slot, input);
    }

    /// An instance has ended: what it has not read is for nobody.
    pub(super) fn ended(&mut self, slot: Slot, instance: Instance) {
        if self.inputs.get(&slot).is_some_and(|input| input.instance == instance) {
            self.close(slot);
        }
    }

    fn close(&mut self, slot: Slot) {
        if let Some(input) = self.inputs.remove(&slot) {
            self.waiting = self.waiting.saturating_sub(input.count());
            if input.watched {
                self.watch.remove(input.pipe.as_fd());
            }
        }
    }

    /// Writes all of it, now or later, or nothing.
    pub(super) fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), Unwritten> {
        let input = self.inputs.get_mut(&slot).ok_or(Unwritten::Closed)?;
        let waiting = input.count();
        let over = |there: usize, most| there.saturating_add(bytes.len()) > most;
        let full = over(self.waiting, MOST_IN_ALL) && over(waiting, ASSURED);
        if over(waiting, MOST) || full {
            return Err(Unwritten::Full { waiting });
        }
        if input.under_way {
            input.later.extend(bytes);
            self.waiting = self.waiting.saturating_add(bytes.len());
            return Ok(());
        }
        let mut rest = bytes;
        while waiting == 0 && !rest.is_empty() {
            match write(&input.pipe, rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => {
                    self.close(slot);
                    return Err(Unwritten::Closed);
                }
            }
        }
        input.waiting.extend(rest);
        self.waiting = self.waiting.saturating_add(rest.len());
        if waiting == 0 && !rest.is_empty() {
            self.await_room(slot);
        }
        Ok(())
    }

    /// A pipe has room again, or nobody reads it any more. Says what came of an event that waited for that.
    pub(super) fn ready(&mut self, slot: Slot) -> Moved {
        let moving = self.inputs.get(&slot).filter(|input| input.moving);
        let moving = moving.map(|input| input.instance);
        // That may find that nobody reads it: then there is an event to be told of all the same.
        self.flush(slot);
        moving.map_or(Moved::Later, |instance| self.splice(slot, instance))
    }

    fn flush(&mut self, slot: Slot) {
        let Some(input) = self.inputs.get_mut(&slot) else {
            return;
        };
        while !input.waiting.is_empty() {
            let (front, _) = input.waiting.as_slices();
            match write(&input.pipe, front) {
                Ok(n) => {
                    input.waiting.drain(..n.min(input.waiting.len()));
                    self.waiting = self.waiting.saturating_sub(n);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.await_room(slot);
                    return;
                }
                Err(_) => return self.close(slot),
            }
        }
        input.waiting = VecDeque::new();
    }

    /// Writes what fits of an event into the pipe beside, which is empty. Gives how much that was.
    pub(super) fn stage(
        &mut self,
        slot: Slot,
        instance: Instance,
        event: &[u8],
    ) -> nix::Result<usize> {
        let input = self.inputs.get_mut(&slot).filter(|input| input.instance == instance);
        let input = input.ok_or(Errno::EPIPE)?;
        let staging = input.staging.as_ref().ok_or(Errno::ENXIO)?;
        let staged = loop {
            match write(&staging.writer, event) {
                Err(Errno::EINTR) => {}
                Ok(0) => break Err(Errno::EIO),
                other => break other,
            }
        };
        match staged {
            Ok(bytes) => (input.staged, input.under_way) = (Some(bytes), true),
            // Half an event was sent: whatever came after it would be taken for the rest.
            Err(_) if input.under_way => self.close(slot),
            Err(_) => {}
        }
        staged
    }

    /// How much of an event is in the pipe beside.
    pub(super) fn staged(&self, slot: Slot) -> usize {
        let staging = self.inputs.get(&slot).and_then(|input| input.staging.as_ref());
        staging.map_or(0, |staging| bytes::waiting(staging.reader.as_fd()).unwrap_or(0))
    }

    /// Moves what is staged, now or as soon as there is room.
    pub(super) fn splice(&mut self, slot: Slot, instance: Instance) -> Moved {
        let Some(input) = self.inputs.get_mut(&slot).filter(|input| input.instance == instance)
        else {
            return Moved::Never(instance, Errno::EPIPE);
        };
        let Some(staging) = &input.staging else {
            return Moved::Never(instance, Errno::ENXIO);
        };
        (input.under_way, input.moving) = (true, true);
        // Text that came before; its room is waited for already.
        if !input.waiting.is_empty() {
            return Moved::Later;
        }
        let there = || bytes::waiting(staging.reader.as_fd()).unwrap_or(0);
        let mut left = input.staged.unwrap_or_else(there);
        while left > 0 {
            match bytes::drain(staging.reader.as_fd(), input.pipe.as_fd(), left) {
                Ok(0) => break,
                Ok(moved) => left = left.saturating_sub(moved),
                Err(Errno::EAGAIN) => {
                    input.staged = Some(left);
                    return match self.await_room(slot) {
                        true => Moved::Later,
                        false => Moved::Never(instance, Errno::ENOMEM),
                    };
                }
                Err(errno) => {
                    self.close(slot);
                    return Moved::Never(instance, errno);
                }
            }
        }
        (input.moving, input.staged) = (false, Some(0));
        self.sent.push(slot);
        Moved::All(instance)
    }

    /// Listeners that have been sent something of an event since the last time.
    pub(super) fn sent(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.sent)
    }

    /// No event is half sent: what text has come meanwhile may follow.
    pub(super) fn event_ended(&mut self, slot: Slot) {
        if let Some(input) = self.inputs.get_mut(&slot) {
            input.under_way = false;
            if !input.later.is_empty() {
                input.waiting.append(&mut input.later);
                self.flush(slot);
            }
        }
    }

    /// Whether there is still something to wait for.
    fn await_room(&mut self, slot: Slot) -> bool {
        let Some(input) = self.inputs.get_mut(&slot) else {
            return false;
        };
        let known = std::mem::replace(&mut input.watched, true);
        let pipe = input.pipe.as_fd();
        let result = if known {
            self.watch.arm_for_room(pipe, token(slot))
        } else {
            self.watch.add_for_room(pipe, token(slot))
        };
        if result.is_err() {
            // Out of memory for it: what waits would wait for ever.
            self.close(slot);
        }
        result.is_ok()
    }
}

impl Input {
    /// Bytes of text that wait.
    fn count(&self) -> usize {
        self.waiting.len().saturating_add(self.later.len())
    }
}
