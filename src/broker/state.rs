//! What the broker knows while it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::time::Instant;

use privsep::request::{Instance, Log, Mode, Request, Slot};
use tokio::sync::oneshot;

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
    pub(super) activity: Activity,
    pub(super) pending: HashMap<u32, Pending>,
    pub(super) tickets: HashMap<Ticket, oneshot::Sender<Vec<Outcome>>>,
    pub(super) last_ticket: u64,
    /// Slots whose start waits for logs to be opened, and which.
    pub(super) parked: BTreeMap<Slot, BTreeSet<Log>>,
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
    /// The end is to be a new beginning.
    pub(super) restart: bool,
}

impl State {
    pub(super) fn new(heart: Heart, logs: Logs, activity: Activity, restart: bool) -> State {
        State {
            heart,
            logs,
            activity,
            pending: HashMap::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            parked: BTreeMap::new(),
            opening: BTreeSet::new(),
            unopened: BTreeSet::new(),
            reopen_at: None,
            again: Vec::new(),
            again_at: None,
            exits: BTreeMap::new(),
            complete: false,
            restart,
        }
    }
}
