//! Signals to the daemon, which the spawner passes on.

use nix::libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR2};
use privsep::request::Request;

use super::Broker;
use crate::config::settings::Level;
use crate::logs::JOURNAL_STREAMS_AT;
use crate::process::{Input, texts};

/// Where in the broker's own journal cell it stands that the end is to be a new beginning.
pub(super) const RESTART_AT: usize = JOURNAL_STREAMS_AT;

impl Broker {
    pub(super) fn signalled(&self, signo: u8) {
        let name = texts::signal(i32::from(signo));
        match i32::from(signo) {
            SIGTERM | SIGINT | SIGQUIT => {
                self.line(Level::Warn, &format!("received {name} indicating exit request"));
                self.restart(false);
                self.input(Input::Shutdown);
            }
            SIGHUP => self.hang_up(&name),
            SIGUSR2 => {
                let text = format!("received {name} indicating log reopen request");
                self.line(Level::Info, &text);
                self.line(Level::Info, "supervisord logreopen");
                self.reopen_logs();
            }
            _ => self.line(Level::Info, &format!("received {name} indicating nothing")),
        }
        self.link.send(Request::AckSignal { signo });
    }

    fn hang_up(&self, name: &str) {
        let (stopping, restart) = {
            let state = self.state.borrow();
            (state.heart.shutting_down(), state.restart)
        };
        if stopping && !restart {
            let text = format!("ignored {name} indicating restart request (shutdown in progress)");
            return self.line(Level::Warn, &text);
        }
        self.line(Level::Warn, &format!("received {name} indicating restart request"));
        self.restart(true);
        self.input(Input::Shutdown);
    }

    /// Says, to a successor too, whether the daemon starts over when all is stopped.
    pub(super) fn restart(&self, restart: bool) {
        self.state.borrow_mut().restart = restart;
        self.journal.patch(0, RESTART_AT, &[u8::from(restart)]);
    }
}
