//! From the spawner inwards: each message to whom it is for.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use privsep::reply::{Reply, STDERR, STDIN, STDOUT};
use privsep::request::{Instance, Log, Request, Slot};

use super::Broker;
use super::state::{Exit, Pending};
use crate::config::settings::Level;
use crate::logs::{self, Event};
use crate::process::{Input, texts};

impl Broker {
    pub(super) fn told(&self, reply: Reply, fds: Vec<OwnedFd>) {
        match reply {
            Reply::Spawned { seq, slot, instance, pid, failure, pipes } => {
                self.attach(slot, instance, (pipes, fds), seq != 0);
                if self.state.borrow().complete {
                    self.input(Input::Spawned { slot, instance, pid, failure });
                } else {
                    self.state.borrow_mut().heart.adopt(slot, instance, pid);
                }
            }
            Reply::SpawnFailed { slot, failure, .. } => {
                self.input(Input::SpawnFailed { slot, failure });
            }
            Reply::Probed { slot, failure, .. } => self.input(Input::Probed { slot, failure }),
            Reply::Done { seq, errno } => self.done(seq, errno),
            Reply::Opened { seq, log, same } => {
                if let Some(fd) = fds.into_iter().next() {
                    self.opened(seq, log, same, fd);
                }
            }
            Reply::Exited { slot, instance, status, at, .. } => {
                self.exited(slot, Exit { instance, status, at })
            }
            Reply::SignalReceived { signo } => self.signalled(signo),
            Reply::Stranger { pid, status } => {
                let (_, how) = texts::exit(status);
                self.line(Level::Info, &format!("reaped unknown pid {pid} ({how})"));
            }
            Reply::Complete => self.begin(),
            Reply::Reading { seq, status, .. } => {
                self.state.borrow_mut().pending.remove(&seq);
                if let Some(fd) = fds.into_iter().next() {
                    self.read(status, fd);
                }
            }
            // Only at the beginning, where they are read one by one.
            Reply::Hello { .. } | Reply::Listener { .. } => {}
        }
    }

    fn begin(&self) {
        let first = !std::mem::replace(&mut self.state.borrow_mut().complete, true);
        if first {
            self.input(Input::Begin);
            self.resume_check();
        }
    }

    fn attach(&self, slot: Slot, instance: Instance, pipes: (u8, Vec<OwnedFd>), fresh: bool) {
        let settings = self.settings();
        let process = settings.process(slot);
        let log = |output| {
            process.and_then(|p| match output {
                logs::Output::Stdout => p.stdout.log,
                logs::Output::Stderr => p.stderr.log,
            })
        };
        let (mask, fds) = pipes;
        let mut fds = fds.into_iter();
        if mask & STDIN != 0 {
            // The spawner keeps its own end open.
            drop(fds.next());
        }
        for (bit, output) in [(STDOUT, logs::Output::Stdout), (STDERR, logs::Output::Stderr)] {
            if mask & bit == 0 {
                continue;
            }
            if let Some(pipe) = fds.next() {
                let mut state = self.state.borrow_mut();
                state.logs.attach((slot, instance, output), pipe, log(output), fresh);
            }
        }
        self.open_for(slot);
    }

    fn opened(&self, seq: u32, log: Log, same: Log, fd: OwnedFd) {
        let pending = self.state.borrow_mut().pending.remove(&seq);
        match pending {
            Some(Pending::Read(client)) => {
                let _ = client.send(Ok(File::from(fd)));
                return;
            }
            Some(Pending::Open(log)) => {
                let mut state = self.state.borrow_mut();
                state.opening.remove(&log);
                state.unopened.remove(&log);
            }
            Some(Pending::Reopen(_) | Pending::Rotate(_)) => {}
            Some(Pending::Signal { .. } | Pending::Clear(..) | Pending::Reread) | None => return,
        }
        if !self.settings().logs.contains_key(&log) {
            // Whose it was has been removed meanwhile; the number may become another log's.
            return;
        }
        self.state.borrow_mut().logs.opened(log, same, fd, Instant::now());
        self.after_logs();
        self.unpark(log);
    }

    fn done(&self, seq: u32, errno: i32) {
        let pending = self.state.borrow_mut().pending.remove(&seq);
        let result = match errno {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        };
        let said = || io::Error::from_raw_os_error(errno);
        match pending {
            Some(Pending::Signal { slot, instance }) if errno != 0 => {
                self.input(Input::SignalFailed { slot, instance, errno });
            }
            Some(Pending::Open(log)) => {
                self.state.borrow_mut().opening.remove(&log);
                self.not_opened(log, errno);
            }
            Some(Pending::Reopen(log)) => {
                let text = format!("could not reopen {}: {}", self.log_name(log), said());
                self.line(Level::Error, &text);
            }
            Some(Pending::Read(client)) => {
                let _ = client.send(Err(said()));
            }
            Some(Pending::Rotate(log)) => {
                if !matches!(result, Ok(()) | Err(Errno::EAGAIN)) {
                    let text = format!("could not rotate {}: {}", self.log_name(log), said());
                    self.line(Level::Error, &text);
                }
                self.state.borrow_mut().logs.release(log, result, Instant::now());
                self.after_logs();
            }
            Some(Pending::Clear(log, client)) => {
                self.state.borrow_mut().logs.release(log, Ok(()), Instant::now());
                self.after_logs();
                let _ = client.send(result.map_err(io::Error::from));
            }
            Some(Pending::Reread) => self.not_read(Errno::from_raw(errno)),
            Some(Pending::Signal { .. }) | None => {}
        }
    }

    fn exited(&self, slot: Slot, exit: Exit) {
        let instance = exit.instance;
        let mut state = self.state.borrow_mut();
        if state.exits.insert(slot, exit).is_none() {
            state.logs.finish(slot, instance, Instant::now());
        }
        drop(state);
        self.after_logs();
    }

    /// Deals with what the logs want, until they want nothing more.
    pub(super) fn after_logs(&self) {
        loop {
            let events = {
                let mut state = self.state.borrow_mut();
                state.flush();
                state.logs.events()
            };
            if events.is_empty() {
                return;
            }
            for event in events {
                self.log_event(event);
            }
        }
    }

    fn log_event(&self, event: Event) {
        match event {
            Event::Rotate(log) => self.send(Request::RotateLog { log }, Pending::Rotate(log)),
            Event::Trouble(log, errno) => {
                let text = format!(
                    "could not write to {}: {}; it is tried again, what comes waits in the pipes",
                    self.log_name(log),
                    io::Error::from(errno)
                );
                self.line(Level::Critical, &text);
            }
            Event::Lost(slot, bytes) => {
                let settings = self.settings();
                let process = settings.process(slot);
                let name = process.map_or("?", |p| p.name.as_str());
                let text = format!(
                    "gave up {bytes} bytes that {name} had left behind: its log could not take them"
                );
                self.line(Level::Error, &text);
            }
            Event::Drained(slot, instance) => {
                let exit = self.state.borrow_mut().exits.remove(&slot);
                if let Some(exit) = exit.filter(|exit| exit.instance == instance) {
                    self.input(Input::Exited {
                        slot,
                        instance,
                        status: exit.status,
                        at: Duration::from_nanos(exit.at),
                    });
                    self.left_over(slot);
                }
            }
        }
    }
}
