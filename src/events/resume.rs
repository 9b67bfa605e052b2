//! What a new broker makes of what was under way when the last one died.

use super::seat::Seat;
use super::{Exchange, Input, Kept, Now, Output};
use crate::config::settings::Level;

impl Exchange {
    /// What is handed over to the new broker, all of it; settles what was under way. Its records and outputs are as
    /// those of [`handle`](Exchange::handle).
    pub fn resume(&mut self, now: Now, kept: &[Kept], out: &mut Vec<Output>) {
        let seats = self.state.pools.iter().flat_map(|pool| &pool.seats);
        let of = |seat: &&Seat| {
            let same = |kept: &&Kept| (kept.slot, kept.instance) == (seat.slot, seat.instance);
            kept.iter().find(same)
        };
        let alive: Vec<&Seat> = seats.filter(|seat| seat.alive).collect();
        let gone = alive.iter().filter(|seat| of(seat).is_none());
        let gone: Vec<_> = gone.map(|seat| (seat.slot, seat.instance)).collect();
        // What was under way before anything else is handed out.
        let under_way = alive.iter().filter(|seat| seat.has_business());
        let under_way: Vec<_> = under_way.filter_map(of).copied().collect();

        for Kept { slot, instance, .. } in kept.iter().copied().filter(|kept| !kept.running) {
            self.handle(now, Input::Running { slot, instance, running: false }, out);
        }
        // Those must not be handed anything.
        for kept in kept {
            let Kept { slot, instance, .. } = *kept;
            if self.is_stray(kept) {
                self.handle(now, Input::Broken { slot, instance }, out);
            }
        }
        for (slot, instance) in gone {
            self.handle(now, Input::Ended { slot, instance }, out);
        }
        for kept in under_way {
            self.settle(now, kept, out);
        }
        self.adopt(now, kept, out);
        self.tick = self.state.ticks.next(now);
    }

    /// Makes all of these known, where they are not: after the pools, which the tape may not have had.
    pub fn adopt(&mut self, now: Now, kept: &[Kept], out: &mut Vec<Output>) {
        for kept in kept {
            let Kept { slot, instance, running, .. } = *kept;
            self.handle(now, Input::Spawned { slot, instance }, out);
            if self.is_stray(kept) {
                self.handle(now, Input::Broken { slot, instance }, out);
            }
            self.handle(now, Input::Running { slot, instance, running }, out);
        }
    }

    /// Whether something is staged though nothing is on its way: the next event would be torn.
    fn is_stray(&self, kept: &Kept) -> bool {
        let idle = |seat: &Seat| seat.instance == kept.instance && seat.sending.is_none();
        kept.staged > 0 && self.seat(kept.slot).is_some_and(idle)
    }

    /// What these listeners are at is not known, and what a former broker left of them is not believed: all are to be
    /// started again. There are no records of that; the tape is to start over.
    pub fn doubt(&mut self, kept: &[Kept], out: &mut Vec<Output>) {
        let says = self.says(Level::Warn);
        for seat in self.state.pools.iter_mut().flat_map(|pool| &mut pool.seats) {
            let same = |kept: &Kept| (kept.slot, kept.instance) == (seat.slot, seat.instance);
            if seat.alive && kept.iter().any(same) {
                out.extend(seat.doubt());
                let text = format!(
                    "{}: is stopped and started again now, what it was at is not known",
                    seat.name
                );
                out.extend(says.then_some(Output::Log(Level::Warn, text)));
            }
        }
    }

    /// Goes on with what was on its way to a listener.
    fn settle(&mut self, now: Now, kept: Kept, out: &mut Vec<Output>) {
        let Kept { slot, instance, staged: in_pipe, .. } = kept;
        let Some(seat) = self.seat(slot) else {
            return;
        };
        out.extend(seat.restart_again());
        match (&seat.sending, in_pipe) {
            (None, _) => {}
            // It was about to be written and was not.
            (Some(sending), 0) if !sending.staged => out.extend(seat.round()),
            // It was written, and nobody could say so.
            (Some(sending), more) if !sending.staged => {
                let done = sending.done.saturating_add(more);
                self.handle(now, Input::Staged { slot, instance, done }, out);
            }
            (Some(_), 0) => self.handle(now, Input::Spliced { slot, instance }, out),
            (Some(_), _) => out.push(seat.splice()),
        }
    }
}
