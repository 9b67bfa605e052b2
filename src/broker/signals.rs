//! Signals to the daemon, which the spawner passes on.

use nix::libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR2};
use privsep::request::Request;

use super::Broker;
use crate::config::settings::Level;
use crate::logs::JOURNAL_STREAMS_AT;
use crate::process::{Input, texts};

/// Where in the broker's own journal cell its [`Wish`] stands.
pub(super) const WISH_AT: usize = JOURNAL_STREAMS_AT;

/// What is to become of the daemon; a successor wishes the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// When all is stopped, it ends.
    End,
    /// When all is stopped, it starts over.
    StartOver,
    /// It starts over if the configuration is found good.
    Check,
}

impl Wish {
    const fn code(self) -> u8 {
        match self {
            Wish::End => 0,
            Wish::StartOver => 1,
            Wish::Check => 2,
        }
    }

    /// Reads what a former broker left; any other byte wishes for nothing.
    pub(super) fn decode(byte: Option<u8>) -> Wish {
        let all = [Wish::End, Wish::StartOver, Wish::Check].into_iter();
        all.rev().find(|wish| Some(wish.code()) == byte).unwrap_or(Wish::End)
    }
}

impl Broker {
    pub(super) fn signalled(&self, signo: u8) {
        let name = texts::signal(i32::from(signo));
        match i32::from(signo) {
            SIGTERM | SIGINT | SIGQUIT => {
                self.line(Level::Warn, &format!("received {name} indicating exit request"));
                self.wish(Wish::End);
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
        let (stopping, wish) = {
            let state = self.state.borrow();
            (state.heart.shutting_down(), state.wish)
        };
        if stopping && wish == Wish::End {
            let text = format!("ignored {name} indicating restart request (shutdown in progress)");
            return self.line(Level::Warn, &text);
        }
        self.line(Level::Warn, &format!("received {name} indicating restart request"));
        if !stopping && wish != Wish::Check {
            self.wish(Wish::Check);
            self.ask_for_check();
        }
    }

    /// Says, to a successor too, what is to become of the daemon.
    pub(super) fn wish(&self, wish: Wish) {
        self.state.borrow_mut().wish = wish;
        self.journal.patch(0, WISH_AT, &[wish.code()]);
    }

    /// Stops everything in order to start over, unless everything is being stopped already.
    pub(super) fn start_over(&self) {
        if !self.state.borrow().heart.shutting_down() {
            self.wish(Wish::StartOver);
            self.input(Input::Shutdown);
            self.kick.notify_one();
        }
    }
}
