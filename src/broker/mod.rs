//! The broker's loop: carries what happens to the heart, and what the heart wants to the spawner, the logs, the clients.
//!
//! Room: unprivileged, sandboxed. It can be killed at any moment: the journal is written before anything is asked for,
//! bytes stay in the pipes until they are in a file, and an exit stays on record until it is acknowledged.

mod activity;
mod asks;
mod audit;
mod deliver;
mod denials;
mod eager;
mod groups;
#[cfg(supervisor_hooks)]
mod hook;
mod leftover;
mod logs;
mod parked;
mod post;
mod replies;
mod reread;
mod signals;
mod site;
mod start;
mod state;
mod stdin;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use jiff::tz::TimeZone;
use link::{Journal, Spawner, Watch};
use policy::access::Access;
use privsep::reply::Reply;
use tokio::sync::Notify;

pub use start::main;

use crate::config::settings::Settings;
use crate::logs::clock;
use crate::process::Input;
use audit::Mouth;
use eager::Eager;
use post::Post;
use state::State;

/// Messages dealt with before the loop looks at anything else.
const BATCH: usize = 64;

/// The broker at work.
pub(crate) struct Broker {
    /// The groups in force, and what else is until the next restart.
    active: RefCell<Rc<Settings>>,
    /// The rules of the last reading that was accepted.
    access: RefCell<Rc<Access>>,
    zone: TimeZone,
    /// The daemon's process id.
    pid: i32,
    link: Spawner,
    watch: Rc<Watch>,
    journal: Rc<Journal>,
    post: Rc<Post>,
    eager: Eager,
    audit: Mouth,
    state: RefCell<State>,
    /// A deadline may have changed outside of the loop.
    kick: Notify,
}

impl Broker {
    /// The settings in force at this moment.
    fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.active.borrow())
    }

    /// Runs until the spawner is gone, and says why.
    async fn run(&self) -> io::Error {
        let mut tokens = Vec::new();
        loop {
            let deadline = self.deadline();
            let sleep = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let result = tokio::select! {
                message = self.link.recv() => message.and_then(|m| self.hear(m)),
                ready = self.watch.ready(&mut tokens) => ready.map(|()| self.serve(&mut tokens)),
                () = self.kick.notified() => Ok(()),
                () = sleep => {
                    self.due();
                    Ok(())
                }
            };
            if let Err(error) = result {
                return error;
            }
            self.after_logs();
        }
    }

    /// Deals with a message and with those that are there already.
    fn hear(&self, first: (Reply, Vec<OwnedFd>)) -> io::Result<()> {
        let mut message = Some(first);
        for _ in 0..BATCH {
            let Some((reply, fds)) = message.take() else {
                break;
            };
            self.told(reply, fds);
            message = self.link.try_recv()?;
        }
        if let Some((reply, fds)) = message {
            self.told(reply, fds);
        }
        Ok(())
    }

    /// Pipes that have something.
    fn serve(&self, tokens: &mut Vec<u64>) {
        self.eager.rested();
        self.serve_once(tokens);
        while self.look_out(tokens) {
            self.serve_once(tokens);
        }
    }

    fn serve_once(&self, tokens: &mut Vec<u64>) {
        let now = Instant::now();
        for token in tokens.drain(..) {
            let mut state = self.state.borrow_mut();
            match stdin::slot_of(token) {
                Some(slot) => {
                    let moved = state.stdin.ready(slot);
                    drop(state);
                    self.moved(slot, moved);
                }
                None => state.logs.ready(token, now),
            }
        }
        self.after_logs();
    }

    fn deadline(&self) -> Option<Instant> {
        let mut state = self.state.borrow_mut();
        let now = Instant::now();
        let heart = state.heart.next().map(|at| now + at.saturating_sub(clock::now().mono));
        let post = self.post.next().map(|at| now + at.saturating_sub(clock::now().mono));
        let logs = [state.logs.deadline(), state.reopen_at, state.again_at];
        let groups = [state.settle_at, state.readings.again_at, state.parked.due_at()];
        let others = [state.leftover.due_at(), self.audit.due_at()];
        logs.into_iter().chain(groups).chain(others).chain([heart, post]).flatten().min()
    }

    fn due(&self) {
        let mono = clock::now().mono;
        if self.state.borrow().heart.next().is_some_and(|at| at <= mono) {
            self.input(Input::Timer);
        }
        self.ring();
        self.state.borrow_mut().logs.due(Instant::now());
        self.open_again();
        self.ask_again();
        self.start_parked();
        self.settle_in_time();
        self.read_again();
        self.name_leftover();
        self.audit.again();
    }
}
