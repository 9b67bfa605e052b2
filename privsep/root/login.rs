//! Root. Logins by PAM: few helpers at a time, at a bounded rate. What broker and helper say to each other passes by here.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::resource::Resource;
use privsep::audit::Deed;
use privsep::reply::Reply;
use privsep::request::Request;
use privsep::start;

use crate::helpers::{Helpers, Launch};
use crate::spawner::Spawner;
use crate::sys::{self, Process};

/// The most helpers at a time.
const AT_ONCE: usize = 2;
/// One more is due every so many nanoseconds: five a second.
const EVERY: u64 = 200_000_000;
/// So many may have been saved up.
const BURST: u64 = 5;
/// How long a helper may live.
const LIFE: u64 = 30_000_000_000;

pub struct Logins {
    /// Those that are not reaped, and when each is to be killed.
    alive: Vec<(Process, u64)>,
    /// When all that was used up will have come in again.
    full: u64,
}

impl Logins {
    /// Begins with nothing saved up: starting over is no way around the bound.
    pub fn new(now: u64) -> Logins {
        Logins { alive: Vec::new(), full: now + BURST * EVERY }
    }

    /// Takes one of what is due. EAGAIN where there is none, or no place.
    fn take(&mut self, now: u64) -> Result<(), Errno> {
        let full = self.full.max(now) + EVERY;
        if self.alive.len() >= AT_ONCE || full > now + BURST * EVERY {
            return Err(Errno::EAGAIN);
        }
        self.full = full;
        Ok(())
    }

    /// Starts one; gives the other end of its socket. ENOENT where the helper is not installed.
    fn start(&mut self, helpers: &Helpers, now: u64) -> Result<OwnedFd, Errno> {
        let file = helpers.pam.as_ref().ok_or(Errno::ENOENT)?;
        self.take(now)?;
        let (brokers, theirs) = sys::datagrams()?;
        let null = helpers.null.as_fd();
        let launch = Launch {
            name: c"supervisor-pam",
            file,
            map: &[(null, 0), (null, 1), (null, 2), (theirs.as_fd(), start::SOCKET)],
            identity: None,
            limits: &[(Resource::RLIMIT_CORE, (0, 0))],
        };
        self.alive.push((launch.start()?, now + LIFE));
        Ok(brokers)
    }

    /// Kills those that are over their time, once.
    pub fn end_late(&mut self, now: u64) {
        for (process, until) in self.alive.iter_mut().filter(|(_, until)| *until <= now) {
            process.kill();
            *until = u64::MAX;
        }
    }

    /// Whether it was one of them that has ended.
    pub fn ended(&mut self, pid: i32) -> bool {
        let before = self.alive.len();
        self.alive.retain(|(process, _)| process.pid != pid);
        self.alive.len() < before
    }

    pub fn deadline(&self) -> Option<u64> {
        self.alive.iter().map(|(_, until)| *until).min()
    }
}

/// Also where the daemon starts over: the next one counts from nothing.
impl Drop for Logins {
    fn drop(&mut self) {
        self.alive.iter().for_each(|(process, _)| process.kill());
    }
}

impl Spawner {
    /// What is refused leaves no note: a broker cannot fill the audit log with it.
    pub fn authenticate(&mut self, seq: u32, now: u64) {
        match self.logins.start(&self.sealed.helpers, now) {
            Ok(socket) => {
                self.note(Deed::Asked(Request::Authenticate));
                self.answer(seq, Reply::Helper { seq }, Some(socket));
            }
            Err(errno) => self.done(seq, Err(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::tests::null;

    /// How many may start in so long, when each ends at once and one is asked for every `step`.
    fn granted(logins: &mut Logins, from: u64, long: u64, step: usize) -> u64 {
        let moments = (from..from + long).step_by(step);
        moments.map(|now| u64::from(logins.take(now).is_ok())).sum()
    }

    #[test]
    fn five_a_second_and_five_saved_up() {
        let mut logins = Logins::new(7);
        assert_eq!(granted(&mut logins, 7, EVERY, 1_000_000), 0);
        assert_eq!(granted(&mut logins, 7 + EVERY, 10 * EVERY, 1_000_000), 10);
        // After a long rest, no more than were saved up.
        assert_eq!(granted(&mut logins, 1_000 * EVERY, 1, 1), 1);
        assert_eq!(granted(&mut logins, 1_000 * EVERY, 10, 1), BURST - 1);
        assert_eq!(granted(&mut logins, 1_000 * EVERY + 10, 26 * EVERY, 1_000_000), 25);
    }

    #[test]
    fn two_at_a_time_and_the_dead_count_until_they_are_reaped() {
        let mut logins = Logins::new(0);
        let now = 100 * EVERY;
        for pid in [0, -1] {
            assert_eq!(logins.take(now), Ok(()));
            logins.alive.push((Process { pid, pidfd: null() }, now + LIFE));
        }
        assert_eq!(logins.take(now), Err(Errno::EAGAIN));
        assert_eq!(logins.deadline(), Some(now + LIFE));
        logins.end_late(now + LIFE);
        assert_eq!(logins.deadline(), Some(u64::MAX));
        assert_eq!(logins.take(now + 2 * LIFE), Err(Errno::EAGAIN));
        assert!(!logins.ended(7) && logins.ended(-1) && !logins.ended(-1));
        assert_eq!(logins.take(now + 2 * LIFE), Ok(()));
    }
}
