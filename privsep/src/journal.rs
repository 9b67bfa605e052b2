//! What a broker leaves to the next one: fixed cells in shared memory, read as input.
//!
//! Behind the cells is room for two copies of one long text, the settings of the groups that are in force when that
//! is not the latest reading as a whole; and behind those a tape, for what has to be kept in order: two halves, one of
//! which counts.
//!
//! Each cell has two copies with a sequence number and a checksum; a broker writes the older copy, so that one copy
//! is whole at every moment. A payload means nothing here and grants nothing anywhere.

use crate::frame::Wire;
use crate::start::SETTINGS_MAX;
use crate::table::MAX_SLOTS;

/// Bytes of payload in a cell.
pub const PAYLOAD: usize = 120;
/// Bytes of one copy: checksum, sequence number, payload.
pub const COPY: usize = PAYLOAD + 16;
/// Bytes of one cell.
pub const CELL: usize = 2 * COPY;

/// What a cell holds.
pub type Payload = [u8; PAYLOAD];

/// Bytes of all cells: one for the broker itself, one a slot.
pub const CELLS: usize = (MAX_SLOTS + 1) * CELL;
/// Bytes of one copy of the long text: checksum, sequence number, length, text.
pub const LONG: usize = 24 + SETTINGS_MAX;
/// Bytes of one half of the tape.
pub const TAPE: usize = 64 << 20;
/// Where the tape's halves begin, on a page whatever a page is; before them is room for a head.
pub const TAPE_AT: usize = (CELLS + 2 * LONG).next_multiple_of(1 << 16) + (1 << 16);
/// Where eight bytes stand that the next daemon's journal has too when this one starts over.
pub const CARRIED_AT: usize = TAPE_AT - CARRIED;
/// How many these are.
pub const CARRIED: usize = 8;
/// Bytes of a journal. What was never written takes no memory.
pub const SIZE: usize = TAPE_AT + 2 * TAPE;

/// The bytes of one copy.
pub fn encode(seq: u64, payload: &Payload) -> [u8; COPY] {
    let mut copy = [0; COPY];
    let head = (checksum(seq, payload), seq).encode();
    let bytes = head.iter().chain(payload);
    copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    copy
}

/// Reads one copy: its sequence number and payload, or nothing when it is not whole. A cell never written is all
/// zero and is not whole.
pub fn decode(copy: &[u8; COPY]) -> Option<(u64, Payload)> {
    let (sum, rest) = copy.split_first_chunk::<8>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (payload, rest) = rest.split_first_chunk::<PAYLOAD>()?;
    let seq = u64::from_le_bytes(*seq);
    let whole = rest.is_empty() && u64::from_le_bytes(*sum) == checksum(seq, payload);
    (whole && seq != 0).then_some((seq, *payload))
}

/// The newer whole copy of a cell, and whether it is the second one.
pub fn newest(first: &[u8; COPY], second: &[u8; COPY]) -> Option<(u64, Payload, bool)> {
    match (decode(first), decode(second)) {
        (Some((a, _)), Some((b, payload))) if b > a => Some((b, payload, true)),
        (Some((a, payload)), _) => Some((a, payload, false)),
        (None, Some((b, payload))) => Some((b, payload, true)),
        (None, None) => None,
    }
}

/// FNV-1a: it finds torn writes; it is not meant to resist anybody.
pub fn checksum(seq: u64, payload: &[u8]) -> u64 {
    let bytes = seq.to_le_bytes().into_iter().chain(payload.iter().copied());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_whole_copy_counts() {
        let (a, b) = ([1; PAYLOAD], [2; PAYLOAD]);
        let none = [0; COPY];
        let (old, new) = (encode(4, &a), encode(5, &b));
        assert_eq!(newest(&none, &none), None);
        assert_eq!(newest(&old, &new), Some((5, b, true)));
        assert_eq!(newest(&new, &old), Some((5, b, false)));
        assert_eq!(newest(&none, &old), Some((4, a, true)));
    }

    #[test]
    fn a_torn_copy_never_counts() {
        let (a, b) = ([1; PAYLOAD], [2; PAYLOAD]);
        let (old, new) = (encode(4, &a), encode(5, &b));
        for at in 0..COPY {
            let mut torn = new;
            torn[..at].copy_from_slice(&old[..at]);
            let expected = if torn == new { Some((5, b)) } else { None };
            assert_eq!(decode(&torn).filter(|_| torn != old), expected, "torn at {at}");
        }
        let mut bad = new;
        bad[20] ^= 1;
        assert_eq!(decode(&bad), None);
    }
}
