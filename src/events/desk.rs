//! What all pools share while an input is dealt with: the time, the bytes that they hold, the outputs.

use super::seat::Item;
use super::{Now, Output};
use crate::config::settings::Level;

/// Bytes of events that all pools hold at most, of what waits: the tape has room for as much when it starts over.
pub(super) const HELD: usize = 48 << 20;

pub(super) struct Desk<'a> {
    pub now: Now,
    /// The daemon's identifier.
    pub server: &'a str,
    /// Lines below are not made.
    pub level: Level,
    /// Bytes of all events that wait or are with a listener.
    pub held: &'a mut usize,
    pub out: &'a mut Vec<Output>,
}

impl Desk<'_> {
    pub(super) fn log(&mut self, level: Level, text: impl FnOnce() -> String) {
        if level >= self.level {
            self.out.push(Output::Log(level, text()));
        }
    }

    /// An event is held from now on.
    pub(super) fn hold(&mut self, item: &Item) {
        *self.held = self.held.saturating_add(item.weight());
    }

    /// Whether a good part of the room for all events is free.
    pub(super) fn roomy(&self) -> bool {
        *self.held <= HELD / 4 * 3
    }

    /// An event is held no longer.
    pub(super) fn release(&mut self, item: &Item) {
        *self.held = self.held.saturating_sub(item.weight());
    }
}
