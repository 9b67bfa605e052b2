//! Errors and warnings of one reading.
//!
//! Every error is printed as the reference prints its first one: a line `Error: ` with the reference's text to the
//! letter (some texts have several lines). What we add follows on lines of its own, indented by two spaces: where it
//! stands, and what to do. One `For help` line ends them all:
//!
//! ```text
//! Error: invalid literal for int() with base 10: 'x' in section 'program:a' (file: '/etc/s.conf')
//!   /etc/s.conf:12: [program:a] startsecs
//! For help, use supervisord -h
//! ```

use std::collections::HashSet;

use super::settings::{Complaints, Level};
use super::text::shown;

/// The most lines about one failed reading in the activity log.
const MAX_LINES: usize = 500;

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reference's text, where it has one.
    pub text: String,
    /// Additions, a line each.
    pub details: Vec<String>,
    /// What a client is told, where the text quotes lines of a file.
    pub told: Option<String>,
}

/// What a reading found wrong.
#[derive(Debug, Default, Clone)]
pub struct Problems {
    /// Errors in the order in which the reference would meet them.
    pub errors: Vec<Problem>,
    /// Warnings that the reference has too.
    pub warnings: Vec<String>,
    /// Warnings of our own.
    pub advice: Vec<String>,
    /// What is said at the highest level, line by line: a server that is not opened.
    pub alarms: Vec<String>,
    /// What was said already.
    seen: HashSet<String>,
}

impl Problems {
    /// Adds an error, once.
    pub fn error(&mut self, text: impl Into<String>, details: Vec<String>) {
        let text = text.into();
        if self.seen.insert(format!("E{text}\n{}", details.join("\n"))) {
            self.errors.push(Problem { text, details, told: None });
        }
    }

    /// Adds an error whose text quotes lines of a file; a client is told `told` instead.
    pub fn quoting(&mut self, text: String, told: String, details: Vec<String>) {
        self.error(text, details);
        if let Some(last) = self.errors.last_mut() {
            last.told = Some(told);
        }
    }

    /// Adds an error about a value. One that was said already about the same place, with or without the suffix, is not
    /// said again: the reference reads some values twice.
    pub fn refuse(&mut self, text: String, suffix: &str, details: Vec<String>) {
        if self.seen.insert(format!("V{text}\n{}", details.join("\n"))) {
            self.error(format!("{text}{suffix}"), details);
        }
    }

    /// Adds a warning of the reference's, once.
    pub fn warning(&mut self, text: String) {
        if self.seen.insert(format!("W{text}")) {
            self.warnings.push(text);
        }
    }

    /// Adds a warning of our own, once.
    pub fn advice(&mut self, text: String) {
        if self.seen.insert(format!("A{text}")) {
            self.advice.push(text);
        }
    }

    /// Adds an alarm, a line or more; those after the first begin with spaces.
    pub fn alarm(&mut self, lines: Vec<String>) {
        self.alarms.extend(lines);
    }

    /// What is not an error, with its level.
    pub fn remarks(&self) -> impl Iterator<Item = (Level, &String)> {
        let alarms = self.alarms.iter().map(|line| (Level::Critical, line));
        let warnings = self.warnings.iter().chain(&self.advice);
        alarms.chain(warnings.map(|line| (Level::Warn, line)))
    }

    /// All errors, as they are printed.
    pub fn report(&self, program: &str) -> String {
        let mut out = String::new();
        for problem in &self.errors {
            out.push_str(&format!("Error: {}\n", problem.text));
            for detail in &problem.details {
                out.push_str(&format!("  {detail}\n"));
            }
        }
        out.push_str(&format!("For help, use {program} -h\n"));
        out
    }

    /// What the broker is told of a later reading that failed.
    pub fn complaints(&self) -> Complaints {
        let first = self.errors.first();
        let fault = first.map(|p| p.told.as_ref().unwrap_or(&p.text));
        let mut lines = Vec::new();
        for problem in &self.errors {
            let text = format!("configuration error: {}", problem.text);
            let all = std::iter::once(text).chain(problem.details.iter().map(|d| format!("  {d}")));
            lines.extend(all.map(|line| (Level::Error, shown(&line))));
        }
        lines.extend(self.remarks().map(|(level, line)| (level, shown(line))));
        let more = lines.len().saturating_sub(MAX_LINES);
        lines.truncate(MAX_LINES);
        if more > 0 {
            lines.push((Level::Error, format!("and {more} lines more: see supervisord --check")));
        }
        let fault = fault.map_or("the configuration could not be read", String::as_str);
        Complaints { fault: shown(fault), lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_keep_lines_of_the_file_from_clients() {
        let mut problems = Problems::default();
        problems.quoting(
            "bad\n[line 2]: 'secret'".into(),
            "bad\n[line 2]".into(),
            vec!["f:2".into()],
        );
        problems.error("two", vec![]);
        problems.advice("odd".to_owned());
        let complaints = problems.complaints();
        assert_eq!(complaints.fault, "bad\n[line 2]");
        assert_eq!(
            complaints.lines,
            [
                (Level::Error, "configuration error: bad\n[line 2]: 'secret'".to_owned()),
                (Level::Error, "  f:2".to_owned()),
                (Level::Error, "configuration error: two".to_owned()),
                (Level::Warn, "odd".to_owned()),
            ]
        );
    }

    #[test]
    fn reports_all_errors_once_and_help_last() {
        let mut problems = Problems::default();
        problems.error("one", vec!["f:1: [s] k".to_owned()]);
        problems.error("two", vec![]);
        problems.error("two", vec![]);
        assert_eq!(
            problems.report("supervisord"),
            "Error: one\n  f:1: [s] k\nError: two\nFor help, use supervisord -h\n"
        );
    }
}
