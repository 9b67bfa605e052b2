//! What the reader may ask the spawner for: configuration files, by rules that the spawner checks alone.
//!
//! One main file, at most [`MAX_DIRS`] directories, at most [`MAX_FILES`] regular files of those directories by a
//! name without a slash. Answers say what was wrong, so that the reader can name file, owner and mode.

use crate::frame::{Cursor, Error, Writer};

/// The longest request in bytes.
pub const MAX_REQUEST: usize = 4_200;
/// Length of every answer in bytes.
pub const ANSWER_SIZE: usize = 24;
/// The longest path.
pub const MAX_PATH: usize = 4_095;
/// The most directories in one reading.
pub const MAX_DIRS: u16 = 256;
/// The most files in one reading.
pub const MAX_FILES: u32 = 4_096;

/// One request of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The main configuration file, by absolute path. May be asked again while none was there.
    Main(Vec<u8>),
    /// A directory that an include pattern names, by absolute path; its descriptor can be listed.
    Dir(Vec<u8>),
    /// A regular file in the `dir`-th directory that was granted.
    File {
        /// Which directory, counted from 0.
        dir: u16,
        /// The name in it.
        name: Vec<u8>,
    },
    /// Table and settings are written.
    Accept,
    /// Nothing is to be started; the reader has said why. The daemon leaves with this exit status.
    Leave(u8),
}

impl Ask {
    /// The bytes of the request.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Ask::Main(path) => w.u8(1).text(path),
            Ask::Dir(path) => w.u8(2).text(path),
            Ask::File { dir, name } => w.u8(3).u16(*dir).text(name),
            Ask::Accept => w.u8(4),
            Ask::Leave(status) => w.u8(5).u8(*status),
        };
        w.finish()
    }

    /// Reads one datagram.
    pub fn decode(bytes: &[u8]) -> Result<Ask, Error> {
        let mut c = Cursor::new(bytes);
        let ask = match c.u8()? {
            1 => Ask::Main(absolute(&mut c)?),
            2 => Ask::Dir(absolute(&mut c)?),
            3 => Ask::File { dir: c.u16()?, name: component(&mut c)? },
            4 => Ask::Accept,
            5 => Ask::Leave(c.u8()?),
            _ => return Err(Error::Tag),
        };
        c.end()?;
        Ok(ask)
    }
}

fn absolute(c: &mut Cursor<'_>) -> Result<Vec<u8>, Error> {
    let path = c.text(MAX_PATH)?;
    if path.first() == Some(&b'/') { Ok(path) } else { Err(Error::Value("path")) }
}

fn component(c: &mut Cursor<'_>) -> Result<Vec<u8>, Error> {
    let name = c.text(255)?;
    if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
        return Err(Error::Value("file name"));
    }
    Ok(name)
}

/// What the spawner answers; a descriptor comes with [`Answer::Granted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Here it is.
    Granted,
    /// The system refused it.
    Errno(i32),
    /// Somebody who may not could write or replace it.
    Unsafe {
        /// How many bytes of the path lead to the component in question.
        upto: u32,
        /// Its owner.
        uid: u32,
        /// Its file mode, type bits included.
        mode: u32,
    },
    /// Neither a regular file nor, where one was asked for, a directory.
    Kind,
    /// Over the bounds, or out of order.
    Refused,
}

impl Answer {
    /// The bytes of the answer.
    pub fn encode(self) -> [u8; ANSWER_SIZE] {
        let (kind, a, b, c, errno) = match self {
            Answer::Granted => (1, 0, 0, 0, 0),
            Answer::Errno(errno) => (2, 0, 0, 0, errno),
            Answer::Unsafe { upto, uid, mode } => (3, upto, uid, mode, 0),
            Answer::Kind => (4, 0, 0, 0, 0),
            Answer::Refused => (5, 0, 0, 0, 0),
        };
        let mut w = Writer::new();
        w.u32(kind).u32(a).u32(b).u32(c).i32(errno).u32(0);
        let mut bytes = [0; ANSWER_SIZE];
        for (to, from) in bytes.iter_mut().zip(w.finish()) {
            *to = from;
        }
        bytes
    }

    /// Reads one answer.
    pub fn decode(bytes: &[u8]) -> Result<Answer, Error> {
        let mut c = Cursor::new(bytes);
        let (kind, upto, uid, mode, errno) = (c.u32()?, c.u32()?, c.u32()?, c.u32()?, c.i32()?);
        if c.u32()? != 0 {
            return Err(Error::Tag);
        }
        c.end()?;
        match kind {
            1 => Ok(Answer::Granted),
            2 => Ok(Answer::Errno(errno)),
            3 => Ok(Answer::Unsafe { upto, uid, mode }),
            4 => Ok(Answer::Kind),
            5 => Ok(Answer::Refused),
            _ => Err(Error::Tag),
        }
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
            Ask::Accept,
            Ask::Leave(2),
        ] {
            let bytes = ask.encode();
            assert!(bytes.len() <= MAX_REQUEST);
            assert_eq!(Ask::decode(&bytes), Ok(ask));
        }
    }

    #[test]
    fn relative_paths_and_names_that_lead_elsewhere_are_refused() {
        let refused = |ask: Ask| Ask::decode(&ask.encode()).is_err();
        assert!(refused(Ask::Main(b"supervisord.conf".to_vec())));
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
            assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
    }
}
