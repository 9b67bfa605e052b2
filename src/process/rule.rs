//! The rules of the configuration for one process.

use std::time::Duration;

use super::texts;
use crate::config::settings::{Autorestart, Group, Of, Process};

/// No wait of the configuration is longer: some thirty years.
const LONGEST: u64 = 1_000_000_000;

/// A number of seconds of the configuration; negative ones count as none.
pub(super) fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or(0).min(LONGEST))
}

/// The socket of a FastCGI group, for texts.
#[derive(Debug)]
pub(super) struct Socket {
    pub group: String,
    pub url: String,
}

/// The rules of the configuration for one process.
#[derive(Debug)]
pub(super) struct Rule {
    pub name: String,
    /// The command's first word, quoted for texts.
    pub word: String,
    pub command_error: Option<String>,
    /// Its own priority.
    pub priority: i64,
    /// Priority of its group.
    pub group_priority: i64,
    pub socket: Option<Socket>,
    pub autostart: bool,
    autorestart: Autorestart,
    pub startsecs: i64,
    pub startretries: i64,
    exitcodes: Vec<u8>,
    pub stopsignal: u8,
    pub stopwaitsecs: i64,
    pub stopasgroup: bool,
    pub killasgroup: bool,
    pub killtree: bool,
}

impl Rule {
    pub(super) fn new(process: &Process, group: &Group) -> Rule {
        let socket = match &group.of {
            Of::FastCgi { socket } => {
                Some(Socket { group: group.name.clone(), url: socket.clone() })
            }
            Of::Programs | Of::Pool { .. } => None,
        };
        Rule {
            name: process.name.clone(),
            word: texts::quoted(&texts::first_word(&process.command)),
            command_error: process.command_error.clone(),
            priority: process.priority,
            group_priority: group.priority,
            socket,
            autostart: process.autostart,
            autorestart: process.autorestart,
            startsecs: process.startsecs,
            startretries: process.startretries,
            exitcodes: process.exitcodes.clone(),
            stopsignal: process.stopsignal,
            stopwaitsecs: process.stopwaitsecs,
            stopasgroup: process.stopasgroup,
            killasgroup: process.killasgroup,
            killtree: process.killtree,
        }
    }

    /// Whether this status is one of `exitcodes`.
    pub(super) fn expects(&self, status: i32) -> bool {
        u8::try_from(status).is_ok_and(|code| self.exitcodes.contains(&code))
    }

    /// The most failed starts in a row that a further one may follow.
    pub(super) fn most_failures(&self) -> u32 {
        u32::try_from(self.startretries.max(0)).unwrap_or(u32::MAX)
    }

    /// From the stop signal to SIGKILL.
    pub(super) fn stop_wait(&self) -> Duration {
        seconds(self.stopwaitsecs)
    }

    /// Whether it is started again after an end with this status.
    pub(super) fn restarts_after(&self, status: i32) -> bool {
        match self.autorestart {
            Autorestart::Never => false,
            Autorestart::Unexpected => !self.expects(status),
            Autorestart::Always => true,
        }
    }
}
