//! What a log says where there is nothing but the log: at the start of a daemon.

use std::io;

use memchr::memmem;
use policy::audit::{Anchor, Head, Line, TORN};

use super::file::Log;

const CHUNK: usize = 1 << 16;
/// More than the longest line.
const LONGEST: usize = 1 << 13;
/// How much of the end of a log is looked at for its last line. What a crash has torn is no longer than the check takes.
const END: u64 = (TORN + LONGEST) as u64;

/// Where a log ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Past {
    /// The last line, where there is one.
    pub(super) last: Option<Head>,
    /// What comes after it: it was not written to its end.
    pub(super) torn: Vec<u8>,
    /// Nothing but its end is missing of the last line.
    pub(super) unended: bool,
}

impl Past {
    /// Looks at the end of a log of this size.
    pub(super) fn of(log: &Log, size: u64) -> io::Result<Past> {
        let at = size.saturating_sub(END);
        let mut end = vec![0; usize::try_from(size - at).unwrap_or(0)];
        let got = log.read(&mut end, at)?;
        end.truncate(got);
        Ok(Past::in_text(&end))
    }

    fn in_text(text: &[u8]) -> Past {
        let begin = memchr::memrchr(b'\n', text).map_or(0, |n| n + 1);
        let line = text.get(begin..).and_then(Line::read);
        if let Some(head) = line.and_then(|line| line.head()) {
            return Past { last: Some(head), torn: Vec::new(), unended: true };
        }
        let mut upto = text.len();
        while let Some(end) = text.get(..upto).and_then(|t| memchr::memrchr(b'\n', t)) {
            let begin =
                text.get(..end).and_then(|t| memchr::memrchr(b'\n', t)).map_or(0, |n| n + 1);
            let line = text.get(begin..end).and_then(Line::read);
            if let Some(head) = line.and_then(|line| line.head()) {
                return Past { last: Some(head), torn: rest(text, end + 1), unended: false };
            }
            upto = begin;
        }
        Past { last: None, torn: rest(text, 0), unended: false }
    }

    /// Whether the log goes with what its anchor says.
    pub(super) fn fits(&self, log: &Log, size: u64, anchor: &Anchor) -> io::Result<bool> {
        let Some(last) = self.last else {
            return Ok(anchor.head.seq == 0);
        };
        if anchor.head.seq == 0 || last == anchor.head {
            return Ok(true);
        }
        if last.seq <= anchor.head.seq {
            return Ok(false);
        }
        match line_of(log, size, anchor.head.seq)? {
            Some(line) => Ok(line.hash() == Some(anchor.head.hash)),
            // It was in a file before this one, whose last line the first one here may name.
            None => Ok(first(log)?.is_some_and(|first| {
                let next = first.seq == anchor.head.seq.saturating_add(1);
                let named = first.previous() == Some(anchor.head.hash);
                first.seq > anchor.head.seq && (named || !next)
            })),
        }
    }
}

/// From there on, without an end of line at the end.
fn rest(text: &[u8], from: usize) -> Vec<u8> {
    let rest = text.get(from..).unwrap_or_default();
    rest.strip_suffix(b"\n").unwrap_or(rest).to_vec()
}

fn first(log: &Log) -> io::Result<Option<Line>> {
    let mut begin = vec![0; LONGEST];
    let got = log.read(&mut begin, 0)?;
    begin.truncate(got);
    Ok(begin.split(|byte| *byte == b'\n').next().and_then(Line::read))
}

/// The line with this number.
fn line_of(log: &Log, size: u64, seq: u64) -> io::Result<Option<Line>> {
    let begin = format!("{{\"seq\":{seq},");
    let finder = memmem::Finder::new(&begin);
    let mut chunk = vec![0; CHUNK + LONGEST];
    let mut at = 0;
    while at < size {
        let got = log.read(&mut chunk, at)?;
        let text = chunk.get(..got).unwrap_or_default();
        for from in finder.find_iter(text) {
            let starts = from == 0 || text.get(from - 1) == Some(&b'\n');
            let line = text.get(from..).and_then(|t| t.split(|byte| *byte == b'\n').next());
            if let Some(line) = line.filter(|_| starts).and_then(Line::read) {
                return Ok(Some(line));
            }
        }
        at = at.saturating_add(CHUNK as u64);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use policy::audit::Source;

    use super::*;

    #[test]
    fn the_last_whole_line_counts_and_the_rest_is_torn() {
        let (one, head) = Head::default().next("T", Source::Broker, "");
        let (two, last) = head.next("T", Source::Spawner, "");
        let both = format!("{one}{two}");
        let past = |text: &str| Past::in_text(text.as_bytes());
        let torn = |torn: &str| torn.as_bytes().to_vec();
        let found = |last, text: &str| Past { last, torn: torn(text), unended: false };
        assert_eq!(past(""), found(None, ""));
        assert_eq!(past(&both), found(Some(last), ""));
        assert_eq!(past(both.trim_end()), Past { unended: true, ..found(Some(last), "") });
        assert_eq!(past(&both[..both.len() - 2]), found(Some(head), &two[..two.len() - 2]));
        assert_eq!(past(&format!("{both}{{\"se")), found(Some(last), "{\"se"));
        assert_eq!(past(&format!("{both}{{\"se\n{{")), found(Some(last), "{\"se\n{"));
        assert_eq!(past(&format!("{both}{{\"se\n")), found(Some(last), "{\"se"));
        assert_eq!(past("what is this\n"), found(None, "what is this"));
        // What stands before the part that is looked at begins within a line.
        assert_eq!(past(&both[3..]), found(Some(last), ""));
    }
}
