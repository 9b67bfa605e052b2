//! Words of the configuration that mean nothing.

use std::fmt;

/// What is wrong with a word of `members=`, `programs=`, `labels=` or `actions=`, and what would be right. Control
/// characters of the word are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(String);

impl Malformed {
    pub(super) fn new(text: impl Into<String>) -> Malformed {
        Malformed(text.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}
