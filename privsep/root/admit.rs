//! Root. The one table of powers: what a request may do in which phase.
//!
//! An [`Act`] exists only if it passed. It names things of the sealed table and nothing else.

use nix::errno::Errno;
use privsep::request::Request;
use privsep::table::Table;

use crate::store::{Life, Store};

/// How far the broker is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Started; nothing but `Ready` is heard.
    Silent,
    Serving,
}

/// A permitted request: made here only.
pub struct Act(Request);

impl Act {
    pub fn request(self) -> Request {
        self.0
    }
}

/// Why there is no act.
pub enum Refusal {
    /// No well-behaved broker asks this: it is ended.
    Misbehaved,
    /// It came too late or too early; the broker is told.
    Errno(Errno),
    /// Nothing is to be done or said.
    Moot,
}

pub fn admit(phase: Phase, request: Request, table: &Table, store: &Store) -> Result<Act, Refusal> {
    let ensure = |good, refusal| if good { Ok(()) } else { Err(refusal) };
    let known = |slot| store.slot(slot).ok_or(Refusal::Misbehaved);
    ensure((phase == Phase::Silent) == (request == Request::Ready), Refusal::Misbehaved)?;
    match request {
        Request::Spawn { slot } => {
            let (of, entry) = (known(slot)?, table.entry(slot));
            ensure(entry.is_some_and(|entry| !entry.argv.is_empty()), Refusal::Misbehaved)?;
            let idle = matches!(of.life, Life::Idle) && of.news.is_none();
            ensure(idle, Refusal::Errno(Errno::EBUSY))?;
        }
        Request::Probe { slot } => ensure(table.entry(slot).is_some(), Refusal::Misbehaved)?,
        Request::Signal { slot, instance, .. } => {
            let of = known(slot)?;
            let there = of.instance == instance && of.live().is_some();
            ensure(there, Refusal::Errno(Errno::ESRCH))?;
        }
        Request::OpenLog { log, .. } | Request::RotateLog { log } | Request::ClearLog { log } => {
            ensure(table.log(log).is_some(), Refusal::Misbehaved)?;
            let held = store.log(log).is_some() || !matches!(request, Request::RotateLog { .. });
            ensure(held, Refusal::Errno(Errno::EBADF))?;
        }
        Request::Ack { slot, instance } => {
            let of = known(slot)?;
            let told = of.exit().is_some() && of.news.is_none();
            ensure(told && of.instance == instance, Refusal::Moot)?;
        }
        Request::Retire { slot } => drop(known(slot)?),
        // A reading may have taken it away while a good broker asks.
        Request::Authenticate => ensure(table.pam, Refusal::Errno(Errno::EPERM))?,
        Request::Reread | Request::Ready | Request::AckSignal { .. } | Request::End(_) => {}
    }
    Ok(Act(request))
}

#[cfg(test)]
mod tests {
    use privsep::request::{End, Mode, Whom};

    use super::*;

    fn refused(phase: Phase, request: Request) -> bool {
        let (table, store) = (Table::default(), Store::new(1, 0, 0));
        matches!(admit(phase, request, &table, &store), Err(Refusal::Misbehaved))
    }

    #[test]
    fn nothing_but_ready_comes_first_and_it_comes_once() {
        assert!(!refused(Phase::Silent, Request::Ready));
        assert!(refused(Phase::Silent, Request::Spawn { slot: 0 }));
        assert!(refused(Phase::Silent, Request::End(End::Exit)));
        assert!(refused(Phase::Serving, Request::Ready));
    }

    #[test]
    fn what_the_table_does_not_name_is_refused() {
        for request in [
            Request::Spawn { slot: 0 },
            Request::Spawn { slot: 1 },
            Request::Probe { slot: 0 },
            Request::Signal { slot: 1, instance: 0, signo: 9, whom: Whom::Process },
            Request::OpenLog { log: 0, mode: Mode::Write },
            Request::RotateLog { log: u32::MAX },
            Request::ClearLog { log: 0 },
            Request::Ack { slot: 7, instance: 0 },
            Request::Retire { slot: 1 },
        ] {
            assert!(refused(Phase::Serving, request), "{request:?}");
        }
    }

    #[test]
    fn logins_are_for_who_has_a_pam_server() {
        let (mut table, store) = (Table::default(), Store::new(1, 0, 0));
        let verdict = admit(Phase::Serving, Request::Authenticate, &table, &store);
        assert!(matches!(verdict, Err(Refusal::Errno(Errno::EPERM))));
        assert!(refused(Phase::Silent, Request::Authenticate));
        table.pam = true;
        assert!(admit(Phase::Serving, Request::Authenticate, &table, &store).is_ok());
    }

    #[test]
    fn stale_instances_reach_nobody() {
        let (table, store) = (Table::default(), Store::new(1, 0, 0));
        let signal = Request::Signal { slot: 0, instance: 0, signo: 9, whom: Whom::Process };
        let verdict = admit(Phase::Serving, signal, &table, &store);
        assert!(matches!(verdict, Err(Refusal::Errno(Errno::ESRCH))));
        let ack = Request::Ack { slot: 0, instance: 0 };
        assert!(matches!(admit(Phase::Serving, ack, &table, &store), Err(Refusal::Moot)));
    }
}
