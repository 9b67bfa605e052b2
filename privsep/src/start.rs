//! What the spawner hands a helper at its start: the descriptor map, and for the reader the caller's words as data.
//!
//! | descriptor | reader | broker | audit writer |
//! |---|---|---|---|
//! | 0 | /dev/null | /dev/null | /dev/null |
//! | 1, 2 | the caller's | /dev/null, the daemon's standard error | as the broker |
//! | 3 | socket for file requests | socket for requests | what the broker says, a pipe |
//! | 4 | start record, sealed | | what the spawner says, a pipe |
//! | 5 | launch table, to be written | | the log |
//! | 6 | settings, to be written | | the head |
//! | 7 | at a later reading: the table in force, sealed | | perhaps a socket to the system's log |

use crate::frame::record;

/// The socket to the spawner, in reader and broker; the first descriptor of the audit writer.
pub const SOCKET: i32 = 3;
/// The reader's start record.
pub const START: i32 = 4;
/// Where the reader writes the launch table.
pub const TABLE: i32 = 5;
/// Where the reader writes the settings.
pub const SETTINGS: i32 = 6;
/// The table in force, at a later reading.
pub const CURRENT: i32 = 7;
/// The most bytes of settings.
pub const SETTINGS_MAX: usize = 32 << 20;

/// The first of the user ids that a broker without a passwd entry may have.
pub const SPARE_UID: u32 = 65_520;
/// How many there are; 65534 is nobody and 65535 is −1 in 16 bits.
pub const SPARE_UIDS: u32 = 14;

record! {
/// The caller's words, for the reader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// The effective user id of the spawner.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
    /// Bit n is set when no process runs under the user id `SPARE_UID + n`.
    pub spare: u16,
    /// Soft and hard limit of open descriptors, before the spawner raised its own.
    pub nofile: (u64, u64),
    /// Soft and hard limit of processes.
    pub nproc: (u64, u64),
    /// A daemon runs already: its table is there, and what is in force keeps its numbers.
    pub again: bool,
    /// Where the daemon was started, absolute: relative paths mean the same at every reading. Empty if unknown.
    pub cwd: Vec<u8>,
    /// The command line, program name first.
    pub args: Vec<Vec<u8>>,
    /// The environment, as NAME=VALUE.
    pub env: Vec<Vec<u8>>,
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Wire;

    #[test]
    fn survives_the_wire() {
        let start = Start {
            uid: 0,
            gid: 7,
            spare: 0x3fff,
            nofile: (1024, 20_000),
            nproc: (1, u64::MAX),
            again: true,
            cwd: b"/srv".to_vec(),
            args: vec![b"supervisord".to_vec(), b"-n".to_vec()],
            env: vec![b"A=\xff".to_vec(), b"B".to_vec()],
        };
        let bytes = start.encode();
        assert_eq!(Start::decode(&bytes), Ok(start));
        for n in 0..bytes.len() {
            assert!(Start::decode(&bytes[..n]).is_err());
        }
    }
}
