//! What the spawner tells the broker: fixed-size messages, some with descriptors.
//!
//! Every message is [`SIZE`] bytes. Descriptors travel this way only, in the order in which the variant names them.

use crate::frame::{Cursor, Error, Writer};
use crate::request::{Instance, Log, Slot, VERSION};

/// Length of every reply in bytes.
pub const SIZE: usize = 64;
/// The most descriptors that one message carries.
pub const MAX_DESCRIPTORS: usize = 3;
const MAGIC: u16 = 0x5654;

/// The steps between a request to start a program and the program itself, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Making the pipes.
    Pipes = 1,
    /// clone3 or fork.
    Fork = 2,
    /// Finding the executable.
    Find = 3,
    /// A session of its own.
    Session = 4,
    /// Putting the descriptors in place.
    Descriptors = 5,
    /// Default signal dispositions, empty mask.
    Signals = 6,
    /// Resource limits.
    Rlimits = 7,
    /// Supplementary groups.
    Groups = 8,
    /// The group id.
    Gid = 9,
    /// The user id, and the proof that it cannot be undone.
    Uid = 10,
    /// The file creation mask; cannot fail, named for completeness.
    Umask = 11,
    /// The working directory.
    Chdir = 12,
    /// execve.
    Exec = 13,
    /// None of the steps answered in time; the child was killed.
    Deadline = 14,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 14] = [
        Stage::Pipes,
        Stage::Fork,
        Stage::Find,
        Stage::Session,
        Stage::Descriptors,
        Stage::Signals,
        Stage::Rlimits,
        Stage::Groups,
        Stage::Gid,
        Stage::Uid,
        Stage::Umask,
        Stage::Chdir,
        Stage::Exec,
        Stage::Deadline,
    ];

    /// The stage with this number.
    pub fn from_u8(n: u8) -> Option<Stage> {
        Stage::ALL.into_iter().find(|s| *s as u8 == n)
    }
}

/// A step that failed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Which step.
    pub stage: Stage,
    /// The system's error number. At [`Stage::Find`]: ENOENT no such file, EISDIR a directory, ENOEXEC no execute
    /// bit, EACCES no permission.
    pub errno: i32,
}

/// Why the broker before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// There was none: the daemon has just started.
    Start = 0,
    /// It exited or was killed; the detail is its wait status.
    Died = 1,
    /// It sent something that the border refuses; the detail is unused.
    Misbehaved = 2,
    /// It left an exit or a signal unacknowledged for too long.
    Hung = 3,
}

/// Descriptors that come with a started instance: standard input, output and error, as bits of a mask.
pub const STDIN: u8 = 1;
/// See [`STDIN`].
pub const STDOUT: u8 = 2;
/// See [`STDIN`].
pub const STDERR: u8 = 4;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// First: with the settings, the journal and, if the daemon has a standard output for the log, that one.
    Hello {
        /// Which reading of the configuration is in force.
        epoch: u32,
        /// How many `Listener` messages follow.
        listeners: u32,
        /// How many brokers there were before.
        predecessors: u32,
        /// How the last of them ended.
        cause: Cause,
        /// Its wait status where it died by itself.
        detail: i32,
        /// Whether a third descriptor, the daemon's standard output, is there.
        stdout: bool,
    },
    /// A listening socket, with its descriptor.
    Listener {
        /// Its number in the launch table.
        index: u32,
    },
    /// Everything that ran before has been handed back.
    Complete,
    /// An instance runs, with its pipe ends. Sent for a new one and to hand back an old one.
    Spawned {
        /// The request that it answers; 0 when handed back.
        seq: u32,
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// Its process id.
        pid: i32,
        /// A step after the descriptors were in place failed: the child is about to exit with 127.
        failure: Option<Failure>,
        /// Which of [`STDIN`], [`STDOUT`], [`STDERR`] follow, in this order.
        pipes: u8,
    },
    /// An instance could not be started; there is no pid.
    SpawnFailed {
        /// The request that it answers.
        seq: u32,
        /// Which slot.
        slot: Slot,
        /// What failed.
        failure: Failure,
    },
    /// Answer to `Probe`.
    Probed {
        /// The request that it answers.
        seq: u32,
        /// Which slot.
        slot: Slot,
        /// What would fail.
        failure: Option<Failure>,
    },
    /// Answer to `Signal`, `ClearLog` and a failed log request: an error number, 0 for success.
    Done {
        /// The request that it answers.
        seq: u32,
        /// errno.
        errno: i32,
    },
    /// Answer to `OpenLog` and `RotateLog`, with the descriptor.
    Opened {
        /// The request that it answers.
        seq: u32,
        /// Which log.
        log: Log,
        /// The lowest log number that is the same file and so has the same description; often itself.
        same: Log,
    },
    /// An instance ended. Sent again until it is acknowledged.
    Exited {
        /// Which slot.
        slot: Slot,
        /// Which life of it.
        instance: Instance,
        /// The raw wait status.
        status: i32,
        /// When it was reaped: CLOCK_MONOTONIC in nanoseconds.
        at: u64,
        /// CPU time it used, in microseconds.
        cpu: u64,
        /// Its largest resident size in KiB.
        maxrss: u64,
    },
    /// The daemon got a signal. Sent again until it is acknowledged.
    SignalReceived {
        /// Which.
        signo: u8,
    },
    /// A process that nobody here started was reaped.
    Stranger {
        /// Its process id.
        pid: i32,
        /// The raw wait status.
        status: i32,
    },
}

#[derive(Default)]
struct Raw {
    kind: u8,
    seq: u32,
    slot: u32,
    instance: u32,
    pid: i32,
    status: i32,
    stage: u8,
    flags: u8,
    errno: i32,
    a: u64,
    b: u64,
    c: u64,
}

impl Reply {
    /// How many descriptors come with this message.
    pub fn descriptors(&self) -> usize {
        match self {
            Reply::Hello { stdout, .. } => 2 + usize::from(*stdout),
            Reply::Listener { .. } | Reply::Opened { .. } => 1,
            Reply::Spawned { pipes, .. } => usize::try_from(pipes.count_ones()).unwrap_or(0),
            _ => 0,
        }
    }

    fn raw(&self) -> Raw {
        let failed = |f: Option<Failure>| f.map_or((0, 0), |f| (f.stage as u8, f.errno));
        match *self {
            Reply::Hello { epoch, listeners, predecessors, cause, detail, stdout } => Raw {
                kind: 1,
                seq: epoch,
                slot: listeners,
                instance: predecessors,
                stage: cause as u8,
                status: detail,
                flags: u8::from(stdout),
                ..Raw::default()
            },
            Reply::Listener { index } => Raw { kind: 2, slot: index, ..Raw::default() },
            Reply::Complete => Raw { kind: 3, ..Raw::default() },
            Reply::Spawned { seq, slot, instance, pid, failure, pipes } => {
                let (stage, errno) = failed(failure);
                Raw {
                    kind: 4,
                    seq,
                    slot,
                    instance,
                    pid,
                    stage,
                    errno,
                    flags: pipes,
                    ..Raw::default()
                }
            }
            Reply::SpawnFailed { seq, slot, failure } => {
                let (stage, errno) = failed(Some(failure));
                Raw { kind: 5, seq, slot, stage, errno, ..Raw::default() }
            }
            Reply::Probed { seq, slot, failure } => {
                let (stage, errno) = failed(failure);
                Raw { kind: 6, seq, slot, stage, errno, ..Raw::default() }
            }
            Reply::Done { seq, errno } => Raw { kind: 7, seq, errno, ..Raw::default() },
            Reply::Opened { seq, log, same } => {
                Raw { kind: 8, seq, slot: log, instance: same, ..Raw::default() }
            }
            Reply::Exited { slot, instance, status, at, cpu, maxrss } => {
                Raw { kind: 9, slot, instance, status, a: at, b: cpu, c: maxrss, ..Raw::default() }
            }
            Reply::SignalReceived { signo } => Raw { kind: 10, flags: signo, ..Raw::default() },
            Reply::Stranger { pid, status } => Raw { kind: 11, pid, status, ..Raw::default() },
        }
    }

    /// The bytes of this message.
    pub fn encode(&self) -> [u8; SIZE] {
        let r = self.raw();
        let mut w = Writer::new();
        w.u16(MAGIC).u8(VERSION).u8(r.kind).u32(r.seq).u32(r.slot).u32(r.instance);
        w.i32(r.pid).i32(r.status).i32(r.errno).u8(r.stage).u8(r.flags).u16(0);
        w.u64(r.a).u64(r.b).u64(r.c).u64(0);
        let mut bytes = [0; SIZE];
        for (to, from) in bytes.iter_mut().zip(w.finish()) {
            *to = from;
        }
        bytes
    }

    /// Reads one datagram.
    pub fn decode(bytes: &[u8]) -> Result<Reply, Error> {
        let mut c = Cursor::new(bytes);
        if c.u16()? != MAGIC || c.u8()? != VERSION {
            return Err(Error::Version);
        }
        let (kind, seq, slot, instance) = (c.u8()?, c.u32()?, c.u32()?, c.u32()?);
        let (pid, status, errno) = (c.i32()?, c.i32()?, c.i32()?);
        let (stage, flags, pad) = (c.u8()?, c.u8()?, c.u16()?);
        let r = Raw {
            kind,
            seq,
            slot,
            instance,
            pid,
            status,
            stage,
            flags,
            errno,
            a: c.u64()?,
            b: c.u64()?,
            c: c.u64()?,
        };
        if (pad, c.u64()?) != (0, 0) {
            return Err(Error::Tag);
        }
        c.end()?;
        let reply = r.reply()?;
        // Canonical: fields that a kind does not use are zero.
        if reply.encode() == bytes { Ok(reply) } else { Err(Error::Tag) }
    }
}

impl Raw {
    fn failure(&self) -> Result<Option<Failure>, Error> {
        match (self.stage, self.errno) {
            (0, 0) => Ok(None),
            (stage, errno) => {
                Ok(Some(Failure { stage: Stage::from_u8(stage).ok_or(Error::Tag)?, errno }))
            }
        }
    }

    fn cause(&self) -> Result<Cause, Error> {
        match self.stage {
            0 => Ok(Cause::Start),
            1 => Ok(Cause::Died),
            2 => Ok(Cause::Misbehaved),
            3 => Ok(Cause::Hung),
            _ => Err(Error::Tag),
        }
    }

    fn reply(&self) -> Result<Reply, Error> {
        let Raw { kind, seq, slot, instance, pid, status, flags, errno, a, b, c, .. } = *self;
        Ok(match kind {
            1 => Reply::Hello {
                epoch: seq,
                listeners: slot,
                predecessors: instance,
                cause: self.cause()?,
                detail: status,
                stdout: flags == 1,
            },
            2 => Reply::Listener { index: slot },
            3 => Reply::Complete,
            4 if flags <= 7 => {
                Reply::Spawned { seq, slot, instance, pid, failure: self.failure()?, pipes: flags }
            }
            5 => Reply::SpawnFailed { seq, slot, failure: self.failure()?.ok_or(Error::Tag)? },
            6 => Reply::Probed { seq, slot, failure: self.failure()? },
            7 => Reply::Done { seq, errno },
            8 => Reply::Opened { seq, log: slot, same: instance },
            9 => Reply::Exited { slot, instance, status, at: a, cpu: b, maxrss: c },
            10 => Reply::SignalReceived { signo: flags },
            11 => Reply::Stranger { pid, status },
            _ => return Err(Error::Tag),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Reply> {
        let failure = Failure { stage: Stage::Exec, errno: 8 };
        vec![
            Reply::Hello {
                epoch: 1,
                listeners: 2,
                predecessors: 3,
                cause: Cause::Died,
                detail: 9,
                stdout: true,
            },
            Reply::Listener { index: 1 },
            Reply::Complete,
            Reply::Spawned { seq: 1, slot: 2, instance: 3, pid: 4, failure: None, pipes: 7 },
            Reply::Spawned {
                seq: 1,
                slot: 2,
                instance: 3,
                pid: 4,
                failure: Some(failure),
                pipes: 3,
            },
            Reply::SpawnFailed { seq: 1, slot: 2, failure },
            Reply::Probed { seq: 1, slot: 2, failure: None },
            Reply::Probed { seq: 1, slot: 2, failure: Some(failure) },
            Reply::Done { seq: 1, errno: 3 },
            Reply::Opened { seq: 1, log: 2, same: 1 },
            Reply::Exited { slot: 1, instance: 2, status: 9, at: 5, cpu: 6, maxrss: 7 },
            Reply::SignalReceived { signo: 15 },
            Reply::Stranger { pid: 5, status: 256 },
        ]
    }

    #[test]
    fn every_reply_survives_the_wire() {
        for reply in all() {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
            assert!(reply.descriptors() <= MAX_DESCRIPTORS);
        }
    }

    #[test]
    fn unused_fields_and_unknown_tags_are_refused() {
        let mut bytes = Reply::Complete.encode();
        bytes[8] = 1;
        assert_eq!(Reply::decode(&bytes), Err(Error::Tag));
        let mut bytes = Reply::Complete.encode();
        bytes[3] = 99;
        assert_eq!(Reply::decode(&bytes), Err(Error::Tag));
        assert_eq!(Reply::decode(&bytes[..63]), Err(Error::Short));
    }

    #[test]
    fn stages_are_numbered_in_order() {
        for (n, stage) in (1u8..).zip(Stage::ALL) {
            assert_eq!(stage as u8, n);
            assert_eq!(Stage::from_u8(n), Some(stage));
        }
        assert_eq!(Stage::from_u8(0), None);
        assert_eq!(Stage::from_u8(15), None);
    }
}
