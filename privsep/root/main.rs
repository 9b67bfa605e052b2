//! The spawner: the one process that runs as root. It starts, signals and logs what the sealed table names.
//!
//! Room: root. It trusts the reader's table once, and no byte of the broker ever.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod admit;
mod audit;
mod begin;
mod broker;
mod change;
mod child;
mod errand;
mod helpers;
mod logfile;
mod login;
mod path;
mod reading;
mod socket;
mod spawner;
mod stop;
mod store;
mod sys;
mod tell;

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal::{
    SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGPWR, SIGQUIT, SIGSTKFLT, SIGTERM, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};
use privsep::audit::Deed;
use privsep::journal::CARRIED;
use privsep::reply::Cause;
use privsep::request::End;

use crate::spawner::{Spawner, Work, ends};
use crate::stop::Stop;

/// The signals that would end the daemon or tell it something.
const HEARD: [Signal; 15] = [
    SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF,
    SIGIO, SIGXFSZ, SIGXCPU, SIGPWR, SIGSTKFLT,
];

/// CLOCK_MONOTONIC in nanoseconds.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(0)
}

fn main() {
    sys::keep(&[]);
    let _ = nix::sys::prctl::set_dumpable(false);
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let first = begin::start_record();
    let (mut run, mut carried) = (1, [0; CARRIED]);
    let status = loop {
        match begin::begin(run, &first, carried).and_then(|begun| serve(begun, &mut carried)) {
            Ok(End::Restart) => run += 1,
            Ok(End::Exit) => break 0,
            Err(status) => break status,
        }
    };
    std::process::exit(i32::from(status));
}

/// The signals of [`HEARD`] come through a descriptor.
fn signals() -> Option<SignalFd> {
    let mask: SigSet = HEARD.into_iter().collect();
    mask.thread_block().ok()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).ok()
}

/// Serves until the end. An error is the exit status of a start that failed. What the next daemon's journal is to have
/// of this one's is left in `carried`.
fn serve(mut begun: begin::Begun, carried: &mut [u8; CARRIED]) -> Result<End, u8> {
    begun.spawner.succession.restart_at = Some(now());
    let mut ready = false;
    loop {
        let at = now();
        let spawner = &mut begun.spawner;
        spawner.audit.iter_mut().for_each(|audit| audit.tend(&spawner.sealed.helpers, at));
        spawner.raise_broker(at);
        spawner.tell(at);
        wait(spawner, &begun.signals, at);
        let at = now();
        while let Ok(Some(info)) = begun.signals.read_signal() {
            spawner.signalled(info.ssi_signo, at);
        }
        spawner.reap(at);
        spawner.finish_starts(at);
        spawner.hear(at);
        spawner.watch_broker(at);
        spawner.logins.end_late(at);
        if !ready && spawner.serving() {
            ready = true;
            begun.ready();
        } else if !ready && spawner.succession.predecessors > 0 {
            return Err(begun.failed());
        }
        let spawner = &mut begun.spawner;
        spawner.leave_without_broker();
        if spawner.step_stop(at) {
            let end = spawner.stop.as_ref().and_then(|stop| stop.end);
            *carried = begin::carried(&spawner.sealed.journal);
            return Ok(end.unwrap_or(End::Exit));
        }
    }
}

/// Waits for anything to happen, or for the next deadline.
fn wait(spawner: &Spawner, signals: &SignalFd, at: u64) {
    let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    // Nothing that a killed one has left is waited for, and its hang-up would not let us sleep.
    if let Some(broker) = spawner.broker.as_ref().filter(|broker| broker.killed.is_none()) {
        let mut events = if spawner.hearing() { PollFlags::POLLIN } else { PollFlags::empty() };
        events.set(PollFlags::POLLOUT, broker.blocked == Some(u64::MAX));
        fds.push(PollFd::new(broker.socket.as_fd(), events));
    }
    let reports = spawner.store.awaited(at + spawner::HELD).map(|(_, starting)| &starting.report);
    let answers = spawner.jobs.iter().map(|job| &job.errand.answer);
    let readable = reports.chain(answers).chain(spawner.drained());
    fds.extend(readable.map(|from| PollFd::new(from.as_fd(), PollFlags::POLLIN)));
    let timeout = spawner.deadline(at).map_or(PollTimeout::NONE, |due| {
        let millis = due.saturating_sub(at).div_ceil(1_000_000).min(86_400_000);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::ZERO)
    });
    let _ = poll(&mut fds, timeout);
}

impl Spawner {
    /// A broker has said that it is ready, and the sockets are bound as far as they can be.
    fn serving(&self) -> bool {
        let serves = self.broker.as_ref().is_some_and(|b| b.phase == admit::Phase::Serving);
        serves && !self.jobs.iter().any(|job| matches!(job.what, Work::Bind { .. }))
    }

    /// Whether requests are taken just now.
    pub fn hearing(&self) -> bool {
        self.broker.as_ref().is_some_and(|broker| {
            broker.doomed.is_none() && broker.replies.len() + self.jobs.len() < spawner::TURN
        })
    }

    /// Takes note of a signal to the daemon.
    fn signalled(&mut self, signo: u32, at: u64) {
        let signo = u8::try_from(signo).unwrap_or(0);
        if i32::from(signo) != libc::SIGCHLD {
            self.note(Deed::Signal(signo));
            self.untold.entry(signo).or_insert(at);
        }
    }

    /// TERM is for the broker to carry out. Where none is there, or it died or hung over it, the spawner does it.
    fn leave_without_broker(&mut self) {
        let gone = self.broker.as_ref().is_none_or(|broker| broker.doomed == Some(Cause::Hung));
        let asked =
            self.leaving || self.untold.keys().chain(self.unheard.keys()).any(|signo| ends(*signo));
        if gone && asked && self.stop.is_none() {
            self.stop = Some(Stop::new(None));
        }
    }
}
