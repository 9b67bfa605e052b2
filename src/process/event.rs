//! What event listeners may want to hear of processes and groups, with what was the case when it happened.

use privsep::request::Slot;

use super::State;

/// What a change of state carries besides the two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Nothing more.
    None,
    /// Failed starts so far.
    Tries(u32),
    /// Its process id; 0 where nothing runs.
    Pid(i32),
    /// How it ended.
    Exit {
        /// The status is one of `exitcodes`.
        expected: bool,
        /// The process id that it had.
        pid: i32,
    },
}

/// Something that happened to a process, a group or the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process has gone from one state to another.
    State {
        /// Which.
        slot: Slot,
        /// What it was doing.
        from: State,
        /// What it is doing now.
        to: State,
        /// What was the case at that moment.
        fact: Fact,
    },
    /// A group has come into force.
    GroupAdded(String),
    /// A group has gone out of force.
    GroupRemoved(String),
    /// The daemon begins to start programs.
    Running,
    /// The daemon begins to stop everything.
    Stopping,
}
