//! What the broker may ask: one variant a privileged act, numbers only.
//!
//! A request is always [`SIZE`] bytes: magic, version, op, seq, slot, instance, a, b. Fields that an operation does
//! not use must be zero. There is no string, no path, no uid and no descriptor in it.

use crate::frame::{Cursor, Error, Writer};

/// Length of every request in bytes.
pub const SIZE: usize = 24;
const MAGIC: u16 = 0x5653;
/// Version of requests, replies and the table together: all processes are of one build.
pub const VERSION: u8 = 1;

/// A program process's number in the launch table.
pub type Slot = u32;
/// One life of a slot; the first is 1.
pub type Instance = u32;
/// A log file's number in the launch table.
pub type Log = u32;

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The process itself.
    Process,
    /// Its process group.
    Group,
    /// All that it started: its cgroup for SIGKILL, its process group otherwise.
    Tree,
}

/// What a log descriptor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Appending; the descriptor that the pipes are spliced into.
    Write,
    /// Reading it back for `tail`.
    Read,
    /// Appending, but closed and opened again by name first.
    Reopen,
}

/// How the daemon is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Leave.
    Exit,
    /// Start over with the configuration as it is then.
    Restart,
}

/// One request. What each can reach stands in SECURITY.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// The broker is in its sandbox and takes over; the first message of every broker.
    Ready,
    /// Start this slot's program.
    Spawn {
        /// Which.
        slot: Slot,
    },
    /// Say whether this slot's executable could be started, without starting it.
    Probe {
        /// Which.
        slot: Slot,
    },
    /// Send a signal to a running instance.
    Signal {
        /// Which slot.
        slot: Slot,
        /// Which life of it; an older one is refused with ESRCH.
        instance: Instance,
        /// 1 to 64.
        signo: u8,
        /// The process, its group or its tree.
        whom: Whom,
    },
    /// Hand out a descriptor of a log file of the table.
    OpenLog {
        /// Which.
        log: Log,
        /// For writing or for reading.
        mode: Mode,
    },
    /// Rotate a log file; EAGAIN while it is below its limit.
    RotateLog {
        /// Which.
        log: Log,
    },
    /// Empty a log file.
    ClearLog {
        /// Which.
        log: Log,
    },
    /// The exit was taken note of and the pipes are drained: free the record and the pipes.
    Ack {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
    },
    /// A signal to the daemon (`SignalReceived`) was taken note of.
    AckSignal {
        /// Which.
        signo: u8,
    },
    /// Stop whatever still runs and end.
    End(End),
}

impl Request {
    /// The bytes of this request under the number `seq`, which its reply repeats.
    pub fn encode(self, seq: u32) -> [u8; SIZE] {
        let (op, slot, instance, a, b) = match self {
            Request::Ready => (1, 0, 0, 0, 0),
            Request::Spawn { slot } => (2, slot, 0, 0, 0),
            Request::Probe { slot } => (3, slot, 0, 0, 0),
            Request::Signal { slot, instance, signo, whom } => {
                (4, slot, instance, u32::from(signo), whom_tag(whom))
            }
            Request::OpenLog { log, mode } => (5, log, 0, mode_tag(mode), 0),
            Request::RotateLog { log } => (6, log, 0, 0, 0),
            Request::ClearLog { log } => (7, log, 0, 0, 0),
            Request::Ack { slot, instance } => (8, slot, instance, 0, 0),
            Request::AckSignal { signo } => (9, 0, 0, u32::from(signo), 0),
            Request::End(End::Exit) => (10, 0, 0, 0, 0),
            Request::End(End::Restart) => (10, 0, 0, 1, 0),
        };
        let mut w = Writer::new();
        w.u16(MAGIC).u8(VERSION).u8(op).u32(seq).u32(slot).u32(instance).u32(a).u32(b);
        let mut bytes = [0; SIZE];
        // The writer above always makes exactly SIZE bytes; `zip` needs no index to say so.
        for (to, from) in bytes.iter_mut().zip(w.finish()) {
            *to = from;
        }
        bytes
    }

    /// Reads one datagram. Gives the request and its `seq`.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Request), Error> {
        let mut c = Cursor::new(bytes);
        if c.u16()? != MAGIC || c.u8()? != VERSION {
            return Err(Error::Version);
        }
        let op = c.u8()?;
        let seq = c.u32()?;
        let (slot, instance, a, b) = (c.u32()?, c.u32()?, c.u32()?, c.u32()?);
        c.end()?;
        let request = match (op, slot, instance, a, b) {
            (1, 0, 0, 0, 0) => Request::Ready,
            (2, slot, 0, 0, 0) => Request::Spawn { slot },
            (3, slot, 0, 0, 0) => Request::Probe { slot },
            (4, slot, instance, a, b) => {
                Request::Signal { slot, instance, signo: signo(a)?, whom: whom(b)? }
            }
            (5, log, 0, a, 0) => Request::OpenLog { log, mode: mode(a)? },
            (6, log, 0, 0, 0) => Request::RotateLog { log },
            (7, log, 0, 0, 0) => Request::ClearLog { log },
            (8, slot, instance, 0, 0) => Request::Ack { slot, instance },
            (9, 0, 0, a, 0) => Request::AckSignal { signo: signo(a)? },
            (10, 0, 0, 0, 0) => Request::End(End::Exit),
            (10, 0, 0, 1, 0) => Request::End(End::Restart),
            _ => return Err(Error::Tag),
        };
        Ok((seq, request))
    }
}

fn signo(a: u32) -> Result<u8, Error> {
    match u8::try_from(a) {
        Ok(n @ 1..=64) => Ok(n),
        _ => Err(Error::Value("signal number")),
    }
}

fn whom_tag(whom: Whom) -> u32 {
    match whom {
        Whom::Process => 0,
        Whom::Group => 1,
        Whom::Tree => 2,
    }
}

fn whom(b: u32) -> Result<Whom, Error> {
    match b {
        0 => Ok(Whom::Process),
        1 => Ok(Whom::Group),
        2 => Ok(Whom::Tree),
        _ => Err(Error::Tag),
    }
}

fn mode_tag(mode: Mode) -> u32 {
    match mode {
        Mode::Write => 0,
        Mode::Read => 1,
        Mode::Reopen => 2,
    }
}

fn mode(a: u32) -> Result<Mode, Error> {
    match a {
        0 => Ok(Mode::Write),
        1 => Ok(Mode::Read),
        2 => Ok(Mode::Reopen),
        _ => Err(Error::Tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Request; 17] = [
        Request::Ready,
        Request::Spawn { slot: 7 },
        Request::Probe { slot: u32::MAX },
        Request::Signal { slot: 1, instance: 2, signo: 15, whom: Whom::Process },
        Request::Signal { slot: 1, instance: 2, signo: 1, whom: Whom::Group },
        Request::Signal { slot: 1, instance: 2, signo: 64, whom: Whom::Tree },
        Request::OpenLog { log: 0, mode: Mode::Write },
        Request::OpenLog { log: 3, mode: Mode::Read },
        Request::OpenLog { log: 3, mode: Mode::Reopen },
        Request::RotateLog { log: 3 },
        Request::ClearLog { log: 3 },
        Request::Ack { slot: 9, instance: 8 },
        Request::AckSignal { signo: 1 },
        Request::AckSignal { signo: 15 },
        Request::End(End::Exit),
        Request::End(End::Restart),
        Request::Spawn { slot: 0 },
    ];

    #[test]
    fn every_request_survives_the_wire() {
        for (seq, request) in (0u32..).zip(ALL) {
            let bytes = request.encode(seq);
            assert_eq!(Request::decode(&bytes), Ok((seq, request)));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let good = Request::Signal { slot: 1, instance: 2, signo: 15, whom: Whom::Group }.encode(1);
        for n in 0..SIZE {
            assert_eq!(Request::decode(&good[..n]), Err(Error::Short), "{n} bytes");
        }
        let mut long = good.to_vec();
        long.push(0);
        assert_eq!(Request::decode(&long), Err(Error::Long));
        let with = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            Request::decode(&bytes)
        };
        assert_eq!(with(0, 0), Err(Error::Version));
        assert_eq!(with(2, 9), Err(Error::Version));
        assert_eq!(with(3, 0), Err(Error::Tag));
        assert_eq!(with(3, 200), Err(Error::Tag));
        assert_eq!(with(16, 0), Err(Error::Value("signal number")));
        assert_eq!(with(16, 65), Err(Error::Value("signal number")));
        assert_eq!(with(20, 3), Err(Error::Tag));
        // Fields that an operation does not use are not a place to hide anything.
        let mut ready = Request::Ready.encode(1);
        ready[8] = 1;
        assert_eq!(Request::decode(&ready), Err(Error::Tag));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes() {
        for request in ALL {
            let bytes = request.encode(77);
            let (seq, again) = Request::decode(&bytes).unwrap();
            assert_eq!(again.encode(seq), bytes);
        }
    }
}
