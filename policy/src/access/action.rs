//! What can be done, and sets of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::signals;

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

/// A set of actions. Who has any of them may view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// One bit an action, but for signals.
    plain: u16,
    /// One bit a signal: bit 0 is signal 1.
    signals: u64,
}

impl Action {
    /// Every action; `Signal(0)` stands for all signals.
    pub const ALL: [Action; 10] = [
        Action::View,
        Action::Log,
        Action::Clear,
        Action::Start,
        Action::Stop,
        Action::Restart,
        Action::Signal(0),
        Action::Stdin,
        Action::Config,
        Action::Admin,
    ];

    /// Its word in `actions=`, the signal left out.
    pub const fn word(self) -> &'static str {
        match self {
            Action::View => "view",
            Action::Log => "log",
            Action::Clear => "clear",
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::Signal(_) => "signal",
            Action::Stdin => "stdin",
            Action::Config => "config",
            Action::Admin => "admin",
        }
    }

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

/// `restart`, `signal`, `signal(HUP)`: what [`Action::parse`] reads.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Signal(0) => f.write_str("signal"),
            Action::Signal(signo) => write!(f, "signal({})", signals::name(*signo)),
            action => f.write_str(action.word()),
        }
    }
}

impl Grants {
    /// `viewer`
    pub fn viewer() -> Grants {
        [Action::View, Action::Log].into_iter().collect()
    }

    /// `operator`
    pub fn operator() -> Grants {
        let more = [Action::Clear, Action::Start, Action::Stop, Action::Restart, Action::Signal(0)];
        [Action::View, Action::Log].into_iter().chain(more).collect()
    }

    /// `admin`: everything.
    pub fn admin() -> Grants {
        Action::ALL.into_iter().collect()
    }

    /// Adds an action. `Signal(0)` is every signal; `Admin` brings everything else.
    pub fn add(&mut self, action: Action) {
        match action {
            Action::Signal(0) => self.signals = u64::MAX,
            Action::Signal(signo @ 1..=signals::LAST) => self.signals |= 1 << (signo - 1),
            Action::Signal(_) => {}
            Action::Admin => {
                self.plain = Action::ALL.iter().fold(0, |bits, action| bits | action.bit());
                self.signals = u64::MAX;
            }
            action => self.plain |= action.bit(),
        }
    }

    /// Adds all of another set.
    pub fn join(&mut self, other: Grants) {
        self.plain |= other.plain;
        self.signals |= other.signals;
    }

    /// What is in both. View is, where neither is empty.
    pub fn meet(self, other: Grants) -> Grants {
        let view = match self.has(Action::View) && other.has(Action::View) {
            true => Action::View.bit(),
            false => 0,
        };
        Grants { plain: self.plain & other.plain | view, signals: self.signals & other.signals }
    }

    /// Whether an action is in it. View is as soon as anything is; `Signal(0)` as soon as one signal is.
    pub fn has(&self, action: Action) -> bool {
        match action {
            Action::View => !self.is_empty(),
            Action::Signal(0) => self.signals != 0,
            Action::Signal(signo @ 1..=signals::LAST) => self.signals & 1 << (signo - 1) != 0,
            Action::Signal(_) => false,
            action => self.plain & action.bit() != 0,
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.plain == 0 && self.signals == 0
    }
}

impl FromIterator<Action> for Grants {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Grants {
        let mut grants = Grants::default();
        actions.into_iter().for_each(|action| grants.add(action));
        grants
    }
}

/// As in `actions=`: `view, log, signal(HUP,USR1)`, and `admin` for everything. What is implied is named, too.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has(Action::Admin) {
            return f.write_str("admin");
        }
        let mut gap = "";
        for action in Action::ALL.into_iter().filter(|action| self.has(*action)) {
            f.write_str(gap)?;
            gap = ", ";
            if action == Action::Signal(0) && self.signals != u64::MAX {
                let sent = (1..=signals::LAST).filter(|n| self.has(Action::Signal(*n)));
                let names: Vec<String> = sent.map(signals::name).collect();
                write!(f, "signal({})", names.join(","))?;
            } else {
                f.write_str(action.word())?;
            }
        }
        Ok(())
    }
}
