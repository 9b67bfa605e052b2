//! What the spawner tells the broker: fixed-size messages, some with descriptors.
//!
//! Every message is [`SIZE`] bytes. Descriptors travel this way only, in the order in which the variant names them.

use crate::frame::{self, Error, record, tagged};
use crate::request::{Instance, Log, Slot};

/// Length of every reply in bytes.
pub const SIZE: usize = 64;
const MAGIC: u16 = 0x5654;

tagged! {
/// The steps between a request to start a program and the program itself, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Making the pipes.
    1 Pipes,
    /// Binding a socket of the entry.
    15 Socket,
    /// clone3 or fork.
    2 Fork,
    /// Finding the executable.
    3 Find,
    /// A session of its own.
    4 Session,
    /// Putting the descriptors in place.
    5 Descriptors,
    /// Default signal dispositions, empty mask.
    6 Signals,
    /// Resource limits.
    7 Rlimits,
    /// Supplementary groups.
    8 Groups,
    /// The group id.
    9 Gid,
    /// The user id, and the proof that it cannot be undone.
    10 Uid,
    /// The file creation mask; cannot fail, named for completeness.
    11 Umask,
    /// The working directory.
    12 Chdir,
    /// execve.
    13 Exec,
    /// None of the steps answered in time; the child was killed.
    14 Deadline,
}
}

record! {
/// A step that failed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Which step.
    pub stage: Stage,
    /// The system's error number. At [`Stage::Find`]: ENOENT no such file, EISDIR a directory, ENOEXEC no execute
    /// bit, EACCES no permission.
    pub errno: i32,
}
}

tagged! {
/// Why the broker before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There was none: the daemon has just started.
    0 Start,
    /// It exited or was killed; the detail is its wait status.
    1 Died,
    /// It sent something that the border refuses; the detail is unused.
    2 Misbehaved,
    /// It left an exit or a signal unacknowledged for too long.
    3 Hung,
}
}

/// Descriptors that come with a started instance: standard input, output and error, as bits of a mask.
pub const STDIN: u8 = 1;
/// See [`STDIN`].
pub const STDOUT: u8 = 2;
/// See [`STDIN`].
pub const STDERR: u8 = 4;
/// See [`STDIN`]: two, the reading and the writing end of a pipe that the program has no end of. Only with [`STDIN`].
pub const STAGING: u8 = 8;
const ENDS: [u8; 5] = [STDIN, STDOUT, STDERR, STAGING, STAGING];
/// The most descriptors that one message carries.
pub const MAX_DESCRIPTORS: usize = ENDS.len();

tagged! {
/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// First: with the settings, the journal and, if the daemon has them, its standard output for the log and the end to
    /// write to of the pipe to the audit writer.
    1 Hello {
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
        /// Whether a descriptor of the daemon's standard output is there.
        stdout: bool,
        /// Whether a descriptor for what is to be in the audit log is there, the last one; the process id of the writer, 0
        /// where it has just ended.
        audit: Option<i32>,
    },
    /// A listening socket, with its descriptor.
    2 Listener {
        /// Its number in the launch table.
        index: u32,
    },
    /// Everything that ran before has been handed back.
    3 Complete,
    /// An instance runs, with its pipe ends. Sent for a new one and to hand back an old one.
    4 Spawned {
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
        /// Which of [`STDIN`], [`STDOUT`], [`STDERR`], [`STAGING`] follow, in this order.
        pipes: u8,
    },
    /// An instance could not be started; there is no pid.
    5 SpawnFailed {
        /// The request that it answers.
        seq: u32,
        /// Which slot.
        slot: Slot,
        /// What failed.
        failure: Failure,
    },
    /// Answer to `Probe`.
    6 Probed {
        /// The request that it answers.
        seq: u32,
        /// Which slot.
        slot: Slot,
        /// What would fail.
        failure: Option<Failure>,
    },
    /// Answer to `Signal`, `ClearLog` and a failed log request: an error number, 0 for success. ENOTSUP of a signal to a
    /// tree: there is no cgroup, and the process group alone was reached.
    7 Done {
        /// The request that it answers.
        seq: u32,
        /// errno.
        errno: i32,
    },
    /// Answer to `OpenLog` and `RotateLog`, with the descriptor.
    8 Opened {
        /// The request that it answers.
        seq: u32,
        /// Which log.
        log: Log,
        /// The lowest log number that is the same file and so has the same description; often itself.
        same: Log,
    },
    /// An instance ended. Sent again until it is acknowledged.
    9 Exited {
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
    10 SignalReceived {
        /// Which.
        signo: u8,
    },
    /// A process that nobody here started was reaped.
    11 Stranger {
        /// Its process id.
        pid: i32,
        /// The raw wait status.
        status: i32,
    },
    /// Answer to `Reread`, with a descriptor of what the reader wrote.
    12 Reading {
        /// The request that it answers.
        seq: u32,
        /// Which reading is in force now: a new one where it was accepted.
        epoch: u32,
        /// The reader's exit status: 0 with the settings, otherwise with its complaints.
        status: u8,
    },
    /// Answer to `Authenticate`, with the end of a SEQPACKET socket to the helper: see [`crate::login`].
    13 Helper {
        /// The request that it answers.
        seq: u32,
    },
}
}

impl Reply {
    /// How many descriptors come with this message.
    pub fn descriptors(&self) -> usize {
        match self {
            Reply::Hello { stdout, audit, .. } => {
                2 + usize::from(*stdout) + usize::from(audit.is_some())
            }
            Reply::Listener { .. }
            | Reply::Opened { .. }
            | Reply::Reading { .. }
            | Reply::Helper { .. } => 1,
            Reply::Spawned { pipes, .. } => ENDS.iter().filter(|bit| pipes & **bit != 0).count(),
            _ => 0,
        }
    }

    /// The bytes of this message.
    pub fn encode(&self) -> [u8; SIZE] {
        frame::seal(MAGIC, self)
    }

    /// Reads one datagram.
    pub fn decode(bytes: &[u8]) -> Result<Reply, Error> {
        match frame::unseal::<SIZE, Reply>(MAGIC, bytes)? {
            Reply::Spawned { pipes: 16.. | 8 | 10 | 12 | 14, .. } => Err(Error::Value("pipes")),
            reply => Ok(reply),
        }
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
                audit: Some(7),
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
            Reply::Spawned { seq: 1, slot: 2, instance: 3, pid: 4, failure: None, pipes: 15 },
            Reply::SpawnFailed { seq: 1, slot: 2, failure },
            Reply::Probed { seq: 1, slot: 2, failure: None },
            Reply::Probed { seq: 1, slot: 2, failure: Some(failure) },
            Reply::Done { seq: 1, errno: 3 },
            Reply::Opened { seq: 1, log: 2, same: 1 },
            Reply::Exited { slot: 1, instance: 2, status: 9, at: 5, cpu: 6, maxrss: 7 },
            Reply::SignalReceived { signo: 15 },
            Reply::Stranger { pid: 5, status: 256 },
            Reply::Reading { seq: 1, epoch: 2, status: 0 },
            Reply::Helper { seq: 1 },
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
    fn unused_bytes_and_unknown_tags_are_refused() {
        let mut bytes = Reply::Complete.encode();
        bytes[8] = 1;
        assert_eq!(Reply::decode(&bytes), Err(Error::Tag));
        let mut bytes = Reply::Complete.encode();
        bytes[3] = 99;
        assert_eq!(Reply::decode(&bytes), Err(Error::Tag));
        assert_eq!(Reply::decode(&bytes[..63]), Err(Error::Tag));
    }

    #[test]
    fn a_mask_tells_how_many_descriptors_come() {
        let spawned =
            |pipes| Reply::Spawned { seq: 1, slot: 2, instance: 3, pid: 4, failure: None, pipes };
        for (pipes, count) in [(0, 0), (1, 1), (6, 2), (7, 3), (9, 3), (11, 4), (15, 5)] {
            assert_eq!(spawned(pipes).descriptors(), count);
            assert!(Reply::decode(&spawned(pipes).encode()).is_ok());
        }
        // What is on its way into a pipe needs that pipe.
        for pipes in [8, 10, 12, 14, 16, 17, 31, 255] {
            let refused = Reply::decode(&spawned(pipes).encode());
            assert_eq!(refused, Err(Error::Value("pipes")), "{pipes}");
        }
    }

    #[test]
    fn stages_have_an_order() {
        assert!(Stage::Find < Stage::Descriptors && Stage::Descriptors < Stage::Exec);
    }
}
