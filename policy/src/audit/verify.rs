//! Whether a log is what was written: an edit, a deletion, a change of order and a cut show.

use std::fmt;

use super::chain::{Anchor, Head, Line, Source, digest};

/// The most problems that a report names; more of them are counted.
const MOST: usize = 100;

/// The most bytes that a crash can leave torn: more than a writer writes in one go.
pub const TORN: usize = 1 << 16;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which file.
    pub file: String,
    /// Which line of it, from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong, in a few words.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// What came of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many lines were read.
    pub lines: u64,
    /// Number of the first line. Above 1 where older files are not there any more.
    pub first: Option<u64>,
    /// Where the chain stands.
    pub head: Option<Head>,
    /// Lines that were not written to their end, before a crash, and that the writer has closed.
    pub torn: u64,
    /// Bytes of a last line that is not written to its end.
    pub unfinished: usize,
    /// The line that the anchor names, if it is there and is right.
    pub anchored: Option<u64>,
    /// Lines after it. Without an anchor, all of them: they can have been cut, and nobody would know.
    pub unanchored: u64,
    /// What is wrong, at most the first 100.
    pub problems: Vec<Problem>,
    /// How many things are wrong.
    pub wrong: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn intact(&self) -> bool {
        self.wrong == 0
    }
}

/// Checks line by line. Files are given in their order, the oldest first.
#[derive(Debug, Default)]
pub struct Verifier {
    report: Report,
    anchor: Option<Anchor>,
    file: String,
    /// Lines of this file so far.
    line: u64,
    head: Option<Head>,
    /// A first line that is none, and what came from there on; the next one that is may explain it.
    broken: Option<(u64, Vec<u8>)>,
    /// The anchored line is another one.
    contradicted: bool,
}

/// Checks whole files: names and contents, the oldest first.
pub fn verify<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    anchor: Option<&Anchor>,
) -> Report {
    let mut verifier = Verifier::new(anchor.cloned());
    for (name, content) in files {
        verifier.file(name);
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            verifier.line(line);
        }
    }
    verifier.finish()
}

impl Verifier {
    /// Begins a check against this anchor.
    pub fn new(anchor: Option<Anchor>) -> Verifier {
        Verifier { anchor, ..Verifier::default() }
    }

    /// The lines of this file follow.
    pub fn file(&mut self, name: &str) {
        self.unexplained();
        if std::mem::take(&mut self.report.unfinished) > 0 {
            self.wrong("it ends within a line".to_owned());
        }
        (self.file, self.line) = (name.to_owned(), 0);
    }

    /// Checks the next line, which is given with its end where it has one; only the last one of a file may have none.
    pub fn line(&mut self, text: &[u8]) {
        self.line = self.line.saturating_add(1);
        let Some(text) = text.strip_suffix(b"\n") else {
            self.report.unfinished = text.len();
            return;
        };
        let Some((line, told)) = Line::read(text).and_then(|line| line.head().map(|h| (line, h)))
        else {
            self.none(text);
            return;
        };
        self.explained(&line);
        self.report.lines = self.report.lines.saturating_add(1);
        self.report.first = self.report.first.or(Some(line.seq));
        let before = self.before(&line);
        if Line::computed(text, before.hash) != told.hash {
            self.wrong(format!("line {} is not what was written there", line.seq));
        } else if before.seq.checked_add(1) != Some(line.seq) {
            let (seq, before) = (line.seq, before.seq);
            self.wrong(format!("line {seq} follows line {before}"));
        }
        if line.source == Source::Audit && line.event.as_deref() == Some("mismatch") {
            self.wrong("the writer found the log other than the anchor beside it".to_owned());
        }
        self.anchored(&before, &told);
        self.head = Some(told);
    }

    /// What comes before this line. The first of all begins the chain, or says itself what it continues.
    fn before(&mut self, line: &Line) -> Head {
        if let Some(head) = self.head {
            let continues = line.previous().is_none_or(|prev| prev == head.hash);
            if !continues {
                self.wrong(format!("line {} continues another file than the last", line.seq));
            }
            return head;
        }
        let seq = line.seq.saturating_sub(1);
        match line.previous() {
            Some(hash) if line.source == Source::Audit && seq > 0 => Head { seq, hash },
            _ => Head::default(),
        }
    }

    /// Compares with the anchor. What the first line continues may be the anchored one, too.
    fn anchored(&mut self, before: &Head, told: &Head) {
        let Some(anchor) = self.anchor.as_ref().map(|anchor| anchor.head) else {
            return;
        };
        let first = self.head.is_none();
        let there = if told.seq == anchor.seq {
            told
        } else if first && before.seq == anchor.seq {
            before
        } else {
            return;
        };
        if there.hash == anchor.hash {
            self.report.anchored = Some(there.seq);
        } else {
            self.contradicted = true;
            self.wrong(format!("line {} is not the one that was anchored", there.seq));
        }
    }

    /// A line that is none. What a crash can leave is not long.
    fn none(&mut self, text: &[u8]) {
        match &mut self.broken {
            Some((_, broken)) if broken.len() + text.len() > TORN => self.unexplained(),
            Some((_, broken)) => {
                broken.push(b'\n');
                broken.extend_from_slice(text);
            }
            None if text.len() > TORN => self.no_line(self.line),
            None => self.broken = Some((self.line, text.to_vec())),
        }
    }

    /// Lines that are none were explained if this one tells of them.
    fn explained(&mut self, line: &Line) {
        let torn = line.torn();
        if torn.is_some() && self.broken.take_if(|(_, b)| torn == Some(digest(&[b]))).is_some() {
            self.report.torn = self.report.torn.saturating_add(1);
        }
        self.unexplained();
    }

    fn unexplained(&mut self) {
        if let Some((at, _)) = self.broken.take() {
            self.no_line(at);
        }
    }

    fn no_line(&mut self, at: u64) {
        self.wrong_at(at, "this is no line of an audit log".to_owned());
    }

    fn wrong(&mut self, what: String) {
        self.wrong_at(self.line, what);
    }

    fn wrong_at(&mut self, line: u64, what: String) {
        self.report.wrong = self.report.wrong.saturating_add(1);
        if self.report.problems.len() < MOST {
            self.report.problems.push(Problem { file: self.file.clone(), line, what });
        }
    }

    /// What came of it.
    pub fn finish(mut self) -> Report {
        self.unexplained();
        let last = self.head.map_or(0, |head| head.seq);
        if let Some(anchor) = self.anchor.take() {
            let Anchor { head: Head { seq, .. }, time } = anchor;
            if seq > last {
                let what =
                    format!("it ends with line {last}, but line {seq} was anchored at {time}");
                self.wrong_at(0, what);
            } else if self.report.anchored.is_none() && !self.contradicted && seq > 0 {
                let what = format!("line {seq}, which was anchored at {time}, is not there");
                self.wrong_at(0, what);
            }
        }
        let first = self.report.first.unwrap_or(1);
        let from = self.report.anchored.map_or(first, |seq| seq.saturating_add(1));
        self.report.unanchored = (last.saturating_add(1)).saturating_sub(from);
        self.report.head = self.head;
        self.report
    }
}

#[cfg(test)]
mod tests;
