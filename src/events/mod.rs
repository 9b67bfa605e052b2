//! Events and who listens to them: pools, their queues, the listeners' protocol. No input or output, no clock.
//!
//! Inputs and a time go in, outputs and records come out. The records of a step are to be on the tape before any of
//! its outputs is carried out: whoever reads the tape then knows all that may have been done, and [`Exchange::resume`]
//! goes on from there at the byte.
//!
//! An event reaches a listener in rounds. [`Output::Send`]: write into the listener's staging pipe, which is empty,
//! and tell [`Input::Staged`]. [`Output::Splice`]: move what is staged to the listener's standard input, and when all
//! of it is there tell [`Input::Spliced`]. The next round, or the next event, comes only then.

mod desk;
mod event;
mod exchange;
mod kind;
mod pool;
mod protocol;
mod python;
mod resume;
mod seat;
mod snapshot;
mod tape;
mod ticks;

#[cfg(test)]
mod bed;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod rows_of_death;
#[cfg(test)]
mod rows_of_queues;
#[cfg(test)]
mod storm;

use std::rc::Rc;

use privsep::request::{Instance, Slot};

pub use event::{About, Became, Change, Channel, Event, Phase};
pub use exchange::Exchange;
pub use kind::{Kind, Kinds, names};

use crate::config::settings::Level;
pub use crate::process::Now;

/// A pool of listeners as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The name of its group.
    pub name: String,
    /// Events that may wait at most.
    pub buffer_size: u32,
    /// What it is subscribed to.
    pub kinds: Kinds,
    /// Its processes with their names, without the group, in the order of the configuration.
    pub listeners: Vec<(Slot, String)>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The pools in force, all of them. Those that are known by name keep what waits in them, and their listeners what
    /// they are at; new ones begin with poolserial 0; those that are not named any more are dropped with what waits.
    Pools(Vec<Pool>),
    /// Events, in their order.
    Happened(Vec<Event>),
    /// Events that were made of one chunk of a program's stream, in their order.
    Told {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// Which stream.
        channel: Channel,
        /// The chunk's number in its stream, from 1. A chunk that has the number of the last one is a repeat and is
        /// dropped.
        turn: u32,
        /// What was made of it.
        events: Vec<Event>,
    },
    /// A chunk of a listener's standard output.
    Heard {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// As in [`Input::Told`], on the standard output.
        turn: u32,
        /// What it wrote.
        bytes: Vec<u8>,
    },
    /// A listener's process was started: the protocol begins anew.
    Spawned {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// A listener's process entered RUNNING, or left it.
    Running {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// Whether it is in RUNNING.
        running: bool,
    },
    /// A listener's process ended and its output has been heard to the end.
    Ended {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// An [`Output::Send`] was carried out.
    Staged {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// Bytes of the event that have been in the staging pipe, all rounds together.
        done: usize,
    },
    /// All that was staged is in the listener's standard input: the staging pipe is empty.
    Spliced {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// Nobody reads the listener's standard input any more (EPIPE). No more is sent to this instance.
    Broken {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// What [`Exchange::next`] gave has come.
    Timer,
}

/// What is to be done, once the step's records are on the tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write as much of `event[from..]` as fits into the listener's staging pipe, which is empty, and tell
    /// [`Input::Staged`] before anything is moved on.
    Send {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// The whole event.
        event: Rc<[u8]>,
        /// Bytes of it that have gone before.
        from: usize,
    },
    /// Move what is in the staging pipe to the listener's standard input, now or as it takes it, and then tell
    /// [`Input::Spliced`]; or [`Input::Broken`].
    Splice {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// Stop this listener, which broke the protocol, and start it again. May come twice for one instance when a broker
    /// was replaced; to be ignored when the process is being stopped already.
    Restart {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// Write a line to the activity log.
    Log(Level, String),
}

/// A listener's process that the spawner hands over to a new broker: all that have pipes, those included whose end has
/// not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Which slot.
    pub slot: Slot,
    /// Which life of it.
    pub instance: Instance,
    /// Whether it is in RUNNING.
    pub running: bool,
    /// Bytes in its staging pipe (FIONREAD).
    pub staged: usize,
}
