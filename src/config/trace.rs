//! Which values were read, for `--check --show`. Off by default: then nothing is kept.

use std::collections::HashSet;

/// One value that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Traced {
    /// The section.
    pub section: String,
    /// The key.
    pub key: String,
    /// Its text, expanded.
    pub value: String,
    /// For which process of the section, where each has its own.
    pub process: Option<i64>,
}

/// What was read so far.
#[derive(Debug, Default, Clone)]
pub struct Trace {
    /// Whether to keep anything.
    pub on: bool,
    /// The number of the process that is being read.
    pub process: Option<i64>,
    /// In the order of reading.
    pub values: Vec<Traced>,
    seen: HashSet<Traced>,
}

impl Trace {
    /// Keeps a value; the same one for the same process only once.
    pub fn value(&mut self, section: &str, key: &str, value: &str) {
        if !self.on {
            return;
        }
        let (section, key, value) = (section.to_owned(), key.to_owned(), value.to_owned());
        let traced = Traced { section, key, value, process: self.process };
        if self.seen.insert(traced.clone()) {
            self.values.push(traced);
        }
    }
}
