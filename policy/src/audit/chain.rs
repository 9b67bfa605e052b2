//! One line after the other, each with the hash of all before it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Who has said what a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The broker: decisions and what came of them. A compromised one can say what it likes.
    Broker,
    /// The spawner: what root did.
    Spawner,
    /// The audit writer itself.
    Audit,
}

impl Source {
    /// The word in a line.
    pub const fn word(self) -> &'static str {
        match self {
            Source::Broker => "broker",
            Source::Spawner => "spawner",
            Source::Audit => "audit",
        }
    }
}

/// Where a chain stands: the number of its last line and that one's hash. The default is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last line; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// SHA-256 of what these make together.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

/// In hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of 64 small hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    let small = bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if bytes.len() != 64 || !small {
        return None;
    }
    let mut hash = [0; 32];
    for (to, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// The members of an object, as text between its braces; empty for what is no object.
pub fn members(object: &impl Serialize) -> String {
    let text = serde_json::to_string(object).unwrap_or_default();
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.unwrap_or_default().to_owned()
}

/// What stands before the hash at the end of a line.
const HASH: &str = ",\"hash\":\"";

impl Head {
    /// The next line, with its end, and where the chain stands then. `time` is RFC 3339; `members` are an object's without
    /// braces ([`members`]), none of `seq`, `time`, `source` and `hash` among them.
    pub fn next(&self, time: &str, source: Source, members: &str) -> (String, Head) {
        let seq = self.seq.saturating_add(1);
        let comma = if members.is_empty() { "" } else { "," };
        let word = source.word();
        let mut line =
            format!("{{\"seq\":{seq},\"time\":\"{time}\",\"source\":\"{word}\"{comma}{members}");
        let hash = self.link(line.as_bytes());
        line.push_str(HASH);
        line.push_str(&hex(&hash));
        line.push_str("\"}\n");
        (line, Head { seq, hash })
    }

    /// The hash of a line that begins with these bytes, up to its `hash` member.
    fn link(&self, before: &[u8]) -> [u8; 32] {
        digest(&[&self.hash, before, b"}"])
    }
}

/// What stands in every line, and what the checks need beside it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// When, by the writer's clock.
    pub time: String,
    /// Who said it.
    pub source: Source,
    /// What happened.
    pub event: Option<String>,
    /// Of a line that is the first of its file: the hash of the last one before.
    pub prev: Option<String>,
    /// Of a line that tells of a torn one: the SHA-256 of that.
    pub sha256: Option<String>,
    hash: String,
}

impl Line {
    /// Reads a line, without its end. `None` where it has not the form of one.
    pub fn read(text: &[u8]) -> Option<Line> {
        let line: Line = serde_json::from_slice(text).ok()?;
        let begin = format!("{{\"seq\":{},\"time\":\"", line.seq);
        let formed = text.starts_with(begin.as_bytes()) && before_hash(text).is_some();
        (formed && text.ends_with(format!("{HASH}{}\"}}", line.hash).as_bytes())).then_some(line)
    }

    /// The hash that it gives for itself.
    pub fn hash(&self) -> Option<[u8; 32]> {
        unhex(&self.hash)
    }

    /// The hash of the line before that it names.
    pub fn previous(&self) -> Option<[u8; 32]> {
        self.prev.as_deref().and_then(unhex)
    }

    /// The hash of what it says was torn.
    pub fn torn(&self) -> Option<[u8; 32]> {
        let of_writer = self.source == Source::Audit && self.event.as_deref() == Some("torn");
        self.sha256.as_deref().filter(|_| of_writer).and_then(unhex)
    }

    /// Where the chain stands after it, as it says.
    pub fn head(&self) -> Option<Head> {
        Some(Head { seq: self.seq, hash: self.hash()? })
    }

    /// The hash that this text, of which it was read, has after the line with the hash `before`.
    pub fn computed(text: &[u8], before: [u8; 32]) -> [u8; 32] {
        let head = Head { seq: 0, hash: before };
        head.link(before_hash(text).unwrap_or(text))
    }
}

/// What stands before the `hash` member.
fn before_hash(text: &[u8]) -> Option<&[u8]> {
    let end = text.len().checked_sub(HASH.len() + 64 + 2)?;
    let (before, rest) = text.split_at_checked(end)?;
    rest.starts_with(HASH.as_bytes()).then_some(before)
}

/// What the first line of a later file says, by the writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Continued {
    event: &'static str,
    prev: String,
}

impl Continued {
    /// After this.
    pub fn new(head: &Head) -> Continued {
        Continued { event: "continued", prev: hex(&head.hash) }
    }
}

/// What the line says that follows one which was not written to its end, by the writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Torn {
    event: &'static str,
    bytes: usize,
    sha256: String,
}

impl Torn {
    /// Of this text, without an end of line.
    pub fn new(text: &[u8]) -> Torn {
        Torn { event: "torn", bytes: text.len(), sha256: hex(&digest(&[text])) }
    }
}

/// Where a chain stood at some time, kept beside the log: one line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Where the chain stood.
    pub head: Head,
    /// When, RFC 3339.
    pub time: String,
}

/// What every anchor begins with.
const ANCHOR: &str = "audit 1";

impl Anchor {
    /// The text, with its end, filled with blanks to this many bytes.
    pub fn text(&self, bytes: usize) -> String {
        let Head { seq, hash } = &self.head;
        let text = format!("{ANCHOR} {seq:020} {} {}", hex(hash), self.time);
        format!("{text:<width$}\n", width = bytes.saturating_sub(1))
    }

    /// Reads an anchor. `None` where there is none.
    pub fn read(text: &[u8]) -> Option<Anchor> {
        let text = std::str::from_utf8(text).ok()?.strip_prefix(ANCHOR)?;
        let mut words = text.strip_suffix('\n')?.split_ascii_whitespace();
        let seq = words.next()?;
        let digits = seq.len() == 20 && seq.bytes().all(|b| b.is_ascii_digit());
        let seq = if digits { seq.parse().ok()? } else { return None };
        let head = Head { seq, hash: unhex(words.next()?)? };
        let time = words.next()?.to_owned();
        words.next().is_none().then_some(Anchor { head, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_it_was_written() {
        let (line, head) = Head::default().next("2026-01-02T03:04:05.000006Z", Source::Broker, "");
        let text = line.strip_suffix('\n').unwrap().as_bytes();
        let read = Line::read(text).unwrap();
        assert_eq!((read.seq, read.source, read.head()), (1, Source::Broker, Some(head)));
        assert_eq!(Line::computed(text, [0; 32]), head.hash);
        // By sha256sum over 32 zero bytes and the line without the member.
        let plain = r#"{"seq":1,"time":"2026-01-02T03:04:05.000006Z","source":"broker"}"#;
        assert_eq!(head.hash, digest(&[&[0; 32], plain.as_bytes()]));
        let (line, second) = head.next("T", Source::Audit, &members(&Continued::new(&head)));
        let read = Line::read(line.trim_end().as_bytes()).unwrap();
        assert_eq!((read.seq, read.previous()), (2, Some(head.hash)));
        assert_eq!(Line::computed(line.trim_end().as_bytes(), head.hash), second.hash);
    }

    #[test]
    fn known_digests() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&digest(&[])), empty);
        assert_eq!(unhex(empty), Some(digest(&[b"", b""])));
        assert_eq!(unhex(&empty.to_uppercase()), None);
        assert_eq!(unhex(&empty[1..]), None);
    }

    #[test]
    fn an_anchor_reads_as_it_was_written_and_nothing_else_does() {
        let head = Head { seq: 42, hash: digest(&[b"x"]) };
        let anchor = Anchor { head, time: "2026-01-02T03:04:05.000006Z".to_owned() };
        let text = anchor.text(128);
        assert_eq!((text.len(), text.ends_with(" \n")), (128, true));
        assert_eq!(Anchor::read(text.as_bytes()), Some(anchor));
        for n in 0..text.len() {
            assert_eq!(Anchor::read(&text.as_bytes()[..n]), None);
        }
        assert_eq!(Anchor::read(&[0; 128]), None);
        let seq = format!("{:020}", 42);
        for (old, new) in [("audit 1", "audit 2"), (seq.as_str(), "42"), (" 2026", " x 2026")] {
            assert_eq!(Anchor::read(text.replacen(old, new, 1).as_bytes()), None, "{new}");
        }
    }
}
