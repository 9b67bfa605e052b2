//! The end of an instance, and what comes of it.

use std::time::Duration;

use privsep::request::{Instance, Request, Whom};

use super::desk::Desk;
use super::proc::{Proc, SIGKILL};
use super::record::Mishap;
use super::rule::seconds;
use super::{State, texts};
use crate::config::settings::Level;

impl Proc {
    /// An instance ended; `at` is when.
    pub(super) fn exited(
        &mut self,
        desk: &mut Desk<'_>,
        instance: Instance,
        status: i32,
        at: Duration,
    ) {
        if self.rule.killtree && self.record.halted && instance == self.record.instance {
            // A stop leaves nothing behind. Before the acknowledgement: that gives the instance up.
            desk.ask(self.signal(SIGKILL, Whom::Tree));
        }
        desk.ask(Request::Ack { slot: self.slot, instance });
        if self.ghost.is_some_and(|(ghost, _)| ghost == instance) {
            return self.lay_ghost(desk);
        }
        let known = (self.pid != 0 || self.missing) && instance == self.record.instance;
        // What a former broker asked for, begun and ended while none was there.
        let unseen = self.record.spawning && !self.asked && instance != self.record.instance;
        if known || unseen {
            self.record.instance = instance;
            let (status, text) = texts::exit(status);
            self.end(desk, status, &text, at.min(desk.now.mono));
        }
    }

    /// The exit that the journal knew of was told again: the way is free.
    fn lay_ghost(&mut self, desk: &mut Desk<'_>) {
        self.ghost = None;
        if self.record.spawning && !self.asked {
            self.ask_in_doubt(desk);
        }
    }

    /// It is gone, with `status`, −1 where it did not exit by itself.
    pub(super) fn end(&mut self, desk: &mut Desk<'_>, status: i32, text: &str, at: Duration) {
        let ago = desk.now.mono.saturating_sub(at);
        self.record.stop = Some(desk.now.wall.saturating_sub(ago));
        self.forget_untold();
        self.record.spawning = false;
        self.missing = false;
        self.arm(desk, None);
        let start = self.record.start.map_or(at, |s| s.mono);
        let quick = at.saturating_sub(start) < seconds(self.rule.startsecs);
        let name = &self.rule.name;
        if self.record.halted {
            let level = self.level(status);
            desk.log(level, format!("stopped: {name} ({text})"));
            self.record.exitstatus = Some(status);
            self.stopped(desk);
        } else if quick && self.record.state != State::Unknown {
            desk.log(Level::Warn, format!("exited: {name} ({text}; not expected)"));
            desk.leave_socket(self.slot, self.rule.socket.as_ref());
            if self.record.state == State::Running {
                // The exit was told late and the timer came first: it never was up.
                self.record.backoff = self.record.before;
            }
            self.record.exitstatus = None;
            self.record.mishap = Mishap::TooQuick;
            self.back_off(desk, at);
            self.pid = 0;
        } else {
            self.end_of_run(desk, status, text);
        }
    }

    fn end_of_run(&mut self, desk: &mut Desk<'_>, status: i32, text: &str) {
        self.record.backoff = 0;
        self.record.exitstatus = Some(status);
        let how = if self.rule.expects(status) {
            "expected"
        } else {
            self.record.mishap = Mishap::BadExit(status);
            "not expected"
        };
        let line = format!("exited: {} ({text}; {how})", self.rule.name);
        desk.log(self.level(status), line);
        desk.leave_socket(self.slot, self.rule.socket.as_ref());
        if self.record.state == State::Starting {
            // It was up for long enough, and nobody came to see it before it ended.
            self.pass(desk, State::Running);
        }
        self.set(desk, State::Exited);
        self.pid = 0;
        if self.rule.restarts_after(status) && !desk.is_stopping() {
            self.spawn(desk);
        }
    }

    fn level(&self, status: i32) -> Level {
        if self.rule.expects(status) { Level::Info } else { Level::Warn }
    }
}
