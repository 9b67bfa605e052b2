//! Root. The broker as the spawner sees it: started, heard, told, ended, replaced.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::resource::Resource;
use privsep::frame::Error;
use privsep::reply::{Cause, Reply};
use privsep::request::{Request, SIZE};
use privsep::start;
use privsep::table::{Limit, Table};

use crate::admit::Phase;
use crate::helpers::{Helpers, Launch};
use crate::sys::{self, Process};

/// Waits before the next broker, in nanoseconds.
#[cfg(not(supervisor_hooks))]
const BACKOFF: [u64; 5] = [0, 100_000_000, 500_000_000, 2_000_000_000, 10_000_000_000];
#[cfg(supervisor_hooks)]
const BACKOFF: [u64; 5] = [0, 1_000_000, 2_000_000, 5_000_000, 10_000_000];
/// After so long in service the waits begin again.
const GOOD_SERVICE: u64 = 60_000_000_000;
/// How long a broker may take to be ready.
pub const READY: u64 = 10_000_000_000;
/// Pause after the kernel had no room for descriptors in flight.
const NO_ROOM: u64 = 10_000_000;

/// A broker that runs.
pub struct Broker {
    pub process: Process,
    pub socket: OwnedFd,
    pub phase: Phase,
    /// When the phase began.
    pub since: u64,
    /// Answers that are not sent yet; bounded by what is read.
    pub replies: VecDeque<(Reply, Option<OwnedFd>)>,
    /// How much of the greeting is sent: `Hello`, then each listener; `None` when complete.
    pub greeting: Option<usize>,
    /// The socket took no more; nothing is sent before this moment or before it is writable.
    pub blocked: Option<u64>,
    /// It is being ended, and why.
    pub doomed: Option<Cause>,
    /// When it was killed.
    pub killed: Option<u64>,
}

/// Brokers over the life of the daemon.
#[derive(Default)]
pub struct Succession {
    pub predecessors: u32,
    pub cause: Option<Cause>,
    pub detail: i32,
    step: usize,
    pub restart_at: Option<u64>,
}

impl Broker {
    pub fn start(
        helpers: &Helpers,
        table: &Table,
        nofile: Limit,
        now: u64,
    ) -> Result<Broker, Errno> {
        let (socket, theirs) = sys::datagrams()?;
        let err = std::io::stderr();
        let null = helpers.null.as_fd();
        let launch = Launch {
            name: c"supervisor-broker",
            file: &helpers.broker,
            map: &[(null, 0), (null, 1), (err.as_fd(), 2), (theirs.as_fd(), start::SOCKET)],
            identity: table.broker.as_ref(),
            limits: &[(Resource::RLIMIT_NOFILE, nofile), (Resource::RLIMIT_CORE, (0, 0))],
        };
        Ok(Broker {
            process: launch.start()?,
            socket,
            phase: Phase::Silent,
            since: now,
            replies: VecDeque::new(),
            greeting: None,
            blocked: None,
            doomed: None,
            killed: None,
        })
    }

    /// One datagram. There is no control buffer, so an attached descriptor shows as a truncated message and is gone.
    pub fn hear(&mut self, now: u64) -> Result<Option<(u32, Request)>, Error> {
        match sys::receive(&self.socket, &mut [0; SIZE + 1]) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            // It was closed over messages of ours that nobody read, which is said once; what it sent is still there.
            Err(Errno::ECONNRESET) => {
                self.kill(now);
                self.hear(now)
            }
            // An empty datagram reads like the end; only the latter hangs up.
            Ok([]) if self.hung_up() => {
                self.kill(now);
                Ok(None)
            }
            Ok(bytes) => Request::decode(bytes).map(Some),
            Err(_) => Err(Error::Long),
        }
    }

    /// Sends one message; `None` when there is no room for it.
    pub fn tell(&mut self, reply: &Reply, fds: &[BorrowedFd<'_>], now: u64) -> Option<()> {
        match sys::send(&self.socket, &reply.encode(), fds) {
            Ok(()) => return Some(()),
            Err(Errno::EPIPE | Errno::ECONNRESET) => self.kill(now),
            Err(Errno::ETOOMANYREFS | Errno::ENOMEM | Errno::ENOBUFS) => {
                self.blocked = Some(now + NO_ROOM);
            }
            Err(_) => self.blocked = Some(u64::MAX),
        }
        None
    }

    /// Also where it has only closed its end. How it ended is for its wait status to say.
    fn kill(&mut self, now: u64) {
        self.killed.get_or_insert(now);
        self.process.kill();
    }

    fn hung_up(&self) -> bool {
        let events = sys::wait(&self.socket, PollFlags::empty(), 0);
        events.is_ok_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// Ends it. It is reaped, and then replaced.
    pub fn end(&mut self, cause: Cause, now: u64) {
        self.doomed = self.doomed.or(Some(cause));
        self.kill(now);
    }
}

impl Succession {
    /// Takes note of a broker that was reaped, and sets the moment of the next.
    pub fn ended(&mut self, broker: &Broker, status: i32, now: u64) {
        self.predecessors = self.predecessors.saturating_add(1);
        self.cause = Some(broker.doomed.unwrap_or(Cause::Died));
        self.detail = if broker.doomed.is_none() { status } else { 0 };
        if broker.phase == Phase::Serving && now.saturating_sub(broker.since) > GOOD_SERVICE {
            self.step = 0;
        }
        self.again(now);
    }

    /// Sets the moment of the next attempt.
    pub fn again(&mut self, now: u64) {
        let wait = BACKOFF.get(self.step).or(BACKOFF.last()).copied().unwrap_or(0);
        self.step = self.step.saturating_add(1);
        self.restart_at = Some(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_last() {
        let mut succession = Succession::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            succession.again(1000);
            waits.push(succession.restart_at.unwrap() - 1000);
        }
        assert_eq!(waits[..5], BACKOFF);
        assert_eq!(waits[5..], [BACKOFF[4]; 2]);
    }
}
