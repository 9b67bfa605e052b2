//! What the broker may ask: one variant a privileged act, numbers only.
//!
//! A request is always [`SIZE`] bytes: magic, version, seq, the variant, zeros. There is no string, no path, no uid and no descriptor in it.

use crate::frame::{self, Cursor, Error, Wire, tagged};

/// Length of every request in bytes.
pub const SIZE: usize = 24;
const MAGIC: u16 = 0x5653;

/// A program process's number in the launch table.
pub type Slot = u32;
/// One life of a slot; the first is 1.
pub type Instance = u32;
/// A log file's number in the launch table.
pub type Log = u32;

tagged! {
    /// Whom a signal is for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Whom {
        /// The process itself.
        0 Process,
        /// Its process group.
        1 Group,
        /// All that it started: its cgroup for SIGKILL, its process group otherwise.
        2 Tree,
    }
}

tagged! {
    /// What a log descriptor is for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Mode {
        /// Appending; the descriptor that the pipes are spliced into.
        0 Write,
        /// Reading it back for `tail`.
        1 Read,
        /// Appending, but closed and opened again by name first.
        2 Reopen,
    }
}

tagged! {
    /// How the daemon is to end.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum End {
        /// Leave.
        0 Exit,
        /// Start over with the configuration as it is then.
        1 Restart,
    }
}

tagged! {
    /// One request. What each can reach stands in SECURITY.md.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Request {
        /// The broker is in its sandbox and takes over; the first message of every broker.
        1 Ready,
        /// Start this slot's program.
        2 Spawn {
            /// Which.
            slot: Slot,
        },
        /// Say whether this slot's executable could be started, without starting it.
        3 Probe {
            /// Which.
            slot: Slot,
        },
        /// Send a signal to an instance.
        4 Signal {
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
        5 OpenLog {
            /// Which.
            log: Log,
            /// For writing or for reading.
            mode: Mode,
        },
        /// Rotate a log file; EAGAIN while it is below its limit.
        6 RotateLog {
            /// Which.
            log: Log,
        },
        /// Empty a log file.
        7 ClearLog {
            /// Which.
            log: Log,
        },
        /// The exit was taken note of and the pipes are drained: free the record and the pipes.
        8 Ack {
            /// Which slot.
            slot: Slot,
            /// Which life of it.
            instance: Instance,
        },
        /// A signal to the daemon (`SignalReceived`) was taken note of.
        9 AckSignal {
            /// Which, 1 to 64.
            signo: u8,
        },
        /// Stop whatever still runs and end.
        10 End(how: End),
        /// Read the configuration afresh; one reading at a time, EBUSY meanwhile.
        11 Reread,
        /// This slot is in no group any more: forget its entry, and the logs and sockets that only it has. Nothing
        /// happens while an instance of it is on record. A later reading may give the number to something else, whose
        /// instances go on counting.
        12 Retire {
            /// Which.
            slot: Slot,
        },
        /// Start a PAM helper for one attempt; EAGAIN while the spawner's bound on attempts is reached.
        13 Authenticate,
    }
}

impl Request {
    /// The bytes of this request under the number `seq`, which its reply repeats.
    pub fn encode(self, seq: u32) -> [u8; SIZE] {
        frame::seal(MAGIC, &Numbered(seq, self))
    }

    /// Reads one datagram. Gives the request and its `seq`.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Request), Error> {
        let Numbered(seq, request) = frame::unseal::<SIZE, _>(MAGIC, bytes)?;
        match request {
            Request::Signal { signo, .. } | Request::AckSignal { signo }
                if !(1..=64).contains(&signo) =>
            {
                Err(Error::Value("signal number"))
            }
            request => Ok((seq, request)),
        }
    }
}

struct Numbered(u32, Request);

impl Wire for Numbered {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
        Ok(Numbered(u32::get(from)?, Request::get(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Request; 20] = [
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
        Request::Reread,
        Request::Retire { slot: 3 },
        Request::Authenticate,
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
        assert_eq!(with(7, 0), Err(Error::Tag));
        assert_eq!(with(7, 200), Err(Error::Tag));
        assert_eq!(with(16, 0), Err(Error::Value("signal number")));
        assert_eq!(with(16, 65), Err(Error::Value("signal number")));
        assert_eq!(with(17, 3), Err(Error::Tag));
        // Bytes that an operation does not use are not a place to hide anything.
        assert_eq!(with(23, 1), Err(Error::Tag));
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
