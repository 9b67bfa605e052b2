//! The value types: text to value, with the reference's error texts.

use policy::access::signals::NAMES;

use super::settings::{Autorestart, Level};
use super::text::{is_space, repr, strip};

/// The outcome of reading a value; the error is the reference's text.
pub type Read<T> = Result<T, String>;

/// Python's `int(text, base)` for base 8 and 10. Numbers beyond 64 bits become the nearest one that fits.
fn int(text: &str, base: u32) -> Option<i64> {
    let text = text.trim_matches(is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = match digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")) {
        Some(rest) if base == 8 => rest.strip_prefix('_').unwrap_or(rest),
        _ => digits,
    };
    let mut value = 0i64;
    for part in digits.split('_') {
        if part.is_empty() {
            return None;
        }
        for c in part.chars() {
            let digit = i64::from(c.to_digit(base)?);
            value = value.saturating_mul(i64::from(base)).saturating_add(digit);
        }
    }
    Some(if negative { -value } else { value })
}

/// An integer.
pub fn integer(text: &str) -> Read<i64> {
    int(text, 10).ok_or_else(|| format!("invalid literal for int() with base 10: {}", repr(text)))
}

/// An octal number.
pub fn octal(text: &str) -> Read<u32> {
    let value =
        int(text, 8).ok_or_else(|| format!("{text} can not be converted to an octal type"))?;
    // The system looks at the low bits alone.
    Ok(u32::try_from(value & 0o7777).unwrap_or(0))
}

/// A truth value.
pub fn boolean(text: &str) -> Read<bool> {
    truth(text).ok_or_else(|| format!("not a valid boolean value: {}", repr(text)))
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A number of bytes with an optional suffix KB, MB or GB. A negative one means the same as zero.
pub fn byte_size(text: &str) -> Read<i64> {
    let lower = text.to_lowercase();
    let (number, unit) = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)]
        .into_iter()
        .find_map(|(suffix, unit)| lower.strip_suffix(suffix).map(|n| (n, unit)))
        .unwrap_or((&lower, 1i64));
    Ok(integer(number)?.saturating_mul(unit))
}

/// `autorestart`.
pub fn autorestart(text: &str) -> Read<Autorestart> {
    let lower = text.to_lowercase();
    match truth(&lower) {
        Some(true) => Ok(Autorestart::Always),
        Some(false) => Ok(Autorestart::Never),
        None if lower == "unexpected" => Ok(Autorestart::Unexpected),
        None => Err(format!("invalid 'autorestart' value {}", repr(&lower))),
    }
}

/// A list with commas.
pub fn strings(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|s| strip(s).to_owned()).collect()
}

/// `exitcodes`.
pub fn exit_codes(text: &str) -> Read<Vec<u8>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|code| u8::try_from(int(code, 10)?).ok())
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| format!("not a valid list of exit codes: {}", repr(text)))
}

/// A signal by name or number.
pub fn signal(text: &str) -> Read<u8> {
    if let Some(number) = int(text, 10) {
        return NAMES
            .iter()
            .map(|(_, n)| *n)
            .find(|n| i64::from(*n) == number)
            .ok_or_else(|| format!("value {} is not a valid signal number", repr(text)));
    }
    let upper = strip(text).to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    NAMES
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, n)| *n)
        .ok_or_else(|| format!("value {} is not a valid signal name", repr(text)))
}

/// A log level.
pub fn level(text: &str) -> Read<Level> {
    match text.to_lowercase().as_str() {
        "critical" => Ok(Level::Critical),
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        "blather" => Ok(Level::Blather),
        _ => Err(format!("bad logging level name {}", repr(text))),
    }
}

/// What the system's log calls a program. Receivers end it at a colon, a bracket or a blank, and some after 48 characters.
pub fn syslog_tag(text: &str) -> Read<String> {
    let tag = strip(text);
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, ':' | '[' | ']');
    if tag.is_empty() || tag.len() > 48 || !tag.chars().all(fits) {
        return Err(format!(
            "Invalid syslog_tag value {}: it is 1 to 48 visible ASCII characters, none of them a colon or a bracket",
            repr(tag)
        ));
    }
    Ok(tag.to_owned())
}

/// A process or group name.
pub fn name(text: &str) -> Read<String> {
    let name = strip(text);
    let bad = [' ', ':', '/']
        .into_iter()
        .find(|c| name.contains(*c))
        // Log lines, event headers and `status` lines end at a line feed.
        .or_else(|| name.chars().find(|c| c.is_control()));
    match bad {
        None => Ok(name.to_owned()),
        Some(c) => Err(format!(
            "Invalid name: {} because of character: {}",
            repr(name),
            repr(&c.to_string())
        )),
    }
}

/// A port number.
pub fn port(text: &str) -> Read<u16> {
    let number = integer(text)?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ if number < 1 => Err(format!("{number} is below lower bound (1)")),
        _ => Err(format!("{number} is above upper bound (65535)")),
    }
}

/// Host, empty for all addresses, and port.
pub fn inet(text: &str) -> Read<(String, u16)> {
    let Some((host, number)) = text.rsplit_once(':') else {
        let port = port(text).map_err(|_| format!("not a valid port number: {} ", repr(text)))?;
        return Ok((String::new(), port));
    };
    if number.is_empty() {
        return Err("no port number specified in ''".to_owned());
    }
    let host = if host == "*" { "" } else { host };
    Ok((host.to_lowercase(), port(number)?))
}

/// Where a stream of a program is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Nowhere.
    None,
    /// In a file of a made name.
    Auto,
    /// The deprecated way to ask for syslog.
    Syslog,
    /// In this file, unchecked.
    Path(String),
}

/// `stdout_logfile` and `stderr_logfile`, before the path is checked.
pub fn log_target(text: &str) -> LogTarget {
    match text.to_lowercase().as_str() {
        "none" | "off" => LogTarget::None,
        "auto" => LogTarget::Auto,
        "syslog" => LogTarget::Syslog,
        _ => LogTarget::Path(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, value) in [("5", 5), (" -3 ", -3), ("+1_000", 1000), ("010", 10), ("0", 0)] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["abc", "", "1__0", "_1", "1_", "0x10", "1.5", "- 1"] {
            assert_eq!(
                integer(text),
                Err(format!("invalid literal for int() with base 10: {}", repr(text)))
            );
        }
        assert_eq!(integer("99999999999999999999"), Ok(i64::MAX));
        assert_eq!(octal("022"), Ok(0o22));
        assert_eq!(octal("0o7_7"), Ok(0o77));
        assert_eq!(octal("999"), Err("999 can not be converted to an octal type".into()));
    }

    #[test]
    fn truth_values() {
        assert_eq!(boolean("YES"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert_eq!(boolean("Maybe"), Err("not a valid boolean value: 'Maybe'".into()));
        assert_eq!(autorestart("Unexpected"), Ok(Autorestart::Unexpected));
        assert_eq!(autorestart("1"), Ok(Autorestart::Always));
        assert_eq!(autorestart("Foo"), Err("invalid 'autorestart' value 'foo'".into()));
    }

    #[test]
    fn byte_sizes() {
        for (text, value) in
            [("50MB", 50 << 20), ("1kb", 1024), ("2 GB", 2 << 30), ("7", 7), ("-1", -1)]
        {
            assert_eq!(byte_size(text), Ok(value), "{text}");
        }
        assert_eq!(byte_size("5.5MB"), Err("invalid literal for int() with base 10: '5.5'".into()));
        assert!(byte_size("5M").is_err());
    }

    #[test]
    fn signals() {
        for (text, value) in [("TERM", 15), ("sigusr1", 10), ("9", 9), (" Hup ", 1), ("RTMAX", 64)]
        {
            assert_eq!(signal(text), Ok(value), "{text}");
        }
        assert_eq!(signal("FOO"), Err("value 'FOO' is not a valid signal name".into()));
        assert_eq!(signal("99"), Err("value '99' is not a valid signal number".into()));
        assert_eq!(signal("0"), Err("value '0' is not a valid signal number".into()));
    }

    #[test]
    fn lists() {
        assert_eq!(exit_codes("0, 2"), Ok(vec![0, 2]));
        assert_eq!(exit_codes(""), Ok(vec![]));
        for text in ["a", "1,", "256", "-1"] {
            assert_eq!(exit_codes(text), Err(format!("not a valid list of exit codes: '{text}'")));
        }
        assert_eq!(strings("a, b,"), ["a", "b", ""]);
        assert!(strings("").is_empty());
    }

    #[test]
    fn names() {
        assert_eq!(name(" a "), Ok("a".into()));
        for (text, c) in [("a b", ' '), ("a:b", ':'), ("a/b", '/')] {
            assert_eq!(
                name(text),
                Err(format!("Invalid name: '{text}' because of character: '{c}'"))
            );
        }
        assert!(name("a\nb").is_err());
    }

    #[test]
    fn addresses() {
        for (text, host, port) in [
            ("9001", "", 9001),
            (":9001", "", 9001),
            ("*:9001", "", 9001),
            ("LocalHost:1", "localhost", 1),
        ] {
            assert_eq!(inet(text), Ok((host.to_owned(), port)), "{text}");
        }
        for (text, error) in [
            ("abc", "not a valid port number: 'abc' "),
            ("h:", "no port number specified in ''"),
            ("h:abc", "invalid literal for int() with base 10: 'abc'"),
            ("h:99999", "99999 is above upper bound (65535)"),
            ("h:0", "0 is below lower bound (1)"),
        ] {
            assert_eq!(inet(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn log_levels_and_targets() {
        assert_eq!(level("WARN"), Ok(Level::Warn));
        assert_eq!(level("WARNING"), Err("bad logging level name 'WARNING'".into()));
        assert!(level("__module__").is_err());
        assert_eq!(log_target("Off"), LogTarget::None);
        assert_eq!(log_target("AUTO"), LogTarget::Auto);
        assert_eq!(log_target("SysLog"), LogTarget::Syslog);
        assert_eq!(log_target("/x"), LogTarget::Path("/x".into()));
    }
}
