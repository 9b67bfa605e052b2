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

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reference's text, where it has one.
    pub text: String,
    /// Additions, a line each.
    pub details: Vec<String>,
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
    /// What was said already.
    seen: HashSet<String>,
}

impl Problems {
    /// Adds an error, once.
    pub fn error(&mut self, text: impl Into<String>, details: Vec<String>) {
        let text = text.into();
        if self.seen.insert(format!("E{text}\n{}", details.join("\n"))) {
            self.errors.push(Problem { text, details });
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
