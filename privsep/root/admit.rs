//! Root. The one table of powers: what a request may do in which phase.
//!
//! An [`Act`] exists only if it passed. It names things of the sealed table and nothing else.

use nix::errno::Errno;
use privsep::request::{End, Mode, Request, Whom};
use privsep::table::Table;

use crate::logfile::Task;
use crate::store::{Life, Store};

/// How far the broker is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Started; nothing but `Ready` is heard.
    Silent,
    Serving,
}

/// A permitted act.
pub struct Act(pub(crate) Kind);

/// What it does. Made here only.
pub enum Kind {
    Greet,
    Spawn {
        slot: u32,
    },
    Probe {
        slot: u32,
    },
    Signal {
        slot: u32,
        signo: u8,
        whom: Whom,
    },
    Log {
        log: u32,
        task: Task,
    },
    /// The file is open already: its description is handed out again.
    Hand {
        log: u32,
    },
    Free {
        slot: u32,
    },
    Heard {
        signo: u8,
    },
    End(End),
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
    if (phase == Phase::Silent) != (request == Request::Ready) {
        return Err(Refusal::Misbehaved);
    }
    let kind = match request {
        Request::Ready => Kind::Greet,
        Request::Spawn { slot } => spawn(slot, table, store)?,
        Request::Probe { slot } => {
            store.slot(slot).ok_or(Refusal::Misbehaved)?;
            Kind::Probe { slot }
        }
        Request::Signal { slot, instance, signo, whom } => {
            let of = store.slot(slot).ok_or(Refusal::Misbehaved)?;
            if of.instance != instance || of.live().is_none() {
                return Err(Refusal::Errno(Errno::ESRCH));
            }
            Kind::Signal { slot, signo, whom }
        }
        Request::OpenLog { log, mode } => open(log, mode, table, store)?,
        Request::RotateLog { log } => {
            Kind::Log { log: held(log, table, store)?, task: Task::Rotate }
        }
        Request::ClearLog { log } => Kind::Log { log: known(log, table)?, task: Task::Clear },
        Request::Ack { slot, instance } => {
            let of = store.slot(slot).ok_or(Refusal::Misbehaved)?;
            match of.life {
                Life::Ended(..) if of.instance == instance && !of.tell_exited => {
                    Kind::Free { slot }
                }
                _ => return Err(Refusal::Moot),
            }
        }
        Request::AckSignal { signo } => Kind::Heard { signo },
        Request::End(end) => Kind::End(end),
        Request::Reread | Request::Retire { .. } => return Err(Refusal::Errno(Errno::ENOSYS)),
    };
    Ok(Act(kind))
}

fn spawn(slot: u32, table: &Table, store: &Store) -> Result<Kind, Refusal> {
    let of = store.slot(slot).ok_or(Refusal::Misbehaved)?;
    if table.entry(slot).is_none_or(|entry| entry.argv.is_empty()) {
        return Err(Refusal::Misbehaved);
    }
    match of.life {
        Life::Idle => Ok(Kind::Spawn { slot }),
        _ => Err(Refusal::Errno(Errno::EBUSY)),
    }
}

fn open(log: u32, mode: Mode, table: &Table, store: &Store) -> Result<Kind, Refusal> {
    let log = known(log, table)?;
    Ok(match mode {
        Mode::Write if store.log(log).is_some() => Kind::Hand { log },
        Mode::Write | Mode::Reopen => Kind::Log { log, task: Task::Write },
        Mode::Read => Kind::Log { log, task: Task::Read },
    })
}

fn known(log: u32, table: &Table) -> Result<u32, Refusal> {
    table.log(log).map(|_| log).ok_or(Refusal::Misbehaved)
}

fn held(log: u32, table: &Table, store: &Store) -> Result<u32, Refusal> {
    let log = known(log, table)?;
    store.log(log).map(|_| log).ok_or(Refusal::Errno(Errno::EBADF))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(phase: Phase, request: Request) -> bool {
        let (table, store) = (Table::default(), Store::new(1, 0));
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
            Request::Probe { slot: 1 },
            Request::Signal { slot: 1, instance: 0, signo: 9, whom: Whom::Process },
            Request::OpenLog { log: 0, mode: Mode::Write },
            Request::RotateLog { log: u32::MAX },
            Request::ClearLog { log: 0 },
            Request::Ack { slot: 7, instance: 0 },
        ] {
            assert!(refused(Phase::Serving, request), "{request:?}");
        }
    }

    #[test]
    fn stale_instances_reach_nobody() {
        let (table, store) = (Table::default(), Store::new(1, 0));
        let signal = Request::Signal { slot: 0, instance: 0, signo: 9, whom: Whom::Process };
        let verdict = admit(Phase::Serving, signal, &table, &store);
        assert!(matches!(verdict, Err(Refusal::Errno(Errno::ESRCH))));
        let ack = Request::Ack { slot: 0, instance: 0 };
        assert!(matches!(admit(Phase::Serving, ack, &table, &store), Err(Refusal::Moot)));
    }
}
