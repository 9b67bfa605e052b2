//! What clients want of a process, and when they are told what came of it.

use std::time::Duration;

use privsep::request::{Instance, Whom};

use super::desk::Desk;
use super::proc::Proc;
use super::record::Mishap;
use super::{State, Trouble, texts};
use crate::config::settings::Level;

/// How often a client's wait for a stop is reported.
const REPORT: Duration = Duration::from_secs(2);

impl Proc {
    /// Answers the errands that wait for what is the case now.
    pub(super) fn settle(&mut self, desk: &mut Desk<'_>) {
        let (state, wrong) = (self.record.state, self.record.mishap != Mishap::None);
        let up = self.pid != 0;
        let slot = self.slot;
        self.starters.retain(|&errand| {
            let wait = desk.book.errands.get(&errand).is_none_or(|e| e.wait);
            let result = match state {
                _ if wrong => Err(Trouble::SpawnError),
                State::Running => Ok(()),
                State::Starting if up && !wait => Ok(()),
                State::Starting => return true,
                _ => Err(Trouble::AbnormalTermination),
            };
            // Where nothing is waited for, the exec alone takes its time.
            let unmade = matches!(self.record.mishap, Mishap::Spawn(_) | Mishap::Command);
            if unmade || (result.is_ok() && (!wait || self.rule.startsecs <= 0)) {
                desk.prompt(errand, slot, result);
            } else {
                desk.outcome(errand, slot, result);
            }
            false
        });
        if state.is_stopped() {
            for errand in std::mem::take(&mut self.stoppers) {
                desk.outcome(errand, slot, Ok(()));
            }
        }
    }

    /// A client wants it up.
    pub(super) fn start_for(&mut self, desk: &mut Desk<'_>, errand: u64, wait: bool) {
        let result = match self.record.state {
            _ if desk.is_stopping() => Err(Trouble::ShuttingDown),
            state if state.is_running() => Err(Trouble::AlreadyStarted),
            State::Unknown => Err(Trouble::Unknown),
            State::Stopping => {
                desk.log(Level::Warn, format!("process '{}' already running", self.rule.name));
                if wait { Err(Trouble::AbnormalTermination) } else { Ok(()) }
            }
            _ => {
                self.record.backoff = 0;
                self.starters.push(errand);
                self.spawn(desk);
                return;
            }
        };
        desk.prompt(errand, self.slot, result);
    }

    /// A client wants it down.
    pub(super) fn stop_for(&mut self, desk: &mut Desk<'_>, errand: u64, wait: bool) {
        let record = &mut self.record;
        if std::mem::take(&mut record.renewing) | std::mem::take(&mut record.owed) {
            // It is stopped or being stopped already; now it is to stay so.
        } else if !self.record.state.is_running() {
            return desk.outcome(errand, self.slot, Err(Trouble::NotRunning));
        } else {
            self.stop(desk);
        }
        if wait && !self.record.state.is_stopped() {
            self.stoppers.push(errand);
        } else {
            desk.outcome(errand, self.slot, Ok(()));
        }
    }

    /// A client wants it down, and up again as soon as all others are down that are restarted with it.
    pub(super) fn restart_for(&mut self, desk: &mut Desk<'_>, errand: u64) {
        let state = self.record.state;
        // Whatever it is being stopped for, this is the last word.
        self.record.renewing = false;
        self.record.owed = state != State::Unknown && !desk.is_stopping();
        if state.is_stopped() {
            return desk.leave_out(errand);
        }
        if state.is_running() {
            self.stop(desk);
        }
        if self.record.state.is_stopped() {
            desk.outcome(errand, self.slot, Ok(()));
        } else {
            self.stoppers.push(errand);
        }
    }

    /// Whether a restart may start it now. One that somebody wanted down meanwhile stays so; of one that runs, or of which
    /// nobody knows what it does, a start says that itself.
    pub(super) fn is_due(&mut self, desk: &Desk<'_>) -> bool {
        let state = self.record.state;
        if state == State::Stopping {
            // By somebody else, who may be restarting it.
            return desk.is_stopping();
        }
        let owed = std::mem::take(&mut self.record.owed);
        owed || state.is_running() || state == State::Unknown || desk.is_stopping()
    }

    /// It is to be stopped and started again, if it is still this life of it and nobody wants it down.
    pub(super) fn renew(&mut self, desk: &mut Desk<'_>, instance: Instance) {
        let up = matches!(self.record.state, State::Starting | State::Running) && self.pid != 0;
        if up && instance == self.record.instance && !desk.is_stopping() {
            self.record.renewing = true;
            self.stop(desk);
        }
    }

    /// Says that clients wait for its stop, now and from now on.
    pub(super) fn report_stop(&mut self, desk: &mut Desk<'_>) {
        if self.record.state != State::Stopping || self.stoppers.is_empty() {
            return self.arm_report(desk, None);
        }
        desk.log(Level::Info, format!("waiting for {} to stop", self.rule.name));
        self.arm_report(desk, Some(desk.now.mono.saturating_add(REPORT)));
    }

    /// A client wants a signal sent to it.
    pub(super) fn signal_for(&mut self, desk: &mut Desk<'_>, errand: u64, signo: u8) {
        let name = &self.rule.name;
        let text = texts::signal(signo.into());
        let result = if !self.record.state.is_signallable() {
            Err(Trouble::NotRunning)
        } else if self.pid == 0 {
            let text = format!("attempted to send {name} sig {text} but it wasn't running");
            desk.log(Level::Debug, text.clone());
            Err(Trouble::Failed(text))
        } else {
            desk.log(Level::Debug, format!("sending {name} (pid {}) sig {text}", self.pid));
            if signo != 0 {
                desk.ask(self.signal(signo, Whom::Process));
            }
            Ok(())
        };
        desk.outcome(errand, self.slot, result);
    }
}
