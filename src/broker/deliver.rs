//! Events from what happens to the exchange, and from the exchange to the listeners.

use nix::errno::Errno;
use privsep::journal::Payload;
use privsep::request::{Instance, Slot};

use super::Broker;
use super::post::{is_pool, pools};
use super::stdin::Moved;
use crate::config::settings::Level;
use crate::events::{About, Became, Change, Event, Input, Kept, Kind, Output, Phase};
use crate::logs::{self, JOURNAL_STREAMS_AT, Wants, clock};
use crate::process::{self, Fact, State};

impl Broker {
    /// What the heart tells goes to the exchange.
    pub(super) fn happened(&self, events: Vec<process::Event>) {
        let settings = self.settings();
        let mut running = Vec::new();
        for event in events {
            let event = match event {
                process::Event::State { slot, from, to, fact } => {
                    if to == State::Running || from == State::Running {
                        running.push((slot, to == State::Running));
                    }
                    let Some(process) = settings.process(slot) else {
                        continue;
                    };
                    let about = About { process: &process.name, group: &process.group };
                    became(to, fact).map(|became| Event::state(about, from, became))
                }
                process::Event::GroupAdded(name) => {
                    if settings.group(&name).is_some_and(is_pool) {
                        self.set_pools();
                    }
                    Some(Event::group(&name, Change::Added))
                }
                process::Event::GroupRemoved(name) => {
                    self.set_pools();
                    Some(Event::group(&name, Change::Removed))
                }
                process::Event::Running => Some(Event::supervisor(Phase::Running)),
                process::Event::Stopping => Some(Event::supervisor(Phase::Stopping)),
            };
            self.post.put(Input::Happened(event.into_iter().collect()));
        }
        for (slot, running) in running {
            if let Some(instance) = self.post.listener(slot) {
                self.post.put(Input::Running { slot, instance, running });
            }
        }
    }

    /// Has what was put into the exchange on the tape, with these cells; then the cells are written.
    pub(super) fn commit(&self, cells: &[(usize, Payload)]) {
        self.post.commit(cells);
        for (cell, payload) in cells {
            if let Some(own) = payload.get(..JOURNAL_STREAMS_AT) {
                self.journal.patch(*cell, 0, own);
            }
        }
    }

    /// Tells the exchange which pools are in force, and the streams what is wanted of them.
    fn set_pools(&self) {
        let settings = self.settings();
        let before = self.post.wanted();
        self.post.put(Input::Pools(pools(&settings, &settings.groups)));
        if self.post.wanted() != before {
            self.rewire();
        }
    }

    fn rewire(&self) {
        let settings = self.settings();
        for slot in settings.processes.keys() {
            for output in [logs::Output::Stdout, logs::Output::Stderr] {
                let route = self.route(*slot, output);
                self.state.borrow_mut().logs.rewire(*slot, output, route);
            }
        }
    }

    /// What is wanted of a program's stream.
    pub(super) fn wants(&self, slot: Slot, output: logs::Output) -> Wants {
        let settings = self.settings();
        let Some(process) = settings.process(slot) else {
            return Wants::default();
        };
        let (stream, log, communication) = match output {
            logs::Output::Stdout => {
                (&process.stdout, Kind::ProcessLogStdout, Kind::ProcessCommunicationStdout)
            }
            logs::Output::Stderr => {
                (&process.stderr, Kind::ProcessLogStderr, Kind::ProcessCommunicationStderr)
            }
        };
        if output == logs::Output::Stdout && settings.group(&process.group).is_some_and(is_pool) {
            return Wants { protocol: true, ..Wants::default() };
        }
        Wants {
            text: stream.events && self.post.wants(log),
            messages: stream.capture > 0 && self.post.wants(communication),
            protocol: false,
        }
    }

    /// The exchange at the beginning: what the first broker has to tell, or what a former one had under way.
    pub(super) fn open_post(&self) {
        let settings = self.settings();
        if self.post.is_fresh() {
            for (at, group) in settings.groups.iter().enumerate() {
                if is_pool(group) {
                    let so_far = settings.groups.iter().take(at.saturating_add(1));
                    self.post.put(Input::Pools(pools(&settings, so_far)));
                }
                let added = Event::group(&group.name, Change::Added);
                self.post.put(Input::Happened(vec![added]));
            }
            self.post.put(Input::Happened(vec![Event::supervisor(Phase::Running)]));
        }
        let kept = std::mem::take(&mut self.state.borrow_mut().kept);
        self.post.resume(&kept, pools(&settings, &settings.groups));
        self.post.begin();
        self.rewire();
    }

    /// An instance has come whose streams may be listened to.
    pub(super) fn meet(&self, slot: Slot, instance: Instance, pid: i32) {
        self.post.meet(&self.settings(), slot, instance, pid);
        if self.post.listener(slot).is_none() {
            return;
        }
        let mut state = self.state.borrow_mut();
        if state.complete {
            self.post.put(Input::Spawned { slot, instance });
        } else {
            let running = state.heart.state(slot) == Some(State::Running);
            let staged = state.stdin.staged(slot);
            state.kept.push(Kept { slot, instance, running, staged });
        }
    }

    /// A client's message for listeners.
    pub(super) fn remote(&self, kind: &str, data: &str) {
        if self.post.wants(Kind::RemoteCommunication) {
            self.post.put(Input::Happened(vec![Event::remote(kind, data)]));
            self.commit(&[]);
            self.deliver();
        }
    }

    /// Ticks, events that were rejected, listeners that are to be started again.
    pub(super) fn ring(&self) {
        if self.post.next().is_some_and(|at| at <= clock::now().mono) {
            self.post.put(Input::Timer);
            self.commit(&[]);
        }
    }

    /// Carries out what the exchange wants.
    pub(super) fn deliver(&self) {
        if self.post.is_delivering() {
            // What carries out an output may want more of them: the loop below has its turn again.
            return;
        }
        while let Some(output) = self.post.next_output() {
            match output {
                Output::Log(level, text) => self.line(level, &text),
                Output::Restart { slot, instance } => {
                    self.input(process::Input::Renew { slot, instance });
                }
                Output::Send { slot, instance, event, from } => {
                    let rest = event.get(from..).unwrap_or_default();
                    let staged = self.state.borrow_mut().stdin.stage(slot, instance, rest);
                    match staged {
                        Ok(bytes) => {
                            let done = from.saturating_add(bytes);
                            self.post.put(Input::Staged { slot, instance, done });
                        }
                        Err(errno) => self.broken(slot, instance, errno),
                    }
                    self.commit(&[]);
                }
                Output::Splice { slot, instance } => {
                    let moved = self.state.borrow_mut().stdin.splice(slot, instance);
                    self.moved(slot, moved);
                }
            }
        }
        if self.post.was_full() {
            let text = "the tape of events has no room; until it has, a broker that takes over would \
                        not know what comes of them";
            self.line(Level::Error, text);
        }
        self.post.has_delivered();
    }

    /// A listener's pipe has taken all that was staged, or its reader is gone.
    pub(super) fn moved(&self, slot: Slot, moved: Moved) {
        match moved {
            Moved::Later => {}
            Moved::All(instance) => {
                // That the pipe beside is empty can be seen.
                self.post.put_later(Input::Spliced { slot, instance });
                if self.post.is_behind(slot) {
                    self.eager.sent(slot);
                }
                if !self.post.goes_on(slot) {
                    self.state.borrow_mut().stdin.event_ended(slot);
                }
            }
            Moved::Never(instance, errno) => {
                self.broken(slot, instance, errno);
                self.commit(&[]);
            }
        }
    }

    fn broken(&self, slot: Slot, instance: Instance, errno: Errno) {
        if errno != Errno::EPIPE {
            let text = format!("could not send an event to a listener: {}", errno.desc());
            self.line(Level::Error, &text);
        }
        self.post.put(Input::Broken { slot, instance });
    }
}

fn became(to: State, fact: Fact) -> Option<Became> {
    Some(match (to, fact) {
        (State::Starting, Fact::Tries(tries)) => Became::Starting { tries },
        (State::Backoff, Fact::Tries(tries)) => Became::Backoff { tries },
        (State::Running, Fact::Pid(pid)) => Became::Running { pid },
        (State::Stopping, Fact::Pid(pid)) => Became::Stopping { pid },
        (State::Stopped, Fact::Pid(pid)) => Became::Stopped { pid },
        (State::Exited, Fact::Exit { expected, pid }) => Became::Exited { expected, pid },
        (State::Fatal, _) => Became::Fatal,
        (State::Unknown, _) => Became::Unknown,
        _ => return None,
    })
}
