//! For tests: settings to play with, and a heart with a hand-held clock.

use policy::access::Rules;
use std::time::Duration;

use privsep::journal::Payload;
use privsep::reply::{Failure, Stage};
use privsep::request::{Instance, Request, Slot};

use super::{
    Command, Event, Heart, Info, Input, Kept, Now, Outcome, Output, State, Ticket, roster,
};
use std::collections::BTreeMap;

use crate::config::settings::{
    ActivityLog, Autorestart, Group, Kind, Level, LogFile, Of, Process, Settings, Stream, Zone,
};

/// A program with the reference's defaults.
pub(crate) fn program(name: &str) -> Process {
    Process {
        name: name.to_owned(),
        group: name.to_owned(),
        command: format!("/bin/{name} -x"),
        command_error: None,
        priority: 999,
        autostart: true,
        autorestart: Autorestart::Unexpected,
        startsecs: 1,
        startretries: 3,
        exitcodes: vec![0],
        stopsignal: 15,
        stopwaitsecs: 10,
        stopasgroup: false,
        killasgroup: false,
        killtree: false,
        redirect_stderr: false,
        stdout: stream(None),
        stderr: stream(None),
        syslog_tag: None,
        serverurl: None,
        directory: None,
        uid: None,
        labels: Vec::new(),
    }
}

/// A stream with this log file, or with none.
pub(crate) fn stream(log: Option<u32>) -> Stream {
    Stream {
        logfile: if log.is_some() { "auto" } else { "none" }.to_owned(),
        maxbytes: 50 << 20,
        backups: 10,
        capture: 0,
        events: false,
        log,
        syslog: None,
    }
}

/// A log file without rotation.
pub(crate) fn log_file(path: &str) -> LogFile {
    LogFile { path: path.to_owned(), kind: Kind::File, maxbytes: 0, backups: 0 }
}

/// Settings with these groups: name, priority, programs.
pub(crate) fn settings(groups: Vec<(&str, i64, Vec<Process>)>) -> Settings {
    let mut settings = Settings {
        identifier: "supervisor".to_owned(),
        activity: ActivityLog { log: None, level: Level::Info, stdout: false },
        notes: Vec::new(),
        zone: Zone::Utc,
        daemon: false,
        sandbox_required: false,
        boundary: true,
        strip_ansi: false,
        shutdown_timeout: None,
        servers: Vec::new(),
        users: Vec::new(),
        tokens: Vec::new(),
        access: Rules::default(),
        audit: None,
        logs: BTreeMap::new(),
        groups: Vec::new(),
        processes: BTreeMap::new(),
    };
    for (name, priority, programs) in groups {
        let first = settings.processes.len() as u32;
        let slots = (first..).take(programs.len()).collect();
        let group = name.to_owned();
        settings.groups.push(Group { name: group.clone(), priority, of: Of::Programs, slots });
        for (slot, program) in (first..).zip(programs) {
            settings.processes.insert(slot, Process { group: group.clone(), ..program });
        }
    }
    settings
}

/// Settings with one program in a group of its own.
pub(crate) fn alone(program: Process) -> Settings {
    settings(vec![("g", 999, vec![program])])
}

pub(crate) fn failure(stage: Stage, errno: i32) -> Failure {
    Failure { stage, errno }
}

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The moment this many milliseconds after the tests' beginning of time.
pub(crate) fn moment(ms: u64) -> Now {
    Now {
        mono: Duration::from_secs(1_000) + millis(ms),
        wall: Duration::from_secs(1_795_226_180) + millis(ms),
    }
}

pub(crate) struct World {
    pub settings: Settings,
    pub heart: Heart,
    pub journal: Vec<Option<Payload>>,
    pub ms: u64,
    /// Everything since the last look.
    pub asks: Vec<Request>,
    pub lines: Vec<String>,
    pub replies: Vec<(u64, Vec<Outcome>)>,
    pub events: Vec<Event>,
}

impl World {
    /// A heart that has not begun.
    pub fn before(settings: Settings) -> World {
        let journal = vec![None; settings.processes.len() + 1];
        World {
            heart: Heart::new(&settings, &journal),
            settings,
            journal,
            ms: 0,
            asks: Vec::new(),
            lines: Vec::new(),
            replies: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A heart that has begun.
    pub fn new(settings: Settings) -> World {
        let mut world = World::before(settings);
        world.send(Input::Begin);
        world
    }

    /// The broker dies; the next one reads its journal. Nothing is handed back yet.
    pub fn die(&mut self) {
        self.heart = Heart::new(&self.settings, &self.journal);
        self.asks.clear();
        self.lines.clear();
    }

    pub fn send(&mut self, input: Input) {
        let mut out = Vec::new();
        self.heart.handle(moment(self.ms), input, &mut out);
        self.carry_out(out);
    }

    /// Puts a group of these settings in force, and what starts by itself starts.
    pub fn add(&mut self, latest: &Settings, name: &str) {
        let group = latest.group(name).unwrap();
        roster::enter(&mut self.settings, latest, name);
        let mut out = Vec::new();
        self.heart.add(latest, group, &mut out);
        self.carry_out(out);
        self.send(Input::SetOut { slots: group.slots.clone() });
    }

    pub fn remove(&mut self, name: &str) -> Result<Vec<Slot>, Kept> {
        let mut out = Vec::new();
        let slots = self.heart.remove(moment(self.ms), name, &mut out)?;
        roster::leave(&mut self.settings, name);
        self.carry_out(out);
        Ok(slots)
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for (cell, payload) in self.heart.dirty() {
            if self.journal.len() <= cell {
                self.journal.resize(cell + 1, None);
            }
            self.journal[cell] = Some(payload);
        }
        for output in out {
            match output {
                Output::Ask(request) => self.asks.push(request),
                Output::Log(Level::Debug | Level::Blather, _) => {}
                Output::Log(level, text) => {
                    let level = match level {
                        Level::Info => "INFO",
                        Level::Warn => "WARN",
                        Level::Critical => "CRIT",
                        _ => "?",
                    };
                    self.lines.push(format!("{level} {text}"));
                }
                Output::Event(event) => self.events.push(event),
                Output::Reply(ticket, outcomes) => self.replies.push((ticket.0, outcomes)),
            }
        }
    }

    /// Lets the time come, ringing what is due on the way.
    pub fn until(&mut self, ms: u64) {
        while let Some(at) = self.heart.next()
            && at <= moment(ms).mono
        {
            // Deadlines lie a nanosecond after a whole number here and there.
            let since = at.saturating_sub(moment(0).mono);
            let ms = u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap();
            self.ms = self.ms.max(ms);
            self.send(Input::Timer);
        }
        self.ms = ms;
    }

    pub fn spawned(&mut self, slot: Slot, instance: Instance) {
        let pid = 100 + i32::try_from(instance).unwrap();
        self.send(Input::Spawned { slot, instance, pid, failure: None });
    }

    pub fn spawn_failed(&mut self, slot: Slot, stage: Stage, errno: i32) {
        let failure = failure(stage, errno);
        self.send(Input::SpawnFailed { slot, failure });
    }

    pub fn exited(&mut self, slot: Slot, instance: Instance, status: i32) {
        self.send(Input::Exited { slot, instance, status, at: moment(self.ms).mono });
    }

    pub fn command(&mut self, ticket: u64, command: Command) {
        let ticket = Ticket(ticket);
        self.send(Input::Command { ticket, command });
    }

    pub fn start(&mut self, ticket: u64, slots: &[Slot], wait: bool) {
        let slots = slots.to_vec();
        self.command(ticket, Command::Start { slots, wait });
    }

    pub fn stop(&mut self, ticket: u64, slots: &[Slot], wait: bool) {
        let slots = slots.to_vec();
        self.command(ticket, Command::Stop { slots, wait });
    }

    pub fn probed(&mut self, slot: Slot) {
        let failure = None;
        self.send(Input::Probed { slot, failure });
    }

    /// Up since the beginning of time, with instance 1.
    pub fn running(settings: Settings) -> World {
        let mut world = World::new(settings);
        let slots = world.settings.processes.len() as u32;
        for slot in 0..slots {
            world.spawned(slot, 1);
        }
        world.until(2_000);
        world.forget();
        world
    }

    pub fn state(&self, slot: Slot) -> State {
        self.heart.state(slot).unwrap()
    }

    pub fn info(&self, slot: Slot) -> Info {
        self.heart.info(slot, moment(self.ms)).unwrap()
    }

    pub fn forget(&mut self) {
        self.asks.clear();
        self.lines.clear();
        self.replies.clear();
        self.events.clear();
    }

    pub fn take_asks(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.asks)
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub fn take_replies(&mut self) -> Vec<(u64, Vec<Outcome>)> {
        std::mem::take(&mut self.replies)
    }
}
