//! Where what is followed goes: to standard output as it comes, or line by line.

use std::io::{self, Write};

use super::escape::{self, Cleaner};
use super::log::Log;
use super::out::{Out, followed};

/// Longest line that is held back until it ends, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// What becomes of the bytes of one log.
pub struct Sink {
    kind: Kind,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

enum Kind {
    /// Bytes as they come, cleaned or not.
    Bytes(Option<Cleaner>),
    /// Lines, cleaned or not, with this in front.
    Lines { prefix: String, clean: bool },
    /// Lines, each a document.
    Documents(Log),
}

impl Sink {
    /// A sink that shows bytes as they come, cleaned where that is wanted.
    pub fn bytes(out: &Out) -> Sink {
        Sink { kind: Kind::Bytes(out.cleans().then(Cleaner::default)), begun: Vec::new() }
    }

    /// A sink for a log. It is shown with its name where it is one of several.
    pub fn new(out: &Out, log: &Log, several: bool) -> Sink {
        let kind = if out.json() {
            Kind::Documents(log.clone())
        } else if several {
            let prefix = format!("{} | ", out.clean(&log.name));
            Kind::Lines { prefix, clean: out.cleans() }
        } else {
            return Sink::bytes(out);
        };
        Sink { kind, begun: Vec::new() }
    }

    /// Shows a part; whether somebody still reads it.
    pub fn take(&mut self, part: &[u8]) -> bool {
        match &mut self.kind {
            Kind::Bytes(None) => print(part),
            Kind::Bytes(Some(cleaner)) => print(cleaner.part(part).as_bytes()),
            Kind::Lines { .. } | Kind::Documents(_) => {
                self.begun.extend_from_slice(part);
                let end = match self.begun.iter().rposition(|byte| *byte == b'\n') {
                    Some(end) => end + 1,
                    None if self.begun.len() > LONGEST_LINE => self.begun.len(),
                    None => return true,
                };
                let rest = self.begun.split_off(end);
                let lines = std::mem::replace(&mut self.begun, rest);
                self.show(&lines)
            }
        }
    }

    /// Shows what is left at the end.
    pub fn end(mut self) {
        let left = std::mem::take(&mut self.begun);
        if !left.is_empty() {
            self.show(&left);
        }
        if let Kind::Bytes(Some(cleaner)) = &mut self.kind {
            print(cleaner.end().as_bytes());
        }
    }

    /// Shows whole lines, all at once: other logs' lines do not come between their parts.
    fn show(&self, lines: &[u8]) -> bool {
        let lines = lines.strip_suffix(b"\n").unwrap_or(lines).split(|byte| *byte == b'\n');
        match &self.kind {
            Kind::Bytes(_) => true,
            Kind::Lines { prefix, clean } => {
                let mut shown = Vec::new();
                for line in lines {
                    shown.extend_from_slice(prefix.as_bytes());
                    if *clean {
                        shown.extend_from_slice(escape::clean_bytes(line).as_bytes());
                    } else {
                        shown.extend_from_slice(line);
                    }
                    shown.push(b'\n');
                }
                print(&shown)
            }
            Kind::Documents(log) => {
                let document = |line: &[u8]| {
                    let line = String::from_utf8_lossy(line);
                    followed(log.action, &log.name, &log.channel, &line)
                };
                print(lines.map(document).collect::<String>().as_bytes())
            }
        }
    }
}

fn print(bytes: &[u8]) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).is_ok()
}
