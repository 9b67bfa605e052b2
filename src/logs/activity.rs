//! The activity log: the reference's lines, to its file and, in the foreground, to the daemon's standard output.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use link::bytes;
use privsep::request::Log;

use super::Logs;
use super::clock::{self, Clock};
use crate::config::settings::{ActivityLog, Level};

/// Bytes of lines that wait at most while the file takes none.
const WAITING: usize = 256 << 10;
/// Room for lines that is kept while none wait.
const KEPT: usize = 4 << 10;

/// The activity log.
pub struct Activity {
    level: Level,
    log: Option<Log>,
    stdout: Option<OwnedFd>,
    clock: Clock,
    waiting: VecDeque<u8>,
    dropped: u64,
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Blather => "BLAT",
        Level::Trace => "TRAC",
        Level::Debug => "DEBG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERRO",
        Level::Critical => "CRIT",
    }
}

impl Activity {
    /// With the daemon's standard output, if the spawner gave one.
    pub fn new(settings: &ActivityLog, stdout: Option<OwnedFd>, clock: Clock) -> Activity {
        Activity {
            level: settings.level,
            log: settings.log,
            stdout: stdout.filter(|_| settings.stdout),
            clock,
            waiting: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Writes one line, as soon as the file takes it. Control characters in the text are written as escapes: what a
    /// client or a program says can make no line of its own.
    pub fn line(&mut self, logs: &mut Logs, level: Level, text: &str, wall: Duration) {
        if level < self.level {
            return;
        }
        let line = self.format(level, text, wall);
        if let Some(stdout) = &self.stdout {
            // A copy: nobody waits for who reads it.
            let _ = bytes::offer(stdout.as_fd(), line.as_bytes());
        }
        if self.log.is_none() {
            return;
        }
        if self.waiting.len().saturating_add(line.len()) > WAITING {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.waiting.extend(line.as_bytes());
        self.flush(logs);
    }

    fn format(&self, level: Level, text: &str, wall: Duration) -> String {
        let mut line = format!("{} {} ", self.clock.stamp(wall), word(level));
        for c in text.chars() {
            if c.is_control() && c != '\t' {
                line.extend(c.escape_default());
            } else {
                line.push(c);
            }
        }
        line.push('\n');
        line
    }

    /// Writes what waits, if the file takes it.
    pub fn flush(&mut self, logs: &mut Logs) {
        let Some(log) = self.log else {
            return;
        };
        let now = Instant::now();
        while !self.waiting.is_empty() {
            let text = self.waiting.make_contiguous();
            match logs.write(log, text, now) {
                0 => return,
                n => drop(self.waiting.drain(..n.min(self.waiting.len()))),
            }
            self.confess();
        }
        if self.waiting.capacity() > KEPT {
            self.waiting.shrink_to(KEPT);
        }
    }

    /// A line about lines that were given up while the file took none, once it takes some again.
    fn confess(&mut self) {
        if self.dropped > 0 {
            let text = format!("{} lines of this log were lost: it took none", self.dropped);
            let line = self.format(Level::Error, &text, clock::now().wall);
            self.dropped = 0;
            self.waiting.extend(line.as_bytes());
        }
    }
}
