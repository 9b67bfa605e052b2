//! The heart: what each process is and what happens to it next. No input or output, no clock.
//!
//! Inputs and a time go in, outputs come out; the broker's loop carries them to the spawner, the log and the clients.

mod begin;
pub mod describe;
mod desk;
mod ending;
mod errand;
mod event;
mod groups;
mod heart;
mod proc;
mod record;
pub mod roster;
mod rule;
mod shutdown;
mod state;
pub mod texts;
mod wish;

#[cfg(test)]
mod rows;
#[cfg(test)]
mod rows_of_events;
#[cfg(test)]
mod rows_of_groups;
#[cfg(test)]
mod rows_of_restart;
#[cfg(test)]
mod rows_of_shutdown;
#[cfg(test)]
mod rows_of_succession;
#[cfg(test)]
mod storm;
#[cfg(test)]
pub(crate) mod world;

use std::time::Duration;

pub use event::{Event, Fact};
pub use groups::{Kept, try_socket};
pub use heart::{Heart, Info};
use privsep::reply::Failure;
use privsep::request::{Instance, Request, Slot};

pub use state::State;

use crate::config::settings::Level;

/// A moment: for timers and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// CLOCK_MONOTONIC. All timers use it.
    pub mono: Duration,
    /// Time since the epoch. Only shown, never compared.
    pub wall: Duration,
}

/// Number of a client's request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What clients ask for, about one or several processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start these; with `wait`, answer when they run or failed.
    Start {
        /// Which, in starting order.
        slots: Vec<Slot>,
        /// Whether to wait for the outcome.
        wait: bool,
    },
    /// Stop these; with `wait`, answer when they are down.
    Stop {
        /// Which, in stopping order.
        slots: Vec<Slot>,
        /// Whether to wait for the outcome.
        wait: bool,
    },
    /// Stop those of these that run, wait until all are down, then start all; with `wait`, answer when they run or failed.
    /// One act: a successor of a broker that dies goes on with it. A stop that a client asks for meanwhile prevails.
    ///
    /// The answer has the outcomes of the stops first, then one outcome of a start for each of these.
    Restart {
        /// Which, in the order in which they are stopped and started.
        slots: Vec<Slot>,
        /// Whether to wait for the outcome of the starts.
        wait: bool,
    },
    /// Send a signal to these processes, not to their groups.
    Signal {
        /// Which.
        slots: Vec<Slot>,
        /// 1 to 64; 0 sends nothing and only asks whether the process could be signalled.
        signo: u8,
    },
}

/// Why a command failed for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// NO_FILE, with its text.
    NoFile(String),
    /// NOT_EXECUTABLE, with its text.
    NotExecutable(String),
    /// ALREADY_STARTED.
    AlreadyStarted,
    /// FAILED, with its text.
    Failed(String),
    /// SPAWN_ERROR.
    SpawnError,
    /// ABNORMAL_TERMINATION.
    AbnormalTermination,
    /// NOT_RUNNING.
    NotRunning,
    /// FAILED: nobody knows what the process does, a signal to it was refused.
    Unknown,
    /// SHUTDOWN_STATE: the daemon is going down.
    ShuttingDown,
}

/// One process's part in the answer to a command.
pub type Outcome = (Slot, Result<(), Trouble>);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An instance runs, or is about to exit with 127 where `failure` says why.
    Spawned {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// Its process id.
        pid: i32,
        /// A step between fork and exec that failed.
        failure: Option<Failure>,
    },
    /// No process could be made.
    SpawnFailed {
        /// Which slot.
        slot: Slot,
        /// Why.
        failure: Failure,
    },
    /// The answer to a `Probe`.
    Probed {
        /// Which slot.
        slot: Slot,
        /// What would fail.
        failure: Option<Failure>,
    },
    /// An instance ended and its pipes are drained.
    Exited {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// The raw wait status.
        status: i32,
        /// When it was reaped, on the clock of [`Now::mono`].
        at: Duration,
    },
    /// The spawner could not send a signal.
    SignalFailed {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// Why.
        errno: i32,
    },
    /// A client asks.
    Command {
        /// Where the answer goes.
        ticket: Ticket,
        /// What it asks.
        command: Command,
    },
    /// Everything has been handed back, or nothing ran yet: start what starts by itself.
    Begin,
    /// The settings of added groups are safe: start those of these that start by themselves and never were.
    SetOut {
        /// Which, in starting order.
        slots: Vec<Slot>,
    },
    /// An instance is of no use as it is: stop it and start it again, unless somebody wants it stopped.
    Renew {
        /// Which slot.
        slot: Slot,
        /// Which life of it; another one is left alone.
        instance: Instance,
    },
    /// Stop everything and leave.
    Shutdown,
    /// A deadline that `Heart::next` gave has come.
    Timer,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask the spawner.
    Ask(Request),
    /// Tell event listeners.
    Event(Event),
    /// Write a line to the activity log.
    Log(Level, String),
    /// Answer a client: one outcome a process that the command touched, in order of completion.
    Reply(Ticket, Vec<Outcome>),
}
