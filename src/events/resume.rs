//! What a new broker makes of what was under way when the last one died.

use super::seat::Seat;
use super::{Exchange, Input, Kept, Now, Output};

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
        for (slot, instance) in gone {
            self.handle(now, Input::Ended { slot, instance }, out);
        }
        for kept in under_way {
            self.settle(now, kept, out);
        }
        for Kept { slot, instance, running, .. } in kept.iter().copied() {
            self.handle(now, Input::Spawned { slot, instance }, out);
            self.handle(now, Input::Running { slot, instance, running }, out);
        }
        self.tick = self.state.ticks.next(now);
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
