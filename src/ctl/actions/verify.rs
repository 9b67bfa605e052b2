//! `audit verify`: whether an audit log is what was written.

use std::fs;
use std::io::ErrorKind;

use policy::audit::{Anchor, Report, Verifier, hex};

use super::super::options::native;
use super::super::out::Problem;
use super::super::session::{Session, status as exit};
use super::audit::Lines;
use crate::config::json::Json;

/// Most files of one log.
const FILES: u32 = 100_000;

/// Checks a log with the files that it was rotated to, against an anchor: the one named, or the one beside the log.
pub fn verify(session: &mut Session, file: &str, anchor: Option<&str>) -> Result<(), String> {
    let anchor = read_anchor(file, anchor)?;
    let files = files(file);
    let mut verifier = Verifier::new(anchor.clone());
    for name in &files {
        let mut lines = Lines::open(name)?;
        verifier.file(name);
        while let Some((_, line)) = lines.next()? {
            verifier.line(&line);
        }
    }
    let report = verifier.finish();
    tell(session, file, &report, anchor.as_ref());
    Ok(())
}

/// The files of a log, the oldest first.
fn files(file: &str) -> Vec<String> {
    let rotated = (1..FILES).map(|number| format!("{file}.{number}"));
    let there = |name: &String| fs::exists(native(name)).unwrap_or(true);
    let mut files: Vec<String> = rotated.take_while(there).collect();
    files.reverse();
    files.push(file.to_owned());
    files
}

fn read_anchor(file: &str, named: Option<&str>) -> Result<Option<Anchor>, String> {
    let name = named.map_or_else(|| format!("{file}.anchor"), str::to_owned);
    match fs::read(native(&name)) {
        // It is made empty, and written for the first time a moment later.
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => match Anchor::read(&text) {
            Some(anchor) => Ok(Some(anchor)),
            None => Err(format!("{name} is no anchor of an audit log")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => Err(format!("cannot read {name}: {error}")),
    }
}

fn tell(session: &mut Session, file: &str, report: &Report, anchor: Option<&Anchor>) {
    for problem in &report.problems {
        let name = Some(problem.file.as_str());
        let line = problem.to_string();
        session.out.error(&line, Problem { code: "BROKEN", message: &line, name });
    }
    let more = report.wrong.saturating_sub(report.problems.len() as u64);
    if more > 0 {
        session.error(format_args!("and {more} more"), "BROKEN");
    }
    if !report.intact() {
        session.exit = exit::GENERIC;
    }
    let text = summary(file, report, anchor);
    session.out.result_text(&text, || described(file, report, anchor));
}

/// What was found, in lines.
fn summary(file: &str, report: &Report, anchor: Option<&Anchor>) -> String {
    let range = match (report.first, report.head) {
        (Some(first), Some(head)) => format!(", {first} to {}", head.seq),
        _ => String::new(),
    };
    let verdict = match report.intact() {
        true => "as they were written",
        false => "not as they were written",
    };
    let mut text = format!("{file}: {} lines{range}: {verdict}\n", report.lines);
    if let Some(first) = report.first.filter(|first| *first > 1) {
        text.push_str(&format!("  lines before {first} are in older files, which are not here\n"));
    }
    match (anchor, report.anchored) {
        (None, _) => {
            text.push_str("  no anchor: lines that are missing at the end would not be seen\n")
        }
        (Some(anchor), Some(seq)) => {
            text.push_str(&format!("  anchored up to line {seq} at {}\n", anchor.time));
        }
        (Some(_), None) => {}
    }
    if report.unanchored > 0 && anchor.is_some() {
        text.push_str(&format!("  {} lines after the anchor: unanchored\n", report.unanchored));
    }
    if report.torn > 0 {
        text.push_str(&format!(
            "  {} lines were cut short by a crash, which the log tells of\n",
            report.torn
        ));
    }
    if report.unfinished > 0 {
        text.push_str(&format!("  the last {} bytes are no whole line yet\n", report.unfinished));
    }
    text
}

fn described(file: &str, report: &Report, anchor: Option<&Anchor>) -> Json {
    let number = |number: u64| Json::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let mut members = vec![
        ("file", Json::text(file)),
        ("intact", Json::Bool(report.intact())),
        ("lines", number(report.lines)),
        ("wrong", number(report.wrong)),
        ("unanchored", number(report.unanchored)),
        ("torn", number(report.torn)),
        ("unfinished", number(report.unfinished as u64)),
    ];
    members.extend(report.first.map(|first| ("first", number(first))));
    if let Some(head) = &report.head {
        members.push(("last", number(head.seq)));
        members.push(("hash", Json::text(hex(&head.hash))));
    }
    members.extend(report.anchored.map(|seq| ("anchored", number(seq))));
    members.extend(anchor.map(|anchor| ("anchored_at", Json::text(anchor.time.as_str()))));
    Json::object(members)
}

#[cfg(test)]
mod tests {
    use policy::audit::{Head, Source, members};

    use super::super::super::server::Server;
    use super::*;

    const TIME: &str = "2026-11-21T12:00:00.000000Z";

    struct Log(tempfile::TempDir, Vec<Head>);

    impl Log {
        /// Seven lines, of which the first four are in the file that was rotated.
        fn new() -> Log {
            let mut heads = vec![Head::default()];
            let mut texts = [String::new(), String::new()];
            for n in 0..7 {
                let head = *heads.last().unwrap();
                let members = match n {
                    4 => members(&policy::audit::Continued::new(&head)),
                    _ => format!(r#""event":"access","who":"unix:{n}""#),
                };
                let source = if n == 4 { Source::Audit } else { Source::Broker };
                let (line, head) = head.next(TIME, source, &members);
                texts[usize::from(n >= 4)].push_str(&line);
                heads.push(head);
            }
            let log = Log(tempfile::tempdir().unwrap(), heads);
            let [old, new] = texts;
            fs::write(log.path() + ".1", old).unwrap();
            fs::write(log.path(), new).unwrap();
            log
        }

        fn path(&self) -> String {
            self.0.path().join("audit.log").to_str().unwrap().to_owned()
        }

        fn anchor(&self, at: usize) {
            let anchor = Anchor { head: self.1[at], time: TIME.to_owned() };
            fs::write(self.path() + ".anchor", anchor.text(128)).unwrap();
        }

        /// The exit status, or why nothing was checked.
        fn check(&self, anchor: Option<&str>) -> Result<u8, String> {
            let mut session = Session::new(Server::new(String::new(), None, None), false);
            verify(&mut session, &self.path(), anchor).map(|()| session.exit)
        }
    }

    #[test]
    fn a_log_is_checked_with_what_it_was_rotated_to() {
        let log = Log::new();
        assert_eq!(log.check(None), Ok(0));
        log.anchor(7);
        assert_eq!(log.check(None), Ok(0));
        let old = log.path() + ".1";
        let text = fs::read_to_string(&old).unwrap();
        fs::write(&old, text.replace("unix:2", "unix:9")).unwrap();
        assert_eq!(log.check(None), Ok(1));
        fs::write(&old, text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>())
            .unwrap();
        assert_eq!(log.check(None), Ok(1));
    }

    #[test]
    fn an_end_that_is_missing_shows_against_the_anchor() {
        let log = Log::new();
        log.anchor(7);
        let text = fs::read_to_string(log.path()).unwrap();
        let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
        fs::write(log.path(), cut).unwrap();
        assert_eq!(log.check(None), Ok(1));
        fs::write(log.path() + ".anchor", "").unwrap();
        assert_eq!(log.check(None), Ok(0));
        fs::remove_file(log.path() + ".anchor").unwrap();
        assert_eq!(log.check(None), Ok(0));
        assert!(log.check(Some("/nonexistent")).is_err() && log.check(Some(&log.path())).is_err());
    }

    #[test]
    fn what_was_found_is_told() {
        let log = Log::new();
        let anchor = Anchor { head: log.1[5], time: TIME.to_owned() };
        let report = |anchor: Option<Anchor>| {
            let mut verifier = Verifier::new(anchor);
            for name in files(&log.path()) {
                verifier.file(&name);
                let mut lines = Lines::open(&name).unwrap();
                while let Some((_, line)) = lines.next().unwrap() {
                    verifier.line(&line);
                }
            }
            verifier.finish()
        };
        assert_eq!(
            summary("a", &report(Some(anchor.clone())), Some(&anchor)),
            "a: 7 lines, 1 to 7: as they were written\n  anchored up to line 5 at 2026-11-21T12:00:00.000000Z\n  \
             2 lines after the anchor: unanchored\n"
        );
        let bare = summary("a", &report(None), None);
        assert!(
            bare.ends_with("  no anchor: lines that are missing at the end would not be seen\n")
        );
    }
}
