//! Root. What the spawner does: starts, signals and logs of the table, asked for by number and told from state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::mkdirat;
use nix::unistd::{UnlinkatFlags, pipe2, read, unlinkat, write};
use privsep::audit::Deed;
use privsep::frame::Wire;
use privsep::reply::{Cause, Failure, Reply, Stage};
use privsep::request::{Mode, Request, Whom};
use privsep::start::Start;
use privsep::table::{Entry, Limit, Table};

use crate::admit::{Act, Phase, Refusal, admit};
use crate::audit::Audit;
use crate::broker::{Broker, READY, Succession};
use crate::child::{self, Ends, at};
use crate::errand::{self, Errand, Made};
use crate::helpers::Helpers;
use crate::logfile::{self, Started, Task};
use crate::login::Logins;
use crate::path::{DIRECTORY, mode};
use crate::reading::Sheets;
use crate::socket::Bound;
use crate::stop::Stop;
use crate::store::{Life, Live, News, Starting, Store};
use crate::sys::{self, Exit, Process};

/// How long a child may take to exec, and a log child to open.
pub const CHILD: u64 = 5_000_000_000;
/// How long before its deadline a start has lost its place in the order: it was given 20 ms.
pub const HELD: u64 = CHILD - 20_000_000;
/// How long a broker may leave an exit or a signal unacknowledged.
const OWED: u64 = 30_000_000_000;
/// The same for a signal that ends the daemon.
const OWED_END: u64 = 5_000_000_000;
/// How long a killed broker may take to die.
const DYING: u64 = 5_000_000_000;
/// The most requests heard in one turn, and the most that may be unanswered.
pub const TURN: usize = 64;
/// How many turns of a dead broker's are heard: more than its socket holds.
const LAST_TURNS: usize = 8;
const STRANGERS: usize = 64;
/// Up to how many programs pipes are made larger.
const ROOMY: usize = 64;
/// How the names of instances' cgroups begin.
pub const CGROUP_PREFIX: &[u8] = b"supervisor-";

/// What a child of ours does on a request.
pub struct Job {
    seq: u32,
    pub what: Work,
    pub errand: Errand,
    deadline: u64,
}

pub enum Work {
    Log {
        log: u32,
        task: Task,
    },
    Probe {
        slot: u32,
    },
    /// A socket for programs.
    Bind {
        socket: u32,
    },
    Read(Sheets),
    /// Removes the name of a socket that is closed.
    Tidy {
        socket: u32,
    },
}

/// What was decided before the first broker.
pub struct Sealed {
    /// What the reader is told of the caller.
    pub start: Start,
    pub table: Table,
    pub helpers: Helpers,
    pub settings: OwnedFd,
    pub journal: OwnedFd,
    pub listeners: Vec<Bound>,
    /// The directory of our cgroup, where instances get one of their own.
    pub cgroup: Option<OwnedFd>,
    /// How often the daemon has started over.
    pub run: u32,
    /// Which reading of the configuration is in force.
    pub epoch: u32,
    /// Limits of programs, and our own of descriptors for the broker.
    pub limits: (Limit, Limit, Limit),
}

pub struct Spawner {
    pub sealed: Sealed,
    pub store: Store,
    pub broker: Option<Broker>,
    pub succession: Succession,
    pub jobs: Vec<Job>,
    /// Children that are no program and no broker: log openers, failed starts.
    pub ours: BTreeSet<i32>,
    pub strangers: VecDeque<(i32, i32)>,
    /// Signals to the daemon and since when: not told, and told but not acknowledged.
    pub untold: BTreeMap<u8, u64>,
    pub unheard: BTreeMap<u8, u64>,
    /// A broker has taken note of TERM, INT or QUIT.
    pub leaving: bool,
    pub stop: Option<Stop>,
    pub audit: Option<Audit>,
    pub logins: Logins,
}

impl Spawner {
    pub fn new(sealed: Sealed, store: Store, audit: Option<Audit>) -> Spawner {
        Spawner {
            sealed,
            store,
            broker: None,
            succession: Succession::default(),
            jobs: Vec::new(),
            ours: BTreeSet::new(),
            strangers: VecDeque::new(),
            untold: BTreeMap::new(),
            unheard: BTreeMap::new(),
            leaving: false,
            stop: None,
            audit,
            logins: Logins::new(crate::now()),
        }
    }

    pub fn entry(&self, slot: u32) -> Option<&Entry> {
        self.sealed.table.entry(slot)
    }

    /// Starts a broker when its time has come.
    pub fn raise_broker(&mut self, now: u64) {
        let due = self.succession.restart_at.is_some_and(|at| at <= now);
        if self.broker.is_some() || !due || self.stop.is_some() {
            return;
        }
        match Broker::start(&self.sealed.helpers, &self.sealed.table, self.sealed.limits.2, now) {
            Ok(broker) => (self.broker, self.succession.restart_at) = (Some(broker), None),
            Err(_) => self.succession.again(now),
        }
    }

    /// Hears the broker, a bounded number of requests.
    pub fn hear(&mut self, now: u64) {
        for _ in 0..TURN {
            let hearing = self.hearing();
            let Some(broker) = self.broker.as_mut().filter(|_| hearing) else {
                return;
            };
            let (seq, request) = match broker.hear(now) {
                Ok(Some(heard)) => heard,
                Ok(None) => return,
                Err(_) => return broker.end(Cause::Misbehaved, now),
            };
            match admit(broker.phase, request, &self.sealed.table, &self.store) {
                Ok(act) => self.act(seq, act, now),
                Err(Refusal::Misbehaved) => return broker.end(Cause::Misbehaved, now),
                Err(Refusal::Moot) => {}
                Err(Refusal::Errno(errno)) => self.refuse(seq, request, errno),
            }
        }
    }

    fn refuse(&mut self, seq: u32, request: Request, errno: Errno) {
        match request {
            Request::Spawn { slot } => {
                let failure = at(Stage::Fork)(errno);
                self.answer(seq, Reply::SpawnFailed { seq, slot, failure }, None);
            }
            _ => self.done(seq, Err(errno)),
        }
    }

    /// With 0 for `seq` whoever asked for this is gone.
    pub fn answer(&mut self, seq: u32, reply: Reply, file: Option<OwnedFd>) {
        if let Some(broker) = self.broker.as_mut().filter(|_| seq != 0) {
            broker.replies.push_back((reply, file));
        }
    }

    pub fn done(&mut self, seq: u32, result: Result<(), Errno>) {
        let errno = result.err().map_or(0, |errno| errno as i32);
        self.answer(seq, Reply::Done { seq, errno }, None);
    }

    fn act(&mut self, seq: u32, act: Act, now: u64) {
        use Request::{Ack, AckSignal, Authenticate, ClearLog, OpenLog, Probe, RotateLog, Spawn};
        let request = act.request();
        // What takes something away is not done without a trace. All else keeps programs going, and is counted.
        if matches!(request, ClearLog { .. } | RotateLog { .. }) && !self.noted() {
            return self.refuse(seq, request, Errno::EAGAIN);
        }
        if !matches!(
            request,
            Spawn { .. }
                | Probe { .. }
                | OpenLog { .. }
                | Ack { .. }
                | AckSignal { .. }
                | Authenticate
        ) {
            self.note(Deed::Asked(request));
        }
        match request {
            Request::Ready => self.greet(now),
            Request::Spawn { slot } => self.spawn(seq, slot, now),
            Request::Probe { slot } => self.probe(seq, slot, now),
            Request::Signal { slot, signo, whom, .. } => {
                self.done(seq, self.signal(slot, signo, whom));
            }
            // The file is open already: its description is handed out again.
            Request::OpenLog { log, mode: Mode::Write }
                if self.store.log(log).is_some() && !self.busy(log, Task::Write) =>
            {
                let file = self.store.copy_log(log);
                self.opened(seq, log, file.map(Some));
            }
            Request::OpenLog { log, mode: Mode::Read } => self.log(seq, log, Task::Read, now),
            Request::OpenLog { log, .. } => self.log(seq, log, Task::Write, now),
            Request::RotateLog { log } => self.log(seq, log, Task::Rotate, now),
            Request::ClearLog { log } => self.log(seq, log, Task::Clear, now),
            Request::Ack { slot, .. } => self.store.free(slot),
            Request::AckSignal { signo } => {
                self.leaving |= self.unheard.remove(&signo).is_some() && ends(signo);
            }
            Request::Reread => self.reread(seq, now),
            Request::Retire { slot } => self.retire(slot, now),
            Request::Authenticate => self.authenticate(seq, now),
            Request::End(end) => self.stop = self.stop.take().or(Some(Stop::new(Some(end)))),
        }
    }

    fn greet(&mut self, now: u64) {
        self.store.hand_back(now);
        let told = std::mem::take(&mut self.unheard);
        self.untold.extend(told.into_keys().map(|signo| (signo, now)));
        if let Some(broker) = &mut self.broker {
            (broker.phase, broker.since, broker.greeting) = (Phase::Serving, now, Some(0));
        }
    }

    /// Makes the pipes and the child; how it went is known when the report closes. Sockets that it needs come first.
    pub fn spawn(&mut self, seq: u32, slot: u32, now: u64) {
        if let Some(socket) = self.unbound(slot) {
            self.store.slot_mut(slot).into_iter().for_each(|of| of.life = Life::Binding(seq));
            return self.bind(socket, now);
        }
        let instance = self.store.slot(slot).map_or(0, |of| of.instance).wrapping_add(1).max(1);
        let started = self.launch(slot, instance, now);
        let Some(of) = self.store.slot_mut(slot) else {
            return;
        };
        match started {
            Ok(starting) => {
                let pid = starting.live.process.pid;
                (of.instance, of.life) = (instance, Life::Starting(starting));
                of.news = Some(News::Spawned(seq));
                self.store.pids.insert(pid, slot);
                self.store.starting.push_back(slot);
                self.note(Deed::Spawned(slot, pid));
            }
            Err(failure) => self.failed(slot, seq, failure, now),
        }
    }

    fn launch(&self, slot: u32, instance: u32, now: u64) -> Result<Starting, Failure> {
        let entry = self.entry(slot).ok_or(at(Stage::Find)(Errno::ENOENT))?;
        let pipe = |reading| pipe(reading).map_err(at(Stage::Pipes));
        let socket = |n: &u32| {
            let bound = self.store.socket(*n).ok_or(Errno::EBADF);
            bound.and_then(|bound| above(&bound.socket)).map_err(at(Stage::Pipes))
        };
        let (stdin, stdin_end) = match &entry.stdin {
            Some(n) => (None, socket(n)?),
            None => pipe(false).map(|(ours, theirs)| (Some(ours), theirs))?,
        };
        let listen = entry.listen.iter().map(socket).collect::<Result<Vec<_>, _>>()?;
        let (stdout, stdout_end) = pipe(true)?;
        if self.store.slots.len() <= ROOMY {
            // Fewer, larger moves for a busy writer; with many programs the system's allowance is spent on more pipes.
            let _ = fcntl(&stdout, FcntlArg::F_SETPIPE_SZ(1 << 18));
        }
        let error = if entry.redirect_stderr { None } else { Some(pipe(true)?) };
        let (stderr, stderr_end) = error.unzip();
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let both = || pipe2(flags).map(|(r, w)| [sys::aside(r), sys::aside(w)]);
        let staging = entry.staging.then(both).transpose().map_err(at(Stage::Pipes))?;
        let (report, mut report_end) = pipe(true)?;
        if !listen.is_empty() {
            report_end = above(&report_end).map_err(at(Stage::Pipes))?;
        }
        let home = self.cgroup_for(slot, instance);
        let ends = Ends {
            stdin: stdin_end,
            stdout: stdout_end,
            stderr: stderr_end,
            listen,
            report: report_end,
        };
        let upto = ends.all().iter().map(AsRawFd::as_raw_fd).max();
        let cloned = match &home {
            Some(dir) => sys::clone(Some(dir.as_fd()), upto).or_else(|_| sys::clone(None, upto)),
            None => sys::clone(None, upto),
        };
        let Some(process) = cloned.map_err(at(Stage::Fork))? else {
            child::run(&self.sealed, entry, &ends)
        };
        let process = Process { pidfd: sys::aside(process.pidfd), ..process };
        let live = Live { process, stdin, stdout, stderr, staging, failure: None, exit: None };
        Ok(Starting { live, report, ends: Some(ends), deadline: now + CHILD })
    }

    fn cgroup_name(&self, slot: u32, instance: u32) -> Vec<u8> {
        let own = format!("{}-{}-{slot}-{instance}", std::process::id(), self.sealed.run);
        [CGROUP_PREFIX, own.as_bytes()].concat()
    }

    fn cgroup_for(&self, slot: u32, instance: u32) -> Option<OwnedFd> {
        let (base, name) = (self.sealed.cgroup.as_ref()?, self.cgroup_name(slot, instance));
        // Somebody may have lived on in the last one when its instance ended, or it never had one.
        self.leave_cgroup(slot, instance.wrapping_sub(1));
        mkdirat(base, name.as_slice(), mode(0o755)).ok()?;
        openat(base, name.as_slice(), DIRECTORY, mode(0)).ok()
    }

    /// Removes the cgroup of an instance that has ended; one that others still live in stays until the daemon's start.
    pub fn leave_cgroup(&self, slot: u32, instance: u32) {
        if let Some(base) = &self.sealed.cgroup {
            let name = self.cgroup_name(slot, instance);
            let _ = unlinkat(base, name.as_slice(), UnlinkatFlags::RemoveDir);
        }
    }

    fn probe(&mut self, seq: u32, slot: u32, now: u64) {
        let Some(entry) = self.entry(slot) else {
            return;
        };
        match errand::send(&[], || child::find(entry).map(|_| Made::default())) {
            Ok(errand) => self.job(seq, Work::Probe { slot }, errand, now + CHILD),
            Err(errno) => self.probed(seq, slot, Some(at(Stage::Fork)(errno))),
        }
    }

    fn probed(&mut self, seq: u32, slot: u32, failure: Option<Failure>) {
        self.answer(seq, Reply::Probed { seq, slot, failure }, None);
    }

    pub fn job(&mut self, seq: u32, what: Work, errand: Errand, deadline: u64) {
        self.ours.insert(errand.process.pid);
        self.jobs.push(Job { seq, what, errand, deadline });
    }

    /// ENOTSUP for a tree without a cgroup, of which nobody but the process group can be reached.
    pub fn signal(&self, slot: u32, signo: u8, whom: Whom) -> Result<(), Errno> {
        let of = self.store.slot(slot).ok_or(Errno::ESRCH)?;
        let live = of.live().ok_or(Errno::ESRCH)?;
        let alive = live.exit.is_none();
        let tree = whom == Whom::Tree && signo == 9;
        if tree && self.kill_tree(slot, of.instance).is_ok() {
            return Ok(());
        }
        let sent = live.process.signal(signo, whom != Whom::Process, alive);
        if tree && (sent.is_ok() || !alive) { Err(Errno::ENOTSUP) } else { sent }
    }

    fn kill_tree(&self, slot: u32, instance: u32) -> Result<(), Errno> {
        let base = self.sealed.cgroup.as_ref().ok_or(Errno::ENOENT)?;
        let path = [self.cgroup_name(slot, instance).as_slice(), b"/cgroup.kill"].concat();
        let file = openat(base, path.as_slice(), OFlag::O_WRONLY | OFlag::O_CLOEXEC, mode(0))?;
        write(&file, b"1").map(drop)
    }

    /// A child works on that log, or rotates that file under another number: what is open is about to be the old one.
    fn busy(&self, log: u32, task: Task) -> bool {
        let same = |other| self.store.same_log(other) == self.store.same_log(log);
        self.jobs.iter().any(|job| match job.what {
            Work::Log { log: other, task: theirs } => {
                other == log || [task, theirs].contains(&Task::Rotate) && same(other)
            }
            _ => false,
        })
    }

    fn log(&mut self, seq: u32, log: u32, task: Task, now: u64) {
        let Some(sink) = self.sealed.table.log(log) else {
            return;
        };
        if self.busy(log, task) {
            return self.done(seq, Err(Errno::EBUSY));
        }
        let held = self.store.log(log).map(|log| &log.file);
        match logfile::start(sink, task, held) {
            Started::Done(result) => self.logged(seq, log, task, result),
            Started::Sent(errand) => self.job(seq, Work::Log { log, task }, errand, now + CHILD),
        }
    }

    fn logged(&mut self, seq: u32, log: u32, task: Task, result: Result<Made, Errno>) {
        // It may have been retired meanwhile.
        let known = self.sealed.table.log(log).map(|_| ()).ok_or(Errno::EBADF);
        let file = known.and(result).and_then(|made| match task {
            Task::Read => made.file().map(Some),
            Task::Clear => Ok(None),
            Task::Write => self.store.keep_log(log, made).map(Some),
            Task::Rotate => self.store.replace_log(log, made).map(Some),
        });
        self.opened(seq, log, file);
    }

    fn opened(&mut self, seq: u32, log: u32, file: Result<Option<OwnedFd>, Errno>) {
        match file {
            Ok(Some(file)) => {
                let same = self.store.same_log(log);
                self.answer(seq, Reply::Opened { seq, log, same }, Some(file));
            }
            other => self.done(seq, other.map(drop)),
        }
    }

    /// Takes the answers of jobs, and ends those that are over their time. One by one: what an answer leads to looks at
    /// the jobs that are under way.
    pub fn finish_jobs(&mut self, now: u64) {
        let mut at_work = 0;
        while let Some(job) = self.jobs.get(at_work) {
            let late = now >= job.deadline;
            if late {
                job.errand.process.kill();
            }
            let answer = job.errand.answer();
            if answer.is_none() && !late {
                at_work += 1;
                continue;
            }
            let job = self.jobs.remove(at_work);
            let stage = if answer.is_none() { Stage::Deadline } else { Stage::Find };
            let result = answer.unwrap_or(Err(Errno::ETIMEDOUT));
            match job.what {
                Work::Log { log, task } => self.logged(job.seq, log, task, result),
                Work::Probe { slot } => {
                    self.probed(job.seq, slot, result.err().map(at(stage)));
                }
                Work::Bind { socket } => self.bound(socket, result, now),
                Work::Read(sheets) => self.reading(job.seq, sheets, result),
                Work::Tidy { socket } => self.tidied(socket, now),
            }
        }
    }

    /// Looks whether children have become their programs.
    pub fn finish_starts(&mut self, now: u64) {
        for slot in self.store.starting.clone() {
            self.store.slot_mut(slot).into_iter().for_each(|of| of.let_go(false));
        }
        loop {
            let before = self.store.starting.len();
            let awaited: Vec<u32> = self.store.awaited(now + HELD).map(|(slot, _)| slot).collect();
            awaited.into_iter().for_each(|slot| self.finish_start(slot, false, now));
            if self.store.starting.len() == before {
                return;
            }
        }
    }

    fn finish_start(&mut self, slot: u32, dead: bool, now: u64) {
        let Some(of) = self.store.slot_mut(slot) else {
            return;
        };
        of.let_go(dead);
        // Where its start was over before, what it is stays as it is.
        let Life::Starting(Starting { report: from, ends, deadline, .. }) = &of.life else {
            return;
        };
        let answer = if ends.is_none() { report(from) } else { None };
        let late = now >= *deadline;
        let failure = match answer {
            // It has said all that it ever will; somebody who was forked just now may still hold a copy of its end.
            None if dead => None,
            None if !late => return,
            None => Some(at(Stage::Deadline)(Errno::ETIMEDOUT)),
            Some(failure) => failure,
        };
        let life = std::mem::replace(&mut of.life, Life::Idle);
        let Life::Starting(Starting { mut live, .. }) = life else {
            return;
        };
        live.failure = failure;
        if failure.is_some_and(|failure| failure.stage == Stage::Deadline) {
            live.process.kill();
        }
        match (failure, of.news) {
            // It never was a program: no descriptor of it is worth anything.
            (Some(failure), Some(News::Spawned(seq))) if failure.stage <= Stage::Descriptors => {
                self.store.pids.remove(&live.process.pid);
                self.ours.insert(live.process.pid);
                self.failed(slot, seq, failure, now);
            }
            _ => of.life = Life::Running(live),
        }
        self.store.starting.retain(|other| *other != slot);
        self.store.due.insert(slot);
    }

    /// Takes note of every child that has ended.
    pub fn reap(&mut self, now: u64) {
        // The reference hears of orphans as pid 1 alone.
        let init = std::process::id() == 1;
        while let Some((pid, exit)) = sys::reap(now) {
            if let Some(slot) = self.store.pids.get(&pid).copied() {
                // A dead child's report is complete.
                self.finish_start(slot, true, now);
                self.ours.remove(&pid);
                if self.store.pids.remove(&pid).is_some() {
                    self.note(Deed::Exited(slot, pid, exit.status));
                    self.exited(slot, exit);
                }
            } else if self.broker.as_ref().is_some_and(|broker| broker.process.pid == pid) {
                self.bury(exit.status, now);
            } else if self.audit.as_mut().is_some_and(|a| a.ended(pid, exit.status, now))
                || self.logins.ended(pid)
            {
            } else if !self.ours.remove(&pid) && init && self.strangers.len() < STRANGERS {
                self.strangers.push_back((pid, exit.status));
            }
        }
        self.finish_jobs(now);
    }

    /// The broker is gone; whatever a child does on its requests goes on.
    fn bury(&mut self, status: i32, now: u64) {
        // What it asked for before its end counts: a slot that it retired is one that no successor knows of.
        self.broker.iter_mut().for_each(|broker| broker.replies.clear());
        (0..LAST_TURNS).for_each(|_| self.hear(now));
        self.jobs.iter_mut().for_each(|job| job.seq = 0);
        if let Some(broker) = self.broker.take() {
            self.succession.ended(&broker, status, now);
            self.note(Deed::BrokerEnded(self.succession.cause, status));
        }
    }

    fn exited(&mut self, slot: u32, exit: Exit) {
        if let Some(of) = self.store.slot_mut(slot)
            && let Life::Running(live) = &mut of.life
        {
            live.exit = Some(exit);
            of.news = of.news.or(Some(News::Exited));
            self.store.due.insert(slot);
            self.store.owed.insert(slot, exit.at);
            self.close_unused(slot, exit.at);
        }
    }

    /// A broker that is late with anything counts as dead, and one that was killed does not come back: when it cannot
    /// die (frozen, or in a call that does not end), nobody waits for it.
    pub fn watch_broker(&mut self, now: u64) {
        let late = self.owed_by().is_some_and(|at| at <= now);
        let Some(broker) = self.broker.as_mut().filter(|_| late) else {
            return;
        };
        if broker.killed.is_none() {
            return broker.end(Cause::Hung, now);
        }
        self.ours.insert(broker.process.pid);
        self.bury(libc::SIGKILL, now);
    }

    fn owed_by(&self) -> Option<u64> {
        let broker = self.broker.as_ref()?;
        if let Some(at) = broker.killed {
            return Some(at + DYING);
        }
        if broker.phase == Phase::Silent {
            return Some(broker.since + READY);
        }
        let exits = self.store.owed.values().map(|at| (*at).max(broker.since) + OWED);
        let signals = self.untold.iter().chain(&self.unheard);
        let signals = signals.map(|(signo, at)| at + if ends(*signo) { OWED_END } else { OWED });
        exits.chain(signals).min()
    }

    /// When something is due by time alone.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        let behind = self.store.starting.len() > 1;
        let starting = self.store.awaited(now + HELD).map(|(_, starting)| {
            let held = behind && starting.deadline > now + HELD;
            starting.deadline - if held { HELD } else { 0 }
        });
        let heard = self.broker.as_ref().filter(|broker| broker.killed.is_none());
        let room = heard.and_then(|broker| broker.blocked).filter(|at| *at != u64::MAX);
        let next =
            self.succession.restart_at.filter(|_| self.broker.is_none() && self.stop.is_none());
        let jobs = self.jobs.iter().map(|job| job.deadline);
        let audit = self.audit.as_ref().and_then(|audit| audit.next.restart_at);
        let stop = self.stop.as_ref().and_then(|stop| stop.deadline());
        starting
            .chain(jobs)
            .chain(room)
            .chain(next)
            .chain(self.owed_by())
            .chain(stop)
            .chain(audit)
            .chain(self.logins.deadline())
            .min()
    }
}

/// Whether a signal to the daemon ends it.
pub fn ends(signo: u8) -> bool {
    matches!(i32::from(signo), libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
}

/// A pipe of which the first end given is ours and never waits: the reading one or the writing one.
fn pipe(reading: bool) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (r, w) = pipe2(OFlag::O_CLOEXEC)?;
    let (ours, theirs) = if reading { (r, w) } else { (w, r) };
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((sys::aside(ours), theirs))
}

/// A copy for a child, out of the way of the numbers that are given out from 3 on.
fn above(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(child::ABOVE)).map(sys::adopt)
}

/// A child's report: `None` while there is none, then the failed step or, when it is closed empty, nothing.
fn report(from: &OwnedFd) -> Option<Option<Failure>> {
    let mut bytes = [0; 5];
    match read(from, &mut bytes) {
        Ok(n @ 1..) => Some(bytes.get(..n).and_then(|bytes| Failure::decode(bytes).ok())),
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use privsep::table::Sink;

    use super::*;
    use crate::audit::tests::{audit, notes};
    use crate::change::tests::spawner;

    fn ask(spawner: &mut Spawner, request: Request) {
        let act = admit(Phase::Serving, request, &spawner.sealed.table, &spawner.store);
        spawner.act(1, act.ok().unwrap(), 0);
    }

    #[test]
    fn what_would_leave_no_trace_is_not_done() {
        let path = std::env::temp_dir().join(format!("untraced-{}", std::process::id()));
        std::fs::write(&path, "history").unwrap();
        let mut spawner = spawner();
        if let Some(Some(Sink::File(log))) = spawner.sealed.table.logs.first_mut() {
            log.path = path.as_os_str().as_encoded_bytes().to_vec();
        }
        spawner.audit = Some(audit());
        while spawner.noted() {
            spawner.note(Deed::Signal(1));
        }
        ask(&mut spawner, Request::ClearLog { log: 0 });
        assert!(spawner.jobs.is_empty());
        assert_eq!(std::fs::read(&path).unwrap(), b"history");
        // With room again it is done, and said first. What takes nothing away is done without room, too.
        assert!(!notes(&spawner).is_empty() && spawner.noted());
        spawner
            .store
            .keep_log(0, Made::one(std::fs::File::open(&path).unwrap().into()).unwrap())
            .unwrap();
        ask(&mut spawner, Request::RotateLog { log: 0 });
        let said: Vec<_> = notes(&spawner).into_iter().map(|note| note.deed).collect();
        assert_eq!(said, [Deed::Asked(Request::RotateLog { log: 0 })]);
        while spawner.noted() {
            spawner.note(Deed::Signal(1));
        }
        ask(&mut spawner, Request::Retire { slot: 0 });
        assert!(spawner.entry(0).is_none());
        assert!(spawner.audit.is_some_and(|audit| audit.writer.is_none()));
        std::fs::remove_file(path).unwrap();
    }
}
