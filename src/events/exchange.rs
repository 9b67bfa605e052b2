//! The exchange: takes inputs in, hands events to pools and pools' events to listeners.

use std::time::Duration;

use privsep::journal::Payload;
use privsep::request::{Instance, Slot};

use super::{Channel, Input, Kept, Kind, Kinds, Now, Output};
use crate::config::settings::Level;

/// All pools with what waits in them, and their listeners.
///
/// A step: [`handle`](Exchange::handle), [`commit_cells`](Exchange::commit_cells) where cells of the journal change with
/// it, [`records`](Exchange::records); these on the tape; then the cells, then the outputs.
#[derive(Debug)]
pub struct Exchange {
    identifier: String,
    wanted: Kinds,
    level: Level,
    pending: Vec<u8>,
    cells: Vec<(usize, Payload)>,
}

impl Exchange {
    /// Without pools. `identifier` is the daemon's, as headers have it; `serial` is the number of the first event.
    /// A tape begins with its [`snapshot`](Exchange::snapshot).
    pub fn new(identifier: &str, serial: u64) -> Exchange {
        let _ = serial;
        Exchange {
            identifier: identifier.to_owned(),
            wanted: Kinds::NONE,
            level: Level::Debug,
            pending: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// What a former broker left on its tape. Any bytes give an exchange: what comes after a record that is broken does
    /// not count, and an empty tape gives a new one. [`resume`](Exchange::resume) is to come next, then the pools.
    pub fn restore(identifier: &str, tape: &[u8]) -> Exchange {
        let _ = tape;
        Exchange::new(identifier, 0)
    }

    /// What is handed over to the new broker, all of it; settles what was under way. Its records and outputs are as
    /// those of [`handle`](Exchange::handle).
    pub fn resume(&mut self, now: Now, kept: &[Kept], out: &mut Vec<Output>) {
        let _ = (now, kept, out);
    }

    /// Lines below this level are not made. At first it is [`Level::Debug`]: all are.
    pub fn log_from(&mut self, level: Level) {
        self.level = level;
    }

    /// Deals with one input and appends what is to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        let _ = (now, input, out);
    }

    /// Cells of the journal that change in this step: they and the events go to the tape together, or neither does. A
    /// cell that has gone this way once may be written in no other: [`redo`](Exchange::redo) would undo it.
    pub fn commit_cells(&mut self, cells: &[(usize, Payload)]) {
        self.cells.extend_from_slice(cells);
    }

    /// What has to be appended to the tape, as one piece, before the outputs are carried out; empty when nothing
    /// changed. When it finds no room, the tape starts over with [`snapshot`](Exchange::snapshot) in its place.
    pub fn records(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    /// All of it, the last step included: what a tape that starts over begins with.
    pub fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    /// After [`restore`](Exchange::restore): the cells of the last step on the tape, which may not have been written.
    pub fn redo(&self) -> &[(usize, Payload)] {
        &self.cells
    }

    /// When [`Input::Timer`] is due, on the clock of [`Now::mono`]. May lie in the past. Nothing is due while no pool
    /// asks for ticks, no rejected event waits for a listener that is ready, and no listener waits for its restart.
    pub fn next(&self) -> Option<Duration> {
        None
    }

    /// Whether any pool is subscribed: other events need not be made.
    pub fn wants(&self, kind: Kind) -> bool {
        self.wanted.has(kind)
    }

    /// The number of the last chunk of a stream that was taken in; 0 before the first.
    pub fn turn(&self, slot: Slot, channel: Channel, instance: Instance) -> u32 {
        let _ = (&self.identifier, slot, channel, instance);
        0
    }

    /// The number that the next event will have.
    pub fn serial(&self) -> u64 {
        0
    }
}
