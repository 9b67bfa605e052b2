//! An event: its type and its payload, made when it happens and never changed.

use std::fmt::Write;
use std::rc::Rc;

use super::desk::LONGEST;
use super::kind::Kind;
use super::python;
use crate::process::State;

/// Something that happened. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub(super) kind: Kind,
    pub(super) payload: Rc<str>,
}

/// The process that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About<'a> {
    /// Its name, without the group.
    pub process: &'a str,
    /// Its group.
    pub group: &'a str,
}

/// A program's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a process became, with what is told of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// STARTING.
    Starting {
        /// Failed starts in a row.
        tries: u32,
    },
    /// BACKOFF.
    Backoff {
        /// Failed starts in a row, this one included.
        tries: u32,
    },
    /// RUNNING.
    Running {
        /// Its process id.
        pid: i32,
    },
    /// STOPPING.
    Stopping {
        /// Its process id.
        pid: i32,
    },
    /// STOPPED.
    Stopped {
        /// The process id that it had; 0 after BACKOFF.
        pid: i32,
    },
    /// EXITED.
    Exited {
        /// Whether the exit status is one of `exitcodes`.
        expected: bool,
        /// The process id that it had.
        pid: i32,
    },
    /// FATAL.
    Fatal,
    /// UNKNOWN.
    Unknown,
}

/// What the daemon begins to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It serves: before the first program is started.
    Running,
    /// It stops, or is about to restart.
    Stopping,
}

/// What happened to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is in force.
    Added,
    /// It is no more.
    Removed,
}

impl Event {
    /// PROCESS_STATE_*: a process left the state `from`.
    pub fn state(about: About<'_>, from: State, became: Became) -> Event {
        let mut text = named(about);
        let _ = write!(text, " from_state:{}", from.name());
        let (kind, more) = match became {
            Became::Starting { tries } => (Kind::ProcessStateStarting, format!(" tries:{tries}")),
            Became::Backoff { tries } => (Kind::ProcessStateBackoff, format!(" tries:{tries}")),
            Became::Running { pid } => (Kind::ProcessStateRunning, format!(" pid:{pid}")),
            Became::Stopping { pid } => (Kind::ProcessStateStopping, format!(" pid:{pid}")),
            Became::Stopped { pid } => (Kind::ProcessStateStopped, format!(" pid:{pid}")),
            Became::Exited { expected, pid } => {
                let expected = u8::from(expected);
                (Kind::ProcessStateExited, format!(" expected:{expected} pid:{pid}"))
            }
            Became::Fatal => (Kind::ProcessStateFatal, String::new()),
            Became::Unknown => (Kind::ProcessStateUnknown, String::new()),
        };
        text.push_str(&more);
        Event::new(kind, &text)
    }

    /// PROCESS_LOG_*: a program wrote this.
    pub fn log(about: About<'_>, channel: Channel, pid: i32, data: &[u8]) -> Event {
        let (kind, name) = match channel {
            Channel::Stdout => (Kind::ProcessLogStdout, "stdout"),
            Channel::Stderr => (Kind::ProcessLogStderr, "stderr"),
        };
        let mut text = named(about);
        let _ = writeln!(text, " pid:{pid} channel:{name}");
        Event::new(kind, &with_data(text, data))
    }

    /// PROCESS_COMMUNICATION_*: a program said this between the capture tags.
    pub fn communication(about: About<'_>, channel: Channel, pid: i32, data: &[u8]) -> Event {
        let kind = match channel {
            Channel::Stdout => Kind::ProcessCommunicationStdout,
            Channel::Stderr => Kind::ProcessCommunicationStderr,
        };
        let mut text = named(about);
        let _ = writeln!(text, " pid:{pid}");
        Event::new(kind, &with_data(text, data))
    }

    /// REMOTE_COMMUNICATION: a client called sendRemoteCommEvent.
    pub fn remote(of_type: &str, data: &str) -> Event {
        Event::new(Kind::RemoteCommunication, &format!("type:{of_type}\n{data}"))
    }

    /// SUPERVISOR_STATE_CHANGE_*.
    pub fn supervisor(phase: Phase) -> Event {
        let kind = match phase {
            Phase::Running => Kind::SupervisorStateChangeRunning,
            Phase::Stopping => Kind::SupervisorStateChangeStopping,
        };
        Event::new(kind, "")
    }

    /// PROCESS_GROUP_*.
    pub fn group(name: &str, change: Change) -> Event {
        let kind = match change {
            Change::Added => Kind::ProcessGroupAdded,
            Change::Removed => Kind::ProcessGroupRemoved,
        };
        Event::new(kind, &format!("groupname:{name}\n"))
    }

    /// TICK_*: `when` in seconds since the epoch.
    pub(super) fn tick(kind: Kind, when: u64) -> Event {
        Event::new(kind, &format!("when:{when}"))
    }

    fn new(kind: Kind, payload: &str) -> Event {
        Event { kind, payload: payload.into() }
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What follows the header.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// Whether its payload is longer than any pool takes.
    pub(super) fn is_too_long(&self) -> bool {
        self.payload.len() > LONGEST
    }

    /// Cuts what is too long, to something that still is.
    pub(super) fn cut(&mut self) {
        // A character has four bytes at most.
        let end = (LONGEST + 1..=LONGEST + 4).find(|at| self.payload.is_char_boundary(*at));
        if let Some(head) = end.and_then(|end| self.payload.get(..end)) {
            self.payload = head.into();
        }
    }

    /// The bytes that a listener is sent.
    pub(super) fn envelope(
        &self,
        server: &str,
        pool: &str,
        serial: u64,
        pool_serial: u64,
    ) -> Rc<[u8]> {
        let payload = &self.payload;
        let mut bytes = String::with_capacity(payload.len() + server.len() + pool.len() + 160);
        let _ = writeln!(
            bytes,
            "ver:3.0 server:{server} serial:{serial} pool:{pool} poolserial:{pool_serial} eventname:{} len:{}",
            self.kind.name(),
            // The reference counts code points, and so do the listeners that read text.
            payload.chars().count()
        );
        bytes.push_str(payload);
        bytes.into_bytes().into()
    }
}

fn named(about: About<'_>) -> String {
    format!("processname:{} groupname:{}", about.process, about.group)
}

fn with_data(mut head: String, data: &[u8]) -> String {
    match str::from_utf8(data) {
        Ok(text) => head.push_str(text),
        Err(_) => {
            head.push_str("Undecodable: ");
            python::bytes(data, &mut head);
        }
    }
    head
}
