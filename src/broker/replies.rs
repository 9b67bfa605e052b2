//! From the spawner inwards: each message to whom it is for.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use privsep::reply::{Reply, STAGING, STDERR, STDIN, STDOUT};
use privsep::request::{Instance, Slot};

use super::Broker;
use super::state::{Exit, Pending};
use super::stdin::Staging;
use crate::config::settings::Level;
use crate::process::{Input, texts};
use crate::{events, logs};

impl Broker {
    pub(super) fn told(&self, reply: Reply, fds: Vec<OwnedFd>) {
        match reply {
            Reply::Spawned { seq, slot, instance, pid, failure, pipes } => {
                self.attach(slot, instance, (pipes, fds), seq != 0);
                self.meet(slot, instance, pid);
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
                let ours = self.state.borrow_mut().pending.remove(&seq).is_some();
                if let Some(fd) = fds.into_iter().next() {
                    self.read(ours, status, fd);
                }
            }
            Reply::Helper { seq } => {
                let pending = {
                    let mut state = self.state.borrow_mut();
                    state.leftover.helped(Instant::now());
                    state.pending.remove(&seq)
                };
                if let (Some(Pending::Helper(asker)), Some(fd)) = (pending, fds.into_iter().next())
                {
                    // One who has left closes it, and the helper ends.
                    let _ = asker.send(Ok(fd));
                }
            }
            // Only at the beginning, where they are read one by one.
            Reply::Hello { .. } | Reply::Listener { .. } => {}
        }
    }

    fn begin(&self) {
        let first = !std::mem::replace(&mut self.state.borrow_mut().complete, true);
        if first {
            self.open_post();
            self.state.borrow_mut().logs.begin(Instant::now());
            self.after_logs();
            self.input(Input::Begin);
            self.resume_check();
        }
    }

    fn attach(&self, slot: Slot, instance: Instance, pipes: (u8, Vec<OwnedFd>), fresh: bool) {
        let (mask, fds) = pipes;
        let mut fds = fds.into_iter();
        let stdin = Some(mask & STDIN).filter(|bit| *bit != 0).and_then(|_| fds.next());
        for (bit, output) in [(STDOUT, logs::Output::Stdout), (STDERR, logs::Output::Stderr)] {
            if mask & bit == 0 {
                continue;
            }
            if let Some(pipe) = fds.next() {
                let route = self.route(slot, output);
                let mut state = self.state.borrow_mut();
                state.logs.attach((slot, instance, output), pipe, route, fresh);
            }
        }
        let staging = Some(mask & STAGING).filter(|bit| *bit != 0);
        let staging = staging.and_then(|_| {
            let reader = fds.next()?;
            Some(Staging { reader, writer: fds.next()? })
        });
        if let Some(pipe) = stdin {
            self.state.borrow_mut().stdin.attach((slot, instance), pipe, staging);
        }
        self.open_for(slot);
    }

    fn done(&self, seq: u32, errno: i32) {
        let pending = self.state.borrow_mut().pending.remove(&seq);
        let errno = match pending {
            Some(Pending::Signal { .. }) => self.after_signal(errno),
            _ => errno,
        };
        let result = match errno {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        };
        match pending {
            Some(Pending::Signal { slot, instance }) if errno != 0 => {
                self.input(Input::SignalFailed { slot, instance, errno });
            }
            Some(Pending::Reread) => self.not_read(Errno::from_raw(errno)),
            Some(Pending::Helper(asker)) => {
                // Without an error number it came without the helper.
                let refused = result.err().unwrap_or(Errno::EPROTO);
                let _ = asker.send(Err(refused.into()));
            }
            Some(Pending::Signal { .. }) | None => {}
            Some(pending) => self.log_done(pending, result),
        }
    }

    fn exited(&self, slot: Slot, exit: Exit) {
        let instance = exit.instance;
        let mut state = self.state.borrow_mut();
        state.stdin.ended(slot, instance);
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
                let state = &mut *self.state.borrow_mut();
                state.stdin.sent().into_iter().for_each(|slot| state.logs.asked(slot));
                state.flush();
                state.logs.events()
            };
            if events.is_empty() {
                return self.deliver();
            }
            for event in events {
                self.log_event(event);
            }
        }
    }

    /// What an instance left in its pipes is in its logs.
    pub(super) fn drained(&self, slot: Slot, instance: Instance) {
        let exit = self.state.borrow_mut().exits.remove(&slot);
        if let Some(exit) = exit.filter(|exit| exit.instance == instance) {
            self.post.put(events::Input::Ended { slot, instance });
            self.post.part(slot, instance);
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
