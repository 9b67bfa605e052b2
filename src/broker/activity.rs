//! The activity log as the broker writes it.

use privsep::reply::Cause;

use super::Broker;
use super::state::State;
use crate::config::settings::Level;
use crate::logs::clock;
use crate::process::{texts, try_socket};

/// How the broker before this one ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// Which reading of the configuration is in force: above 1 after a restart in place.
    pub(super) epoch: u32,
    /// How many there were.
    pub(super) predecessors: u32,
    pub(super) cause: Cause,
    pub(super) detail: i32,
}

impl State {
    /// Writes lines that waited for their file.
    pub(super) fn flush(&mut self) {
        self.activity.flush(&mut self.logs);
    }
}

impl Broker {
    /// Writes a line.
    pub(super) fn line(&self, level: Level, text: &str) {
        let mut state = self.state.borrow_mut();
        let State { activity, logs, .. } = &mut *state;
        activity.line(logs, level, text, clock::now().wall);
    }

    /// What the log says when the daemon has started: the reference's lines in its order.
    pub(super) fn say_started(&self, before: Before) {
        let settings = self.settings();
        for (level, text) in &settings.notes {
            self.line(*level, text);
        }
        let mut tried = Vec::new();
        settings.groups.iter().for_each(|group| try_socket(group, &mut tried));
        self.carry_out_all(tried);
        if !settings.boundary {
            self.line(
                Level::Info,
                "no privilege boundary: supervisord does not run as root, so the broker has the \
                 user id of the programs; its sandbox is in force all the same",
            );
        }
        for server in &settings.servers {
            self.line(Level::Info, "RPC interface 'supervisor' initialized");
            // Roles are such a check; so is, over TCP, whatever somebody can prove themselves by.
            let tcp = server.section.starts_with("inet_http_server");
            let clients = server.tls.as_ref().and_then(|tls| tls.clients.as_ref());
            let somebody = !settings.users.is_empty()
                || !settings.tokens.is_empty()
                || server.pam
                || clients.is_some_and(|clients| clients.required);
            let asks = server.credentials.is_some() || tcp && somebody;
            if !asks && settings.access.roles.is_empty() {
                let text = format!(
                    "Server '{}' running without any HTTP authentication checking",
                    server.section
                );
                self.line(Level::Critical, &text);
            }
        }
        if settings.daemon && before.epoch == 1 {
            self.line(Level::Info, "daemonizing the supervisord process");
        }
        let text = format!("supervisord started with pid {}", self.pid);
        self.line(Level::Info, &text);
    }

    /// What it says when a broker has taken over from another.
    pub(super) fn say_replaced(&self, before: Before) {
        let how = match before.cause {
            Cause::Died => texts::exit(before.detail).1,
            Cause::Misbehaved => "sent what the border refuses".to_owned(),
            Cause::Hung => "did not answer".to_owned(),
            Cause::Start => "never ran".to_owned(),
        };
        let text = format!("the broker was replaced ({how}); no program was restarted");
        self.line(Level::Warn, &text);
    }

    /// Layers of the sandbox that this system does not offer.
    pub(super) fn say_missing(&self, missing: &[&str]) {
        for layer in missing {
            let level = if *layer == "seccomp" { Level::Critical } else { Level::Warn };
            let text = format!(
                "the broker runs without {layer}: this system does not offer it; sandbox=required \
                 would refuse to start"
            );
            self.line(level, &text);
        }
    }
}
