//! Standard input by lines, for all who read it: the shell, questions and `fg`. What one of them has read beyond its
//! line is there for the next.

use std::io;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;

use crate::config::text;

/// Longest line that is taken, in bytes; what is longer comes in parts.
const MAX_LINE: usize = 1024 * 1024;

/// What has been read and not been taken.
static INPUT: Mutex<Lines> = Mutex::new(Lines { waiting: Vec::new(), ended: false });

/// What one look at the input found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A line, without its end.
    Line(Vec<u8>),
    /// Not a whole line yet.
    Nothing,
    /// The end.
    End,
}

struct Lines {
    waiting: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// A line that is there already. The last one may lack its end.
    fn take(&mut self) -> Found {
        let end = self.waiting.iter().position(|byte| *byte == b'\n');
        let (length, rest) = match end {
            Some(end) => (end, end + 1),
            None if self.ended && self.waiting.is_empty() => {
                // A terminal has more after its end.
                self.ended = false;
                return Found::End;
            }
            None if self.ended || self.waiting.len() >= MAX_LINE => {
                (self.waiting.len(), self.waiting.len())
            }
            None => return Found::Nothing,
        };
        let after = self.waiting.split_off(rest);
        let mut line = std::mem::replace(&mut self.waiting, after);
        line.truncate(length);
        Found::Line(line)
    }

    /// One read of standard input.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.waiting.extend(buffer.iter().take(count)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }
}

fn with<T>(act: impl FnOnce(&mut Lines) -> T) -> T {
    act(&mut INPUT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A line that has been read already.
pub fn waiting() -> Found {
    with(Lines::take)
}

/// Reads once, which waits for input if there is none, and says what is there then.
pub fn read() -> io::Result<Found> {
    with(|lines| {
        lines.read()?;
        Ok(lines.take())
    })
}

/// The next line, without its end; `None` at the end of input, which may be followed by more on a terminal.
pub fn line() -> Option<String> {
    with(|lines| {
        loop {
            match lines.take() {
                Found::Line(line) => return Some(text::from_bytes(&line)),
                Found::End => return None,
                Found::Nothing => lines.read().ok()?,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one() {
        let mut lines = Lines { waiting: b"a\n\nb".to_vec(), ended: false };
        assert_eq!(lines.take(), Found::Line(b"a".to_vec()));
        assert_eq!(lines.take(), Found::Line(Vec::new()));
        assert_eq!(lines.take(), Found::Nothing);
        lines.ended = true;
        assert_eq!(lines.take(), Found::Line(b"b".to_vec()));
        assert_eq!(lines.take(), Found::End);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut lines = Lines { waiting: vec![b'x'; MAX_LINE], ended: false };
        assert_eq!(lines.take(), Found::Line(vec![b'x'; MAX_LINE]));
        assert_eq!(lines.take(), Found::Nothing);
    }
}
