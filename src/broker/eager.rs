//! Looking out for an answer that is about to come, instead of going to sleep for a few microseconds.

use std::cell::Cell;
use std::time::{Duration, Instant};

use privsep::request::Slot;

use super::Broker;

/// How soon a listener answers that has a processor of its own, which is awake, and little to do: sooner than we could
/// go to sleep and be woken.
const SOON: Duration = Duration::from_micros(25);
/// How long is looked out: its processor may have gone to sleep, and is kept awake by quick questions from then on.
const LOOK: Duration = Duration::from_micros(100);
/// So many answers in a row may come later than soon.
const LATE: u32 = 8;
/// For how long nothing is looked out for after a look in vain, and after many: such listeners take longer, or have no
/// processor.
const FIRST_PASS: Duration = Duration::from_millis(1);
const LONGEST_PASS: Duration = Duration::from_millis(64);
/// So many answers in a row at most, before anything else has its turn.
const IN_A_ROW: u32 = 64;

/// When it is worth it to look out.
#[derive(Default)]
pub(super) struct Eager {
    /// The listener that has just been sent something, where more waits for it.
    sent: Cell<Option<Slot>>,
    /// Nothing is looked out for until then.
    pass: Cell<Option<Instant>>,
    /// How long that was.
    passed: Cell<Duration>,
    /// Answers in a row that came late.
    late: Cell<u32>,
    in_a_row: Cell<u32>,
}

impl Eager {
    /// A listener has been sent something, and more waits for it.
    pub(super) fn sent(&self, slot: Slot) {
        self.sent.set(Some(slot));
    }

    /// The loop has had its turn: nobody looks out for what was sent before.
    pub(super) fn rested(&self) {
        self.in_a_row.set(0);
        self.sent.set(None);
    }

    /// Whose answer may be there already.
    fn asked(&self) -> Option<Slot> {
        self.sent.take().filter(|_| self.in_a_row.get() < IN_A_ROW)
    }

    /// Whether it is worth it to wait for it.
    fn may_look(&self, now: Instant) -> bool {
        self.pass.get().is_none_or(|until| until <= now)
    }

    fn answered(&self) {
        self.in_a_row.set(self.in_a_row.get().saturating_add(1));
    }

    /// Looked out for since then, and seen.
    fn seen(&self, began: Instant, now: Instant) {
        self.answered();
        if now.duration_since(began) <= SOON {
            self.late.set(0);
            self.passed.set(Duration::ZERO);
            return;
        }
        self.late.set(self.late.get().saturating_add(1));
        if self.late.get() >= LATE {
            self.in_vain(now);
        }
    }

    fn in_vain(&self, now: Instant) {
        let pass = self.passed.get().saturating_mul(2).clamp(FIRST_PASS, LONGEST_PASS);
        self.passed.set(pass);
        self.late.set(0);
        self.pass.set(now.checked_add(pass));
    }
}

impl Broker {
    /// Looks out for answers of listeners; says whether something has come. What was reported is in `tokens`.
    pub(super) fn look_out(&self, tokens: &mut Vec<u64>) -> bool {
        let eager = &self.eager;
        let Some(slot) = eager.asked() else {
            return false;
        };
        let began = Instant::now();
        // Often it had our processor, and has answered meanwhile.
        if self.state.borrow_mut().logs.take_answer(slot, began) {
            eager.answered();
            return true;
        }
        while eager.may_look(began) {
            if self.watch.poll(tokens) {
                eager.seen(began, Instant::now());
                return true;
            }
            let now = Instant::now();
            if now.duration_since(began) >= LOOK {
                eager.in_vain(now);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_bounded() {
        let eager = Eager::default();
        assert_eq!(eager.asked(), None, "nothing was sent");
        eager.sent(7);
        assert_eq!((eager.asked(), eager.asked()), (Some(7), None));
        for _ in 0..IN_A_ROW {
            eager.answered();
        }
        eager.sent(7);
        assert_eq!(eager.asked(), None, "others have their turn");
        eager.sent(7);
        eager.rested();
        assert_eq!(eager.asked(), None, "what was sent long ago is not looked out for");
        eager.sent(7);
        assert_eq!(eager.asked(), Some(7));
    }

    #[test]
    fn looks_in_vain_become_rare() {
        let (eager, mut now) = (Eager::default(), Instant::now());
        let mut look = |vain: bool| {
            let began = now;
            while !eager.may_look(now) {
                now += FIRST_PASS / 2;
            }
            if vain {
                eager.in_vain(now);
            } else {
                eager.seen(now, now + SOON);
            }
            now.duration_since(began) / FIRST_PASS.as_millis() as u32
        };
        let ms = Duration::from_millis;
        let passes = [true; 9].map(&mut look);
        assert_eq!(passes, [0, 1, 2, 4, 8, 16, 32, 64, 64].map(ms));
        look(false);
        assert_eq!([true, true].map(look), [0, 1].map(ms));
    }

    #[test]
    fn late_answers_are_not_looked_out_for_for_long() {
        let (eager, now) = (Eager::default(), Instant::now());
        for _ in 0..3 {
            for _ in 1..LATE {
                eager.seen(now, now + LOOK);
            }
            assert!(eager.may_look(now));
            eager.seen(now, now + SOON);
        }
        for _ in 0..LATE {
            eager.seen(now, now + LOOK);
        }
        assert!(!eager.may_look(now) && eager.may_look(now + LOOK + FIRST_PASS));
    }
}
