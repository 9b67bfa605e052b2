//! Text as the reference sees it: lossless bytes, Python's idea of white space and its way to quote a string.

/// Bytes that are no UTF-8 live in strings as characters from here on, as Python's surrogate escapes do. Environment
/// and command line may hold any bytes; they reach programs unchanged.
const RAW: u32 = 0x10_FF00;

/// A string that [`bytes`] turns back into exactly these bytes.
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.extend(char::from_u32(RAW + u32::from(*byte)));
        }
    }
    text
}

fn raw(c: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(c).checked_sub(RAW)?).ok()?;
    (byte >= 0x80).then_some(byte)
}

/// The bytes of a string that [`from_bytes`] or a file gave.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match raw(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The string for people and for RPC: bytes that are no text become U+FFFD.
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if raw(c).is_some() { '\u{fffd}' } else { c }).collect()
}

/// Python's `str.isspace` for one character.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Python's `str.strip`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Whether a character shows as itself and changes nothing around it: no control, no mark of direction or of format.
pub fn is_printable(c: char) -> bool {
    let hidden = c.is_control()
        || (is_space(c) && c != ' ')
        || matches!(u32::from(c), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e
            | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe000..=0xf8ff | 0xe0000..=0x10_ffff);
    !hidden
}

/// Python's `repr` of a string.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&escape(c)),
        }
    }
    out.push(quote);
    out
}

/// Python's `ascii` of a string.
pub fn ascii(text: &str) -> String {
    repr(text).chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect()
}

fn escape(c: char) -> String {
    if let Some(byte) = raw(c) {
        return format!("\\udc{byte:02x}");
    }
    match u32::from(c) {
        n @ 0..=0xff => format!("\\x{n:02x}"),
        n @ 0x100..=0xffff => format!("\\u{n:04x}"),
        n => format!("\\U{n:08x}"),
    }
}

/// The one of `known` that `word` is probably a misspelling of.
pub fn near<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = if word.chars().count() < 6 { 1 } else { 2 };
    known
        .into_iter()
        .map(|k| (distance(word, k), k))
        .filter(|(d, _)| *d <= most)
        .min()
        .map(|(_, k)| k)
}

/// Edits that lead from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above), left_above) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(0);
            let change = left_above + usize::from(x != *y);
            next.push(change.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        for bytes_in in [&b"plain"[..], b"\xff\x80x", "gr\u{fc}n".as_bytes(), b"a\xc3"] {
            assert_eq!(bytes(&from_bytes(bytes_in)), bytes_in);
        }
        assert_eq!(shown(&from_bytes(b"a\xff")), "a\u{fffd}");
    }

    #[test]
    fn quotes_as_python_does() {
        assert_eq!(repr("a"), "'a'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("'\""), "'\\'\"'");
        assert_eq!(repr("a\n\t\\\x01\u{7f}"), "'a\\n\\t\\\\\\x01\\x7f'");
        assert_eq!(repr("\u{feff}\u{e9}\u{a0}"), "'\\ufeff\u{e9}\\xa0'");
        assert_eq!(repr(&from_bytes(b"\xff")), "'\\udcff'");
        assert_eq!(ascii("\u{e9}"), "'\\xe9'");
    }

    #[test]
    fn finds_the_near_miss() {
        assert_eq!(near("autstart", ["autostart", "user"]), Some("autostart"));
        assert_eq!(near("usr", ["autostart", "user"]), Some("user"));
        assert_eq!(near("colour", ["autostart", "user"]), None);
    }
}
