//! The log files by their numbers: which are known, which are open, who follows them, and writing to one.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use nix::errno::Errno;
use privsep::request::Log;
use tokio::sync::Notify;

use super::file::{self, LogFile};
use super::syslog::{self, Sent, Syslog};
use super::{Event, Logs};
use crate::config::settings::{self, Kind};

impl Logs {
    /// What the logs are, by their numbers. Those that are open already stay as they are.
    /// `activity` is never closed.
    pub fn configure(&mut self, logs: &BTreeMap<Log, settings::LogFile>, activity: Option<Log>) {
        self.activity = activity;
        // What the daemon was started with is not ours to rotate.
        let limit = |log: &settings::LogFile| (log.kind == Kind::File).then_some(log.maxbytes);
        self.limits = logs.iter().filter_map(|(n, log)| Some((*n, limit(log)?))).collect();
        let syslog = |n: &Log| logs.get(n).is_some_and(|log| log.kind == Kind::Syslog);
        self.syslogs.retain(|n, _| syslog(n));
        for n in logs.keys().filter(|n| syslog(n)) {
            self.syslogs.entry(*n).or_insert_with(|| Syslog::new(*n));
        }
    }

    /// A log comes into force.
    pub fn add(&mut self, log: Log, file: &settings::LogFile) {
        match file.kind {
            Kind::File => drop(self.limits.insert(log, file.maxbytes)),
            Kind::Syslog => drop(self.syslogs.entry(log).or_insert_with(|| Syslog::new(log))),
            Kind::Inherited => {}
        }
    }

    /// A log goes out of force: its number may become another file's.
    pub fn forget(&mut self, log: Log) {
        if let Some(notify) = self.followers.get(&log) {
            notify.notify_waiters();
        }
        self.limits.remove(&log);
        self.syslogs.remove(&log);
        let key = self.numbers.get(&log).copied();
        self.close(log);
        self.unopened.remove(&log);
        self.debts.remove(&log);
        // A file that had its number goes on under the lowest of its others.
        let others = self.numbers.iter().filter(|(_, same)| Some(**same) == key);
        if let Some(low) = others.map(|(log, _)| *log).min()
            && key == Some(log)
        {
            self.numbers.values_mut().filter(|same| **same == log).for_each(|same| *same = low);
            let file = self.files.remove(&log);
            self.files.extend(file.map(|file| (low, file)));
        }
    }

    /// Whether a log can be written to.
    pub fn is_open(&self, log: Log) -> bool {
        self.numbers.contains_key(&log)
    }

    /// Whether a log is the system's.
    pub fn is_syslog(&self, log: Log) -> bool {
        self.syslogs.contains_key(&log)
    }

    /// Whether a running program has bytes for a log.
    pub fn waits_for(&self, log: Log) -> bool {
        self.streams.values().any(|stream| stream.log == Some(log))
    }

    /// Lets go of a log that nobody writes to any more.
    pub fn close(&mut self, log: Log) {
        if let Some(key) = self.numbers.remove(&log)
            && !self.numbers.values().any(|other| *other == key)
            && let Some(debt) = self.files.remove(&key).and_then(|file| file.debt())
        {
            self.debts.insert(log, debt);
        }
    }

    /// The descriptor of some open log, for tests of the sandbox.
    #[cfg(supervisor_hooks)]
    pub fn some_descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.files.values().map(LogFile::fd).next()
    }

    /// The numbers of all open logs.
    pub fn open_logs(&self) -> Vec<Log> {
        let mut logs: Vec<Log> = self.numbers.keys().copied().collect();
        logs.sort_unstable();
        logs
    }

    /// A descriptor has come: the log was opened, opened again or rotated. `same` is the lowest number of this file.
    pub fn opened(&mut self, log: Log, same: Log, fd: OwnedFd, now: Instant) {
        if let Some(syslog) = self.syslogs.get_mut(&log) {
            return syslog.opened(fd);
        }
        if let Some(dropped) = self.unopened.remove(&log) {
            self.events.push(Event::Works(log, dropped));
        }
        // Logs that were opened by their names one after the other may lead to one file by now.
        let id = file::id(fd.as_fd());
        let known = self.files.iter().find(|(_, file)| id.is_some() && file.id == id);
        let same = known.map_or(same, |(key, _)| *key);
        let before = self.numbers.insert(log, same);
        if let Some(before) = before.filter(|before| *before != same)
            && !self.numbers.values().any(|key| *key == before)
        {
            self.files.remove(&before);
        }
        let tightest = self.numbers.iter().filter(|(_, key)| **key == same);
        let limited = tightest.filter_map(|(log, _)| {
            let limit = self.limits.get(log);
            limit.filter(|limit| **limit > 0).map(|limit| (*limit, *log))
        });
        let limit = limited.min();
        match self.files.get_mut(&same) {
            Some(file) => file.replace(fd, limit),
            None => {
                let mut file = LogFile::new(fd, limit);
                if let Some(debt) = self.debts.remove(&log) {
                    file.owe(debt);
                }
                self.files.insert(same, file);
            }
        }
        self.told(same);
        self.resume(same, now);
    }

    /// A log that somebody waits for could not be opened.
    pub fn not_opened(&mut self, log: Log, errno: Errno, now: Instant) {
        if let Some(syslog) = self.syslogs.get_mut(&log) {
            syslog.not_opened(errno, now, &mut self.events);
            self.uneasy = true;
        } else {
            self.unopened.entry(log).or_default();
        }
    }

    /// The spawner would not rotate or clear a log that was held for it, or has done so in place.
    pub fn release(&mut self, log: Log, outcome: Result<(), Errno>, now: Instant) {
        let Some(key) = self.numbers.get(&log).copied() else {
            // Nobody writes to it just now, but somebody may follow it.
            return self.followers.get(&log).into_iter().for_each(|notify| notify.notify_waiters());
        };
        if let Some(file) = self.files.get_mut(&key) {
            file.release(outcome, now);
        }
        self.told(key);
        self.resume(key, now);
    }

    /// Holds a log while the spawner empties it or opens it again.
    pub fn hold(&mut self, log: Log, now: Instant) {
        if let Some(file) = self.file_mut(log) {
            file.hold(now);
        }
    }

    /// Resolves when the log has grown, was rotated, cleared or opened again.
    pub fn follow(&mut self, log: Log) -> Rc<Notify> {
        self.followers.retain(|_, notify| Rc::strong_count(notify) > 1);
        self.followers.entry(log).or_default().clone()
    }

    /// The broker before this one has said that a log takes nothing, and given up this much.
    pub(super) fn owe(&mut self, log: Log, dropped: u64) {
        let key = self.numbers.get(&log);
        match key.and_then(|key| self.files.get_mut(key)) {
            Some(file) => file.owe(dropped),
            None => *self.debts.entry(log).or_default() += dropped,
        }
    }

    /// Writes text at the end of a log. Gives how many bytes it took: 0 while it is held.
    pub fn write(&mut self, log: Log, text: &[u8], now: Instant) -> usize {
        if let Some(syslog) = self.syslogs.get_mut(&log) {
            // One line of the activity log, with its own end, which the reference sends too.
            let line = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
            let line = text.get(..line).unwrap_or_default();
            return match syslog.line(
                (syslog::DAEMON, line),
                &self.clock,
                (now, true),
                &mut self.events,
            ) {
                Sent::Wait => {
                    self.uneasy = true;
                    0
                }
                Sent::Yes | Sent::Dropped => line.len(),
            };
        }
        let Some(key) = self.numbers.get(&log).copied().filter(|_| !self.taking_over) else {
            return 0;
        };
        let Some(file) = self.files.get_mut(&key) else {
            return 0;
        };
        if file.held(now) {
            return 0;
        }
        match file.append(text) {
            Ok(bytes) => {
                self.settle(key, now);
                bytes
            }
            Err(errno) => {
                self.refused(key, errno, now);
                0
            }
        }
    }

    pub(super) fn file_mut(&mut self, log: Log) -> Option<&mut LogFile> {
        let key = self.numbers.get(&log)?;
        self.files.get_mut(key)
    }

    pub(super) fn told(&self, key: Log) {
        for (log, notify) in &self.followers {
            if self.numbers.get(log) == Some(&key) {
                notify.notify_waiters();
            }
        }
    }
}
