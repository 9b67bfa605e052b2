//! What can be done, and sets of it.

use serde::{Deserialize, Serialize};

/// What a principal does. The words are those of `actions=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// See that a process is there, and its state. Of the daemon: its own state and version.
    View,
    /// Read its logs.
    Log,
    /// Empty its logs.
    Clear,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it and start it again, as one act.
    Restart,
    /// Send it this signal; 0 asks whether any may be sent.
    Signal(u8),
    /// Write to its standard input.
    Stdin,
    /// Put its group in or out of force; read the configuration afresh and see it.
    Config,
    /// Act on the daemon: end it, restart it, its own log, events of its own.
    Admin,
}

/// A set of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// One bit an action, but for signals.
    plain: u16,
    /// One bit a signal: bit 0 is signal 1.
    signals: u64,
}

impl Action {
    const fn bit(self) -> u16 {
        match self {
            Action::View => 1,
            Action::Log => 2,
            Action::Clear => 4,
            Action::Start => 8,
            Action::Stop => 16,
            Action::Restart => 32,
            Action::Signal(_) => 0,
            Action::Stdin => 64,
            Action::Config => 128,
            Action::Admin => 256,
        }
    }
}

impl Grants {
    /// Adds an action. `Signal(0)` is every signal.
    pub fn add(&mut self, action: Action) {
        match action {
            Action::Signal(0) => self.signals = u64::MAX,
            Action::Signal(signo @ 1..=64) => self.signals |= 1 << (signo - 1),
            Action::Signal(_) => {}
            action => self.plain |= action.bit(),
        }
    }

    /// Whether an action is in it.
    pub fn has(&self, action: Action) -> bool {
        match action {
            Action::Signal(0) => self.signals != 0,
            Action::Signal(signo @ 1..=64) => self.signals & 1 << (signo - 1) != 0,
            Action::Signal(_) => false,
            action => self.plain & action.bit() != 0,
        }
    }
}
