//! Memory for answers: who makes a long one asks first.

use super::fault::{Code, Fault};

/// Counts the memory that the answer to a request takes while it is made.
pub trait Room {
    /// Whether there is room for this many bytes more.
    fn fits(&self, bytes: usize) -> bool;
    /// Counts this many bytes more. They are there, so they count, room or not.
    fn hold(&self, bytes: usize);
}

/// Room without end, for answers that are short whatever is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ample;

impl Room for Ample {
    fn fits(&self, _: usize) -> bool {
        true
    }

    fn hold(&self, _: usize) {}
}

/// Refuses what there is no room for.
pub(super) fn check(room: &dyn Room, bytes: usize) -> Result<(), Fault> {
    if room.fits(bytes) {
        return Ok(());
    }
    let text = "too many long answers are under way; ask again later, or for less at a time";
    Err(Fault::new(Code::Failed).with(text))
}
