//! What clients ask for: the order of the tests, and who is told when.

use std::collections::VecDeque;

use privsep::reply::{Failure, Stage};
use privsep::request::{Request, Slot};

use super::desk::{Candidate, Desk, Errand, Restart};
use super::proc::Proc;
use super::{Command, Heart, Now, Output, Ticket, Trouble, texts};

impl Heart {
    pub(super) fn command(
        &mut self,
        now: Now,
        ticket: Ticket,
        command: Command,
        out: &mut Vec<Output>,
    ) {
        let (slots, wait) = match &command {
            Command::Start { slots, wait }
            | Command::Stop { slots, wait }
            | Command::Restart { slots, wait } => (slots, *wait),
            Command::Signal { slots, .. } => (slots, true),
        };
        if slots.is_empty() {
            return out.push(Output::Reply(ticket, Vec::new()));
        }
        let id = self.book.last_errand.wrapping_add(1);
        self.book.last_errand = id;
        let errand = Errand {
            ticket,
            wait,
            left: slots.len(),
            restart: match &command {
                Command::Restart { slots, .. } => Some(Restart::Stops(slots.clone())),
                _ => None,
            },
            outcomes: Vec::new(),
            places: slots.iter().copied().zip(0..).collect(),
            line: VecDeque::new(),
        };
        self.book.errands.insert(id, errand);
        match command {
            Command::Start { slots, .. } => self.line_up(now, id, &slots, out),
            Command::Stop { slots, wait } => {
                self.each(now, id, &slots, out, |p, d| p.stop_for(d, id, wait));
                for slot in slots {
                    self.with(slot, now, out, Proc::report_stop);
                }
            }
            Command::Restart { slots, .. } => {
                self.each(now, id, &slots, out, |p, d| p.restart_for(d, id));
                for slot in slots {
                    self.with(slot, now, out, Proc::report_stop);
                }
            }
            Command::Signal { slots, signo } => {
                self.each(now, id, &slots, out, |p, d| p.signal_for(d, id, signo));
            }
        }
    }

    /// Restarts of which all stops are done begin to start.
    pub(super) fn go_on(&mut self, now: Now, out: &mut Vec<Output>) {
        for id in std::mem::take(&mut self.book.stopped) {
            let Some(errand) = self.book.errands.get_mut(&id) else {
                continue;
            };
            let stops = Restart::Starts(errand.take_outcomes());
            if let Some(Restart::Stops(slots)) = errand.restart.replace(stops) {
                errand.left = slots.len();
                self.line_up(now, id, &slots, out);
            }
        }
    }

    /// Lets each process act; slots that do not exist have their outcome at once.
    fn each(
        &mut self,
        now: Now,
        id: u64,
        slots: &[Slot],
        out: &mut Vec<Output>,
        act: impl Fn(&mut Proc, &mut Desk<'_>),
    ) {
        for &slot in slots {
            if self.state(slot).is_some() {
                self.with(slot, now, out, &act);
            } else {
                let text = format!("there is no process number {slot}");
                self.outcome(now, id, slot, Err(Trouble::Failed(text)), out);
            }
        }
    }

    fn outcome(
        &mut self,
        now: Now,
        id: u64,
        slot: Slot,
        result: Result<(), Trouble>,
        out: &mut Vec<Output>,
    ) {
        let book = &mut self.book;
        Desk { now, book, out }.outcome(id, slot, result);
    }

    /// Begins a start: the executables are looked at first, then each process starts in its turn.
    fn line_up(&mut self, now: Now, id: u64, slots: &[Slot], out: &mut Vec<Output>) {
        for &slot in slots {
            // A wrong command needs no look at the file; nor does a slot that does not exist.
            let known = self.procs.get(&slot);
            let look = known.is_some_and(|p| p.rule.command_error.is_none());
            let probe = if look && !self.shutting_down() { None } else { Some(None) };
            if let Some(errand) = self.book.errands.get_mut(&id) {
                errand.line.push_back(Candidate { slot, probe });
            }
            if probe.is_none() {
                let waiting = self.book.probes.entry(slot).or_default();
                if waiting.is_empty() {
                    out.push(Output::Ask(Request::Probe { slot }));
                }
                if waiting.last() != Some(&id) {
                    waiting.push(id);
                }
            }
        }
        self.move_up(now, id, out);
    }

    /// The spawner looked at an executable.
    pub(super) fn probed(
        &mut self,
        now: Now,
        slot: Slot,
        failure: Option<Failure>,
        out: &mut Vec<Output>,
    ) {
        for id in self.book.probes.remove(&slot).unwrap_or_default() {
            let line = self.book.errands.get_mut(&id).map(|e| &mut e.line);
            for candidate in line.into_iter().flatten() {
                if candidate.slot == slot {
                    candidate.probe = Some(failure);
                }
            }
            self.move_up(now, id, out);
        }
    }

    /// Starts those at the head of the line whose executable has been looked at.
    fn move_up(&mut self, now: Now, id: u64, out: &mut Vec<Output>) {
        while let Some(errand) = self.book.errands.get_mut(&id)
            && let Some(&Candidate { slot, probe: Some(failure) }) = errand.line.front()
        {
            errand.line.pop_front();
            let (wait, restart) = (errand.wait, errand.restart.is_some());
            self.each(now, id, &[slot], out, |p, d| match unfit(p, failure) {
                _ if restart && !p.is_due(d) => {
                    d.prompt(id, p.slot, Err(Trouble::AbnormalTermination))
                }
                Some(trouble) if !d.is_stopping() => d.prompt(id, p.slot, Err(trouble)),
                _ => p.start_for(d, id, wait),
            });
        }
    }

    /// Answers the starts that still wait for a look at their executable.
    pub(super) fn cancel_starts(&mut self, now: Now, out: &mut Vec<Output>) {
        for (slot, waiting) in std::mem::take(&mut self.book.probes) {
            self.book.probes.insert(slot, waiting);
            self.probed(now, slot, None, out);
        }
    }
}

/// Why a process cannot be started, before its state is looked at.
fn unfit(proc: &Proc, failure: Option<Failure>) -> Option<Trouble> {
    let rule = &proc.rule;
    match (&rule.command_error, failure) {
        (Some(text), _) => Some(Trouble::NotExecutable(text.clone())),
        (None, None) => None,
        (None, Some(failure)) => {
            let text = texts::spawn_error(failure, &rule.name, &rule.word);
            if failure.stage == Stage::Find && texts::is_missing(failure) {
                Some(Trouble::NoFile(text))
            } else {
                Some(Trouble::NotExecutable(text))
            }
        }
    }
}
