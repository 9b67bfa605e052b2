//! The text of an element to a number, a time, or bytes.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Refused::{self, Nonsense};

/// Numbers have no range in the reference. Beyond 64 bits the nearest one serves: no method tells them apart.
pub(super) fn int(text: &str) -> Result<i64, Refused> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Nonsense);
    }
    Ok(text.parse().unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

/// Only `YYYYMMDDTHH:MM:SS`.
pub(super) fn time(text: &str) -> Result<&str, Refused> {
    let fits = text.len() == 17
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            11 | 14 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    let part = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(99)
    };
    let in_range = fits
        && (1..=12).contains(&part(4..6))
        && (1..=31).contains(&part(6..8))
        && part(9..11) <= 23
        && part(12..14) <= 59
        && part(15..17) <= 61;
    if in_range { Ok(text) } else { Err(Nonsense) }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Foreign characters are skipped and the padding ends it, as Python does. The bytes must be UTF-8.
pub(super) fn base64(text: &str) -> Result<String, Refused> {
    let mut digits = Vec::with_capacity(text.len());
    let mut pads = 0;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                pads = 0;
                digits.push(byte);
            }
            b'=' => {
                pads += 1;
                let position = digits.len() % 4;
                if position >= 2 && position + pads >= 4 {
                    return decode(&digits);
                }
            }
            _ => {}
        }
    }
    if digits.len().is_multiple_of(4) { decode(&digits) } else { Err(Nonsense) }
}

fn decode(digits: &[u8]) -> Result<String, Refused> {
    let bytes = LENIENT.decode(digits).map_err(|_| Nonsense)?;
    String::from_utf8(bytes).map_err(|_| Nonsense)
}
