//! The broker as clients meet it.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use jiff::tz::TimeZone;
use nix::sys::stat::{FileStat, fstat};
use policy::access::{Access, Action, Permit};
use policy::audit::Record;
use privsep::request::{Mode, Request, Slot};
use tokio::sync::oneshot;

use super::Broker;
use super::signals::Wish;
use super::state::Pending;
use crate::config::settings::{Kind, Level, Settings};
use crate::http::Site;
use crate::logs::clock;
use crate::process::{Command, Heart, Input, Now, Outcome, Ticket};
use crate::rpc::office::{Office, Unmoved, Unwritten, fit, is_about, is_about_log, move_groups};

/// std's own would ask in a way that the sandbox does not know.
fn status(file: &File) -> io::Result<FileStat> {
    Ok(fstat(file.as_fd())?)
}

/// What is said where the permit is for something else: a mistake of ours, which lets nobody do anything.
const UNFIT: &str = "what was permitted is something else";

fn gone() -> io::Error {
    io::Error::other("the spawner has not answered")
}

impl Broker {
    /// A log of the settings; the spawner would end a broker that asks for any other.
    fn known(&self, log: u32) -> io::Result<()> {
        self.settings().logs.get(&log).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Office for Broker {
    fn settings(&self) -> Rc<Settings> {
        self.settings()
    }

    fn latest(&self) -> Rc<Settings> {
        Rc::clone(&self.state.borrow().latest)
    }

    fn has_logs(&self, group: &str) -> bool {
        self.state.borrow().made.contains(group)
    }

    fn vouches(&self, slot: Slot) -> bool {
        !self.state.borrow().unvouched.contains(&slot)
    }

    fn access(&self) -> Rc<Access> {
        Rc::clone(&self.access.borrow())
    }

    fn audit(&self, record: Record) {
        self.audit.say(&record);
        // Where it waits, the loop has to know when to try again.
        if self.audit.due_at().is_some() {
            self.kick.notify_one();
        }
    }

    fn audit_ready(&self) -> bool {
        let ready = self.audit.ready();
        if let Some(text) = self.audit.complaint() {
            self.line(if ready { Level::Info } else { Level::Critical }, text);
        }
        ready
    }

    fn now(&self) -> Now {
        clock::now()
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn pid(&self) -> i32 {
        self.pid
    }

    fn heart<R>(&self, look: impl FnOnce(&Heart) -> R) -> R {
        look(&self.state.borrow().heart)
    }

    async fn command(&self, permits: &[Permit], command: Command) -> Vec<Outcome> {
        if !fit(self, permits, &command) {
            // No outcome is none that was permitted.
            return Vec::new();
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut state = self.state.borrow_mut();
            state.last_ticket = state.last_ticket.wrapping_add(1);
            let ticket = Ticket(state.last_ticket);
            state.tickets.insert(ticket, sender);
            ticket
        };
        self.input(Input::Command { ticket, command });
        self.kick.notify_one();
        // The heart answers every command; the sender goes only with the broker itself.
        receiver.await.unwrap_or_default()
    }

    fn write_stdin(&self, permit: &Permit, slot: Slot, bytes: &[u8]) -> Result<(), Unwritten> {
        if permit.action() != Action::Stdin || !is_about(self, permit, slot) {
            return Err(Unwritten::Closed);
        }
        self.state.borrow_mut().stdin.write(slot, bytes)
    }

    fn announce(&self, permit: &Permit, kind: &str, data: &str) {
        if permit.action() != Action::Admin || !permit.is_for_daemon() {
            return;
        }
        self.remote(kind, data);
        self.kick.notify_one();
    }

    async fn open_log(&self, permit: &Permit, log: u32) -> io::Result<File> {
        let fits = matches!(permit.action(), Action::Log | Action::Admin);
        if !fits || !is_about_log(self, permit, log) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.known(log)?;
        if self.settings().logs.get(&log).is_some_and(|log| log.kind == Kind::Syslog) {
            return Err(ErrorKind::NotFound.into());
        }
        let (sender, receiver) = oneshot::channel();
        let mode = Mode::Read;
        self.send(Request::OpenLog { log, mode }, Pending::Read(sender));
        receiver.await.unwrap_or_else(|_| Err(gone()))
    }

    fn log_size(&self, file: &File) -> io::Result<u64> {
        let size = status(file)?.st_size;
        u64::try_from(size).map_err(io::Error::other)
    }

    async fn clear_log(&self, permit: &Permit, log: u32) -> io::Result<()> {
        let fits = matches!(permit.action(), Action::Clear | Action::Admin);
        if !fits || !is_about_log(self, permit, log) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.known(log)?;
        let (sender, receiver) = oneshot::channel();
        self.clear(log, sender);
        receiver.await.unwrap_or_else(|_| Err(gone()))
    }

    fn note(&self, level: Level, text: String) {
        self.line(level, &text);
        self.after_logs();
    }

    async fn reread(&self, permit: &Permit) -> Result<(), String> {
        if permit.action() != Action::Config || !permit.is_for_daemon() {
            return Err(UNFIT.to_owned());
        }
        self.check().await
    }

    fn add_group(&self, permits: &[Permit], name: &str) -> Result<(), Unmoved> {
        if !move_groups(self, permits, &self.latest(), name) {
            return Err(Unmoved::Unknown);
        }
        self.add(name)
    }

    fn remove_group(&self, permits: &[Permit], name: &str) -> Result<(), Unmoved> {
        if !move_groups(self, permits, &self.settings(), name) {
            return Err(Unmoved::Unknown);
        }
        self.remove(name)
    }

    async fn restart(&self, permit: &Permit) -> Result<(), String> {
        if permit.action() != Action::Admin || !permit.is_for_daemon() {
            return Err(UNFIT.to_owned());
        }
        self.check().await.map(|()| self.start_over())
    }

    fn shutdown(&self, permit: &Permit) {
        if permit.action() != Action::Admin || !permit.is_for_daemon() {
            return;
        }
        self.wish(Wish::End);
        self.input(Input::Shutdown);
        self.kick.notify_one();
    }
}

impl Site for Broker {
    async fn changed(&self, log: u32) {
        let notify = self.state.borrow_mut().logs.follow(log);
        notify.notified().await;
    }

    async fn helper(&self) -> io::Result<OwnedFd> {
        let (asker, answer) = oneshot::channel();
        self.send(Request::Authenticate, Pending::Helper(asker));
        answer.await.map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?
    }

    fn log_identity(&self, file: &File) -> io::Result<(u64, u64)> {
        let status = status(file)?;
        Ok((status.st_dev, status.st_ino))
    }

    #[cfg(supervisor_hooks)]
    fn hook(&self, name: &str) -> Option<String> {
        let state = self.state.borrow();
        super::hook::run(name, state.logs.some_descriptor())
    }
}
