//! What logs and names may do to a terminal: control characters are shown instead of sent.

use std::borrow::Cow;
use std::fmt::Write;

/// C0 but newline and tab, DEL, and C1.
fn commands(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

/// The text with control characters as `\x1b`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push(&mut cleaned, c));
    Cow::Owned(cleaned)
}

fn push(to: &mut String, c: char) {
    if commands(c) {
        push_byte(to, u32::from(c));
    } else {
        to.push(c);
    }
}

fn push_byte(to: &mut String, byte: u32) {
    let _ = write!(to, "\\x{byte:02x}");
}

/// Longest character in UTF-8, in bytes.
const LONGEST: usize = 4;

/// The same for bytes that come in parts. A byte that is no part of a character is shown, too: terminals that do not
/// speak UTF-8 take some of them for commands.
#[derive(Debug, Default)]
pub struct Cleaner {
    /// The beginning of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl Cleaner {
    /// What is to be shown of this part.
    pub fn part(&mut self, bytes: &[u8]) -> String {
        let mut input = std::mem::take(&mut self.begun);
        input.extend_from_slice(bytes);
        let whole = input.len() - unfinished(&input);
        let (whole, rest) = input.split_at_checked(whole).unwrap_or((&input, &[]));
        let cleaned = clean_bytes(whole);
        self.begun = rest.to_vec();
        cleaned
    }

    /// What is left at the end.
    pub fn end(&mut self) -> String {
        clean_bytes(&std::mem::take(&mut self.begun))
    }
}

/// Bytes with control characters, and what is no character, shown.
pub fn clean_bytes(bytes: &[u8]) -> String {
    let mut cleaned = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(&mut cleaned, c));
        chunk.invalid().iter().for_each(|byte| push_byte(&mut cleaned, u32::from(*byte)));
    }
    cleaned
}

/// How many bytes at the end may begin a character that is not complete.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..LONGEST.min(bytes.len() + 1) {
        let tail = bytes.get(bytes.len() - back..).unwrap_or_default();
        match std::str::from_utf8(tail) {
            // Without a length the error is that the end came too early.
            Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => return back,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown() {
        assert_eq!(clean("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(clean("\u{1b}]52;c;eA==\u{7}"), "\\x1b]52;c;eA==\\x07");
        assert_eq!(clean("\u{9b}31m\r\u{7f}\0"), "\\x9b31m\\x0d\\x7f\\x00");
    }

    #[test]
    fn bytes_are_cleaned_however_they_are_cut() {
        let input = "é€\u{1f600}\u{1b}[1m\u{9d}x\n".as_bytes();
        let input = [input, b"\x9b31m\xc3", b"(\xe2\x82", b"\xff\xc3"].concat();
        let expected = "é€\u{1f600}\\x1b[1m\\x9dx\n\\x9b31m\\xc3(\\xe2\\x82\\xff\\xc3";
        for size in 1..=input.len() {
            let mut cleaner = Cleaner::default();
            let mut shown: String = input.chunks(size).map(|part| cleaner.part(part)).collect();
            shown.push_str(&cleaner.end());
            assert_eq!(shown, expected, "parts of {size}");
        }
    }
}
