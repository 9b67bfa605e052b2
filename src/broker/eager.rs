//! Looking out for an answer that is about to come, instead of going to sleep for a few microseconds.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::Broker;

/// How long is looked out. A listener that has a processor of its own and little to do answers sooner.
const LOOK: Duration = Duration::from_micros(25);
/// After a look in vain, so many chances are passed over: such listeners take longer, or have no processor.
const PASS: u32 = 100;
/// So many answers in a row at most, before anything else has its turn.
const IN_A_ROW: u32 = 64;

/// When it is worth it to look out.
#[derive(Default)]
pub(super) struct Eager {
    /// A listener has just been sent something.
    sent: Cell<bool>,
    pass: Cell<u32>,
    in_a_row: Cell<u32>,
}

impl Eager {
    /// A listener has been sent something.
    pub(super) fn sent(&self) {
        self.sent.set(true);
    }

    /// The loop has had its turn: nobody looks out for what was sent before.
    pub(super) fn rested(&self) {
        self.in_a_row.set(0);
        self.sent.set(false);
    }

    fn may(&self) -> bool {
        if !self.sent.take() || self.in_a_row.get() >= IN_A_ROW {
            return false;
        }
        let pass = self.pass.get();
        self.pass.set(pass.saturating_sub(1));
        pass == 0
    }
}

impl Broker {
    /// Looks out for answers of listeners; says whether something has come.
    pub(super) fn look_out(&self, tokens: &mut Vec<u64>) -> bool {
        let eager = &self.eager;
        if !eager.may() {
            return false;
        }
        let until = Instant::now() + LOOK;
        loop {
            if self.watch.poll(tokens) {
                eager.in_a_row.set(eager.in_a_row.get().saturating_add(1));
                return true;
            }
            if Instant::now() >= until {
                eager.pass.set(PASS);
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_bounded() {
        let eager = Eager::default();
        assert!(!eager.may(), "nothing was sent");
        eager.sent();
        assert!(eager.may() && !eager.may());
        eager.pass.set(2);
        let mut looks = Vec::new();
        for _ in 0..4 {
            eager.sent();
            looks.push(eager.may());
        }
        assert_eq!(looks, [false, false, true, true]);
        eager.in_a_row.set(IN_A_ROW);
        eager.sent();
        assert!(!eager.may());
        eager.sent();
        eager.rested();
        assert!(!eager.may(), "what was sent long ago is not looked out for");
        eager.sent();
        assert!(eager.may());
    }
}
