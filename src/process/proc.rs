//! One process: its states and what moves it from one to the next.

use std::time::Duration;

use privsep::reply::Failure;
use privsep::request::{Instance, Request, Slot, Whom};

use super::desk::{Alarm, Desk};
use super::record::{Mishap, Record};
use super::rule::{Rule, seconds};
use super::{Event, Fact, State, Trouble, texts};
use crate::config::settings::Level;

pub(super) const SIGKILL: u8 = 9;
/// The least time between two SIGKILLs.
const KILL_AGAIN: i64 = 1;
/// How long a start that a former broker asked for may stay without an answer.
pub(super) const DOUBT: Duration = Duration::from_secs(2);

/// A process and what is known of it.
#[derive(Debug)]
pub(super) struct Proc {
    pub slot: Slot,
    pub rule: Rule,
    pub record: Record,
    /// 0 while nothing runs.
    pub pid: i32,
    /// This broker has a `Spawn` outstanding for it.
    pub asked: bool,
    /// An instance that was handed back although the journal says that it ended: its exit is about to be told again,
    /// and nothing is started before that.
    pub ghost: Option<(Instance, i32)>,
    /// The journal says that it runs and the spawner has not said so.
    pub missing: bool,
    turn: Option<Duration>,
    report: Option<Duration>,
    /// Errands that wait for it to be up.
    pub starters: Vec<u64>,
    /// Errands that wait for it to be down.
    pub stoppers: Vec<u64>,
}

impl Proc {
    pub(super) fn new(slot: Slot, rule: Rule, record: Record) -> Proc {
        Proc {
            slot,
            rule,
            record,
            pid: 0,
            asked: false,
            ghost: None,
            missing: false,
            turn: None,
            report: None,
            starters: Vec::new(),
            stoppers: Vec::new(),
        }
    }

    /// Sets the moment of the next step.
    pub(super) fn arm(&mut self, desk: &mut Desk<'_>, at: Option<Duration>) {
        desk.set_alarm(Alarm::Turn(self.slot), self.turn, at);
        self.turn = at;
        self.record.deadline = at.unwrap_or_default();
    }

    pub(super) fn arm_report(&mut self, desk: &mut Desk<'_>, at: Option<Duration>) {
        desk.set_alarm(Alarm::Report(self.slot), self.report, at);
        self.report = at;
    }

    pub(super) fn set(&mut self, desk: &mut Desk<'_>, state: State) {
        // A stop of what is still being started is told when it is known what came of the start.
        if state != self.record.state && (state != State::Stopping || self.pid != 0) {
            self.tell(desk, state);
        }
        self.record.state = state;
        self.settle(desk);
        if state != State::Stopping {
            self.arm_report(desk, None);
        }
        desk.book.note_state(self.rule.group_priority, self.slot, state);
    }

    /// Nobody was told of a stop whose start had not come to anything yet.
    pub(super) fn forget_untold(&mut self) {
        if self.record.spawning && self.record.state == State::Stopping {
            self.record.state = State::Starting;
        }
    }

    /// Tells listeners that its state is about to change.
    fn tell(&self, desk: &mut Desk<'_>, to: State) {
        let fact = match to {
            State::Starting | State::Backoff => Fact::Tries(self.record.backoff),
            State::Running | State::Stopping | State::Stopped => Fact::Pid(self.pid),
            State::Exited => {
                let status = self.record.exitstatus.unwrap_or(-1);
                Fact::Exit { expected: self.rule.expects(status), pid: self.pid }
            }
            State::Fatal | State::Unknown => Fact::None,
        };
        desk.tell(Event::State { slot: self.slot, from: self.record.state, to, fact });
    }

    /// Tells of a state that it has been in without anybody having seen it there.
    pub(super) fn pass(&mut self, desk: &mut Desk<'_>, state: State) {
        self.tell(desk, state);
        self.record.state = state;
    }

    pub(super) fn signal(&self, signo: u8, whom: Whom) -> Request {
        Request::Signal { slot: self.slot, instance: self.record.instance, signo, whom }
    }

    /// Starts it. Nothing of it runs.
    pub(super) fn spawn(&mut self, desk: &mut Desk<'_>) {
        self.record.halted = false;
        self.record.renewing = false;
        self.record.owed = false;
        self.record.mishap = Mishap::None;
        self.record.exitstatus = None;
        self.record.start = Some(desk.now);
        self.arm(desk, None);
        if self.rule.command_error.is_some() {
            self.set(desk, State::Starting);
            return self.fail(desk, Mishap::Command);
        }
        self.record.spawning = true;
        self.set(desk, State::Starting);
        if self.ghost.is_none() {
            self.ask_spawn(desk);
        }
    }

    /// Asks for the start of which nobody heard again, unless it has no use any more.
    pub(super) fn ask_in_doubt(&mut self, desk: &mut Desk<'_>) {
        if desk.is_stopping() {
            self.down(desk);
        } else {
            self.ask_spawn(desk);
        }
    }

    fn ask_spawn(&mut self, desk: &mut Desk<'_>) {
        self.asked = true;
        desk.ask(Request::Spawn { slot: self.slot });
    }

    /// The spawner has an instance.
    pub(super) fn spawned(&mut self, desk: &mut Desk<'_>, instance: Instance, pid: i32) {
        let newer = instance > self.record.instance;
        let ended = self.pid == 0 && instance != self.record.instance;
        if pid <= 0 || !(newer || ended || self.asked) {
            return;
        }
        let stop = self.record.halted;
        self.forget_untold();
        self.asked = false;
        self.missing = false;
        self.record.spawning = false;
        self.record.instance = instance;
        self.pid = pid;
        desk.take_socket(self.slot, self.rule.socket.as_ref());
        desk.log(Level::Info, format!("spawned: '{}' with pid {pid}", self.rule.name));
        if stop && desk.book.late {
            self.kill(desk, SIGKILL, true);
        } else if stop {
            self.kill(desk, self.rule.stopsignal, false);
        } else {
            self.come_up(desk);
        }
    }

    /// An instance that runs is on its way to RUNNING.
    pub(super) fn come_up(&mut self, desk: &mut Desk<'_>) {
        let wall = match self.record.start {
            Some(start) if self.record.state == State::Starting => start.wall,
            _ => desk.now.wall,
        };
        let mono = desk.now.mono;
        self.record.start = Some(super::Now { mono, wall });
        self.set(desk, State::Starting);
        if self.rule.startsecs <= 0 {
            self.succeed(desk);
        } else {
            self.arm(desk, Some(self.success_at()));
        }
    }

    /// When it will have been up for longer than `startsecs`.
    pub(super) fn success_at(&self) -> Duration {
        let start = self.record.start.map_or(Duration::ZERO, |s| s.mono);
        start.saturating_add(seconds(self.rule.startsecs)).saturating_add(Duration::from_nanos(1))
    }

    fn succeed(&mut self, desk: &mut Desk<'_>) {
        self.record.before = self.record.backoff;
        self.record.backoff = 0;
        self.arm(desk, None);
        self.set(desk, State::Running);
        let (name, secs) = (&self.rule.name, self.rule.startsecs);
        desk.log(
            Level::Info,
            format!(
                "success: {name} entered RUNNING state, process has stayed up for > than {secs} seconds (startsecs)"
            ),
        );
    }

    /// The spawner could not make a process.
    pub(super) fn spawn_failed(&mut self, desk: &mut Desk<'_>, failure: Failure) {
        if self.record.spawning && self.pid == 0 {
            self.asked = false;
            self.fail(desk, Mishap::Spawn(failure));
        }
    }

    pub(super) fn fail(&mut self, desk: &mut Desk<'_>, mishap: Mishap) {
        let stopping = self.record.state == State::Stopping;
        self.forget_untold();
        self.record.spawning = false;
        self.record.mishap = mishap;
        desk.take_socket(self.slot, self.rule.socket.as_ref());
        desk.log(Level::Info, format!("spawnerr: {}", self.spawnerr()));
        desk.leave_socket(self.slot, self.rule.socket.as_ref());
        if stopping {
            self.record.backoff = self.record.backoff.saturating_add(1);
            self.pass(desk, State::Backoff);
            self.stopped(desk);
        } else {
            self.back_off(desk, desk.now.mono);
        }
    }

    /// The end of a stop: it starts again if that is what it was stopped for.
    pub(super) fn stopped(&mut self, desk: &mut Desk<'_>) {
        let renew = self.record.renewing && !desk.is_stopping();
        self.down(desk);
        self.pid = 0;
        if renew {
            self.spawn(desk);
        }
    }

    /// Stopped by request, and gone.
    pub(super) fn down(&mut self, desk: &mut Desk<'_>) {
        self.forget_untold();
        desk.leave_socket(self.slot, self.rule.socket.as_ref());
        self.record.spawning = false;
        self.record.backoff = 0;
        self.arm(desk, None);
        self.set(desk, State::Stopped);
    }

    pub(super) fn back_off(&mut self, desk: &mut Desk<'_>, since: Duration) {
        self.record.backoff = self.record.backoff.saturating_add(1);
        self.set(desk, State::Backoff);
        if i64::from(self.record.backoff) > self.rule.startretries {
            self.give_up(desk);
            let name = &self.rule.name;
            return desk.log(
                Level::Info,
                format!("gave up: {name} entered FATAL state, too many start retries too quickly"),
            );
        }
        let wait = Duration::from_secs(self.record.backoff.into());
        self.arm(desk, Some(since.saturating_add(wait)));
    }

    fn give_up(&mut self, desk: &mut Desk<'_>) {
        self.record.backoff = 0;
        self.arm(desk, None);
        self.set(desk, State::Fatal);
    }

    /// Sends it the stop signal, or stops trying to start it.
    pub(super) fn stop(&mut self, desk: &mut Desk<'_>) {
        self.record.halted = true;
        let name = &self.rule.name;
        if self.record.state == State::Backoff {
            desk.log(Level::Debug, format!("Attempted to kill {name}, which is in BACKOFF state."));
            self.down(desk);
        } else if self.pid != 0 {
            self.kill(desk, self.rule.stopsignal, false);
        } else if self.ghost.is_some() {
            self.down(desk);
        } else {
            // The signal follows when the spawner says what came of the start.
            self.set(desk, State::Stopping);
        }
    }

    /// The stop of a shutdown: what only waits to be started is given up.
    pub(super) fn shut_down(&mut self, desk: &mut Desk<'_>) {
        match self.record.state {
            State::Backoff => self.give_up(desk),
            State::Starting | State::Running => self.stop(desk),
            _ => {}
        }
    }

    /// The end of a shutdown's time: no more waiting.
    pub(super) fn cut_short(&mut self, desk: &mut Desk<'_>) {
        if self.pid == 0 || !self.record.state.is_signallable() {
            return self.shut_down(desk);
        }
        self.record.halted = true;
        self.kill_at_last(desk);
    }

    fn kill_at_last(&mut self, desk: &mut Desk<'_>) {
        let text = format!("killing '{}' ({}) with SIGKILL", self.rule.name, self.pid);
        desk.log(Level::Warn, text);
        self.kill(desk, SIGKILL, true);
    }

    /// Signals it to stop; `again` where it did not obey.
    pub(super) fn kill(&mut self, desk: &mut Desk<'_>, signo: u8, again: bool) {
        let group = if again { self.rule.killasgroup } else { self.rule.stopasgroup };
        let (whom, what) = match group {
            _ if again && self.rule.killtree => (Whom::Tree, "and all that it started "),
            true => (Whom::Group, "process group "),
            false => (Whom::Process, ""),
        };
        desk.log(
            Level::Debug,
            format!(
                "killing {} (pid {}) {what}with signal {}",
                self.rule.name,
                self.pid,
                texts::signal(signo.into())
            ),
        );
        let wait =
            if again { self.rule.stopwaitsecs.max(KILL_AGAIN) } else { self.rule.stopwaitsecs };
        self.arm(desk, Some(desk.now.mono.saturating_add(seconds(wait))));
        if self.record.state != State::Stopping {
            self.set(desk, State::Stopping);
        }
        desk.ask(self.signal(signo, whom));
    }

    /// A signal could not be sent.
    pub(super) fn signal_failed(&mut self, desk: &mut Desk<'_>, instance: Instance, errno: i32) {
        const ESRCH: i32 = 3;
        let (name, pid) = (&self.rule.name, self.pid);
        if pid == 0 || instance != self.record.instance {
            return;
        }
        if errno == ESRCH {
            return desk.log(
                Level::Debug,
                format!(
                    "unable to signal {name} (pid {pid}), it probably just exited on its own: ESRCH"
                ),
            );
        }
        let stopping = self.record.state == State::Stopping;
        let doing = if stopping { "killing" } else { "sending sig" };
        let text = format!("unknown problem {doing} {name} ({pid}):{}", texts::errno(errno));
        desk.log(Level::Critical, text.clone());
        for errand in std::mem::take(&mut self.stoppers) {
            desk.outcome(errand, self.slot, Err(Trouble::Failed(text.clone())));
        }
        self.arm(desk, None);
        self.set(desk, State::Unknown);
    }

    /// Its deadline has come.
    pub(super) fn turn(&mut self, desk: &mut Desk<'_>) {
        self.turn = None;
        match (self.record.state, self.pid) {
            (State::Starting, 0) if self.record.spawning && !self.asked => self.ask_in_doubt(desk),
            (State::Starting, 0) => {}
            (State::Starting, _) => self.succeed(desk),
            (State::Backoff, _) if !desk.is_stopping() => self.spawn(desk),
            (State::Stopping, 0) if !self.asked => self.stopped(desk),
            (State::Stopping, pid) if pid != 0 => self.kill_at_last(desk),
            _ => {}
        }
    }

    /// Why it is not up, or nothing.
    pub(super) fn spawnerr(&self) -> String {
        let rule = &self.rule;
        match self.record.mishap {
            Mishap::None => String::new(),
            Mishap::Command => rule.command_error.clone().unwrap_or_default(),
            Mishap::Spawn(failure) => texts::spawn_error(failure, &rule.name, &rule.word),
            Mishap::TooQuick => "Exited too quickly (process log may have details)".to_owned(),
            Mishap::BadExit(status) => format!("Bad exit code {status}"),
        }
    }
}
