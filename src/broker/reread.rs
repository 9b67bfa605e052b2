//! Reading the configuration afresh: asked for by clients, and by whoever wants the daemon to start over.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use privsep::request::Request;
use tokio::sync::oneshot;

use super::Broker;
use super::signals::Wish;
use super::start::contents;
use super::state::Pending;
use crate::config::settings::{Complaints, Level, Settings};

/// How long after the spawner was busy with a reading that somebody else had asked for it is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// What came of a reading.
type Verdict = Result<(), String>;

/// Who waits for a reading.
pub(super) enum Waiter {
    Client(oneshot::Sender<Verdict>),
    /// The daemon is to start over if the configuration is good.
    Restart,
}

/// Readings under way and to come. Who asks while one is under way waits for the next: the files may have changed
/// since that one looked. All who wait then share it.
#[derive(Default)]
pub(super) struct Readings {
    /// One has been asked for and not been answered.
    pub(super) under_way: bool,
    now: Vec<Waiter>,
    next: Vec<Waiter>,
    /// The spawner was busy; when it is asked again.
    pub(super) again_at: Option<Instant>,
}

const NONSENSE: &str = "what the reader wrote makes no sense";

impl Broker {
    /// Has the configuration read.
    pub(super) async fn check(&self) -> Verdict {
        let (sender, receiver) = oneshot::channel();
        self.ask_for_reading(Waiter::Client(sender));
        self.kick.notify_one();
        receiver.await.unwrap_or_else(|_| Err("the spawner has not answered".to_owned()))
    }

    /// Has the configuration read in order to start over with it.
    pub(super) fn ask_for_check(&self) {
        self.ask_for_reading(Waiter::Restart);
    }

    /// Goes on with a check that a former broker had begun.
    pub(super) fn resume_check(&self) {
        let (wish, stopping) = {
            let state = self.state.borrow();
            (state.wish, state.heart.shutting_down())
        };
        if wish == Wish::Check && !stopping {
            self.ask_for_check();
        }
    }

    fn ask_for_reading(&self, waiter: Waiter) {
        {
            let readings = &mut self.state.borrow_mut().readings;
            if readings.under_way {
                return readings.next.push(waiter);
            }
            readings.now.push(waiter);
        }
        self.begin_reading();
    }

    fn begin_reading(&self) {
        {
            // Once a reading is accepted, a successor is greeted with that one.
            let mut state = self.state.borrow_mut();
            state.unwritten |= !state.written;
        }
        self.settle();
        self.state.borrow_mut().readings.under_way = true;
        self.send(Request::Reread, Pending::Reread);
    }

    /// The spawner was busy before: asks again when it is time.
    pub(super) fn read_again(&self) {
        let due = self.state.borrow().readings.again_at.is_some_and(|at| at <= Instant::now());
        if due {
            self.state.borrow_mut().readings.again_at = None;
            self.begin_reading();
        }
    }

    /// The reader has written something. Where it is not `ours`, a former broker had asked, and nobody waits.
    pub(super) fn read(&self, ours: bool, status: u8, fd: OwnedFd) {
        let verdict = match contents(fd) {
            Err(error) => Err(format!("what the reader wrote could not be read: {error}")),
            Ok(bytes) if status == 0 => self.accept(&bytes),
            Ok(bytes) => self.complain(&bytes),
        };
        if ours {
            self.tell(&verdict);
        }
    }

    fn accept(&self, bytes: &[u8]) -> Verdict {
        let settings = Settings::decode(bytes).ok_or_else(|| NONSENSE.to_owned())?;
        for (level, text) in &settings.notes {
            self.line(*level, text);
        }
        self.take_latest(settings);
        Ok(())
    }

    fn complain(&self, bytes: &[u8]) -> Verdict {
        let complaints = Complaints::decode(bytes).ok_or_else(|| NONSENSE.to_owned())?;
        for (level, text) in &complaints.lines {
            self.line(*level, text);
        }
        Err(complaints.fault)
    }

    /// There was no reading, or nothing came of it.
    pub(super) fn not_read(&self, errno: Errno) {
        match errno {
            Errno::EBUSY => {
                let at = Instant::now() + AGAIN;
                self.state.borrow_mut().readings.again_at = Some(at);
            }
            errno => {
                let text = format!("the configuration could not be read: {}", errno.desc());
                self.line(Level::Error, &text);
                self.tell(&Err(text));
            }
        }
    }

    /// Tells those who wait, then reads for those who came later.
    fn tell(&self, verdict: &Verdict) {
        let waiting = {
            let readings = &mut self.state.borrow_mut().readings;
            readings.under_way = false;
            std::mem::take(&mut readings.now)
        };
        self.settle();
        for waiter in waiting {
            match waiter {
                Waiter::Client(client) => drop(client.send(verdict.clone())),
                Waiter::Restart => self.checked(verdict),
            }
        }
        let more = {
            let readings = &mut self.state.borrow_mut().readings;
            readings.now = std::mem::take(&mut readings.next);
            !readings.now.is_empty()
        };
        if more {
            self.begin_reading();
        }
    }

    /// The daemon starts over, or goes on where the configuration would not let it start.
    fn checked(&self, verdict: &Verdict) {
        if self.state.borrow().wish != Wish::Check {
            return;
        }
        match verdict {
            Ok(()) => self.start_over(),
            Err(text) => {
                self.wish(Wish::End);
                let text = format!("restart refused, everything goes on as it was: {text}");
                self.line(Level::Error, &text);
            }
        }
    }
}
