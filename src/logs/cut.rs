//! What of a program's output is text for the log, what is a message between tags, and what is a terminal's sequence.
//!
//! A pure function of bytes: the same bytes are cut the same way by whoever looks at them, so that a broker that takes
//! over finds what the one before it was about to do.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

/// Begins a message.
pub(super) const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// Ends it.
pub(super) const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// Making these costs more than most searches.
static FIND_BEGIN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEGIN));
static FIND_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(END));

const ESCAPE: u8 = 0x1b;
/// A longer sequence of a terminal is none.
const LONGEST: usize = 64;

/// What is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Messages between tags.
    pub(super) capture: bool,
    /// Sequences of a terminal, `ESC [ … letter`.
    pub(super) strip: bool,
}

/// What a run of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For the log.
    Text,
    /// Inside a message.
    Captured,
    /// For nobody.
    Gone,
    /// The tag that begins a message.
    Begin,
    /// The tag that ends it.
    End,
}

/// The bytes in front of a pipe, cut into runs.
#[derive(Debug, Default)]
pub(super) struct Cut {
    runs: Vec<(Kind, usize)>,
    /// How many bytes the runs are. What comes after needs more bytes to be told.
    pub(super) length: usize,
    /// How many of them are text.
    pub(super) text: usize,
    /// Whether they begin, and end, inside a message.
    pub(super) before: bool,
    pub(super) after: bool,
}

impl Cut {
    /// Cuts bytes that begin inside a message or outside. `last`: nothing will come after them, so that half a tag or
    /// sequence at the end is none.
    pub(super) fn make(&mut self, bytes: &[u8], rules: Rules, inside: bool, last: bool) {
        self.clear(inside);
        loop {
            let rest = bytes.get(self.length..).unwrap_or_default();
            let (find, kind) =
                if self.after { (&FIND_END, Kind::End) } else { (&FIND_BEGIN, Kind::Begin) };
            let Some(at) = rules.capture.then(|| find.find(rest)).flatten() else {
                break;
            };
            self.part(rest.get(..at).unwrap_or_default(), rules, true);
            self.push(kind, find.needle().len());
            self.after = !self.after;
        }
        let rest = bytes.get(self.length..).unwrap_or_default();
        let half = if rules.capture && !last { half_tag(rest, self.after) } else { 0 };
        let whole = rest.len().saturating_sub(half);
        self.part(rest.get(..whole).unwrap_or_default(), rules, last);
    }

    fn clear(&mut self, inside: bool) {
        self.runs.clear();
        (self.length, self.text) = (0, 0);
        (self.before, self.after) = (inside, inside);
    }

    /// A part between tags. `closed`: half a sequence at its end stays half.
    fn part(&mut self, bytes: &[u8], rules: Rules, closed: bool) {
        let kind = if self.after { Kind::Captured } else { Kind::Text };
        let mut rest = bytes;
        while let Some(at) = rules.strip.then(|| memchr(ESCAPE, rest)).flatten() {
            let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.push(kind, plain.len());
            let length = match sequence(from) {
                Sequence::Whole(length) => {
                    self.push(Kind::Gone, length);
                    length
                }
                Sequence::Half if !closed => return,
                Sequence::Half | Sequence::None => {
                    self.push(kind, 1);
                    1
                }
            };
            rest = from.get(length..).unwrap_or_default();
        }
        self.push(kind, rest.len());
    }

    fn push(&mut self, kind: Kind, length: usize) {
        if length == 0 {
            return;
        }
        self.length += length;
        if kind == Kind::Text {
            self.text += length;
        }
        match self.runs.last_mut() {
            Some((last, sum)) if *last == kind && !matches!(kind, Kind::Begin | Kind::End) => {
                *sum += length;
            }
            _ => self.runs.push((kind, length)),
        }
    }

    /// Leaves a message that has begun and not ended in the pipe, if it is no longer than this.
    pub(super) fn leave_open(&mut self, most: usize, bytes: usize) {
        let Some(begun) = self.runs.iter().rposition(|(kind, _)| *kind == Kind::Begin) else {
            return;
        };
        let before: usize = self.runs.iter().take(begun).map(|(_, length)| length).sum();
        if self.after && bytes.saturating_sub(before) <= most {
            self.runs.truncate(begun);
            self.length = before;
            self.after = false;
        }
    }

    /// Keeps no more than the runs that hold this much text; what follows directly and is no text stays with it only
    /// when all of it does.
    pub(super) fn shorten(&mut self, text: usize) {
        if text >= self.text {
            return;
        }
        let runs = std::mem::take(&mut self.runs);
        self.clear(self.before);
        for (kind, length) in runs {
            let length = if kind == Kind::Text { length.min(text - self.text) } else { length };
            match kind {
                Kind::Begin => self.after = true,
                Kind::End => self.after = false,
                Kind::Text | Kind::Captured | Kind::Gone => {}
            }
            self.push(kind, length);
            if kind == Kind::Text && self.text == text {
                return;
            }
        }
    }

    /// Leaves the beginning of a character at the end of UTF-8 text in the pipe.
    pub(super) fn leave_half_character(&mut self, bytes: &[u8]) {
        let Some((Kind::Text, length)) = self.runs.last() else {
            return;
        };
        let run = bytes.get(self.length.saturating_sub(*length)..self.length).unwrap_or_default();
        if let Err(error) = str::from_utf8(run)
            && error.error_len().is_none()
        {
            let half = run.len().saturating_sub(error.valid_up_to());
            self.shorten(self.text.saturating_sub(half));
        }
    }

    /// Whether all of it is text.
    pub(super) fn plain(&self) -> bool {
        self.text == self.length
    }

    /// What the runs are.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.runs.iter().map(|(kind, _)| *kind)
    }

    /// The runs with their bytes.
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (Kind, &'a [u8])> {
        self.runs.iter().scan(0_usize, move |at, (kind, length)| {
            let run = bytes.get(*at..*at + length)?;
            *at += length;
            Some((*kind, run))
        })
    }
}

enum Sequence {
    Whole(usize),
    /// It may become one.
    Half,
    None,
}

/// A control sequence in front of `bytes`, which begin with ESC: parameters, intermediates, one final byte.
fn sequence(bytes: &[u8]) -> Sequence {
    match bytes.get(1) {
        None => return Sequence::Half,
        Some(b'[') => {}
        Some(_) => return Sequence::None,
    }
    let mut intermediate = false;
    for (length, byte) in (3..=LONGEST).zip(bytes.iter().skip(2)) {
        match byte {
            b'0'..=b'?' if !intermediate => {}
            b' '..=b'/' => intermediate = true,
            b'@'..=b'~' => return Sequence::Whole(length),
            _ => return Sequence::None,
        }
    }
    if bytes.len() < LONGEST { Sequence::Half } else { Sequence::None }
}

/// How many bytes at the end may be the beginning of the next tag.
fn half_tag(bytes: &[u8], inside: bool) -> usize {
    let tag = if inside { END } else { BEGIN };
    let begins = |n: &usize| tag.get(..*n).is_some_and(|half| bytes.ends_with(half));
    (1..tag.len()).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Rules = Rules { capture: true, strip: true };
    const CAPTURE: Rules = Rules { capture: true, strip: false };
    const STRIP: Rules = Rules { capture: false, strip: true };

    /// Text, messages and what is left, when the bytes come in pieces of this size.
    fn pieces(bytes: &[u8], rules: Rules, size: usize) -> (String, Vec<String>) {
        let (mut text, mut messages, mut message) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut to, mut inside) = (0, 0, false);
        while from < bytes.len() || to < bytes.len() {
            to = (to + size).min(bytes.len());
            let mut cut = Cut::default();
            cut.make(&bytes[from..to], rules, inside, to == bytes.len());
            if to < bytes.len() {
                cut.leave_open(40, to - from);
            }
            for (kind, run) in cut.of(&bytes[from..]) {
                match kind {
                    Kind::Text => text.extend(run),
                    Kind::Captured => message.extend(run),
                    Kind::Begin | Kind::Gone => {}
                    Kind::End => messages.push(std::mem::take(&mut message)),
                }
            }
            from += cut.length;
            inside = cut.after;
        }
        let string = |bytes| String::from_utf8(bytes).unwrap();
        (string(text), messages.into_iter().map(string).collect())
    }

    #[track_caller]
    fn cuts(bytes: &str, rules: Rules, text: &str, messages: &[&str]) {
        for size in 1..=bytes.len() {
            let (got, heard) = pieces(bytes.as_bytes(), rules, size);
            assert_eq!(
                (got.as_str(), heard),
                (text, messages.iter().map(|m| (*m).into()).collect()),
                "{size}"
            );
        }
    }

    #[test]
    fn messages_are_kept_out_of_the_log_wherever_they_are_split() {
        let b = "<!--XSUPERVISOR:BEGIN-->";
        let e = "<!--XSUPERVISOR:END-->";
        cuts(&format!("a{b}one{e}b{b}{e}{b}two{e}c"), CAPTURE, "abc", &["one", "", "two"]);
        cuts(
            &format!("a{b}<!--XSUPERVISOR:{b}{e}{e}z"),
            CAPTURE,
            &format!("a{e}z"),
            &[&format!("<!--XSUPERVISOR:{b}")],
        );
        cuts("a<!--XSUPERVISOR:BEGIN--", CAPTURE, "a<!--XSUPERVISOR:BEGIN--", &[]);
        cuts(&format!("a{b}never ended, <!--XSUPERVISOR:EN"), CAPTURE, "a", &[]);
        cuts(
            &format!("{}{b}{}{e}!", "t".repeat(99), "m".repeat(99)),
            CAPTURE,
            &format!("{}!", "t".repeat(99)),
            &[&"m".repeat(99)],
        );
        cuts("hi\n", CAPTURE, "hi\n", &[]);
        cuts(&format!("{b}x{e}"), STRIP, &format!("{b}x{e}"), &[]);
    }

    #[test]
    fn sequences_go_and_no_text_with_them() {
        cuts(
            "\x1b[1;31mred\x1b[0m and \x1b[2Kthis\x1b[5Gthat\x1b[?25l.",
            STRIP,
            "red and thisthat.",
            &[],
        );
        cuts("\x1b]0;title\x07x\x1b", STRIP, "\x1b]0;title\x07x\x1b", &[]);
        cuts("\x1b[12\nline \x1b\x1b[1mx\x1b[1;2", STRIP, "\x1b[12\nline \x1bx\x1b[1;2", &[]);
        let long = format!("\x1b[{}m", "1;".repeat(40));
        cuts(&long, STRIP, &long, &[]);
        cuts("\x1b[1mx", CAPTURE, "\x1b[1mx", &[]);
    }

    #[test]
    fn a_tag_is_found_before_a_sequence() {
        let b = "<!--XSUPERVISOR:BEGIN-->";
        let e = "<!--XSUPERVISOR:END-->";
        cuts(&format!("x\x1b[1{b}a\x1b[1mb\x1b[{e}y\x1b[0m"), BOTH, "x\x1b[1y", &["ab\x1b["]);
    }

    #[test]
    fn a_cut_is_shortened_at_text() {
        let bytes = b"ab\x1b[1mcd<!--XSUPERVISOR:BEGIN-->m<!--XSUPERVISOR:END-->ef";
        let mut cut = Cut::default();
        for (text, length) in [(0, 0), (1, 1), (2, 2), (3, 7), (4, 8), (5, 56), (6, 57)] {
            cut.make(bytes, BOTH, false, true);
            cut.shorten(text);
            assert_eq!((cut.text, cut.length, cut.after), (text, length, false));
            // Whoever comes after sees the same in these bytes alone.
            let mut again = Cut::default();
            again.make(&bytes[..length], BOTH, false, true);
            assert_eq!(again.runs, cut.runs);
        }
    }
}
