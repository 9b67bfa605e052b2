//! From the heart outwards: inputs in, the journal written, outputs carried out.

use std::time::Instant;

use privsep::reply::{Failure, Stage};
use privsep::request::{End, Log, Mode, Request, Slot};

use super::signals::Wish;
use super::state::Pending;
use super::{Broker, REOPEN};
use crate::config::settings::Level;
use crate::logs::{JOURNAL_STREAMS_AT, clock};
use crate::process::{Input, Output};

impl Broker {
    /// Gives the heart an input and carries out what it wants.
    pub(super) fn input(&self, input: Input) {
        let mut outputs = Vec::new();
        self.state.borrow_mut().heart.handle(clock::now(), input, &mut outputs);
        self.carry_out_all(outputs);
    }

    /// Carries out what the heart wants.
    pub(super) fn carry_out_all(&self, outputs: Vec<Output>) {
        let dirty = self.state.borrow_mut().heart.dirty();
        // First the journal, then the asking: who comes after us must not ask twice.
        for (cell, payload) in dirty {
            if let Some(own) = payload.get(..JOURNAL_STREAMS_AT) {
                self.journal.patch(cell, 0, own);
            }
        }
        // Then what the spawner is to do, so that it is at work while the log is written. Only the end comes after its
        // last line.
        let (asks, rest): (Vec<_>, Vec<_>) = outputs.into_iter().partition(
            |output| matches!(output, Output::Ask(request) if !matches!(request, Request::End(_))),
        );
        for output in asks.into_iter().chain(rest) {
            self.carry_out(output);
        }
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Ask(request) => self.ask(request),
            Output::Log(level, text) => self.line(level, &text),
            Output::Reply(ticket, outcomes) => {
                let waiting = self.state.borrow_mut().tickets.remove(&ticket);
                if let Some(client) = waiting {
                    // A client that has left wants no answer.
                    let _ = client.send(outcomes);
                }
            }
        }
    }

    fn ask(&self, request: Request) {
        match request {
            Request::Spawn { slot } => self.spawn(slot),
            Request::Signal { slot, instance, .. } => {
                self.send(request, Pending::Signal { slot, instance });
            }
            Request::End(_) if self.state.borrow().wish == Wish::StartOver => {
                self.link.send(Request::End(End::Restart));
            }
            other => {
                self.link.send(other);
            }
        }
    }

    pub(super) fn send(&self, request: Request, pending: Pending) {
        let seq = self.link.send(request);
        self.state.borrow_mut().pending.insert(seq, pending);
    }

    /// The logs of a slot that are not open.
    fn closed_logs(&self, slot: Slot) -> Vec<Log> {
        let settings = self.settings();
        let process = settings.process(slot);
        let logs = process.map(|p| [p.stdout.log, p.stderr.log]).unwrap_or_default();
        let state = self.state.borrow();
        let logs = logs.into_iter().flatten();
        logs.filter(|log| !state.logs.is_open(*log)).collect()
    }

    /// Starts a program, after its logs are open.
    fn spawn(&self, slot: Slot) {
        // A successor that did not know of its group would kill it.
        self.keep_settings();
        let closed = self.closed_logs(slot);
        if closed.is_empty() {
            self.link.send(Request::Spawn { slot });
            return;
        }
        self.state.borrow_mut().parked.insert(slot);
        for log in closed {
            self.open(log);
        }
    }

    /// Asks for a log to write to, once.
    pub(super) fn open(&self, log: Log) {
        if self.state.borrow_mut().opening.insert(log) {
            let mode = Mode::Write;
            self.send(Request::OpenLog { log, mode }, Pending::Open(log));
        }
    }

    /// Asks for the logs of a program that was handed back.
    pub(super) fn open_for(&self, slot: Slot) {
        for log in self.closed_logs(slot) {
            self.open(log);
        }
    }

    /// Starts what has waited for this log, unless it waits for another.
    pub(super) fn unpark(&self, log: Log) {
        let settings = self.settings();
        let waits = |slot: &Slot| {
            let process = settings.process(*slot);
            process.is_some_and(|p| p.stdout.log == Some(log) || p.stderr.log == Some(log))
        };
        let parked: Vec<Slot> = self.state.borrow().parked.iter().copied().filter(waits).collect();
        for slot in parked {
            if self.closed_logs(slot).is_empty() {
                self.state.borrow_mut().parked.remove(&slot);
                self.link.send(Request::Spawn { slot });
            }
        }
    }

    /// A log could not be opened: starts that wait for it have failed; running programs wait for another try.
    pub(super) fn not_opened(&self, log: Log, errno: i32) {
        let parked: Vec<Slot> = self.state.borrow().parked.iter().copied().collect();
        for slot in parked {
            if self.closed_logs(slot).contains(&log) {
                self.state.borrow_mut().parked.remove(&slot);
                let failure = Failure { stage: Stage::Pipes, errno };
                self.input(Input::SpawnFailed { slot, failure });
            }
        }
        let mut state = self.state.borrow_mut();
        let first = !state.unopened.contains(&log);
        if state.logs.waits_for(log) || self.settings().activity.log == Some(log) {
            state.unopened.insert(log);
            state.reopen_at = Some(Instant::now() + REOPEN);
            drop(state);
            if first {
                let text = format!(
                    "could not open {}: {}; what is written to it waits until it can be",
                    self.log_name(log),
                    std::io::Error::from_raw_os_error(errno)
                );
                self.line(Level::Error, &text);
            }
        }
    }

    /// Tries logs again that could not be opened.
    pub(super) fn open_again(&self) {
        let mut state = self.state.borrow_mut();
        if state.reopen_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        state.reopen_at = None;
        let logs: Vec<Log> = state.unopened.iter().copied().collect();
        drop(state);
        for log in logs {
            self.open(log);
        }
    }

    /// A log as a message names it.
    pub(super) fn log_name(&self, log: Log) -> String {
        let file = self.settings().logs.get(&log).map(|file| file.path.clone());
        file.unwrap_or_else(|| format!("log {log}"))
    }
}
