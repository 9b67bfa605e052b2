//! What the broker knows while it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use privsep::request::{Instance, Log, Mode, Request, Slot};
use tokio::sync::oneshot;

use super::leftover::Leftover;
use super::parked::Parked;
use super::reread::Readings;
use super::signals::Wish;
use super::stdin::Inputs;
use crate::config::settings::Settings;
use crate::events::Kept;
use crate::logs::Logs;
use crate::logs::activity::Activity;
use crate::process::{Heart, Outcome, Ticket};

/// What an answer of the spawner is for.
pub(super) enum Pending {
    /// A signal, so that a refusal reaches the heart.
    Signal {
        slot: Slot,
        instance: Instance,
    },
    /// A log for writing.
    Open(Log, Mode),
    /// A log for writing, opened by name once more.
    Reopen(Log),
    /// A log for reading.
    Read(oneshot::Sender<io::Result<File>>),
    Rotate(Log),
    /// A log that is to be cleared, opened by name once more before.
    ReopenToClear(Log, oneshot::Sender<io::Result<()>>),
    Clear(Log, oneshot::Sender<io::Result<()>>),
    /// A reading of the configuration.
    Reread,
    /// A PAM helper.
    Helper(oneshot::Sender<io::Result<OwnedFd>>),
}

/// An exit that waits for its pipes.
pub(super) struct Exit {
    pub(super) instance: Instance,
    pub(super) status: i32,
    pub(super) at: u64,
}

pub(super) struct State {
    pub(super) heart: Heart,
    pub(super) logs: Logs,
    pub(super) stdin: Inputs,
    pub(super) activity: Activity,
    pub(super) pending: HashMap<u32, Pending>,
    pub(super) tickets: HashMap<Ticket, oneshot::Sender<Vec<Outcome>>>,
    pub(super) last_ticket: u64,
    pub(super) leftover: Leftover,
    /// Starts that wait for logs to be opened.
    pub(super) parked: Parked,
    /// Logs that the spawner is opening.
    pub(super) opening: BTreeSet<Log>,
    /// Logs of running programs that could not be opened, and when they are tried again.
    pub(super) unopened: BTreeSet<Log>,
    pub(super) reopen_at: Option<Instant>,
    /// What the spawner was asked for while it was busy with that log, and when it is asked again.
    pub(super) again: Vec<(Request, Pending)>,
    pub(super) again_at: Option<Instant>,
    pub(super) exits: BTreeMap<Slot, Exit>,
    /// All that ran before has been handed back.
    pub(super) complete: bool,
    /// Listeners that were handed back.
    pub(super) kept: Vec<Kept>,
    /// What is to become of the daemon.
    pub(super) wish: Wish,
    /// The last reading that was accepted.
    pub(super) latest: Rc<Settings>,
    pub(super) readings: Readings,
    /// Groups of the last reading whose AUTO logs have their files.
    pub(super) made: BTreeSet<String>,
    /// Slots whose settings are as a former broker left them, and not in the reading that this one began with.
    pub(super) unvouched: BTreeSet<Slot>,
    /// Slots that the spawner has entries for, as far as we know.
    pub(super) known: BTreeSet<Slot>,
    /// Slots of added groups, before those that start by themselves do.
    pub(super) fresh: Vec<Slot>,
    /// The journal has settings. Before the first change it needs none: those of the first reading are in force.
    pub(super) written: bool,
    /// It does not have those in force.
    pub(super) unwritten: bool,
    /// When what the last changes of groups leave to be done is done.
    pub(super) settle_at: Option<Instant>,
    /// When the first of those changes was made.
    pub(super) gathered_since: Option<Instant>,
}

impl State {
    pub(super) fn new(
        heart: Heart,
        logs: Logs,
        stdin: Inputs,
        activity: Activity,
        latest: Rc<Settings>,
    ) -> State {
        State {
            heart,
            logs,
            stdin,
            activity,
            pending: HashMap::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            leftover: Leftover::default(),
            parked: Parked::default(),
            opening: BTreeSet::new(),
            unopened: BTreeSet::new(),
            reopen_at: None,
            again: Vec::new(),
            again_at: None,
            exits: BTreeMap::new(),
            complete: false,
            kept: Vec::new(),
            wish: Wish::End,
            readings: Readings::default(),
            made: latest.groups.iter().map(|group| group.name.clone()).collect(),
            unvouched: BTreeSet::new(),
            known: latest.processes.keys().copied().collect(),
            latest,
            fresh: Vec::new(),
            written: false,
            unwritten: false,
            settle_at: None,
            gathered_since: None,
        }
    }
}
