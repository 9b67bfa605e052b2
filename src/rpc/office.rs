//! What the methods need of the broker.

use std::fs::File;
use std::future::Future;
use std::io;
use std::rc::Rc;

use jiff::tz::TimeZone;
use policy::access::{Access, Action, Permit};
use policy::audit::Record;
use privsep::request::Slot;

use crate::config::settings::{Level, Process, Settings};
use crate::process::{Command, Heart, Now, Outcome};

/// Why a group was not put in or out of force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmoved {
    /// There is no such group.
    Unknown,
    /// It is in force already.
    InForce,
    /// A process of it is not stopped.
    Running,
}

/// Why text was not written to a program's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritten {
    /// Nothing reads it any more.
    Closed,
    /// As much as may wait for a program, or for all of them, is waiting.
    Full {
        /// How many bytes wait for this one.
        waiting: usize,
    },
}

/// The broker as the methods see it. The loop implements it; tests have one of their own.
///
/// What has an effect, or shows what is in a file, takes the proof that the caller may have it: nobody gets there without
/// a decision. [`super::guard::Guard`] asks for those.
pub trait Office {
    /// The settings in force at this moment.
    fn settings(&self) -> Rc<Settings>;
    /// The settings of the last reading that was accepted.
    fn latest(&self) -> Rc<Settings>;
    /// Whether the AUTO logs of a group of the last reading have their files.
    fn has_logs(&self, group: &str) -> bool;
    /// Whether the settings in force of a slot are such as have been read, not what a former broker has left.
    fn vouches(&self, _slot: Slot) -> bool {
        true
    }
    /// The rules in force.
    fn access(&self) -> Rc<Access>;
    /// Tells the audit writer.
    fn audit(&self, record: Record);
    /// Whether what is told to the audit writer now gets there. While it does not, nothing that changes anything is to
    /// be begun. Always true where there is no audit log.
    fn audit_ready(&self) -> bool {
        true
    }
    /// The time.
    fn now(&self) -> Now;
    /// The local time zone, made once from [`Settings::zone`].
    fn zone(&self) -> &TimeZone;
    /// The daemon's process id: the spawner's.
    fn pid(&self) -> i32;
    /// Looks at the state of the processes. Not called from inside itself.
    fn heart<R>(&self, look: impl FnOnce(&Heart) -> R) -> R;
    /// Carries out a command and waits for its answer; there is a permit for each of its processes.
    fn command(&self, permits: &[Permit], command: Command) -> impl Future<Output = Vec<Outcome>>;
    /// Writes to the standard input of what runs in this slot: all of it, at once or as soon as it is read, or nothing.
    fn write_stdin(&self, permit: &Permit, slot: Slot, bytes: &[u8]) -> Result<(), Unwritten>;
    /// Sends a message of this kind to the event listeners that want it.
    fn announce(&self, permit: &Permit, kind: &str, data: &str);
    /// Opens a log file for reading. Fails with `NotFound` where there is no file.
    fn open_log(&self, permit: &Permit, log: u32) -> impl Future<Output = io::Result<File>>;
    /// The size in bytes of a file that [`Office::open_log`] gave, at this moment.
    fn log_size(&self, file: &File) -> io::Result<u64>;
    /// Empties a log file.
    fn clear_log(&self, permit: &Permit, log: u32) -> impl Future<Output = io::Result<()>>;
    /// Writes a line to the activity log.
    fn note(&self, level: Level, text: String);
    /// Has the configuration read. Fails with what is wrong with it, in a line.
    fn reread(&self, permit: &Permit) -> impl Future<Output = Result<(), String>>;
    /// Puts a group of the last reading in force; those of its processes that start by themselves start. There is a permit for
    /// each of its processes.
    fn add_group(&self, permits: &[Permit], name: &str) -> Result<(), Unmoved>;
    /// Puts a group out of force. There is a permit for each of its processes.
    fn remove_group(&self, permits: &[Permit], name: &str) -> Result<(), Unmoved>;
    /// Begins the orderly stop of everything, in order to start over, if the configuration is good. Fails with what is
    /// wrong with it, in a line.
    fn restart(&self, permit: &Permit) -> impl Future<Output = Result<(), String>>;
    /// Begins the orderly stop of everything.
    fn shutdown(&self, permit: &Permit);
}

/// Whether a permit is for what is done to the process of a slot. Where the last reading calls that by another name than the
/// settings in force, it is for one of the two: both have been asked about.
pub(crate) fn is_about(office: &impl Office, permit: &Permit, slot: Slot) -> bool {
    [office.settings(), office.latest()].iter().any(|settings| {
        settings.process(slot).is_some_and(|process| permit.is_for(&process.group, &process.name))
    })
}

/// Whether a permit is for a log: that of a process which it is for, or the daemon's.
pub(crate) fn is_about_log(office: &impl Office, permit: &Permit, log: u32) -> bool {
    let own = |settings: &Settings| settings.activity.log == Some(log);
    let its = |process: &Process| [process.stdout.log, process.stderr.log].contains(&Some(log));
    [office.settings(), office.latest()].iter().any(|settings| {
        let mut slots = settings.processes.iter().filter(|(_, process)| its(process));
        match permit.action() {
            Action::Admin => own(settings) && permit.is_for_daemon(),
            _ => slots.any(|(slot, _)| is_about(office, permit, *slot)),
        }
    })
}

/// Whether permits are those for a command: one for each process, for what is done to it; for a restart two, one for the
/// stop and one for the start.
pub(crate) fn fit(office: &impl Office, permits: &[Permit], command: &Command) -> bool {
    let each = |slots: &[Slot], many: usize| {
        let about = |(slot, permits): (&Slot, &[Permit])| {
            permits.iter().all(|permit| is_about(office, permit, *slot))
        };
        permits.len() == slots.len().saturating_mul(many)
            && slots.iter().zip(permits.chunks(many)).all(about)
    };
    let all = |slots: &[Slot], action| {
        each(slots, 1) && permits.iter().all(|permit| permit.action() == action)
    };
    match command {
        Command::Start { slots, .. } => all(slots, Action::Start),
        Command::Stop { slots, .. } => all(slots, Action::Stop),
        Command::Signal { slots, signo } => all(slots, Action::Signal(*signo)),
        Command::Restart { slots, .. } => {
            let fits = |both: &[Permit]| match both {
                [stop, start] => matches!(
                    (stop.action(), start.action()),
                    (Action::Restart, Action::Restart) | (Action::Stop, Action::Start)
                ),
                _ => false,
            };
            each(slots, 2) && permits.chunks(2).all(fits)
        }
    }
}

/// Whether permits are those for putting a group of these settings in or out of force: one for each of its processes. One that
/// has no processes takes an admin.
pub(crate) fn move_groups(
    office: &impl Office,
    permits: &[Permit],
    settings: &Settings,
    name: &str,
) -> bool {
    let slots = settings.group(name).map_or(&[][..], |group| &group.slots);
    match (slots, permits) {
        ([], [permit]) => permit.action() == Action::Admin && permit.is_for_daemon(),
        ([], _) => false,
        (slots, permits) => {
            let fits = |(slot, permit): (&Slot, &Permit)| {
                permit.action() == Action::Config && is_about(office, permit, *slot)
            };
            slots.len() == permits.len() && slots.iter().zip(permits).all(fits)
        }
    }
}
