//! What broker and PAM helper say to each other: one attempt, one verdict. The spawner sees neither.

use crate::frame::{self, Cursor, Error, Wire, tagged};

/// The longest name and the longest password, in bytes.
pub const MAX_SECRET: usize = 512;
/// The most groups of an account that count.
pub const MAX_GROUPS: usize = 256;
/// Length of every verdict in bytes.
pub const VERDICT_SIZE: usize = 1_048;
/// The longest attempt in bytes.
pub const MAX_ATTEMPT: usize = 2 * (MAX_SECRET + 4);
const MAGIC: u16 = 0x5658;

/// Who somebody says to be, and the proof: [`is_name`] and [`is_secret`] hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The account's name.
    pub name: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt(..)")
    }
}

tagged! {
/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// PAM has refused it, or knows no such account: no more is said.
    0 Refused,
    /// Both phases have passed.
    1 Accepted {
        /// The account's user id.
        uid: u32,
        /// Its primary group.
        gid: u32,
        /// Its supplementary groups, at most [`MAX_GROUPS`].
        groups: Vec<u32>,
    },
    /// PAM could not be used at all: a missing service file, no memory.
    2 Unusable,
}
}

impl Wire for Attempt {
    fn put(&self, to: &mut Vec<u8>) {
        self.name.put(to);
        self.password.put(to);
    }
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
        Ok(Attempt { name: Wire::get(from)?, password: Wire::get(from)? })
    }
}

impl Attempt {
    /// Reads one datagram.
    pub fn read(bytes: &[u8]) -> Result<Attempt, Error> {
        let attempt = Attempt::decode(bytes)?;
        let sound = is_name(&attempt.name) && is_secret(&attempt.password);
        if sound { Ok(attempt) } else { Err(Error::Value("attempt")) }
    }
}

/// Whether these bytes may go to PAM as the name of an account: modules make options, files and lines of logs of it.
pub fn is_name(name: &[u8]) -> bool {
    let bad = |c: char| c == '/' || c.is_control();
    let fit = |name: &str| !name.starts_with('-') && ![".", ".."].contains(&name);
    is_secret(name) && str::from_utf8(name).is_ok_and(|name| fit(name) && !name.contains(bad))
}

/// Whether these bytes may go to PAM as a password.
pub fn is_secret(text: &[u8]) -> bool {
    (1..=MAX_SECRET).contains(&text.len()) && !text.contains(&0)
}

impl Verdict {
    /// The bytes of the verdict.
    pub fn seal(&self) -> [u8; VERDICT_SIZE] {
        frame::seal(MAGIC, self)
    }

    /// Reads one verdict.
    pub fn unseal(bytes: &[u8]) -> Result<Verdict, Error> {
        match frame::unseal::<VERDICT_SIZE, _>(MAGIC, bytes)? {
            Verdict::Accepted { groups, .. } if groups.len() > MAX_GROUPS => Err(Error::Limit),
            verdict => Ok(verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_survive_the_wire_and_are_bounded() {
        let of = |name: usize, password: usize| Attempt {
            name: vec![b'n'; name],
            password: vec![b'p'; password],
        };
        for attempt in [of(1, 1), of(MAX_SECRET, MAX_SECRET)] {
            let bytes = attempt.encode();
            assert!(bytes.len() <= MAX_ATTEMPT);
            assert_eq!(Attempt::read(&bytes), Ok(attempt));
        }
        for bad in [of(0, 1), of(1, 0), of(MAX_SECRET + 1, 1), of(1, MAX_SECRET + 1)] {
            assert!(Attempt::read(&bad.encode()).is_err());
        }
        let nul = Attempt { name: b"n".to_vec(), password: b"p\0".to_vec() };
        assert!(Attempt::read(&nul.encode()).is_err());
    }

    #[test]
    fn a_name_is_no_path_no_option_and_no_line() {
        let read = |name: &[u8]| {
            let attempt = Attempt { name: name.to_vec(), password: b"p\n/".to_vec() };
            Attempt::read(&attempt.encode()).is_ok()
        };
        for good in ["ada", "ada-l", "ada.l", "ada@example.org", "EXAMPLE\\ada", "jörg", "_x$"] {
            assert!(read(good.as_bytes()), "{good}");
        }
        for bad in [
            "a\0b", "../../x", "a/b", "/", "-x", "-", ".", "..", "a\nb", "a\tb", "a\u{7f}",
            "a\u{85}",
        ] {
            assert!(!read(bad.as_bytes()), "{bad:?}");
        }
        assert!(!read(b"a\xff"));
    }

    #[test]
    fn verdicts_survive_the_wire() {
        let groups: Vec<u32> = (0..256).collect();
        for verdict in [
            Verdict::Refused,
            Verdict::Unusable,
            Verdict::Accepted { uid: 1, gid: 2, groups: Vec::new() },
            Verdict::Accepted { uid: 1, gid: 2, groups },
        ] {
            assert_eq!(Verdict::unseal(&verdict.seal()), Ok(verdict));
        }
        assert!(Verdict::unseal(&[0; VERDICT_SIZE]).is_err());
    }
}
