//! The heart itself: takes inputs in, deals them out to the processes, knows what is due next.

use std::collections::BTreeMap;
use std::time::Duration;

use privsep::journal::Payload;
use privsep::request::{Instance, Slot};

use super::desk::{Alarm, Book, Desk};
use super::proc::Proc;
use super::record::{Record, decode_whole, encode_whole};
use super::{Input, Now, Output, State};
use crate::config::settings::Settings;

/// What clients are shown of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// What it is doing.
    pub state: State,
    /// Its process id; 0 while nothing runs.
    pub pid: i32,
    /// When it was last started, or tried to be, since the epoch.
    pub start: Option<Duration>,
    /// When it last ended, since the epoch.
    pub stop: Option<Duration>,
    /// How long it has been up, or would have been.
    pub uptime: Duration,
    /// The status of its last end, where that counts; −1 for a signal.
    pub exitstatus: Option<i32>,
    /// Why it is not up; empty when nothing is wrong.
    pub spawnerr: String,
}

/// Where the heart is in its own life.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// Not told yet what runs; what was handed back, and the inputs that wait.
    Before { adopted: Vec<(Slot, Instance, i32)>, waiting: Vec<Input> },
    /// At work, a shutdown included.
    #[default]
    Going,
    /// The end has been asked for.
    Ended,
}

/// A group, as far as the order of things depends on it.
#[derive(Debug)]
pub(super) struct Group {
    pub name: String,
    pub priority: i64,
    /// In starting order.
    pub slots: Vec<Slot>,
}

/// All processes of the groups in force.
///
/// Before the outputs of an input are carried out, what [`Heart::dirty`] gives is to be in the journal: a successor
/// then never asks for anything twice and never takes an end for a surprise.
#[derive(Debug)]
pub struct Heart {
    pub(super) procs: BTreeMap<Slot, Proc>,
    /// Ascending by priority, those added later after their equals.
    pub(super) groups: Vec<Group>,
    /// Instances of slots that are in no group any more.
    pub(super) strays: BTreeMap<Slot, Instance>,
    /// How long stopping everything may take.
    pub(super) patience: Option<Duration>,
    pub(super) book: Book,
    pub(super) phase: Phase,
}

impl Heart {
    /// A heart for these settings. `journal` is what a former broker left, its own cell first, then one a slot.
    /// Nothing happens before [`Input::Begin`].
    pub fn new(settings: &Settings, journal: &[Option<Payload>]) -> Heart {
        let cell = |at: usize| journal.get(at).and_then(Option::as_ref);
        let mut heart = Heart {
            procs: BTreeMap::new(),
            groups: Vec::new(),
            strays: BTreeMap::new(),
            patience: settings.shutdown_timeout.map(|ms| Duration::from_millis(ms.into())),
            book: Book::default(),
            phase: Phase::Before { adopted: Vec::new(), waiting: Vec::new() },
        };
        for group in &settings.groups {
            heart.enter(settings, group, |slot| cell(cell_of(slot)).and_then(Record::decode));
        }
        if let Some(deadline) = cell(0).and_then(decode_whole) {
            heart.book.waves = Some(BTreeMap::new());
            heart.book.late_at = deadline;
        }
        heart
    }

    /// An instance that a former broker left running and the spawner hands back. Only before [`Input::Begin`].
    pub fn adopt(&mut self, slot: Slot, instance: Instance, pid: i32) {
        if let Phase::Before { adopted, .. } = &mut self.phase {
            adopted.push((slot, instance, pid));
        }
    }

    /// Deals with one input and appends what is to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        match (&mut self.phase, input) {
            (Phase::Before { .. }, Input::Begin) => self.begin(now, out),
            (Phase::Before { .. }, Input::Timer) => {}
            (Phase::Before { adopted, .. }, Input::Spawned { slot, instance, pid, .. }) => {
                adopted.push((slot, instance, pid))
            }
            (Phase::Before { waiting, .. }, input) => waiting.push(input),
            (_, input) => {
                self.step(now, input, out);
                self.go_on(now, out);
                self.advance(now, out);
                self.go_on(now, out);
            }
        }
    }

    pub(super) fn step(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Spawned { slot, instance, pid, .. } if !self.procs.contains_key(&slot) => {
                self.stray(slot, instance, pid, out);
            }
            Input::Exited { slot, instance, .. } if !self.procs.contains_key(&slot) => {
                self.stray_ended(slot, instance, out);
            }
            Input::Spawned { slot, instance, pid, .. } => {
                self.with(slot, now, out, |p, d| p.spawned(d, instance, pid))
            }
            Input::SpawnFailed { slot, failure } => {
                self.with(slot, now, out, |p, d| p.spawn_failed(d, failure));
            }
            Input::Exited { slot, instance, status, at } => {
                self.with(slot, now, out, |p, d| p.exited(d, instance, status, at))
            }
            Input::SignalFailed { slot, instance, errno } => {
                self.with(slot, now, out, |p, d| p.signal_failed(d, instance, errno))
            }
            Input::Probed { slot, failure } => self.probed(now, slot, failure, out),
            Input::Command { ticket, command } => self.command(now, ticket, command, out),
            Input::SetOut { slots } => {
                for slot in slots {
                    self.with(slot, now, out, Proc::set_out);
                }
            }
            Input::Renew { slot, instance } => {
                self.with(slot, now, out, |p, d| p.renew(d, instance));
            }
            Input::Shutdown => self.shut_down(now, out),
            Input::Timer => self.ring(now, out),
            Input::Begin => {}
        }
    }

    /// Lets a process act, and notes whether its record changed. Unknown slots are nobody.
    pub(super) fn with<R: Default>(
        &mut self,
        slot: Slot,
        now: Now,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Proc, &mut Desk<'_>) -> R,
    ) -> R {
        let Some(proc) = self.procs.get_mut(&slot) else {
            return R::default();
        };
        let before = proc.record;
        let book = &mut self.book;
        let result = act(proc, &mut Desk { now, book, out });
        if proc.record != before {
            self.book.dirty.insert(cell_of(slot));
        }
        result
    }

    /// Everything that is due. Each alarm rings once, even if it sets itself anew at once.
    fn ring(&mut self, now: Now, out: &mut Vec<Output>) {
        let mut due = Vec::new();
        while let Some(&(at, alarm)) = self.book.alarms.first()
            && at <= now.mono
        {
            self.book.alarms.pop_first();
            due.push(alarm);
        }
        for alarm in due {
            match alarm {
                Alarm::Turn(slot) => self.with(slot, now, out, Proc::turn),
                Alarm::Report(slot) => self.with(slot, now, out, Proc::report_stop),
                Alarm::Ghost(slot) => self.with(slot, now, out, Proc::ghost_lives),
                Alarm::Shutdown => self.report_shutdown(now, out),
                Alarm::Late => self.run_late(now, out),
            }
        }
    }

    /// When [`Input::Timer`] is due, on the clock of [`Now::mono`]. May lie in the past.
    pub fn next(&self) -> Option<Duration> {
        self.book.alarms.first().map(|(at, _)| *at)
    }

    /// The journal cells that are out of date: 0 is the broker's own, slot n has n + 1.
    pub fn dirty(&mut self) -> Vec<(usize, Payload)> {
        let cells = std::mem::take(&mut self.book.dirty);
        let payload = |cell: usize| match cell.checked_sub(1) {
            None => Some(encode_whole(self.shutting_down(), self.book.late_at)),
            Some(at) => self.proc(u32::try_from(at).ok()?).map(|p| p.record.encode()),
        };
        cells.into_iter().filter_map(|cell| Some((cell, payload(cell)?))).collect()
    }

    /// Whether everything is being stopped.
    pub fn shutting_down(&self) -> bool {
        self.book.waves.is_some()
    }

    fn proc(&self, slot: Slot) -> Option<&Proc> {
        self.procs.get(&slot)
    }

    /// What a process is doing.
    pub fn state(&self, slot: Slot) -> Option<State> {
        self.proc(slot).map(|p| p.record.state)
    }

    /// Whether it is stopped, or being stopped, only to be started again, which a stop that a client asks for prevents.
    pub fn comes_back(&self, slot: Slot) -> bool {
        self.proc(slot).is_some_and(|p| p.record.renewing || p.record.owed)
    }

    /// What there is to know of a process.
    pub fn info(&self, slot: Slot, now: Now) -> Option<Info> {
        let proc = self.proc(slot)?;
        let record = &proc.record;
        let uptime = record.start.map(|s| now.mono.saturating_sub(s.mono));
        Some(Info {
            state: record.state,
            pid: proc.pid,
            start: record.start.map(|s| s.wall),
            stop: record.stop,
            uptime: uptime.unwrap_or_default(),
            exitstatus: record.exitstatus,
            spawnerr: proc.spawnerr(),
        })
    }
}

/// The journal cell of a slot.
pub(super) fn cell_of(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX).saturating_add(1)
}
