//! What the reference leaves to Python: how bytes are shown, and which bytes are a number.

use std::fmt::Write;

/// Bytes as Python's `repr` shows them.
pub(super) fn shown(from: &[u8]) -> String {
    let mut text = String::new();
    bytes(from, &mut text);
    text
}

/// Appends bytes as Python's `repr` shows them.
pub(super) fn bytes(bytes: &[u8], to: &mut String) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    to.push('b');
    to.push(quote);
    for byte in bytes {
        match byte {
            b'\\' => to.push_str("\\\\"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            b'\'' if quote == '\'' => to.push_str("\\'"),
            b' '..=b'~' => to.push(char::from(*byte)),
            _ => {
                let _ = write!(to, "\\x{byte:02x}");
            }
        }
    }
    to.push(quote);
}

/// A text, or how the reference writes bytes that are none.
pub(super) fn text(from: &[u8]) -> String {
    match str::from_utf8(from) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("Undecodable: {}", shown(from)),
    }
}

/// What Python's `int` reads in these bytes, if that is not negative: white space around, a sign, single underscores
/// between digits. More than 64 bits are the most that there is.
pub(super) fn integer(bytes: &[u8]) -> Option<u64> {
    let white = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let from = bytes.iter().position(|byte| !white(byte))?;
    let to = bytes.iter().rposition(|byte| !white(byte))?;
    let digits = bytes.get(from..=to)?;
    let (minus, digits) = match digits.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, digits),
    };
    let mut number: u64 = 0;
    for part in digits.split(|byte| *byte == b'_') {
        if part.is_empty() {
            return None;
        }
        for byte in part {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            number = number.saturating_mul(10).saturating_add(digit);
        }
    }
    (!minus || number == 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_python_shows_them() {
        for (from, expected) in [
            (&b"\xff"[..], r"b'\xff'"),
            (b"", "b''"),
            (b"it's", r#"b"it's""#),
            (b"it's \"it\"", r#"b'it\'s "it"'"#),
            (b"\"", r#"b'"'"#),
            (b"a\\\n\r\t\0\x1b\x7f~ ", r"b'a\\\n\r\t\x00\x1b\x7f~ '"),
            ("é".as_bytes(), r"b'\xc3\xa9'"),
        ] {
            assert_eq!(shown(from), expected);
        }
        assert_eq!(text(b"a\xff"), r"Undecodable: b'a\xff'");
        assert_eq!(text("é".as_bytes()), "é");
    }

    #[test]
    fn numbers_are_what_python_takes_for_them() {
        for (from, expected) in [
            (&b"2"[..], Some(2)),
            (b" 2\r", Some(2)),
            (b"\t+2\x0b\x0c", Some(2)),
            (b"0_0_2", Some(2)),
            (b"-0", Some(0)),
            (b"007", Some(7)),
            (b"99999999999999999999999", Some(u64::MAX)),
            (b"", None),
            (b" ", None),
            (b"+", None),
            (b"-2", None),
            (b"_2", None),
            (b"2_", None),
            (b"2__2", None),
            (b"+ 2", None),
            (b"2 2", None),
            (b"2.0", None),
            (b"0x2", None),
            (b"\x1c2", None),
            (b"2\0", None),
        ] {
            assert_eq!(integer(from), expected, "{from:?}");
        }
    }
}
