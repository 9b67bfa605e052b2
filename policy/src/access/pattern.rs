//! What `programs=` names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::glob::{self, Glob};
use super::malformed::Malformed;
use super::names;

/// An element of `programs=`. Globs have `*`, `?` and `[...]` and never reach over a colon.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pattern {
    /// `@NAME`: programs with this label.
    Label(String),
    /// `GLOB`: whole groups.
    Group(String),
    /// `GLOB:GLOB`: processes of groups.
    Process(String, String),
}

impl Pattern {
    /// Reads an element of `programs=`; blanks around it do not count.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Pattern, Malformed> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix('@') {
            return Ok(Pattern::Label(names::label(name)?.to_owned()));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let pattern = match parts.as_slice() {
            [""] => return Err(Malformed::new("the pattern is empty: write * for all groups")),
            [group] => Pattern::Group((*group).to_owned()),
            ["", _] | [_, ""] => {
                return Err(Malformed::new(format!(
                    "the pattern {text:?} lacks a name beside its colon: write * for any"
                )));
            }
            [group, name] => Pattern::Process((*group).to_owned(), (*name).to_owned()),
            _ => {
                return Err(Malformed::new(format!(
                    "the pattern {text:?} has more than one colon: write GROUP, GROUP:PROCESS or @LABEL"
                )));
            }
        };
        match parts.iter().find_map(|part| glob::fault(part)) {
            None => Ok(pattern),
            Some(why) => {
                Err(Malformed::new(format!("the pattern {text:?} matches nothing: {why}")))
            }
        }
    }

    /// Whether it names every process that there can be.
    pub(super) fn is_everything(&self) -> bool {
        match self {
            Pattern::Label(_) => false,
            Pattern::Group(of) => of == "*",
            Pattern::Process(of, name) => of == "*" && name == "*",
        }
    }

    /// Whether it names a process.
    pub fn covers(&self, group: &str, name: &str, labels: &[String]) -> bool {
        match self {
            Pattern::Label(label) => labels.contains(label),
            Pattern::Group(of) => Glob::new(of).matches(group),
            Pattern::Process(of, glob) => {
                Glob::new(of).matches(group) && Glob::new(glob).matches(name)
            }
        }
    }
}

/// As in `programs=`.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Label(label) => write!(f, "@{label}"),
            Pattern::Group(glob) => f.write_str(glob),
            Pattern::Process(of, glob) => write!(f, "{of}:{glob}"),
        }
    }
}
