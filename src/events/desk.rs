//! What all pools share while an input is dealt with: the time, the bytes that they hold, the outputs.

use super::seat::Item;
use super::{Now, Output};
use crate::config::settings::Level;

/// Bytes of events that all pools hold at most: the tape has room for as much when it starts over.
pub(super) const HELD: usize = 48 << 20;
/// Bytes that may wait whatever listeners have: one that never answers keeps no event from others.
const ASSURED: usize = HELD / 4;
/// The longest payload that is taken, in bytes.
pub(super) const LONGEST: usize = 4 << 20;

/// Bytes of all events that pools hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    /// Of those that wait and of those that are with a listener.
    pub all: usize,
    /// Of those that wait.
    pub waiting: usize,
}

impl Held {
    /// How much may wait.
    fn room(self) -> usize {
        HELD.saturating_sub(self.all.saturating_sub(self.waiting)).max(ASSURED)
    }

    /// Whether more waits than may.
    pub(super) fn is_over(self) -> bool {
        self.waiting > self.room()
    }
}

pub(super) struct Desk<'a> {
    pub now: Now,
    /// The daemon's identifier.
    pub server: &'a str,
    /// Lines below are not made.
    pub level: Level,
    pub held: &'a mut Held,
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
        self.held.all = self.held.all.saturating_add(item.weight());
    }

    /// It waits from now on.
    pub(super) fn queue(&mut self, item: &Item) {
        self.held.waiting = self.held.waiting.saturating_add(item.weight());
    }

    /// So many bytes wait no longer.
    pub(super) fn unqueue(&mut self, weight: usize) {
        self.held.waiting = self.held.waiting.saturating_sub(weight);
    }

    /// Whether a good part of the room for what waits is free.
    pub(super) fn roomy(&self) -> bool {
        self.held.waiting <= self.held.room() / 4 * 3
    }

    /// An event is held no longer.
    pub(super) fn release(&mut self, item: &Item) {
        self.held.all = self.held.all.saturating_sub(item.weight());
    }
}
