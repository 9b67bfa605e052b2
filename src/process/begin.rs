//! The beginning: what a former broker wrote down meets what the spawner hands back.

use std::collections::BTreeMap;
use std::time::Duration;

use privsep::request::{Instance, Slot};

use super::desk::{Alarm, Desk};
use super::heart::Phase;
use super::proc::{DOUBT, Proc};
use super::{Heart, Input, Now, Output, State};
use crate::config::settings::Level;

/// How long an end that the journal knows of may stay untold before the process counts as running.
const GHOST: Duration = Duration::from_secs(10);

impl Heart {
    /// Sets every process to what is the case, then starts what starts by itself.
    pub(super) fn begin(&mut self, now: Now, out: &mut Vec<Output>) {
        let Phase::Before { adopted, waiting } = std::mem::take(&mut self.phase) else {
            return;
        };
        let mut adopted: BTreeMap<Slot, (Instance, i32)> = adopted
            .into_iter()
            .filter(|(_, _, pid)| *pid > 0)
            .map(|(slot, instance, pid)| (slot, (instance, pid)))
            .collect();
        if self.shutting_down() {
            self.set_waves();
            let latest = self.patience.map(|patience| now.mono.saturating_add(patience));
            self.set_late(latest.map(|latest| self.book.late_at.unwrap_or(latest).min(latest)));
        }
        let order = self.order();
        for &slot in &order {
            let live = adopted.remove(&slot);
            self.with(slot, now, out, |p, d| p.resume(d, live));
        }
        for (slot, (instance, pid)) in adopted {
            self.stray(slot, instance, pid, out);
        }
        let (exits, rest): (Vec<Input>, Vec<Input>) =
            waiting.into_iter().partition(|input| matches!(input, Input::Exited { .. }));
        for exit in exits {
            self.step(now, exit, out);
        }
        for slot in order {
            self.with(slot, now, out, Proc::set_out);
        }
        for input in rest {
            self.step(now, input, out);
            self.go_on(now, out);
        }
        self.advance(now, out);
    }
}

impl Proc {
    /// Brings the record and the spawner's word together. The spawner is right.
    fn resume(&mut self, desk: &mut Desk<'_>, live: Option<(Instance, i32)>) {
        self.clamp(desk.now);
        let Some((instance, pid)) = live else {
            return self.resume_without(desk);
        };
        // It has its socket; nobody needs to hear of that again.
        if let Some(socket) = &self.rule.socket {
            desk.book.sockets.entry(socket.group.clone()).or_default().insert(self.slot);
        }
        let same = instance == self.record.instance;
        let state = self.record.state;
        let alive = self.pid_expected();
        if same && (!alive || self.record.spawning) {
            // It ended, the journal says, and the spawner is about to say so again.
            self.ghost = Some((instance, pid));
            let at = desk.now.mono.saturating_add(GHOST);
            desk.set_alarm(Alarm::Ghost(self.slot), None, Some(at));
            if state == State::Backoff {
                self.arm(desk, Some(self.record.deadline));
            }
        } else if same {
            self.pid = pid;
            match state {
                State::Starting => self.arm(desk, Some(self.success_at())),
                State::Stopping => self.arm(desk, Some(self.record.deadline)),
                _ => {}
            }
        } else {
            self.take_over(desk, instance, pid);
        }
    }

    /// An instance that the journal does not know: what came of the last start, or a surprise.
    fn take_over(&mut self, desk: &mut Desk<'_>, instance: Instance, pid: i32) {
        let since = self.record.start.filter(|_| self.record.spawning);
        self.asked = true;
        self.spawned(desk, instance, pid);
        if let Some(start) = since
            && self.record.state == State::Starting
        {
            // It may have been up for a while already.
            self.record.start = Some(start);
            self.arm(desk, Some(self.success_at()));
        }
    }

    fn resume_without(&mut self, desk: &mut Desk<'_>) {
        if self.record.spawning {
            // Perhaps it is on its way, perhaps the request was lost.
            let at = desk.now.mono.saturating_add(DOUBT);
            self.arm(desk, Some(at));
        } else if self.pid_expected() {
            self.missing = true;
        } else if self.record.state == State::Backoff {
            self.arm(desk, Some(self.record.deadline));
        }
    }

    fn pid_expected(&self) -> bool {
        let state = self.record.state;
        state.is_signallable() || state == State::Unknown
    }

    /// Keeps a journal that was tampered with from holding anything up.
    fn clamp(&mut self, now: Now) {
        let most = self.rule.most_failures();
        let record = &mut self.record;
        record.backoff = record.backoff.min(most);
        record.before = record.before.min(most);
        if let Some(start) = &mut record.start {
            start.mono = start.mono.min(now.mono);
        }
        record.spawning &= matches!(record.state, State::Starting | State::Stopping);
        record.halted |= record.state == State::Stopping;
        record.halted &= !matches!(record.state, State::Starting | State::Running | State::Backoff);
        // The client who waited for the restart is gone: each goes its own way.
        record.renewing |= record.owed;
        record.renewing &= record.state == State::Stopping;
        record.owed &= record.state.is_stopped() && record.state != State::Unknown;
        if record.state == State::Starting && record.start.is_none() {
            record.start = Some(now);
        }
        let wait = match record.state {
            State::Backoff => Duration::from_secs(record.backoff.into()),
            _ => self.rule.stop_wait(),
        };
        let latest = now.mono.saturating_add(wait);
        self.record.deadline = self.record.deadline.min(latest);
    }

    /// What neither runs nor has an end to tell is lost; what never was started starts if it is to.
    pub(super) fn set_out(&mut self, desk: &mut Desk<'_>) {
        if self.missing {
            let at = desk.now.mono;
            self.end(desk, -1, "unknown termination cause", at);
        }
        let never = self.record.state == State::Stopped && self.record.start.is_none();
        let state = self.record.state;
        let owed = std::mem::take(&mut self.record.owed) && state.is_stopped();
        let wanted = (never && self.rule.autostart) || owed;
        if wanted && !desk.is_stopping() && self.pid == 0 {
            self.spawn(desk);
        }
    }

    /// The end that the journal knows of was not told again: it runs after all.
    pub(super) fn ghost_lives(&mut self, desk: &mut Desk<'_>) {
        if let Some((instance, pid)) = self.ghost.take()
            && self.pid == 0
        {
            let name = &self.rule.name;
            desk.log(Level::Warn, format!("'{name}' (pid {pid}) runs, although its end was noted"));
            self.asked = true;
            self.spawned(desk, instance, pid);
        }
    }
}
