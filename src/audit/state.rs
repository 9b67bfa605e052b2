//! What a writer leaves to the next one. Any bytes give a state or nothing.

use policy::audit::{Head, digest};
use serde::{Deserialize, Serialize};

/// Length of the place of one state. There are two, so that one is whole whatever becomes of the other.
pub(super) const PLACE: usize = 60 << 10;
/// Number, length and checksum.
const BEFORE: usize = 8 + 4 + 32;

/// Lines that are being appended, or were the last to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Counts states.
    pub(super) serial: u64,
    /// Which file: device and inode.
    pub(super) file: (u64, u64),
    /// Where it ended before.
    pub(super) at: u64,
    /// The lines.
    pub(super) text: Vec<u8>,
    /// Where the chain stands after them: number and hash.
    pub(super) after: (u64, [u8; 32]),
    /// What they were made from.
    pub(super) from: Option<Origin>,
    /// How much the broker may still say.
    pub(super) left: i64,
}

/// Bytes at the beginning of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// Which pipe.
    pub(super) pipe: usize,
    /// How many.
    pub(super) taken: usize,
    /// Their SHA-256. No two records are alike: they are numbered.
    pub(super) hash: [u8; 32],
}

impl State {
    pub(super) fn new(serial: u64, after: Head, text: Vec<u8>, from: Option<Origin>) -> State {
        let after = (after.seq, after.hash);
        State { serial, file: (0, 0), at: 0, text, after, from, left: 0 }
    }

    /// Where the chain stands after it.
    pub(super) fn after(&self) -> Head {
        let (seq, hash) = self.after;
        Head { seq, hash }
    }

    /// The bytes for its place; `None` where they are too many.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let body = postcard::to_stdvec(self).ok()?;
        let length = u32::try_from(body.len()).ok()?;
        let mut bytes = self.serial.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(digest(&[&bytes, &body]));
        bytes.extend(body);
        (bytes.len() <= PLACE).then_some(bytes)
    }

    /// Reads a place.
    pub(super) fn decode(bytes: &[u8]) -> Option<State> {
        let (begin, rest) = bytes.split_at_checked(12)?;
        let (hash, rest) = rest.split_at_checked(BEFORE - 12)?;
        let (serial, length) = begin.split_at_checked(8)?;
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        let body = rest.get(..length)?;
        if digest(&[begin, body]) != hash {
            return None;
        }
        let state: State = postcard::from_bytes(body).ok()?;
        (state.serial.to_le_bytes() == serial).then_some(state)
    }

    /// The newer of two.
    pub(super) fn newest(places: [Option<State>; 2]) -> Option<State> {
        places.into_iter().flatten().max_by_key(|state| state.serial)
    }
}
