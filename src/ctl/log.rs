//! What a log held before: its last lines.

use super::server::{Server, string};
use super::trouble::Trouble;
use crate::rpc::xml::{Value, is_xml_char};

/// Most that is read in search of lines, in bytes.
const MOST: i64 = 256 << 20;
/// How much a line is taken to be long at first, in bytes.
const LINE: i64 = 128;

/// A log of the daemon's.
#[derive(Debug, Clone)]
pub struct Log {
    /// The action that shows it.
    pub action: &'static str,
    /// The process's name as it is shown; `supervisord` for the daemon's own log.
    pub name: String,
    /// `stdout` or `stderr`; `log` for the daemon's own log.
    pub channel: String,
    /// Where it is followed.
    pub path: String,
}

impl Log {
    /// A process's log.
    pub fn of(name: &str, channel: &str) -> Log {
        Log {
            action: "tail",
            name: name.to_owned(),
            channel: channel.to_owned(),
            path: format!("/logtail/{name}/{channel}"),
        }
    }

    /// The daemon's own log.
    pub fn main() -> Log {
        Log {
            action: "maintail",
            name: "supervisord".to_owned(),
            channel: "log".to_owned(),
            path: "/mainlogtail".to_owned(),
        }
    }

    /// The last bytes, as text.
    pub fn end(&self, server: &mut Server, bytes: i64) -> Result<String, Trouble> {
        let amount = [Value::Int(bytes.saturating_neg()), Value::Int(0)];
        let method = match self.channel.as_str() {
            "stdout" => "supervisor.readProcessStdoutLog",
            "stderr" => "supervisor.readProcessStderrLog",
            _ => return string(server.call("supervisor.readLog", &amount)?),
        };
        let [bytes, length] = amount;
        string(server.call(method, &[self.name.as_str().into(), bytes, length])?)
    }

    /// The last lines, as text.
    pub fn last_lines(&self, server: &mut Server, lines: usize) -> Result<String, Trouble> {
        if lines == 0 {
            // Whether there is a log is to be known nevertheless.
            self.end(server, 1)?;
            return Ok(String::new());
        }
        let text = self.at_least(server, lines)?;
        Ok(last_lines(&text, lines).to_owned())
    }

    /// So many lines and what is before them, or the whole log.
    fn at_least(&self, server: &mut Server, lines: usize) -> Result<String, Trouble> {
        let mut bytes = i64::try_from(lines).unwrap_or(MOST).saturating_mul(LINE).clamp(4096, MOST);
        let mut before = None;
        loop {
            let text = self.end(server, bytes)?;
            let enough = text.matches('\n').count() > lines;
            // No byte makes less than a byte of text: a text that is shorter is all there is. So is one that stays.
            let whole = i64::try_from(text.len()).is_ok_and(|length| length < bytes);
            if enough || whole || before == Some(text.len()) || bytes >= MOST {
                return Ok(text);
            }
            before = Some(text.len());
            bytes = bytes.saturating_mul(8).min(MOST);
        }
    }

    /// The last lines up to the end of a part that was read just now; `None` where they cannot be had.
    pub fn before_end_of(&self, server: &Server, part: &[u8], lines: usize) -> Option<String> {
        let part = as_answered(&String::from_utf8_lossy(whole_characters(part)));
        let text = as_answered(&self.at_least(&mut server.again(), lines).ok()?);
        let end = text.rfind(&part)? + part.len();
        Some(last_lines(text.get(..end)?, lines).to_owned())
    }
}

/// The bytes without a piece of a character at the beginning: a stream begins anywhere.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let cut = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    bytes.get(cut..).unwrap_or_default()
}

/// A log's text as answers have it: what XML cannot carry is replaced, and line ends are all the same.
fn as_answered(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().map(|c| if is_xml_char(c) { c } else { '\u{fffd}' }).collect()
}

/// The last lines of a text. What comes after the last line end is a line.
pub fn last_lines(text: &str, lines: usize) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    if lines == 0 {
        return "";
    }
    let start = body.rmatch_indices('\n').nth(lines - 1).map_or(0, |(at, _)| at + 1);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_the_end() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a\nb\n", 5), "a\nb\n");
        assert_eq!(last_lines("a\n\n", 1), "\n");
        assert_eq!(last_lines("a\n", 0), "");
        assert_eq!(last_lines("", 3), "");
    }

    #[test]
    fn streams_are_found_in_answers() {
        assert_eq!(as_answered("a\x1b[1m\t\r\né\0\r"), "a\u{fffd}[1m\t\né\u{fffd}\n");
    }

    #[test]
    fn pieces_of_characters_are_left_out() {
        assert_eq!(whole_characters(b"\xa9x"), b"x");
        assert_eq!(whole_characters("é".as_bytes()), "é".as_bytes());
        assert_eq!(whole_characters(b""), b"");
    }
}
