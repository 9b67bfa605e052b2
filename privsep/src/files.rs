//! What the reader may ask the spawner for: configuration files, by rules that the spawner checks alone.
//!
//! One main file, at most [`MAX_DIRS`] directories, at most [`MAX_FILES`] regular files of those directories by a
//! name without a slash. Answers say what was wrong, so that the reader can name file, owner and mode.

use crate::frame::{self, Error, Wire, tagged};

/// The longest request in bytes.
pub const MAX_REQUEST: usize = 4_200;
const MAGIC: u16 = 0x5657;
/// Length of every answer in bytes.
pub const ANSWER_SIZE: usize = 24;
/// The longest path.
pub const MAX_PATH: usize = 4_095;
/// The most directories in one reading.
pub const MAX_DIRS: u16 = 256;
/// The most files in one reading.
pub const MAX_FILES: u32 = 4_096;
/// The most files that one reading names itself.
pub const MAX_NAMED: u32 = 256;

tagged! {
/// One request of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The main configuration file, by absolute path. May be asked again while none was there.
    1 Main(path: Vec<u8>),
    /// A directory that an include pattern names, by absolute path; its descriptor can be listed.
    2 Dir(path: Vec<u8>),
    /// A regular file in the `dir`-th directory that was granted.
    3 File {
        /// Which directory, counted from 0.
        dir: u16,
        /// The name in it.
        name: Vec<u8>,
    },
    /// Table and settings are written.
    4 Accept,
    /// Nothing is to be started; the reader has said why. The daemon leaves with this exit status.
    5 Leave(status: u8),
    /// A regular file that the configuration names: a certificate, a key, the tokens. By absolute path.
    6 Named(path: Vec<u8>),
}
}

impl Ask {
    /// Reads one datagram.
    pub fn read(bytes: &[u8]) -> Result<Ask, Error> {
        let ask = Ask::decode(bytes)?;
        let sound = match &ask {
            Ask::Main(path) | Ask::Dir(path) | Ask::Named(path) => {
                path.starts_with(b"/") && path.len() <= MAX_PATH
            }
            Ask::File { name, .. } => {
                !name.contains(&b'/') && ![&b""[..], b".", b".."].contains(&name.as_slice())
            }
            Ask::Accept | Ask::Leave(_) => true,
        };
        if sound { Ok(ask) } else { Err(Error::Value("path")) }
    }
}

tagged! {
/// What the spawner answers; a descriptor comes with [`Answer::Granted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Here it is.
    1 Granted,
    /// The system refused it.
    2 Errno(errno: i32),
    /// Somebody who may not could write or replace it.
    3 Unsafe {
        /// How many bytes of the path lead to the component in question.
        upto: u32,
        /// Its owner.
        uid: u32,
        /// Its file mode, type bits included.
        mode: u32,
    },
    /// Neither a regular file nor, where one was asked for, a directory.
    4 Kind,
    /// Over the bounds, or out of order.
    5 Refused,
}
}

impl Answer {
    /// The bytes of the answer.
    pub fn seal(self) -> [u8; ANSWER_SIZE] {
        frame::seal(MAGIC, &self)
    }

    /// Reads one answer.
    pub fn unseal(bytes: &[u8]) -> Result<Answer, Error> {
        frame::unseal::<ANSWER_SIZE, _>(MAGIC, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        for ask in [
            Ask::Main(b"/etc/supervisord.conf".to_vec()),
            Ask::Dir(b"/etc/conf.d".to_vec()),
            Ask::File { dir: 3, name: b"a.conf".to_vec() },
            Ask::Named(b"/etc/server.pem".to_vec()),
            Ask::Accept,
            Ask::Leave(2),
        ] {
            let bytes = ask.encode();
            assert!(bytes.len() <= MAX_REQUEST);
            assert_eq!(Ask::read(&bytes), Ok(ask));
        }
    }

    #[test]
    fn relative_paths_and_names_that_lead_elsewhere_are_refused() {
        let refused = |ask: Ask| Ask::read(&ask.encode()).is_err();
        assert!(refused(Ask::Main(b"supervisord.conf".to_vec())));
        assert!(refused(Ask::Named(b"server.pem".to_vec())));
        assert!(refused(Ask::Main(vec![b'/'; MAX_PATH + 1])));
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc/shadow", b"a\0b"] {
            assert!(refused(Ask::File { dir: 0, name: name.to_vec() }), "{name:?}");
        }
    }

    #[test]
    fn answers_survive_the_wire() {
        for answer in [
            Answer::Granted,
            Answer::Errno(2),
            Answer::Unsafe { upto: 4, uid: 1000, mode: 0o100666 },
            Answer::Kind,
            Answer::Refused,
        ] {
            assert_eq!(Answer::unseal(&answer.seal()), Ok(answer));
        }
    }
}
