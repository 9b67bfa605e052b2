//! What all processes share while an input is dealt with: the time, the alarms, the requests that wait, the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use privsep::reply::Failure;
use privsep::request::{Request, Slot};

use super::rule::Socket;
use super::{Event, Now, Outcome, Output, State, Ticket, Trouble};
use crate::config::settings::Level;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// The next step of a process.
    Turn(Slot),
    /// `waiting for NAME to stop`.
    Report(Slot),
    /// An end that the journal knows was not told again.
    Ghost(Slot),
    /// `waiting for A, B to die`.
    Shutdown,
    /// The time that stopping everything may take is over.
    Late,
}

impl Alarm {
    /// The process that it is about.
    pub(super) fn slot(self) -> Option<Slot> {
        match self {
            Alarm::Turn(slot) | Alarm::Report(slot) | Alarm::Ghost(slot) => Some(slot),
            Alarm::Shutdown | Alarm::Late => None,
        }
    }
}

/// A client's request that is not answered yet.
#[derive(Debug)]
pub(super) struct Errand {
    pub ticket: Ticket,
    pub wait: bool,
    /// Processes without an outcome, of the stops while a restart stops.
    pub left: usize,
    /// What a restart does.
    pub restart: Option<Restart>,
    /// When each was known, with its place in the request.
    pub outcomes: Vec<(Duration, usize, Outcome)>,
    /// Places of the processes in the request.
    pub places: BTreeMap<Slot, usize>,
    /// Starts whose executable is being looked at, in starting order.
    pub line: std::collections::VecDeque<Candidate>,
}

impl Errand {
    /// What came of it so far: what was known at the same moment is told in the order of the request.
    pub(super) fn take_outcomes(&mut self) -> Vec<Outcome> {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.sort_by_key(|(at, place, _)| (*at, *place));
        outcomes.into_iter().map(|(.., outcome)| outcome).collect()
    }
}

/// How far a restart is.
#[derive(Debug)]
pub(super) enum Restart {
    /// It waits for the stops of some of these.
    Stops(Vec<Slot>),
    /// These stops are done, and it starts.
    Starts(Vec<Outcome>),
}

/// A start that waits for its turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub slot: Slot,
    /// What the spawner said of the executable.
    pub probe: Option<Option<Failure>>,
}

/// Processes that are stopped side by side at shutdown.
#[derive(Debug, Default)]
pub(super) struct Wave {
    /// Those that are not stopped.
    pub slots: BTreeSet<Slot>,
    /// All of them have been told to stop.
    pub told: bool,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub alarms: BTreeSet<(Duration, Alarm)>,
    pub errands: BTreeMap<u64, Errand>,
    pub last_errand: u64,
    /// Restarts of which all stops are done.
    pub stopped: Vec<u64>,
    /// Errands that wait for the answer to a probe.
    pub probes: BTreeMap<Slot, Vec<u64>>,
    /// Cells of the journal that are out of date.
    pub dirty: BTreeSet<usize>,
    /// Set once everything is being stopped: by group priority.
    pub waves: Option<BTreeMap<i64, Wave>>,
    /// Those that a shutdown waits for are being named.
    pub reporting: bool,
    /// When what a shutdown has left is killed.
    pub late_at: Option<Duration>,
    /// That time has come.
    pub late: bool,
    /// By FastCGI group: the processes that have its socket.
    pub sockets: BTreeMap<String, BTreeSet<Slot>>,
}

impl Book {
    /// Notes a process's new state for the waves of a shutdown.
    pub(super) fn note_state(&mut self, priority: i64, slot: Slot, state: State) {
        let Some(waves) = &mut self.waves else {
            return;
        };
        if state.is_stopped() {
            if let Some(wave) = waves.get_mut(&priority) {
                wave.slots.remove(&slot);
            }
        } else {
            let wave = waves.entry(priority).or_default();
            wave.slots.insert(slot);
            wave.told &= !state.is_running();
        }
    }
}

/// The desk that an input is dealt with at.
pub(super) struct Desk<'a> {
    pub now: Now,
    pub book: &'a mut Book,
    pub out: &'a mut Vec<Output>,
}

impl Desk<'_> {
    pub(super) fn ask(&mut self, request: Request) {
        self.out.push(Output::Ask(request));
    }

    pub(super) fn log(&mut self, level: Level, text: String) {
        self.out.push(Output::Log(level, text));
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.book.waves.is_some()
    }

    /// A process takes its group's socket.
    pub(super) fn take_socket(&mut self, slot: Slot, socket: Option<&Socket>) {
        let Some(socket) = socket else {
            return;
        };
        let holders = self.book.sockets.entry(socket.group.clone()).or_default();
        let first = holders.is_empty();
        if holders.insert(slot) && first {
            self.log(Level::Info, format!("Creating socket {}", socket.url));
        }
    }

    /// A process lets go of its group's socket.
    pub(super) fn leave_socket(&mut self, slot: Slot, socket: Option<&Socket>) {
        let Some(socket) = socket else {
            return;
        };
        let holders = self.book.sockets.get_mut(&socket.group);
        if holders.is_some_and(|holders| holders.remove(&slot) && holders.is_empty()) {
            self.log(Level::Info, format!("Closing socket {}", socket.url));
        }
    }

    /// Moves an alarm.
    pub(super) fn set_alarm(&mut self, alarm: Alarm, old: Option<Duration>, new: Option<Duration>) {
        if let Some(at) = old {
            self.book.alarms.remove(&(at, alarm));
        }
        if let Some(at) = new {
            self.book.alarms.insert((at, alarm));
        }
    }

    /// Notes what was known of a process as soon as its turn came: such outcomes are told first, in the order of the
    /// request, as by the reference, which asks nobody and waits for no exec.
    pub(super) fn prompt(&mut self, errand: u64, slot: Slot, result: Result<(), Trouble>) {
        self.note(errand, slot, result, Duration::ZERO);
    }

    /// Notes one process's part of an errand; with the last one the errand is answered.
    pub(super) fn outcome(&mut self, errand: u64, slot: Slot, result: Result<(), Trouble>) {
        self.note(errand, slot, result, self.now.mono);
    }

    fn note(&mut self, errand: u64, slot: Slot, result: Result<(), Trouble>, at: Duration) {
        if let Some(open) = self.book.errands.get_mut(&errand) {
            let place = open.places.get(&slot).copied().unwrap_or_default();
            open.outcomes.push((at, place, (slot, result)));
        }
        self.leave_out(errand);
    }

    /// A process that an errand has nothing more to tell of. With the last one the errand is answered, or, if it is a
    /// restart that was stopping, goes on.
    pub(super) fn leave_out(&mut self, errand: u64) {
        let Some(open) = self.book.errands.get_mut(&errand) else {
            return;
        };
        open.left = open.left.saturating_sub(1);
        if open.left > 0 {
            return;
        }
        if matches!(open.restart, Some(Restart::Stops(_))) {
            return self.book.stopped.push(errand);
        }
        if let Some(mut done) = self.book.errands.remove(&errand) {
            let starts = done.take_outcomes();
            let mut outcomes = match done.restart {
                Some(Restart::Starts(stops)) => stops,
                _ => Vec::new(),
            };
            outcomes.extend(starts);
            self.out.push(Output::Reply(done.ticket, outcomes));
        }
    }
}
