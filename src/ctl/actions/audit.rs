//! `audit`: what an audit log says, and whether it was changed. The file is read here, as the user who runs the client.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::options::native;
use super::super::session::{Session, status as exit};
use super::super::table::Words;
use super::super::trouble::Trouble;
use super::verify::verify;
use super::words;
use crate::config::glob;

/// Longest line that is read, in bytes: what is longer is no record.
const LONGEST: u64 = 64 * 1024;

/// `audit show FILE`, `audit verify FILE`
pub fn run(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "audit", rest) else {
        session.exit = exit::INVALID_ARGS;
        return Ok(());
    };
    let done = match words.names.as_slice() {
        ["show", file] => match Choice::of(&words) {
            Ok(choice) => show(session, file, &choice),
            Err(text) => return refuse(session, &text),
        },
        ["verify", file] => verify(session, file, words.value("anchor")),
        ["show" | "verify", ..] => return refuse(session, "audit requires one file"),
        [other, ..] => return refuse(session, &format!("audit has no {other}")),
        [] => return refuse(session, "audit requires show or verify, and a file"),
    };
    if let Err(text) = done {
        session.error(format_args!("ERROR: {text}"), "NO_AUDIT_LOG");
        session.exit = exit::GENERIC;
    }
    Ok(())
}

fn refuse(session: &mut Session, text: &str) -> Result<(), Trouble> {
    session.usage(text, "audit");
    session.exit = exit::INVALID_ARGS;
    Ok(())
}

/// The lines of a file, one by one.
pub struct Lines<'f> {
    name: &'f str,
    reader: BufReader<File>,
    number: u64,
}

impl<'f> Lines<'f> {
    /// Opens a file.
    pub fn open(name: &'f str) -> Result<Lines<'f>, String> {
        let file =
            File::open(native(name)).map_err(|error| format!("cannot read {name}: {error}"))?;
        if !file.metadata().is_ok_and(|about| about.is_file()) {
            return Err(format!("cannot read {name}: it is no regular file"));
        }
        Ok(Lines { name, reader: BufReader::new(file), number: 0 })
    }

    /// What the system says of the file.
    pub fn about(&self) -> io::Result<Metadata> {
        self.reader.get_ref().metadata()
    }

    /// The next line with its end, if it has one, and its number from 1 on. One that is too long is cut.
    pub fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, String> {
        let mut line = Vec::new();
        let failed = |error| format!("cannot read {}: {error}", self.name);
        let read = self.reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.map_err(failed)? == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST {
            self.reader.skip_until(b'\n').map_err(failed)?;
            line.push(b'\n');
        }
        Ok(Some((self.number, line)))
    }
}

/// Which lines are shown.
#[derive(Debug, Default)]
struct Choice<'a> {
    /// Members of a record, and the patterns that they are to fit.
    members: Vec<(&'static str, &'a str)>,
    since: Option<Timestamp>,
}

impl<'a> Choice<'a> {
    fn of(words: &Words<'a>) -> Result<Choice<'a>, String> {
        let members = ["who", "action", "target"];
        let given = |name: &'static str| words.value(name).map(|pattern| (name, pattern));
        let since = words.value("since").map(|text| moment(text, Timestamp::now())).transpose()?;
        Ok(Choice { members: members.into_iter().filter_map(given).collect(), since })
    }

    fn takes(&self, record: &Value) -> bool {
        let fits = |(name, pattern): &(&str, &str)| {
            member(record, name).is_some_and(|value| {
                // Names are no files: a leading dot is not special.
                glob::matches(&format!(":{pattern}"), &format!(":{value}"))
            })
        };
        self.members.iter().all(fits)
            && self.since.is_none_or(|since| time(record).is_none_or(|time| time >= since))
    }
}

/// A moment: so long ago (`2h`, `7d`), a day, or a day and time here.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("bad time {text}: it is such as 2h, 7d, 2026-11-21 or 2026-11-21T08:00");
    if let Some((count, unit)) =
        text.char_indices().last().and_then(|(at, unit)| Some((text.get(..at)?, unit)))
        && let Ok(count) = count.parse::<i64>()
    {
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return Err(wrong()),
        };
        let ago = count.checked_mul(seconds).map(SignedDuration::from_secs).ok_or_else(wrong)?;
        return now.checked_sub(ago).map_err(|_| wrong());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let at: DateTime = text.parse().map_err(|_| wrong())?;
    at.to_zoned(TimeZone::system()).map(|at| at.timestamp()).map_err(|_| wrong())
}

fn member<'r>(record: &'r Value, name: &str) -> Option<&'r str> {
    record.get(name).and_then(Value::as_str)
}

/// When it happened.
fn time(record: &Value) -> Option<Timestamp> {
    member(record, "time")?.parse().ok()
}

/// Shows the lines that are wanted. What is no record is told of.
fn show(session: &mut Session, file: &str, choice: &Choice<'_>) -> Result<(), String> {
    let mut lines = Lines::open(file)?;
    let zone = TimeZone::system();
    session.streamed = true;
    while let Some((number, line)) = lines.next()? {
        let Some(record) = serde_json::from_slice(&line).ok().filter(Value::is_object) else {
            let text = format!("ERROR: {file}:{number}: no record of an audit log");
            session.error(text, "NO_RECORD");
            session.exit = exit::GENERIC;
            continue;
        };
        if !choice.takes(&record) {
            continue;
        }
        if session.out.json() {
            let line = String::from_utf8_lossy(&line);
            session.out.print(&format!("{}\n", session.out.clean(line.trim_end())));
        } else {
            session.say(told(&record, &zone));
        }
    }
    Ok(())
}

/// Text of a record in a line of its own: nothing in it ends the line, hides a part of it or turns its order round.
fn on_a_line(text: &str) -> Cow<'_, str> {
    let marks = |c| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let strange = |c: char| c.is_control() || marks(c);
    if !text.contains(strange) {
        return Cow::Borrowed(text);
    }
    let each = |c: char| if strange(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(each).collect())
}

/// A record for people: when, allowed or not, who, what; then what came of it, by which rule, from where.
fn told(record: &Value, zone: &TimeZone) -> String {
    let text = |name: &str| member(record, name).map(on_a_line);
    let or_none = |text: Option<Cow<'_, str>>| text.map_or("-".to_owned(), Cow::into_owned);
    let at = match time(record) {
        Some(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => or_none(text("time")),
    };
    let mark = or_none(text("decision").or(text("event")));
    let what: Vec<Cow<'_, str>> = [text("action"), text("target")].into_iter().flatten().collect();
    let what = what.join(" ");
    let who = or_none(text("who").or(text("source")));
    let mut line = format!("{at}  {mark:7} {who:20} {what}");
    if let Some(outcome) = text("outcome") {
        line.push_str(&format!(": {outcome}"));
    }
    if let Some(rule) = text("rule") {
        line.push_str(&format!(" ({rule})"));
    }
    if let Some(peer) = text("peer") {
        line.push_str(&format!(" from {peer}"));
    }
    if let Some(auth) = text("auth") {
        line.push_str(&format!(" by {auth}"));
    }
    if let Some(detail) = text("detail") {
        line.push_str(&format!("; {detail}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn moments() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |text| moment(text, now).map(|at| at.to_string());
        assert_eq!(at("2h").unwrap(), "2026-11-21T10:00:00Z");
        assert_eq!(at("7d").unwrap(), "2026-11-14T12:00:00Z");
        assert_eq!(at("2026-11-20T08:00:00Z").unwrap(), "2026-11-20T08:00:00Z");
        assert!(at("2026-11-20").is_ok() && at("2026-11-20T08:00").is_ok());
        for bad in ["", "2x", "h", "yesterday", "9223372036854775807w", "2026-13-40", "é"] {
            assert!(at(bad).unwrap_err().starts_with("bad time"), "{bad}");
        }
    }

    const DENIED: &str = r#"{"seq":7,"time":"2026-11-21T12:00:00.123456Z","event":"access","who":"unix:1000",
        "auth":"peer","peer":"unix","action":"stop","target":"web:nginx","decision":"deny","rule":"default",
        "outcome":"ACCESS_DENIED","request":9}"#;

    #[test]
    fn records_are_lines_for_people() {
        assert_eq!(
            told(&record(DENIED), &TimeZone::UTC),
            "2026-11-21 12:00:00  deny    unix:1000            stop web:nginx: ACCESS_DENIED (default) from unix by peer"
        );
        assert_eq!(
            told(&record(r#"{"event":"lifecycle","time":"x","detail":"stopped"}"#), &TimeZone::UTC),
            "x  lifecycle -                    ; stopped"
        );
    }

    #[test]
    fn nothing_in_a_record_makes_a_line_of_its_own() {
        let zone = TimeZone::UTC;
        let all = [
            "time", "decision", "who", "action", "target", "outcome", "rule", "peer", "auth",
            "detail",
        ];
        for name in all {
            for (raw, shown) in [
                ("x\\ny", "x\\ny"),
                ("x\\ry", "x\\ry"),
                ("x\\ty", "x\\ty"),
                ("\\u001b[2J", "\\u{1b}[2J"),
                ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
                ("a\u{2028}b\u{2029}c\u{85}", "a\\u{2028}b\\u{2029}c\\u{85}"),
                ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
            ] {
                let line = told(&record(&format!(r#"{{"{name}":"{raw}"}}"#)), &zone);
                assert!(line.contains(shown), "{name}: {line:?}");
                assert!(!line.contains(|c: char| c.is_control()), "{name}: {line:?}");
            }
        }
    }

    #[test]
    fn records_are_chosen() {
        let takes = |members: &[(&'static str, &'static str)], since: Option<&str>| {
            let since = since.map(|since| since.parse().unwrap());
            Choice { members: members.to_vec(), since }.takes(&record(DENIED))
        };
        assert!(takes(&[], None) && takes(&[("who", "unix:1000"), ("target", "web:*")], None));
        assert!(!takes(&[("who", "unix:100")], None) && !takes(&[("action", "start")], None));
        assert!(
            takes(&[], Some("2026-11-21T12:00:00Z")) && !takes(&[], Some("2026-11-21T12:00:01Z"))
        );
    }

    #[test]
    fn lines_come_with_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let long = "x".repeat(200_000);
        std::fs::write(&path, format!("{{}}\n{long}\nlast")).unwrap();
        let name = path.to_str().unwrap();
        let mut lines = Lines::open(name).unwrap();
        assert_eq!(lines.next().unwrap(), Some((1, b"{}\n".to_vec())));
        assert_eq!(
            lines.next().unwrap().map(|(number, line)| (number, line.len())),
            Some((2, 65_537))
        );
        assert_eq!(lines.next().unwrap(), Some((3, b"last".to_vec())));
        assert_eq!(lines.next().unwrap(), None);
        assert!(Lines::open("/nonexistent").is_err() && Lines::open("/").is_err());
    }
}
