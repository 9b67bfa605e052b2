//! What the spawner says of its own acts to the audit writer, and what the two share beside it.
//!
//! A note is always [`SIZE`] bytes, so that a pipe takes it whole or not at all.
//!
//! The head is a file in memory that outlives a writer. It begins with the anchor, twice, which the spawner copies to its
//! file as it is where both are the same; then, in 8 bytes, comes the size at which the log is rotated, 0 never, and in one whether there is a
//! rotated file; from [`STATE_AT`] on it is the writer's.

use crate::frame::{self, Error, record, tagged};
use crate::reply::{Cause, Failure};
use crate::request::{Request, Slot};

/// Length of every note in bytes.
pub const SIZE: usize = 256;
/// The most bytes of a name in a note.
pub const NAME: usize = 160;
/// Length of an anchor in bytes.
pub const ANCHOR: usize = 128;
/// Where the state of the writer begins in the head.
pub const STATE_AT: usize = 4_096;
/// Length of the head in bytes.
pub const HEAD: usize = 1 << 17;
const MAGIC: u16 = 0x5641;

tagged! {
/// Something that the spawner did, or that it saw happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// The daemon has started, for this time.
    1 Began(run: u32),
    /// It ends.
    2 Ended(),
    /// A broker is gone: why, and its wait status.
    3 BrokerEnded(cause: Option<Cause>, status: i32),
    /// A request of the broker is carried out.
    4 Asked(request: Request),
    /// A process of a program was made: its process id.
    5 Spawned(slot: Slot, pid: i32),
    /// A program could not be started.
    6 Failed(slot: Slot, failure: Failure),
    /// A process of a program has ended: its process id and wait status.
    7 Exited(slot: Slot, pid: i32, status: i32),
    /// The daemon got a signal.
    8 Signal(signo: u8),
    /// A reading is over: the one in force now, and whether that is this one.
    9 Read(epoch: u32, accepted: bool),
}
}

record! {
/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Counts the notes of a daemon from 1, with those that were lost.
    pub n: u64,
    /// How many before this one were lost.
    pub lost: u32,
    /// Of what: the name of the process, or the path of the log; the first [`NAME`] bytes.
    pub name: Vec<u8>,
    /// What.
    pub deed: Deed,
}
}

impl Note {
    /// The bytes of this note.
    pub fn encode(&self) -> [u8; SIZE] {
        frame::seal(MAGIC, self)
    }

    /// Reads one note.
    pub fn decode(bytes: &[u8]) -> Result<Note, Error> {
        frame::unseal::<SIZE, Note>(MAGIC, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Stage;
    use crate::request::Whom;

    #[test]
    fn every_note_survives_the_wire() {
        let failure = Failure { stage: Stage::Exec, errno: 2 };
        let request = Request::Signal { slot: 1, instance: 2, signo: 15, whom: Whom::Tree };
        let deeds = [
            Deed::Began(1),
            Deed::Ended(),
            Deed::BrokerEnded(Some(Cause::Hung), 9),
            Deed::BrokerEnded(None, 9),
            Deed::Asked(request),
            Deed::Spawned(1, 2),
            Deed::Failed(1, failure),
            Deed::Exited(1, 2, 256),
            Deed::Signal(15),
            Deed::Read(2, true),
        ];
        for deed in deeds {
            let note = Note { n: u64::MAX, lost: 1, name: vec![0xff; NAME], deed };
            let bytes = note.encode();
            assert_eq!(Note::decode(&bytes), Ok(note));
            assert_eq!(Note::decode(&bytes[1..]), Err(Error::Version));
            assert_eq!(Note::decode(&bytes[..SIZE - 1]), Err(Error::Short));
        }
    }
}
