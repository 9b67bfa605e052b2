//! What the spawner hands a helper at its start: the descriptor map, and for the reader the caller's words as data.
//!
//! | descriptor | reader | broker |
//! |---|---|---|
//! | 0 | /dev/null | /dev/null |
//! | 1, 2 | the caller's | /dev/null, the daemon's standard error |
//! | 3 | socket for file requests | socket for requests |
//! | 4 | start record, sealed | |
//! | 5 | launch table, to be written | |
//! | 6 | settings, to be written | |

use crate::frame::{Cursor, Error, Writer};
use crate::request::VERSION;

/// The socket to the spawner, in every helper.
pub const SOCKET: i32 = 3;
/// The reader's start record.
pub const START: i32 = 4;
/// Where the reader writes the launch table.
pub const TABLE: i32 = 5;
/// Where the reader writes the settings.
pub const SETTINGS: i32 = 6;
/// The most bytes of settings.
pub const SETTINGS_MAX: usize = 32 << 20;

const MAGIC: u16 = 0x5655;
const WORDS_MAX: usize = 65_536;
const WORD_MAX: usize = 131_072;

/// The first of the user ids that a broker without a passwd entry may have.
pub const SPARE_UID: u32 = 65_520;
/// How many there are; 65534 is nobody and 65535 is −1 in 16 bits.
pub const SPARE_UIDS: u32 = 14;

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
    /// The command line, program name first.
    pub args: Vec<Vec<u8>>,
    /// The environment, as NAME=VALUE.
    pub env: Vec<Vec<u8>>,
}

impl Start {
    /// The bytes of the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u16(MAGIC).u8(VERSION).u8(0).u32(self.uid).u32(self.gid).u16(self.spare);
        w.u64(self.nofile.0).u64(self.nofile.1).u64(self.nproc.0).u64(self.nproc.1);
        for words in [&self.args, &self.env] {
            w.list(words, |w, word| {
                w.text(word);
            });
        }
        w.finish()
    }

    /// Reads the record.
    pub fn decode(bytes: &[u8]) -> Result<Start, Error> {
        let mut c = Cursor::new(bytes);
        if c.u16()? != MAGIC || c.u8()? != VERSION || c.u8()? != 0 {
            return Err(Error::Version);
        }
        let (uid, gid, spare) = (c.u32()?, c.u32()?, c.u16()?);
        let nofile = (c.u64()?, c.u64()?);
        let nproc = (c.u64()?, c.u64()?);
        let mut words = || c.list(WORDS_MAX, |c| c.text(WORD_MAX));
        let start = Start { uid, gid, spare, nofile, nproc, args: words()?, env: words()? };
        c.end()?;
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_wire() {
        let start = Start {
            uid: 0,
            gid: 7,
            spare: 0x3fff,
            nofile: (1024, 20_000),
            nproc: (1, u64::MAX),
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
