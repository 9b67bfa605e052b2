//! The turns of the streams: who may move bytes now, what comes after, and what a refusal means.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use privsep::request::Log;

use super::append::Appender;
use super::stream::{Stream, Turn};
use super::{Event, Logs, REST, Token};

impl Logs {
    /// One turn of one stream: move what is there, then rest, wait for more, or end.
    pub(super) fn turn(&mut self, token: Token, now: Instant) {
        loop {
            let Some(mut stream) = self.streams.remove(&token) else {
                return;
            };
            let turn = self.move_some(&mut stream, now);
            let (slot, instance, finishing) = (stream.slot, stream.instance, stream.finishing());
            let over = stream.over(&turn);
            self.streams.insert(token, stream);
            if over {
                self.detach(token);
                if finishing {
                    self.drained(slot, instance);
                }
                return;
            }
            if !finishing || matches!(turn, Turn::Held) {
                return self.then(token, turn, now);
            }
        }
    }

    fn then(&mut self, token: Token, turn: Turn, now: Instant) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        match turn {
            Turn::Held => stream.stuck = true,
            Turn::Moved(bytes) if stream.rests(bytes, now) => {
                if self.resting.is_empty() && self.tools.watch.pause(REST).is_err() {
                    let _ = self.tools.watch.arm(stream.pipe.as_fd(), token);
                    return;
                }
                self.resting.push(token);
            }
            Turn::Moved(_) | Turn::Empty | Turn::End => {
                let _ = self.tools.watch.arm(stream.pipe.as_fd(), token);
            }
        }
    }

    fn move_some(&mut self, stream: &mut Stream, now: Instant) -> Turn {
        let Some(log) = stream.log else {
            return stream.discard(self.tools.null.as_fd());
        };
        let Some(key) = self.numbers.get(&log).copied() else {
            return Turn::Held;
        };
        let Some(file) = self.files.get_mut(&key) else {
            return Turn::Held;
        };
        if file.held(now) {
            return Turn::Held;
        }
        let noted = stream.note.is_some();
        let result = if file.plain() && !noted {
            stream.splice(file)
        } else {
            let mut appender = Appender {
                tools: &self.tools,
                journal: self.journal.as_deref(),
                buffer: &mut self.buffer,
            };
            appender.turn(stream, file)
        };
        match result {
            Ok(turn) => {
                self.settle(key, &turn, now);
                turn
            }
            Err(errno) => self.refused(key, stream, errno, now),
        }
    }

    /// After bytes have reached a file: is it over its limit?
    pub(super) fn settle(&mut self, key: Log, turn: &Turn, now: Instant) {
        if !matches!(turn, Turn::Moved(_)) {
            return;
        }
        self.told(key);
        let Some(file) = self.files.get_mut(&key) else {
            return;
        };
        file.works();
        if let Some(log) = file.over_limit(now) {
            file.hold();
            self.events.push(Event::Rotate(log));
        }
    }

    fn refused(&mut self, key: Log, stream: &mut Stream, errno: Errno, now: Instant) -> Turn {
        if errno == Errno::EPIPE {
            // Whoever was at the other end of this target is gone and will not read it any more.
            return stream.discard(self.tools.null.as_fd());
        }
        self.uneasy = true;
        if let Some(file) = self.files.get_mut(&key)
            && file.fails(errno, now)
        {
            self.events.push(Event::Trouble(key, errno));
        }
        Turn::Held
    }

    pub(super) fn resume(&mut self, key: Log, now: Instant) {
        let stuck: Vec<Token> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.stuck)
            .filter(|(_, stream)| {
                let key_of = |log: Log| self.numbers.get(&log).copied();
                stream.log.and_then(key_of) == Some(key)
            })
            .map(|(token, _)| *token)
            .collect();
        for token in stuck {
            if let Some(stream) = self.streams.get_mut(&token) {
                stream.stuck = false;
            }
            self.turn(token, now);
        }
    }
}
