//! What the journal keeps of a process and of the whole. Any bytes give a record or nothing.
//!
//! A record decides nothing about what exists: pid, instance and running or dead come from the spawner.

use std::time::Duration;

use privsep::frame::{Cursor, Error, Wire};
use privsep::journal::{PAYLOAD, Payload};
use privsep::reply::{Failure, Stage};
use privsep::request::Instance;

use super::{Now, State};

const VERSION: u8 = 1;
const PROCESS: u8 = b'P';
const WHOLE: u8 = b'W';

/// Why a process is not up, as kind and numbers; the text is made from them when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// Nothing is wrong.
    None,
    /// The command itself is wrong.
    Command,
    /// No process could be made.
    Spawn(Failure),
    /// It ended before `startsecs`.
    TooQuick,
    /// It ended with this status, which is not one of `exitcodes`.
    BadExit(i32),
}

/// What is kept of a process over the end of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub state: State,
    /// The last known life; 0 before the first.
    pub instance: Instance,
    /// A start was asked for and its outcome is not known.
    pub spawning: bool,
    /// The last word was a stop: it is not started again by itself.
    pub halted: bool,
    /// It is being stopped in order to be started again.
    pub renewing: bool,
    /// A restart is to start it as soon as all that it stops are down.
    pub owed: bool,
    /// The last start.
    pub start: Option<Now>,
    /// The last end, since the epoch.
    pub stop: Option<Duration>,
    /// What the state waits for: the next try in BACKOFF, SIGKILL in STOPPING.
    pub deadline: Duration,
    /// Failed starts in a row.
    pub backoff: u32,
    /// `backoff` before it last entered RUNNING, should that turn out to be a mistake.
    pub before: u32,
    pub exitstatus: Option<i32>,
    pub mishap: Mishap,
}

impl Default for Record {
    fn default() -> Self {
        Record {
            state: State::Stopped,
            instance: 0,
            spawning: false,
            halted: false,
            renewing: false,
            owed: false,
            start: None,
            stop: None,
            deadline: Duration::ZERO,
            backoff: 0,
            before: 0,
            exitstatus: None,
            mishap: Mishap::None,
        }
    }
}

/// Bits of the flags byte.
const SPAWNING: u8 = 1;
const HALTED: u8 = 2;
const STARTED: u8 = 4;
const ENDED: u8 = 8;
const STATUS: u8 = 16;
const RENEWING: u8 = 32;
const OWED: u8 = 64;

impl Record {
    /// The cell's bytes.
    pub(super) fn encode(&self) -> Payload {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = bit(self.spawning, SPAWNING)
            | bit(self.halted, HALTED)
            | bit(self.start.is_some(), STARTED)
            | bit(self.stop.is_some(), ENDED)
            | bit(self.exitstatus.is_some(), STATUS)
            | bit(self.renewing, RENEWING)
            | bit(self.owed, OWED);
        let start = self.start.unwrap_or(Now { mono: Duration::ZERO, wall: Duration::ZERO });
        let (kind, stage, number) = match self.mishap {
            Mishap::None => (0, 0, 0),
            Mishap::Command => (1, 0, 0),
            Mishap::Spawn(Failure { stage, errno }) => {
                (2, stage.encode().first().copied().unwrap_or(0), errno)
            }
            Mishap::TooQuick => (3, 0, 0),
            Mishap::BadExit(status) => (4, 0, status),
        };
        let mut to = vec![VERSION, PROCESS, flags, kind, stage];
        self.state.code().put(&mut to);
        for number in [self.instance, self.backoff, self.before] {
            number.put(&mut to);
        }
        for time in [start.mono, start.wall, self.stop.unwrap_or_default(), self.deadline] {
            nanos(time).put(&mut to);
        }
        (self.exitstatus.unwrap_or_default(), number).put(&mut to);
        payload(&to)
    }

    /// Reads a cell.
    pub(super) fn decode(payload: &Payload) -> Option<Record> {
        Self::read(payload).ok()
    }

    fn read(payload: &Payload) -> Result<Record, Error> {
        let mut c = Cursor::new(payload);
        if <(u8, u8)>::get(&mut c)? != (VERSION, PROCESS) {
            return Err(Error::Version);
        }
        let (flags, (kind, stage)) = <(u8, (u8, u8))>::get(&mut c)?;
        let code = i32::get(&mut c)?;
        let state = State::ALL.into_iter().find(|s| s.code() == code);
        let (instance, (backoff, before)) = <(u32, (u32, u32))>::get(&mut c)?;
        let mut time = || u64::get(&mut c).map(Duration::from_nanos);
        let start = Now { mono: time()?, wall: time()? };
        let (stop, deadline) = (time()?, time()?);
        let (status, number) = <(i32, i32)>::get(&mut c)?;
        let mishap = match kind {
            0 => Mishap::None,
            1 => Mishap::Command,
            2 => Mishap::Spawn(Failure { stage: Stage::decode(&[stage])?, errno: number }),
            3 => Mishap::TooQuick,
            4 => Mishap::BadExit(number),
            _ => return Err(Error::Tag),
        };
        let on = |bit: u8| flags & bit != 0;
        Ok(Record {
            state: state.ok_or(Error::Tag)?,
            instance,
            spawning: on(SPAWNING),
            halted: on(HALTED),
            renewing: on(RENEWING),
            owed: on(OWED),
            start: on(STARTED).then_some(start),
            stop: on(ENDED).then_some(stop),
            deadline,
            backoff,
            before,
            exitstatus: on(STATUS).then_some(status),
            mishap,
        })
    }
}

/// The broker's own cell: whether everything is being stopped, and until when that may take.
pub(super) fn encode_whole(stopping: bool, late_at: Option<Duration>) -> Payload {
    let mut to = vec![VERSION, WHOLE, u8::from(stopping)];
    late_at.map_or(0, nanos).put(&mut to);
    payload(&to)
}

/// Reads the broker's own cell: `None` while nothing is being stopped, which a cell that is not whole says too.
pub(super) fn decode_whole(payload: &Payload) -> Option<Option<Duration>> {
    let mut c = Cursor::new(payload);
    let (version, (kind, stopping)) = <(u8, (u8, u8))>::get(&mut c).ok()?;
    let late_at = u64::get(&mut c).ok().filter(|at| *at != 0);
    let stopping = (version, kind, stopping) == (VERSION, WHOLE, 1);
    stopping.then_some(late_at.map(Duration::from_nanos))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn payload(bytes: &[u8]) -> Payload {
    let mut payload = [0; PAYLOAD];
    for (to, from) in payload.iter_mut().zip(bytes) {
        *to = *from;
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        Record {
            state: State::Stopping,
            instance: 7,
            spawning: true,
            halted: true,
            renewing: true,
            owed: true,
            start: Some(Now {
                mono: Duration::from_millis(1_500),
                wall: Duration::from_secs(1_795_226_180),
            }),
            stop: Some(Duration::from_secs(3)),
            deadline: Duration::from_nanos(u64::MAX),
            backoff: 3,
            before: 2,
            exitstatus: Some(-1),
            mishap: Mishap::Spawn(Failure { stage: Stage::Pipes, errno: 24 }),
        }
    }

    #[test]
    fn records_survive_the_journal() {
        let mishaps =
            [Mishap::None, Mishap::Command, Mishap::TooQuick, Mishap::BadExit(-1), full().mishap];
        for mishap in mishaps {
            for state in State::ALL {
                let record = Record { state, mishap, ..full() };
                assert_eq!(Record::decode(&record.encode()), Some(record));
            }
        }
        let fresh = Record::default();
        assert_eq!(Record::decode(&fresh.encode()), Some(fresh));
        let late = Some(Duration::from_secs(7));
        assert_eq!(decode_whole(&encode_whole(true, None)), Some(None));
        assert_eq!(decode_whole(&encode_whole(true, late)), Some(late));
        assert_eq!(decode_whole(&encode_whole(false, late)), None);
    }

    #[test]
    fn every_field_has_room() {
        // The writer's bytes end in the last field, which must not have been cut off.
        let mut record = full();
        record.mishap = Mishap::BadExit(0x0102_0304);
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }

    #[test]
    fn other_bytes_are_nothing() {
        assert_eq!(Record::decode(&[0; PAYLOAD]), None);
        assert_eq!(Record::decode(&[255; PAYLOAD]), None);
        assert_eq!(Record::decode(&encode_whole(true, None)), None);
        assert_eq!(decode_whole(&[1; PAYLOAD]), None);
        let mut bytes = full().encode();
        bytes[5] = 77;
        assert_eq!(Record::decode(&bytes), None, "an unknown state");
    }
}
