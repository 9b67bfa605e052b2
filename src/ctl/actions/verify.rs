//! `audit verify`: whether an audit log is what was written.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use policy::audit::{self, Anchor, Report, Verifier, hex};
use privsep::table::MAX_BACKUPS;

use super::super::options::native;
use super::super::out::Problem;
use super::super::session::{Session, status as exit};
use super::audit::Lines;
use crate::config::json::Json;

/// Exit status where nothing is wrong, but lines can be missing and nobody would know.
const UNPROVEN: u8 = 3;

/// How often files are looked for that a rotation moves while they are read, and how long to wait each time.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// Checks a log with the files that it was rotated to, against an anchor: the one named, or the one beside the log.
pub fn verify(session: &mut Session, file: &str, anchor: Option<&str>) -> Result<(), String> {
    for again in 0..TRIES {
        // Before the lines: what it names was written already.
        let anchor = read_anchor(file, anchor)?;
        let files = Files::of(file)?;
        let patient = again + 1 < TRIES;
        let settled = !patient || (files.0.contains_key(&0) && files.missing().is_empty());
        if let Some(report) = if settled { check(file, &files, anchor.clone())? } else { None } {
            tell(session, file, &report, anchor.as_ref());
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(format!("{file} is rotated faster than it can be read; try again"))
}

/// Which file it is, whatever its name.
type Identity = (u64, u64);

fn identity(about: &Metadata) -> Identity {
    (about.dev(), about.ino())
}

/// The files of a log by their numbers, as they were at one moment; 0 is the log itself.
struct Files(BTreeMap<u32, Identity>);

impl Files {
    fn of(file: &str) -> Result<Files, String> {
        let path = native(file);
        let path = Path::new(&path);
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let failed = |error: io::Error| format!("cannot list {}: {error}", directory.display());
        let mut all = BTreeMap::new();
        for name in fs::read_dir(directory).map_err(failed)? {
            let name = name.map_err(failed)?.file_name();
            let Some(number) = path.file_name().and_then(|log| number(&name, log)) else {
                continue;
            };
            // One that is moved right now is missing, and looked for again.
            if let Ok(about) = fs::metadata(directory.join(&name)) {
                all.insert(number, identity(&about));
            }
        }
        Ok(Files(all))
    }

    /// Numbers between those that are there.
    fn missing(&self) -> Vec<(u32, u32)> {
        let numbers: Vec<u32> = self.0.keys().copied().filter(|n| *n > 0).collect();
        let before = [0].into_iter().chain(numbers.iter().copied());
        let gaps = before.zip(&numbers).filter(|(before, next)| before + 1 < **next);
        gaps.map(|(before, next)| (before + 1, next - 1)).collect()
    }
}

/// The number in the name of a rotated file, 0 for the log itself.
fn number(name: &OsStr, log: &OsStr) -> Option<u32> {
    let rest = name.as_bytes().strip_prefix(log.as_bytes())?;
    if rest.is_empty() {
        return Some(0);
    }
    let digits = std::str::from_utf8(rest.strip_prefix(b".")?).ok()?;
    let number = digits.parse().ok().filter(|n| (1..=MAX_BACKUPS).contains(n))?;
    (number.to_string() == digits).then_some(number)
}

fn named(file: &str, number: u32) -> String {
    if number == 0 { file.to_owned() } else { format!("{file}.{number}") }
}

/// Reads the files, the oldest first. `None` if one of them is another one by now.
fn check(file: &str, files: &Files, anchor: Option<Anchor>) -> Result<Option<Report>, String> {
    let mut verifier = Verifier::new(anchor);
    // The log itself is read even if it is not there: that is an error to tell.
    let rotated = files.0.keys().rev().copied().filter(|n| *n > 0);
    for number in rotated.chain([0]) {
        let name = named(file, number);
        let known = files.0.get(&number);
        let mut lines = match Lines::open(&name) {
            Ok(lines) => lines,
            Err(_) if known.is_some() && !fs::exists(native(&name)).unwrap_or(true) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let opened = lines.about().map_err(|error| format!("cannot read {name}: {error}"))?;
        if known != Some(&identity(&opened)) {
            return Ok(None);
        }
        verifier.file(&name);
        while let Some((_, line)) = lines.next()? {
            verifier.line(&line);
        }
    }
    let mut report = verifier.finish();
    for (first, last) in files.missing() {
        let what = match first == last {
            true => "it is missing, though older ones are there".to_owned(),
            false => format!("it and those up to .{last} are missing, though older ones are there"),
        };
        let file = named(file, first);
        report.wrong = report.wrong.saturating_add(1);
        report.problems.push(audit::Problem { file, line: 0, what });
    }
    Ok(Some(report))
}

/// Whether all lines from the first one to the anchored one are there. Later ones may be new.
fn proven(report: &Report) -> bool {
    report.intact() && report.first == Some(1) && report.anchored.is_some()
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
    } else if !proven(report) {
        session.exit = UNPROVEN;
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
    let verdict = match (report.intact(), proven(report)) {
        (false, _) => "not as they were written",
        (true, true) => "as they were written",
        (true, false) => "nothing is wrong with them, but it is not proven that none is missing",
    };
    let mut text = format!("{file}: {} lines{range}: {verdict}\n", report.lines);
    if let Some(first) = report.first.filter(|first| *first > 1) {
        text.push_str(&format!("  lines before {first} are in older files, which are not here\n"));
    }
    match (anchor, report.anchored) {
        (None, _) => {
            text.push_str("  no anchor: lines that are missing at the end would not be seen\n");
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
        ("proven", Json::Bool(proven(report))),
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
        assert_eq!(log.check(None), Ok(UNPROVEN));
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
        assert_eq!(log.check(None), Ok(UNPROVEN));
        fs::remove_file(log.path() + ".anchor").unwrap();
        assert_eq!(log.check(None), Ok(UNPROVEN));
        assert!(log.check(Some("/nonexistent")).is_err() && log.check(Some(&log.path())).is_err());
        fs::remove_file(log.path() + ".1").unwrap();
        fs::write(log.path(), "").unwrap();
        assert_eq!(log.check(None), Ok(UNPROVEN), "nothing at all proves nothing");
    }

    #[test]
    fn what_was_found_is_told() {
        let log = Log::new();
        let anchor = Anchor { head: log.1[5], time: TIME.to_owned() };
        let files = Files::of(&log.path()).unwrap();
        let report = |anchor| check(&log.path(), &files, anchor).unwrap().unwrap();
        assert_eq!(
            summary("a", &report(Some(anchor.clone())), Some(&anchor)),
            "a: 7 lines, 1 to 7: as they were written\n  anchored up to line 5 at 2026-11-21T12:00:00.000000Z\n  \
             2 lines after the anchor: unanchored\n"
        );
        assert_eq!(
            summary("a", &report(None), None),
            "a: 7 lines, 1 to 7: nothing is wrong with them, but it is not proven that none is missing\n  \
             no anchor: lines that are missing at the end would not be seen\n"
        );
    }

    #[test]
    fn rotated_files_that_are_missing_show() {
        let log = Log::new();
        log.anchor(7);
        let numbered = |n: u32| format!("{}.{n}", log.path());
        fs::rename(numbered(1), numbered(3)).unwrap();
        let files = Files::of(&log.path()).unwrap();
        assert_eq!(files.missing(), [(1, 2)]);
        let report = check(&log.path(), &files, None).unwrap().unwrap();
        assert_eq!(
            report.problems[0].to_string(),
            format!(
                "{}: it and those up to .2 are missing, though older ones are there",
                numbered(1)
            )
        );
        assert_eq!(log.check(None), Ok(1));
        // Without any of them it is open whether there were some.
        fs::remove_file(numbered(3)).unwrap();
        assert_eq!(log.check(None), Ok(UNPROVEN));
        for other in ["old", "01", "+1", "0", "20261121", ""] {
            fs::write(format!("{}.{other}", log.path()), "").unwrap();
        }
        assert_eq!(Files::of(&log.path()).unwrap().0.len(), 1);
    }

    #[test]
    fn a_rotation_meanwhile_is_no_change() {
        let log = Log::new();
        log.anchor(7);
        let before = Files::of(&log.path()).unwrap();
        fs::rename(log.path() + ".1", log.path() + ".2").unwrap();
        // In the middle of it a file is missing.
        assert!(check(&log.path(), &before, None).unwrap().is_none());
        fs::rename(log.path(), log.path() + ".1").unwrap();
        let members = members(&policy::audit::Continued::new(&log.1[7]));
        let (line, _) = log.1[7].next(TIME, Source::Audit, &members);
        fs::write(log.path(), line).unwrap();
        assert!(check(&log.path(), &before, None).unwrap().is_none());
        assert_eq!(log.check(None), Ok(0));
        fs::remove_file(log.path()).unwrap();
        assert!(log.check(None).unwrap_err().starts_with("cannot read "));
    }
}
