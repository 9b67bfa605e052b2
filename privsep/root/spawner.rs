//! Root. What the spawner does: starts, signals and logs of the table, asked for by number and told from state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, pipe2, read, unlinkat, write};
use privsep::frame::Wire;
use privsep::reply::{Cause, Failure, Reply, Stage};
use privsep::request::{Request, Whom};
use privsep::table::{Entry, Limit, Table};

use crate::admit::{Act, Kind, Phase, Refusal, admit};
use crate::broker::{Broker, Heard, Succession};
use crate::child::{self, Ends, Plan};
use crate::helpers::Helpers;
use crate::logfile::{self, Started, Task};
use crate::socket::Bound;
use crate::stop::Stop;
use crate::store::{Exit, Life, Live, Store};
use crate::sys::{self, Cloned};

/// How long a child may take to exec, and a log child to open.
const CHILD: u64 = 5_000_000_000;
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
const STRANGERS: usize = 64;
/// Up to how many programs pipes are made larger.
const ROOMY: usize = 64;
/// How the names of instances' cgroups begin.
pub const CGROUP_PREFIX: &[u8] = b"supervisor-";

/// Work that a child of ours does on a request.
pub struct Job {
    seq: u32,
    what: Work,
    pidfd: OwnedFd,
    pub answer: OwnedFd,
    deadline: u64,
}

#[derive(Clone, Copy)]
enum Work {
    Log { log: u32, task: Task },
    Probe { slot: u32 },
}

/// What was decided before the first broker.
pub struct Sealed {
    pub table: Table,
    pub helpers: Helpers,
    pub settings: OwnedFd,
    pub journal: OwnedFd,
    pub listeners: Vec<Bound>,
    /// The directory of our cgroup, where instances get one of their own.
    pub cgroup: Option<OwnedFd>,
    /// Which reading of the configuration this is.
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
}

impl Spawner {
    pub fn new(sealed: Sealed, store: Store) -> Spawner {
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
            let Some(broker) = &mut self.broker else {
                return;
            };
            if broker.doomed.is_some() || broker.replies.len() + self.jobs.len() >= TURN {
                return;
            }
            let (seq, request) = match broker.hear(now) {
                Heard::Request(seq, request) => (seq, request),
                Heard::Nothing => return,
                Heard::Refused => return broker.end(Cause::Misbehaved, now),
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
        let errno = errno as i32;
        let answer = match request {
            Request::Spawn { slot } => {
                Reply::SpawnFailed { seq, slot, failure: Failure { stage: Stage::Fork, errno } }
            }
            _ => Reply::Done { seq, errno },
        };
        self.answer(answer, None);
    }

    fn answer(&mut self, reply: Reply, file: Option<OwnedFd>) {
        // Whoever asked for this is gone.
        if matches!(
            reply,
            Reply::Done { seq: 0, .. }
                | Reply::Opened { seq: 0, .. }
                | Reply::Probed { seq: 0, .. }
        ) {
            return;
        }
        if let Some(broker) = &mut self.broker {
            broker.replies.push_back((reply, file));
        }
    }

    fn done(&mut self, seq: u32, result: Result<(), Errno>) {
        self.answer(Reply::Done { seq, errno: result.err().map_or(0, |errno| errno as i32) }, None);
    }

    fn act(&mut self, seq: u32, Act(kind): Act, now: u64) {
        match kind {
            Kind::Greet => self.greet(now),
            Kind::Spawn { slot } => self.spawn(seq, slot, now),
            Kind::Probe { slot } => self.probe(seq, slot, now),
            Kind::Signal { slot, signo, whom } => {
                let result = self.signal(slot, signo, whom);
                self.done(seq, result);
            }
            Kind::Hand { log } if self.busy(log, Task::Write) => self.done(seq, Err(Errno::EBUSY)),
            Kind::Hand { log } => {
                let file = self.store.log(log).ok_or(Errno::EBADF);
                let file = file.and_then(|l| l.file.try_clone().map_err(|_| Errno::EMFILE));
                self.opened(seq, log, file);
            }
            Kind::Log { log, task } => self.log(seq, log, task, now),
            Kind::Free { slot } => self.store.free(slot),
            Kind::Heard { signo } => {
                self.leaving |= self.unheard.remove(&signo).is_some() && ends(signo);
            }
            Kind::End(end) => self.stop = self.stop.take().or(Some(Stop::new(Some(end)))),
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

    /// Makes the pipes and the child; how it went is known when the report closes.
    fn spawn(&mut self, seq: u32, slot: u32, now: u64) {
        let failed = |stage| move |errno: Errno| Failure { stage, errno: errno as i32 };
        let result = self.launch(slot, now).map_err(|(stage, errno)| failed(stage)(errno));
        let Some(of) = self.store.slot_mut(slot) else {
            return;
        };
        match result {
            Ok((pid, life)) => {
                of.instance = of.instance.wrapping_add(1).max(1);
                of.tell_spawned = Some(seq);
                self.store.pids.insert(pid, slot);
                self.store.starting.push_back(slot);
                if let Some(of) = self.store.slot_mut(slot) {
                    of.life = life;
                }
            }
            Err(failure) => {
                of.tell_failed = Some((seq, failure));
                self.store.due.insert(slot);
            }
        }
    }

    fn launch(&self, slot: u32, now: u64) -> Result<(i32, Life), (Stage, Errno)> {
        let pipes = |errno| (Stage::Pipes, errno);
        let entry = self.entry(slot).ok_or((Stage::Find, Errno::ENOENT))?;
        let (stdin_end, stdin) = pipe(false).map_err(pipes)?;
        let (stdout, stdout_end) = pipe(true).map_err(pipes)?;
        if self.store.slots.len() <= ROOMY {
            // Fewer, larger moves for a busy writer; with many programs the system's allowance is spent on more pipes.
            let _ = fcntl(&stdout, FcntlArg::F_SETPIPE_SZ(1 << 18));
        }
        let (stderr, stderr_end) = if entry.redirect_stderr {
            (None, None)
        } else {
            pipe(true).map(|(r, w)| (Some(r), Some(w))).map_err(pipes)?
        };
        let (report, report_end) = pipe(true).map_err(pipes)?;
        let instance = self.store.slot(slot).map_or(0, |of| of.instance.wrapping_add(1).max(1));
        let home = self.cgroup_for(slot, instance);
        let ends = Ends { stdin: stdin_end, stdout: stdout_end, stderr: stderr_end };
        let given =
            [Some(&ends.stdin), Some(&ends.stdout), ends.stderr.as_ref(), Some(&report_end)];
        let upto = given.into_iter().flatten().map(AsRawFd::as_raw_fd).max();
        let cloned = match &home {
            Some(dir) => sys::clone(Some(dir.as_fd()), upto).or_else(|_| sys::clone(None, upto)),
            None => sys::clone(None, upto),
        };
        match cloned.map_err(|errno| (Stage::Fork, errno))? {
            Cloned::Child => {
                let plan = Plan {
                    table: &self.sealed.table,
                    entry,
                    nofile: self.sealed.limits.0,
                    nproc: self.sealed.limits.1,
                };
                child::run(&plan, &ends, &report_end)
            }
            Cloned::Parent { pid, pidfd } => {
                let pidfd = sys::aside(pidfd);
                let live = Live { pid, pidfd, stdin, stdout, stderr, failure: None };
                let (ends, deadline) = (Some((ends, report_end)), now + CHILD);
                Ok((pid, Life::Starting { live, report, ends, deadline }))
            }
        }
    }

    fn cgroup_name(&self, slot: u32, instance: u32) -> Vec<u8> {
        let own = format!("{}-{}-{slot}-{instance}", std::process::id(), self.sealed.epoch);
        [CGROUP_PREFIX, own.as_bytes()].concat()
    }

    fn cgroup_for(&self, slot: u32, instance: u32) -> Option<OwnedFd> {
        let (base, name) = (self.sealed.cgroup.as_ref()?, self.cgroup_name(slot, instance));
        mkdirat(base, name.as_slice(), Mode::from_bits_truncate(0o755)).ok()?;
        openat(
            base,
            name.as_slice(),
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .ok()
    }

    /// Removes the cgroup of an instance that has ended; one that others still live in stays until the daemon's start.
    pub fn leave_cgroup(&self, slot: u32, instance: u32) {
        if let Some(base) = &self.sealed.cgroup {
            let _ = unlinkat(
                base,
                self.cgroup_name(slot, instance).as_slice(),
                UnlinkatFlags::RemoveDir,
            );
        }
    }

    fn probe(&mut self, seq: u32, slot: u32, now: u64) {
        let Some(entry) = self.entry(slot) else {
            return;
        };
        let made = pipe(true).and_then(|(answer, end)| match sys::clone(None, None)? {
            Cloned::Child => child::probe(entry, &end),
            Cloned::Parent { pid, pidfd } => Ok((pid, pidfd, answer)),
        });
        match made {
            Ok((pid, pidfd, answer)) => {
                self.job(seq, Work::Probe { slot }, (pid, pidfd, answer), now)
            }
            Err(errno) => {
                let failure = Some(Failure { stage: Stage::Fork, errno: errno as i32 });
                self.answer(Reply::Probed { seq, slot, failure }, None);
            }
        }
    }

    fn job(
        &mut self,
        seq: u32,
        what: Work,
        (pid, pidfd, answer): (i32, OwnedFd, OwnedFd),
        now: u64,
    ) {
        self.ours.insert(pid);
        self.jobs.push(Job { seq, what, pidfd, answer, deadline: now + CHILD });
    }

    pub fn signal(&self, slot: u32, signo: u8, whom: Whom) -> Result<(), Errno> {
        let of = self.store.slot(slot).ok_or(Errno::ESRCH)?;
        let live = of.live().ok_or(Errno::ESRCH)?;
        let alive = of.running().is_some();
        if whom == Whom::Tree && signo == 9 && self.kill_tree(slot, of.instance).is_ok() {
            return Ok(());
        }
        let group = (whom != Whom::Process).then_some(live.pid);
        sys::signal(live.pidfd.as_fd(), signo, group, alive)
    }

    fn kill_tree(&self, slot: u32, instance: u32) -> Result<(), Errno> {
        let base = self.sealed.cgroup.as_ref().ok_or(Errno::ENOENT)?;
        let path = [self.cgroup_name(slot, instance).as_slice(), b"/cgroup.kill"].concat();
        let file =
            openat(base, path.as_slice(), OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        write(&file, b"1").map(drop)
    }

    /// A child works on that log, or rotates that file under another number: what is open is about to be the old one.
    fn busy(&self, log: u32, task: Task) -> bool {
        let same = |other| self.store.same_log(other) == self.store.same_log(log);
        self.jobs.iter().any(|job| match job.what {
            Work::Log { log: other, task: theirs } => {
                other == log || [task, theirs].contains(&Task::Rotate) && same(other)
            }
            Work::Probe { .. } => false,
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
            Started::Job { pid, pidfd, answer } => {
                self.job(seq, Work::Log { log, task }, (pid, pidfd, answer), now)
            }
        }
    }

    fn logged(&mut self, seq: u32, log: u32, task: Task, result: Result<OwnedFd, Errno>) {
        let copy = |file: &OwnedFd| file.try_clone().map_err(|_| Errno::EMFILE);
        let store = &mut self.store;
        let kept = result.and_then(|file| match task {
            Task::Read | Task::Clear => Ok(file),
            Task::Write => {
                store.keep_log(log, file)?;
                copy(&store.log(log).ok_or(Errno::EBADF)?.file)
            }
            Task::Rotate => store.replace_log(log, &file).map(|()| file),
        });
        match (kept, task) {
            (Ok(_), Task::Clear) => self.done(seq, Ok(())),
            (Ok(file), _) => self.opened(seq, log, Ok(file)),
            (Err(errno), _) => self.done(seq, Err(errno)),
        }
    }

    fn opened(&mut self, seq: u32, log: u32, file: Result<OwnedFd, Errno>) {
        match file {
            Ok(file) => {
                self.answer(Reply::Opened { seq, log, same: self.store.same_log(log) }, Some(file))
            }
            Err(errno) => self.done(seq, Err(errno)),
        }
    }

    /// Takes the answers of jobs, and ends those that are over their time.
    pub fn finish_jobs(&mut self, now: u64) {
        for job in std::mem::take(&mut self.jobs) {
            let late = now >= job.deadline;
            if late {
                let _ = sys::signal(job.pidfd.as_fd(), 9, None, true);
            }
            match job.what {
                Work::Log { log, task } => match logfile::answer(&job.answer) {
                    None if !late => self.jobs.push(job),
                    answer => {
                        self.logged(job.seq, log, task, answer.unwrap_or(Err(Errno::ETIMEDOUT)))
                    }
                },
                Work::Probe { slot } => match report(&job.answer) {
                    None if !late => self.jobs.push(job),
                    answer => {
                        let timeout =
                            Failure { stage: Stage::Deadline, errno: Errno::ETIMEDOUT as i32 };
                        let failure = answer.unwrap_or(Some(timeout)).filter(|f| f.errno != 0);
                        self.answer(Reply::Probed { seq: job.seq, slot, failure }, None);
                    }
                },
            }
        }
    }

    /// Looks whether children have become their programs.
    pub fn finish_starts(&mut self, now: u64) {
        for slot in &self.store.starting {
            let of = usize::try_from(*slot).ok().and_then(|n| self.store.slots.get_mut(n));
            of.into_iter().for_each(|of| of.let_go(false));
        }
        loop {
            let before = self.store.starting.len();
            let awaited: Vec<u32> = self.store.awaited(now + HELD).map(|(slot, ..)| slot).collect();
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
        let (answer, late) = match &of.life {
            Life::Starting { report: from, ends, deadline, .. } => {
                (if ends.is_none() { report(from) } else { None }, now >= *deadline)
            }
            // Its start was over before: what it is stays as it is.
            _ => return,
        };
        let failure = match answer {
            // It has said all that it ever will; somebody who was forked just now may still hold a copy of its end.
            None if dead => None,
            None if !late => return,
            None => Some(Failure { stage: Stage::Deadline, errno: Errno::ETIMEDOUT as i32 }),
            Some(failure) => failure,
        };
        self.store.starting.retain(|other| *other != slot);
        self.store.due.insert(slot);
        let Some(of) = self.store.slot_mut(slot) else {
            return;
        };
        let Life::Starting { mut live, .. } = std::mem::replace(&mut of.life, Life::Idle) else {
            return;
        };
        if failure.is_some_and(|failure| failure.stage == Stage::Deadline) {
            let _ = sys::signal(live.pidfd.as_fd(), 9, None, true);
        }
        live.failure = failure;
        match failure {
            // It never was a program: no descriptor of it is worth anything.
            Some(failure) if failure.stage <= Stage::Descriptors => {
                of.tell_failed = of.tell_spawned.take().map(|seq| (seq, failure));
                self.store.pids.remove(&live.pid);
                self.ours.insert(live.pid);
            }
            _ => of.life = Life::Running(live),
        }
    }

    /// Takes note of every child that has ended.
    pub fn reap(&mut self, now: u64) {
        // The reference hears of orphans as pid 1 alone.
        let init = std::process::id() == 1;
        while let Some(dead) = sys::reap() {
            let exit = Exit { status: dead.status, at: now, cpu: dead.cpu, maxrss: dead.maxrss };
            if let Some(slot) = self.store.pids.get(&dead.pid).copied() {
                // A dead child's report is complete.
                self.finish_start(slot, true, now);
                self.ours.remove(&dead.pid);
                if self.store.pids.remove(&dead.pid).is_some() {
                    self.exited(slot, exit);
                }
            } else if self.broker.as_ref().is_some_and(|broker| broker.pid == dead.pid) {
                self.bury(dead.status, now);
            } else if !self.ours.remove(&dead.pid) && init && self.strangers.len() < STRANGERS {
                self.strangers.push_back((dead.pid, dead.status));
            }
        }
        self.finish_jobs(now);
    }

    /// The broker is gone; whatever a child does on its requests goes on.
    fn bury(&mut self, status: i32, now: u64) {
        self.jobs.iter_mut().for_each(|job| job.seq = 0);
        if let Some(broker) = self.broker.take() {
            self.succession.ended(&broker, status, now);
        }
    }

    fn exited(&mut self, slot: u32, exit: Exit) {
        let Some(of) = self.store.slot_mut(slot) else {
            return;
        };
        match std::mem::replace(&mut of.life, Life::Idle) {
            Life::Running(live) => {
                of.life = Life::Ended(live, exit);
                of.tell_exited = true;
                self.store.due.insert(slot);
                self.store.owed.insert(slot, exit.at);
            }
            other => of.life = other,
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
        self.ours.insert(broker.pid);
        self.bury(libc::SIGKILL, now);
    }

    fn owed_by(&self) -> Option<u64> {
        let broker = self.broker.as_ref()?;
        if let Some(at) = broker.killed {
            return Some(at + DYING);
        }
        if broker.phase == Phase::Silent {
            return broker.ready_by();
        }
        let exits = self.store.owed.values().map(|at| (*at).max(broker.since) + OWED);
        let signals = self.untold.iter().chain(&self.unheard);
        let signals = signals.map(|(signo, at)| at + if ends(*signo) { OWED_END } else { OWED });
        exits.chain(signals).min()
    }

    /// When something is due by time alone.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        let behind = self.store.starting.len() > 1;
        let starting = self.store.awaited(now + HELD).map(move |(.., deadline)| {
            if behind && deadline > now + HELD { deadline - HELD } else { deadline }
        });
        let heard = self.broker.as_ref().filter(|broker| broker.killed.is_none());
        let room = heard.and_then(|broker| broker.blocked).filter(|at| *at != u64::MAX);
        let next =
            self.succession.restart_at.filter(|_| self.broker.is_none() && self.stop.is_none());
        let jobs = self.jobs.iter().map(|job| job.deadline);
        let stop = self.stop.as_ref().and_then(|stop| stop.deadline());
        starting.chain(jobs).chain(room).chain(next).chain(self.owed_by()).chain(stop).min()
    }
}

/// Whether a signal to the daemon ends it.
pub fn ends(signo: u8) -> bool {
    matches!(i32::from(signo), libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
}

/// A pipe of which one end is ours and never waits: the reading one or the writing one. Gives (reading, writing).
fn pipe(reading: bool) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (r, w) = pipe2(OFlag::O_CLOEXEC)?;
    let ours = if reading { &r } else { &w };
    fcntl(ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(if reading { (sys::aside(r), w) } else { (r, sys::aside(w)) })
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
