//! From the heart outwards: inputs in, the journal written, outputs carried out.

use privsep::request::{End, Request};

use super::Broker;
use super::signals::Wish;
use super::state::Pending;
use crate::logs::clock;
use crate::process::{Input, Output};

impl Broker {
    /// Gives the heart an input and carries out what it wants.
    pub(super) fn input(&self, input: Input) {
        let mut outputs = Vec::new();
        self.state.borrow_mut().heart.handle(clock::now(), input, &mut outputs);
        self.carry_out_all(outputs);
    }

    /// Carries out what the heart wants.
    pub(super) fn carry_out_all(&self, outputs: Vec<Output>) {
        let dirty = self.state.borrow_mut().heart.dirty();
        let tells = |output: &Output| matches!(output, Output::Event(_));
        let (events, outputs): (Vec<_>, Vec<_>) = outputs.into_iter().partition(tells);
        let event = |output| if let Output::Event(event) = output { Some(event) } else { None };
        self.happened(events.into_iter().filter_map(event).collect());
        // First the journal, then the asking: who comes after us must not ask twice, nor tell twice.
        self.commit(&dirty);
        // Then what the spawner is to do, so that it is at work while the log is written. Only the end comes after its
        // last line.
        let (asks, rest): (Vec<_>, Vec<_>) = outputs.into_iter().partition(
            |output| matches!(output, Output::Ask(request) if !matches!(request, Request::End(_))),
        );
        for output in asks.into_iter().chain(rest) {
            self.carry_out(output);
        }
        self.deliver();
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Ask(request) => self.ask(request),
            // Told already.
            Output::Event(_) => {}
            Output::Log(level, text) => self.line(level, &text),
            Output::Reply(ticket, outcomes) => {
                let waiting = self.state.borrow_mut().tickets.remove(&ticket);
                if let Some(client) = waiting {
                    // A client that has left wants no answer.
                    let _ = client.send(outcomes);
                }
            }
        }
    }

    fn ask(&self, request: Request) {
        match request {
            Request::Spawn { slot } => {
                // A successor that did not know of its group would kill it.
                self.keep_settings();
                self.spawn(slot);
            }
            Request::Signal { slot, instance, .. } => {
                self.send(request, Pending::Signal { slot, instance });
            }
            Request::End(_) if self.state.borrow().wish == Wish::StartOver => {
                self.link.send(Request::End(End::Restart));
            }
            other => {
                self.link.send(other);
            }
        }
    }

    pub(super) fn send(&self, request: Request, pending: Pending) {
        let seq = self.link.send(request);
        self.state.borrow_mut().pending.insert(seq, pending);
    }
}
